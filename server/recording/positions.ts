/** Places in a recording, and the time of each. */
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import type { ChunkInfo, Recording } from './reader.ts';

/** Everything of the chunks before this one, and so many bytes of it, frames' heads included. */
export interface Position {
  /** Place in the list of chunks, from 0. */
  readonly chunk: number;
  readonly offset: number;
}

export const START: Position = { chunk: 0, offset: 0 };

/** Below 0: `a` is before `b`. */
export function compare(a: Position, b: Position): number {
  return a.chunk - b.chunk || a.offset - b.offset;
}

/** A frame and where it stands in its chunk. */
export interface PlacedFrame {
  readonly epoch: number;
  readonly kind: FrameKind;
  readonly bytes: Buffer;
  /** Offsets of its first byte after the head, and of its end. */
  readonly start: number;
  readonly end: number;
}

/** Kind and length before the bytes of a frame. */
const HEAD_BYTES = 5;

/** Between chunks that are this far apart nothing happened, ms: chunks come twice a second. */
const IDLE_MS = 2000;

/**
 * The chunks of a recording with their times. Within a chunk time passes with the bytes.
 * Chunks of several hosts that were written together follow each other, and share the time.
 */
export class Recorded {
  readonly epochs: readonly EpochInfo[];
  readonly reader: Recording;
  /** Damage was found, and the recording is shorter than it seemed. */
  onCut: () => void = () => {};
  #chunks: readonly ChunkInfo[];
  /** By place of a chunk: bytes of all before it. */
  readonly #before: readonly number[];
  /** Chunks that have been read whole. */
  readonly #good = new Set<number>();

  constructor(reader: Recording) {
    this.reader = reader;
    this.epochs = reader.epochs;
    this.#chunks = timed(reader.chunks());
    let sum = 0;
    this.#before = [0, ...this.#chunks.map(({ bytes }) => (sum += bytes))];
  }

  get chunks(): readonly ChunkInfo[] {
    return this.#chunks;
  }

  /** Wall clock of the beginning and the end, ms; 0 when it is empty. */
  get beginMs(): number {
    return this.#chunks[0]?.fromMs ?? 0;
  }

  get endMs(): number {
    return this.#chunks.at(-1)?.toMs ?? 0;
  }

  get end(): Position {
    return { chunk: this.#chunks.length, offset: 0 };
  }

  /** The frames of a chunk. Where it is damaged the recording ends. */
  frames(index: number): readonly PlacedFrame[] {
    const chunk = this.#chunks[index];
    if (chunk === undefined) return [];
    const { frames: read, whole } = this.reader.framesOf(chunk);
    let at = 0;
    const frames = read.map(({ epoch, kind, bytes }) => {
      const start = at + HEAD_BYTES;
      at = start + bytes.length;
      return { epoch, kind, bytes, start, end: at };
    });
    if (whole) this.#good.add(index);
    else {
      const cut = { ...chunk, bytes: Math.min(chunk.bytes, at) };
      this.#chunks = [...this.#chunks.slice(0, index), cut];
      this.onCut();
    }
    return frames;
  }

  /** Uncompressed bytes of all chunks before this one. */
  bytesBefore(chunk: number): number {
    return this.#before[Math.min(chunk, this.#before.length - 1)]!;
  }

  /**
   * Reads the chunks from one place up to another, where nobody has yet, so that damage ends
   * the recording there also when nothing before it is played. False: there is some.
   */
  isGood(from: number, to: number): boolean {
    for (let index = from; index < to; index++) {
      if (!this.#good.has(index)) this.frames(index);
      if (!this.#good.has(index)) return false;
    }
    return true;
  }

  /** Everything up to this time, ms. */
  at(ms: number): Position {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#chunks[middle]!.toMs <= ms) low = middle + 1;
      else high = middle;
    }
    const chunk = this.#chunks[low];
    if (chunk === undefined || ms <= chunk.fromMs) return { chunk: low, offset: 0 };
    const passed = (ms - chunk.fromMs) / (chunk.toMs - chunk.fromMs);
    return { chunk: low, offset: Math.floor(passed * chunk.bytes) };
  }

  /** Wall clock of what comes at this position, ms. */
  timeOf({ chunk: index, offset }: Position): number {
    const chunk = this.#chunks[index];
    if (chunk === undefined) return this.endMs;
    const part = chunk.bytes === 0 ? 0 : Math.min(1, offset / chunk.bytes);
    return chunk.fromMs + part * (chunk.toMs - chunk.fromMs);
  }

  /** The least time at which everything before this position is shown, ms. */
  timeAfter(position: Position): number {
    let ms = this.timeOf(position);
    // a double of milliseconds since 1970 is coarser than a byte of a busy second
    while (compare(this.at(ms), position) < 0 && ms < this.endMs)
      ms += Math.max(2 ** -12, ms * 2 ** -52);
    return Math.min(ms, this.endMs);
  }
}

/** Each chunk with the time that it takes, one after the other. */
function timed(chunks: readonly ChunkInfo[]): ChunkInfo[] {
  const out: ChunkInfo[] = [];
  for (let first = 0; first < chunks.length; ) {
    const fromMs = Math.max(chunks[first]!.fromMs, out.at(-1)?.toMs ?? Number.NEGATIVE_INFINITY);
    let toMs = Math.max(fromMs, chunks[first]!.toMs);
    let next = first + 1;
    while (next < chunks.length && chunks[next]!.fromMs < Math.max(toMs, fromMs + 1)) {
      toMs = Math.max(toMs, chunks[next++]!.toMs);
    }
    const after = chunks[next]?.fromMs ?? toMs;
    toMs = after - toMs < IDLE_MS ? Math.max(toMs, after) : toMs;
    spread(chunks.slice(first, next), fromMs, Math.max(toMs, fromMs + 1), out);
    first = next;
  }
  return out;
}

/** Chunks that were written together share their time by their size. */
function spread(
  chunks: readonly ChunkInfo[],
  fromMs: number,
  toMs: number,
  out: ChunkInfo[],
): void {
  const total = chunks.reduce((sum, { bytes }) => sum + bytes, 0);
  let at = fromMs;
  for (const chunk of chunks) {
    const from = at;
    at = total === 0 ? toMs : Math.min(toMs, from + ((toMs - fromMs) * chunk.bytes) / total);
    out.push({ ...chunk, fromMs: from, toMs: at });
  }
  out[out.length - 1] = { ...out.at(-1)!, toMs };
}
