/** Steps of a replay: to the next event, the one before, the next alert, the next teardown. */
import type { TraceEvent } from '../protocol/events.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import type { ReplayCommand } from '../protocol/replay.ts';
import { type Journey, turn } from './journey.ts';
import type { Player } from './player.ts';
import { compare, type Position, START } from './positions.ts';
import type { Scan } from './scan.ts';

const SLICE_MS = 25;

type Step = Extract<ReplayCommand, { do: 'step' }>;

/** `message`: why it did not get there; empty when it did. */
export interface StepResult {
  readonly message: string;
  /** The inode that a teardown is of. */
  readonly inode: string;
}

interface Wanted {
  readonly epoch: number;
  /** 0 where the host shows none. */
  readonly address: number;
  readonly dev: number;
  readonly ino: number;
  /** Evicted after this time, ns of the epoch. */
  readonly after: number;
}

export class Search {
  readonly #player: Player;
  readonly #scan: Scan;
  readonly #journey: Journey;
  /** Events that the models have taken; ticks, which come all the time, are none. */
  #events = 0;
  #wanted: Wanted | null = null;
  #found = false;

  constructor(player: Player, scan: Scan, journey: Journey) {
    this.#player = player;
    this.#scan = scan;
    this.#journey = journey;
  }

  /** A model has taken an event. */
  saw(info: EpochInfo, event: TraceEvent): void {
    if (event.kind === 'tick' || event.kind === 'beat') return;
    this.#events++;
    const wanted = this.#wanted;
    if (wanted === null || wanted.epoch !== info.number || !('ino' in event)) return;
    const at = evictedAt(event);
    if (at === null || at <= wanted.after) return;
    const address = 'inode' in event ? event.inode : 0;
    if (isWanted(wanted, address, event.dev, event.ino)) this.#found = true;
  }

  /** Null: `cancelled` said so before it was there. */
  async step(step: Step, cancelled: () => boolean): Promise<StepResult | null> {
    if (step.to === 'alert') return this.#alert(cancelled);
    if (step.to === 'teardown') return this.#teardown(step.inode ?? '', cancelled);
    return step.back ? this.#eventBefore(cancelled) : this.#event(cancelled);
  }

