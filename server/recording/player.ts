/** Pipelines at a position of a recording: fed onwards, or put where a saved state was. */
import type { TraceEvent } from '../protocol/events.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import { Pipeline } from '../tracer/pipeline.ts';
import { feed } from '../tracer/tracer.ts';
import { restoreState, type SaveOptions, saveState } from './checkpoint/state.ts';
import { compare, type PlacedFrame, type Position, type Recorded, START } from './positions.ts';

const NEWLINE = 10;

export interface PlayerOptions {
  /** Ended inodes kept in memory, by each pipeline. */
  readonly keep: number;
  /** The model of an epoch has taken an event. */
  readonly onEvent?: (info: EpochInfo, event: TraceEvent) => void;
}

export class Player {
  readonly recorded: Recorded;
  readonly #save: SaveOptions;
  #pipelines: Pipeline[] = [];
  #position: Position = START;
  /** The chunk at hand, and the frame in it that comes next, with what was fed of it already. */
  #chunk = -1;
  #frames: readonly PlacedFrame[] = [];
  #frame = 0;
  #fed = 0;

  constructor(recorded: Recorded, { keep, onEvent = () => {} }: PlayerOptions) {
    this.recorded = recorded;
    const make = (info: EpochInfo) =>
      new Pipeline(info, { keep, onEvent: (event) => onEvent(info, event) });
    this.#save = { make, keep };
  }

  /** All epochs that have begun, in the order in which they did. */
  get pipelines(): readonly Pipeline[] {
    return this.#pipelines;
  }

  get position(): Position {
    return this.#position;
  }

  get atEnd(): boolean {
    return this.#position.chunk >= this.recorded.chunks.length;
  }

  /** Goes on to a position that lies ahead. False: `deadline` (of performance.now) came before. */
  advance(to: Position, deadline = Number.POSITIVE_INFINITY): boolean {
    while (compare(this.#position, to) < 0 && !this.atEnd) {
      if (this.#position.chunk === to.chunk) this.#upTo(to.offset);
      else this.advanceFrame();
      if (performance.now() > deadline) return compare(this.#position, to) >= 0 || this.atEnd;
    }
    return true;
  }

  /** To the end of the frame at hand. False: this is the end. */
  advanceFrame(): boolean {
    const frame = this.#next();
    if (frame === null) return false;
    this.#feed(frame, frame.bytes.length);
    return true;
  }

  /** To the end of the line at hand. False: this is the end. */
  advanceLine(): boolean {
    const frame = this.#next();
    if (frame === null) return false;
    const isText = frame.kind === 'out' || frame.kind === 'err';
    const line = isText ? frame.bytes.indexOf(NEWLINE, this.#fed) : -1;
    this.#feed(frame, line < 0 ? frame.bytes.length : line + 1);
    return true;
  }

  /** Only between two chunks. */
  save(): Buffer {
    if (this.#position.offset !== 0) throw new RangeError('a state is saved between two chunks');
    return saveState(this.#pipelines, this.#save);
  }

  /** `state`: what was saved before this chunk; null: nothing was fed yet. Throws CheckpointError. */
  restore(chunk: number, state: Buffer | null): void {
    this.#pipelines = state === null ? [] : restoreState(state, this.recorded.epochs, this.#save);
    this.#position = { chunk: state === null ? 0 : chunk, offset: 0 };
    this.#chunk = -1;
  }

  /** Up to an offset of the chunk at hand; `begin` and `end` are fed when all of them is there. */
  #upTo(offset: number): void {
    const { chunk } = this.#position;
    const frame = this.#next();
    if (frame === null || this.#position.chunk !== chunk) return;
    if (frame.end <= offset) return this.#feed(frame, frame.bytes.length);
    const part = offset - frame.start;
    if (part > this.#fed && (frame.kind === 'out' || frame.kind === 'err')) this.#feed(frame, part);
    this.#position = { chunk, offset };
  }

  /** The frame at hand; moves to the next chunk where this one is through. */
  #next(): PlacedFrame | null {
    while (!this.atEnd) {
      const { chunk } = this.#position;
      if (this.#chunk !== chunk) {
        this.#chunk = chunk;
        this.#frames = this.recorded.frames(chunk);
        this.#frame = 0;
        this.#fed = 0;
      }
      const frame = this.#frames[this.#frame];
      if (frame !== undefined) return frame;
      this.#position = { chunk: chunk + 1, offset: 0 };
    }
    return null;
  }

  /** Feeds a frame up to a byte of it. */
  #feed(frame: PlacedFrame, to: number): void {
    const { kind, bytes } = frame;
    feed(
      this.#pipelineOf(frame.epoch),
      kind,
      this.#fed === 0 && to === bytes.length ? bytes : bytes.subarray(this.#fed, to),
    );
    const { chunk } = this.#position;
    if (to < bytes.length) {
      this.#fed = to;
      this.#position = { chunk, offset: frame.start + to };
      return;
    }
    this.#frame++;
    this.#fed = 0;
    const last = this.#frame === this.#frames.length;
    this.#position = last ? { chunk: chunk + 1, offset: 0 } : { chunk, offset: frame.end };
  }

  #pipelineOf(epoch: number): Pipeline {
    let pipeline = this.#pipelines.find(({ info }) => info.number === epoch);
    if (pipeline === undefined) {
      const info = this.recorded.epochs.find(({ number }) => number === epoch);
      if (info === undefined) throw new Error(`epoch ${epoch} is not in the list of epochs`);
      pipeline = this.#save.make(info);
      this.#pipelines.push(pipeline);
    }
    return pipeline;
  }
}
