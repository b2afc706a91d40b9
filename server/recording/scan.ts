/**
 * Runs through a recording once, ahead of what is shown: saves states to begin from, and
 * finds what a time bar marks. In small pieces, so that whoever looks is not kept waiting.
 */
import type { ReplayMarks } from '../protocol/replay.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import type { CheckpointCache } from './checkpoint/cache.ts';
import { Marks } from './marks.ts';
import { Player } from './player.ts';
import { compare, type Position, type Recorded } from './positions.ts';

/** Parts of the recording of which events are counted. */
const BUCKETS = 300;
/** One piece of work, and the pause after it, ms. */
const WORK_MS = 12;
const PAUSE_MS = 2;
/** Alerts whose places are kept. */
const MAX_FIRED = 10_000;

/** Something fired between these two places. */
export interface Fired {
  readonly from: Position;
  readonly to: Position;
}

export class Scan {
  /** Changes whenever something was found. */
  revision = 0;
  /** Where alerts fired, in order. */
  readonly fired: Fired[] = [];
  /** Called with each second of the recording that has passed, ms. */
  readonly onSecond = new Set<(ms: number) => void>();
  /** When true, nothing is done in the background: somebody waits for something else. */
  held = false;
  /** Events in each of equal parts of the time; those not reached yet are 0. */
  readonly #rate = new Array<number>(BUCKETS).fill(0);
  readonly #marks = new Marks();
  readonly #recorded: Recorded;
  readonly #player: Player;
  readonly #cache: CheckpointCache;
  /** Bytes of all chunks before the one at hand. */
  #before = 0;
  #chunk = 0;
  #events = 0;
  #alerts = 0;
  #second = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(recorded: Recorded, cache: CheckpointCache, keep: number) {
    this.#recorded = recorded;
    this.#player = new Player(recorded, { keep });
    this.#cache = cache;
  }

  /** Begins to work in the background, until the end. */
  start(): void {
    if (this.done || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (!this.held) this.work(WORK_MS);
      this.start();
    }, PAUSE_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Works now, for about so long. */
  work(ms: number): void {
    const until = performance.now() + ms;
    while (this.#frame() && performance.now() < until);
    this.revision++;
  }

  get done(): boolean {
    return this.#player.atEnd;
  }

  /** How far it has come: wall clock, ms. */
  get reachedMs(): number {
    return this.#recorded.timeOf(this.#player.position);
  }

  get pipelines(): readonly Pipeline[] {
    return this.#player.pipelines;
  }

  get marks(): ReplayMarks {
    return { rate: this.#rate, ...this.#marks.list(this.pipelines) };
  }

  passed(position: Position): boolean {
    return this.done || compare(this.#player.position, position) >= 0;
  }

  /** Uncompressed bytes that it has not come through before this position. */
  bytesTo({ chunk }: Position): number {
    return Math.max(0, this.#recorded.bytesBefore(chunk) - this.#before);
  }

  #frame(): boolean {
    const from = this.#player.position;
    if (!this.#player.advanceFrame()) return false;
    const to = this.#player.position;
    const ms = this.#recorded.timeOf(from);
    this.#count(ms);
    const alerts = sum(this.pipelines, (pipeline) => pipeline.alerts.fired);
    if (alerts > this.#alerts && this.fired.length < MAX_FIRED) {
      this.fired.push({ from, to });
      this.#marks.fired(this.pipelines, this.#recorded.timeOf(to));
    }
    this.#alerts = alerts;
    while (this.#chunk < to.chunk) this.#passedChunk();
    if (ms >= this.#second + 1000 || this.#player.atEnd) {
      this.#second = ms;
      this.#marks.saw(this.pipelines, ms);
      for (const listener of this.onSecond) listener(this.#recorded.timeOf(to));
    }
    return true;
  }

  #count(ms: number): void {
    const { beginMs, endMs } = this.#recorded;
    const part = endMs > beginMs ? (ms - beginMs) / (endMs - beginMs) : 0;
    const bucket = Math.min(BUCKETS - 1, Math.max(0, Math.floor(part * BUCKETS)));
    const events = sum(this.pipelines, (pipeline) => pipeline.ledger.events);
    this.#rate[bucket]! += Math.max(0, events - this.#events);
    this.#events = events;
  }

  #passedChunk(): void {
    this.#before = this.#recorded.bytesBefore(++this.#chunk);
    const { position } = this.#player;
    const between = position.offset === 0 && position.chunk === this.#chunk;
    if (between && !this.done && this.#cache.wants(this.#before)) {
      this.#cache.add(this.#chunk, this.#before, this.#player.save());
    }
  }
}

function sum(pipelines: readonly Pipeline[], of: (pipeline: Pipeline) => number): number {
  let total = 0;
  for (const pipeline of pipelines) total += of(pipeline);
  return total;
}
