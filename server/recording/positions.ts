/** Places in a recording, and the time of each. */
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import type { ChunkInfo, RecordingReader } from './reader.ts';

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

/**
 * The chunks of a recording with their times. Within a chunk time passes with the bytes.
 * Chunks of several hosts follow each other as they were written: time never goes back.
 */
export class Recorded {
  readonly epochs: readonly EpochInfo[];
  readonly reader: RecordingReader;
  #chunks: readonly ChunkInfo[];

  constructor(reader: RecordingReader) {
    this.reader = reader;
    this.epochs = reader.epochs;
    let reached = Number.NEGATIVE_INFINITY;
    this.#chunks = reader.chunks().map((chunk) => {
      const fromMs = Math.max(chunk.fromMs, reached);
      reached = Math.max(chunk.toMs, fromMs);
      return { ...chunk, fromMs, toMs: reached };
    });
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
    const before = this.reader.damage;
    let at = 0;
    const frames = this.reader.framesOf(chunk).map(({ epoch, kind, bytes }) => {
      const start = at + HEAD_BYTES;
      at = start + bytes.length;
      return { epoch, kind, bytes, start, end: at };
    });
    if (this.reader.damage !== before) {
      const cut = { ...chunk, bytes: Math.min(chunk.bytes, at) };
      this.#chunks = [...this.#chunks.slice(0, index), cut];
    }
    return frames;
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
}