  async #event(cancelled: () => boolean): Promise<StepResult | null> {
    const before = this.#events;
    const found = await this.#lines(() => this.#events > before, null, cancelled);
    if (found === null) return null;
    return told(found ? '' : 'there is no event after this one');
  }

  /** From the beginning of the chunk at hand, then of the one before, and so on. */
  async #eventBefore(cancelled: () => boolean): Promise<StepResult | null> {
    const here = this.#player.position;
    for (let chunk = here.offset > 0 ? here.chunk : here.chunk - 1; chunk >= 0; chunk--) {
      if (!(await this.#journey.to({ chunk, offset: 0 }, cancelled))) return null;
      let last: Position | null = null;
      let seen = this.#events;
      const passed = () => {
        const at = this.#player.position;
        if (compare(at, here) >= 0) return true;
        if (this.#events > seen) last = at;
        seen = this.#events;
        return false;
      };
      if ((await this.#lines(passed, null, cancelled)) === null) return null;
      if (last !== null) return (await this.#journey.to(last, cancelled)) ? told('') : null;
    }
    if (!(await this.#journey.to(START, cancelled))) return null;
    return told('there is no event before this one');
  }

  async #alert(cancelled: () => boolean): Promise<StepResult | null> {
    for (;;) {
      const here = this.#player.position;
      const next = this.#scan.fired.find(({ to }) => compare(to, here) > 0);
      if (next === undefined) {
        if (this.#scan.done) return told('no alert fires after this');
        this.#scan.work(SLICE_MS);
        await turn();
        if (cancelled()) return null;
        continue;
      }
      const from = compare(here, next.from) > 0 ? here : next.from;
      if (!(await this.#journey.to(from, cancelled))) return null;
      const before = this.#fired();
      const found = await this.#lines(() => this.#fired() > before, next.to, cancelled);
      if (found === null) return null;
      if (found) return told('');
    }
  }

  async #teardown(id: string, cancelled: () => boolean): Promise<StepResult | null> {
    const [epoch = -1, number = -1] = id.split('.').map(Number);
    const pipeline = this.#player.pipelines[epoch];
    const inode = pipeline?.model.inodes.byNumber(number);
    if (pipeline === undefined || inode === undefined) {
      return told(id === '' ? 'no inode is shown' : `inode ${id} is not known at this time`);
    }
    const here = this.#player.position;
    const { address, dev, ino } = inode;
    const { now } = pipeline.model;
    const wanted = { epoch: pipeline.info.number, address, dev, ino, after: now };
    this.#wanted = wanted;
    try {
      const frame = await this.#frameOfTeardown(cancelled);
      if (frame === undefined) return null;
      const from = frame === null || compare(here, frame) > 0 ? here : frame;
      if (!(await this.#journey.to(from, cancelled))) return null;
      if (frame === null) {
        return told('after this no inode is evicted that has its address or its number');
      }
      this.#found = false;
      if ((await this.#lines(() => this.#found, null, cancelled)) === null) return null;
      return { message: '', inode: this.#newest(epoch, wanted) };
    } finally {
      this.#wanted = null;
    }
  }

  /** Where the frame begins with which it is evicted; null: it is not, undefined: cancelled. */
  async #frameOfTeardown(cancelled: () => boolean): Promise<Position | null | undefined> {
    this.#found = false;
    for (let until = performance.now() + SLICE_MS; ; ) {
      const from = this.#player.position;
      if (!this.#player.advanceFrame()) return null;
      if (this.#found) return from;
      if (performance.now() <= until) continue;
      await turn();
      if (cancelled()) return undefined;
      until = performance.now() + SLICE_MS;
    }
  }

  #newest(epoch: number, wanted: Wanted): string {
    let newest = -1;
    const { inodes } = this.#player.pipelines[epoch]!.model;
    for (const inode of inodes.all((began) => began <= wanted.after)) {
      if (!isWanted(wanted, inode.address, inode.dev, inode.ino)) continue;
      const at = inode.at('evict') ?? inode.at('evict_inode') ?? 0;
      if (at > wanted.after) newest = Math.max(newest, inode.number);
    }
    return newest < 0 ? '' : `${epoch}.${newest}`;
  }

  /** Line by line until `isThere`, or the place `to`, or the end: then false. Null: cancelled. */
  async #lines(
    isThere: () => boolean,
    to: Position | null,
    cancelled: () => boolean,
  ): Promise<boolean | null> {
    for (let until = performance.now() + SLICE_MS; ; ) {
      if (to !== null && compare(this.#player.position, to) >= 0) return false;
      if (!this.#player.advanceLine()) return false;
      if (isThere()) return true;
      if (performance.now() <= until) continue;
      await turn();
      if (cancelled()) return null;
      until = performance.now() + SLICE_MS;
    }
  }

  #fired(): number {
    return this.#player.pipelines.reduce((sum, { alerts }) => sum + alerts.fired, 0);
  }
}

function isWanted(wanted: Wanted, address: number, dev: number, ino: number): boolean {
  if (wanted.address !== 0 && address === wanted.address) return true;
  return ino === wanted.ino && dev === wanted.dev;
}

/** When the inode of a line was evicted; null for lines that do not tell. */
function evictedAt(event: TraceEvent): number | null {
  switch (event.kind) {
    case 'evict':
    case 'tp_evict_inode':
      return event.ts;
    case 'life':
      return event.ts - event.evict;
    case 'tp_life':
    case 'raw_life':
      return event.ts - event.evict_inode;
    default:
      return null;
  }
}

function told(message: string): StepResult {
  return { message, inode: '' };
}
