/**
 * Plays a recording through the same pipelines as live: at any pace, from any place. What
 * it shows at a position depends on the position alone, however it was reached.
 */
import type { ReplayCommand, ReplayMarks, ReplaySpeed, ReplayStatus } from '../protocol/replay.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { CheckpointCache, type Entry } from './checkpoint/cache.ts';
import { headerOf } from './checkpoint/header.ts';
import { Journey } from './journey.ts';
import { Player } from './player.ts';
import { compare, Recorded } from './positions.ts';
import type { Recording } from './reader.ts';
import { Scan } from './scan.ts';
import { Search } from './search.ts';

/** How often what is shown goes on, and for how long others wait for it at most, ms. */
const FRAME_MS = 30;

export interface ReplayOptions {
  /** Ended inodes kept in memory. */
  readonly keep: number;
  /** Shown across the page. */
  readonly banner: string;
  /**
   * Uncompressed bytes between two saved states, and of all of them in memory; and of the
   * recording's end, which is always played.
   */
  readonly checkpoints?: {
    readonly everyBytes?: number;
    readonly maxBytes?: number;
    readonly tailBytes?: number;
  };
}

export class Replay {
  readonly mode = 'replay';
  readonly workload = null;
  readonly banner: string;
  readonly scan: Scan;
  readonly controls: Replay = this;
  readonly #reader: Recording;
  readonly #recorded: Recorded;
  readonly #cache: CheckpointCache;
  readonly #player: Player;
  readonly #journey: Journey;
  readonly #search: Search;
  #state: ReplayStatus['state'] = 'paused';
  /** Whether it is to play once it is where it was asked to be. */
  #playing = false;
  #speed: ReplaySpeed = 1;
  #nowMs = 0;
  /** Where it should be, at its pace. */
  #dueMs = 0;
  /** The frame before could not be played in its time. */
  #isBehind = false;
  /** Where a seek goes that is on its way. */
  #target: number | null = null;
  #message = '';
  #found = '';
  /** Each command ends what the one before it has begun. */
  #turn = 0;
  #atEnd: (() => void)[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(reader: Recording, { keep, banner, checkpoints }: ReplayOptions) {
    this.banner = banner;
    this.#reader = reader;
    this.#recorded = new Recorded(reader);
    this.#cache = new CheckpointCache(
      storedIn(this.#recorded, keep),
      reader.checkpoints(),
      checkpoints,
    );
    this.scan = new Scan(this.#recorded, this.#cache, keep);
    this.#player = new Player(this.#recorded, {
      keep,
      onEvent: (info, event) => this.#search.saw(info, event),
    });
    // by a saved state it may have come to where nothing is any more
    this.#recorded.onCut = () => setImmediate(() => this.#comeBack());
    this.#journey = new Journey(this.#player, this.scan, this.#cache, checkpoints?.tailBytes);
    this.#search = new Search(this.#player, this.scan, this.#journey);
  }

  /** Wall clock of the recording at what is shown, ms; 0 before anything is. */
  now(): number {
    return this.#nowMs;
  }

  get done(): boolean {
    return this.#player.atEnd;
  }

  /** Everything at once: for a report. */
  run(): readonly Pipeline[] {
    this.#player.advance(this.#recorded.end);
    this.#nowMs = this.#recorded.endMs;
    return this.#player.pipelines;
  }

  /** Plays on; resolves when the end is there, or when it is stopped. */
  play(speed?: number): Promise<void> {
    if (speed !== undefined) this.#speed = Number.isFinite(speed) ? speed : 'max';
    const ended = new Promise<void>((resolve) => this.#atEnd.push(resolve));
    this.#halt();
    this.#begin();
    return ended;
  }

  pause(): void {
    this.#halt();
    this.#playing = false;
    this.#state = 'paused';
  }

  stop(): void {
    this.pause();
    this.scan.stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#ended();
  }

  /** Shows the recording as it was at a time, ms; goes on to play if it did. */
  async seek(ms: number): Promise<void> {
    const { beginMs, endMs } = this.#recorded;
    const to = Math.min(Math.max(ms, beginMs), endMs);
    const there = await this.#travel((turn) => {
      this.#target = to;
      return this.#journey.to(this.#recorded.at(to), () => turn !== this.#turn);
    });
    if (!there) return;
    this.#target = null;
    this.#nowMs = to;
    if (this.#playing && !this.done) this.#begin();
  }

  /** To the next event, alert or teardown, and stays there. */
  async step(command: Extract<ReplayCommand, { do: 'step' }>): Promise<void> {
    this.#playing = false;
    await this.#travel(async (turn) => {
      const result = await this.#search.step(command, () => turn !== this.#turn);
      if (result === null) return false;
      this.#message = result.message;
      this.#found = result.inode;
      return true;
    });
  }

  /** Throws nothing: what cannot be done is said in the status. */
  command(command: ReplayCommand): Promise<void> {
    switch (command.do) {
      case 'play':
        this.#say('');
        if (this.done) {
          // from the start again, as every player does
          this.#playing = true;
          return this.seek(this.#recorded.beginMs);
        }
        this.#halt();
        this.#begin();
        return Promise.resolve();
      case 'pause':
        this.#say('');
        this.pause();
        return Promise.resolve();
      case 'speed':
        this.#speed = command.speed;
        return Promise.resolve();
      case 'seek':
        return this.seek(command.at_ms);
      case 'skip':
        return this.seek((this.#target ?? (this.#nowMs || this.#recorded.beginMs)) + command.by_ms);
      case 'step':
        return this.step(command);
    }
  }

  status(): ReplayStatus {
    return {
      state: this.#state,
      speed: this.#speed,
      at_ms: this.#nowMs,
      begin_ms: this.#recorded.beginMs,
      end_ms: this.#recorded.endMs,
      at_end: this.done,
      scanned_ms: this.scan.reachedMs,
      message: this.#message,
      inode: this.#found,
      generation: this.generation,
    };
  }

  /** Changes when the pipelines are other ones, of another time. */
  get generation(): number {
    return this.#journey.jumps;
  }

  /** Changes when they are other ones, and time has only gone on. */
  get skips(): number {
    return this.#journey.skips;
  }

  marks(): ReplayMarks {
    return this.scan.marks;
  }

  /** The saved states in memory. */
  states(): { readonly count: number; readonly bytes: number } {
    return this.#cache.size;
  }

  pipelines(): readonly Pipeline[] {
    return this.#player.pipelines;
  }

  hosts(): readonly {
    host: string;
    status: 'ready' | 'stopped';
    message: string;
    pipeline: Pipeline | null;
    heardAt: null;
  }[] {
    const first = this.#recorded.epochs[0];
    const newest = new Map<string, Pipeline | null>(this.pipelines().map((p) => [p.info.host, p]));
    // at the very beginning nobody has said anything
    if (newest.size === 0 && first !== undefined) newest.set(first.host, null);
    return [...newest].map(([host, pipeline]) => ({
      host,
      status: this.done ? 'stopped' : 'ready',
      message: this.done ? (this.#reader.damage ?? 'end of the recording') : '',
      pipeline,
      heardAt: null,
    }));
  }

  #comeBack(): void {
    if (compare(this.#player.position, this.#recorded.end) > 0) {
      void this.seek(this.#recorded.endMs);
    }
  }

  /** Ends what goes on, wherever it has come to. */
  #halt(): void {
    this.#turn++;
    this.#target = null;
    this.scan.held = false;
    if (this.#state === 'seeking') this.#nowMs = this.#timeOfShown();
  }

  #begin(): void {
    this.scan.start();
    this.#playing = true;
    this.#state = 'playing';
    this.#nowMs ||= this.#recorded.beginMs;
    this.#dueMs = this.#nowMs;
    this.#isBehind = false;
    this.#go(this.#turn, performance.now());
  }

  /** Goes somewhere and stays there; `#nowMs` follows. False: another command came. */
  async #travel(go: (turn: number) => Promise<boolean>): Promise<boolean> {
    this.#halt();
    const turn = this.#turn;
    this.#say('');
    this.#state = 'seeking';
    this.scan.held = true;
    const there = await go(turn);
    if (turn !== this.#turn) return false;
    this.scan.held = false;
    this.scan.start();
    this.#state = 'paused';
    this.#nowMs = this.#timeOfShown();
    return there;
  }

  /**
   * A frame of what is shown. Nobody sees what lies between two of them: where playing through
   * it takes too long, the saved states that lie ahead are taken, one a frame at most speed.
   */
  #go(turn: number, last: number): void {
    if (turn !== this.#turn) return;
    const now = performance.now();
    const there =
      this.#speed === 'max' ? this.#rush(now) : this.#keepPace((now - last) * this.#speed, now);
    if (this.done) {
      this.#nowMs = this.#recorded.endMs;
      this.#state = 'paused';
      this.#playing = false;
      this.scan.held = false;
      return this.#ended();
    }
    this.#timer = setTimeout(() => this.#go(turn, now), there ? FRAME_MS : 0);
  }

  /** False: it may go on at once. */
  #rush(now: number): boolean {
    const skipped = this.#journey.skipOn();
    // what is to be skipped by has to be looked for first; all else may wait
    this.scan.held = skipped || !this.#journey.mayYetSkip;
    if (!skipped && this.scan.held) this.#player.advance(this.#recorded.end, now + FRAME_MS);
    else if (!skipped) this.scan.work(FRAME_MS);
    this.#nowMs = this.#timeOfShown();
    return false;
  }

  /** Goes on by so much of the recording's time. False: it could not in so short a time. */
  #keepPace(byMs: number, now: number): boolean {
    this.scan.held = false;
    const to = this.#dueMs + byMs;
    const position = this.#recorded.at(to);
    const skipped = this.#isBehind && this.#journey.skip(position);
    const there = this.#player.advance(position, now + FRAME_MS);
    this.#isBehind = !there;
    this.#nowMs = there ? to : this.#timeOfShown();
    // where nothing can be skipped, nothing has to be caught up with
    this.#dueMs = skipped ? to : this.#nowMs;
    return there;
  }

  /** Goes on by the few bytes that a time in milliseconds cannot tell apart. */
  #timeOfShown(): number {
    const ms = this.#recorded.timeAfter(this.#player.position);
    this.#player.advance(this.#recorded.at(ms));
    return ms;
  }

  #ended(): void {
    const waiting = this.#atEnd;
    this.#atEnd = [];
    for (const resolve of waiting) resolve();
  }

  #say(message: string): void {
    this.#message = message;
    this.#found = '';
  }
}

/** The states in the file that this program can take. */
function storedIn(recorded: Recorded, keep: number): Entry[] {
  const { reader, chunks } = recorded;
  const stored = reader.checkpoints()?.list(headerOf(keep)) ?? [];
  return stored.flatMap((source) => {
    const chunk = chunks.findIndex(({ seq }) => seq > source.afterChunk);
    return chunk < 0 ? [] : [{ chunk, at: recorded.bytesBefore(chunk), source }];
  });
}
