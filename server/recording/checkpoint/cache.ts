/**
 * The saved states that a replay can begin from: those in the file, and those made while
 * it is played. Bounded: when memory is full, every other one goes and fewer are made.
 */
import type { CheckpointStore, StoredCheckpoint } from './store.ts';

/** Uncompressed bytes of a recording between two states that are made. */
const EVERY_BYTES = 2.4 * 1024 * 1024;
/** Of all that are in memory together. */
const MAX_BYTES = 192 * 1024 * 1024;

export interface Entry {
  /** Everything before this chunk is in the state; place in the list of chunks. */
  readonly chunk: number;
  /** Bytes of all chunks before it. */
  readonly at: number;
  readonly source: Buffer | StoredCheckpoint;
}

export class CheckpointCache {
  readonly #store: CheckpointStore | null;
  /** By place. */
  #entries: Entry[] = [];
  #every = EVERY_BYTES;
  readonly #maxBytes: number;

  /** `stored`: those of the file that this program can take, by place. */
  constructor(
    stored: readonly Entry[],
    store: CheckpointStore | null,
    { everyBytes = EVERY_BYTES, maxBytes = MAX_BYTES } = {},
  ) {
    this.#entries = [...stored].sort((a, b) => a.chunk - b.chunk);
    this.#store = store;
    this.#every = everyBytes;
    this.#maxBytes = maxBytes;
  }

  /** Uncompressed bytes of a recording that have to be played at most, once all is scanned. */
  get every(): number {
    return this.#every;
  }

  /** Of those in memory. */
  get size(): { readonly count: number; readonly bytes: number } {
    const states = this.#entries.filter(({ source }) => Buffer.isBuffer(source));
    return { count: states.length, bytes: this.#bytes() };
  }

  /** The last one not after a chunk; null: play from the start. */
  before(chunk: number): Entry | null {
    return this.#entries.findLast((entry) => entry.chunk <= chunk) ?? null;
  }

  /** The first one after the beginning of a chunk; null: none. */
  after(chunk: number): Entry | null {
    return this.#entries.find((entry) => entry.chunk > chunk) ?? null;
  }

  /** Whether there is none near this place. */
  wants(at: number): boolean {
    const before = this.#entries.findLast((entry) => entry.at <= at);
    return at - (before?.at ?? 0) >= this.#every;
  }

  add(chunk: number, at: number, state: Buffer): void {
    const next = this.#entries.findIndex((entry) => entry.chunk > chunk);
    const entry: Entry = { chunk, at, source: state };
    this.#entries.splice(next < 0 ? this.#entries.length : next, 0, entry);
    while (this.#bytes() > this.#maxBytes) this.#thin();
  }

  /** Null when it cannot be read. */
  load({ source }: Entry): Buffer | null {
    return Buffer.isBuffer(source) ? source : (this.#store?.read(source) ?? null);
  }

  /** It turned out to be of no use. */
  drop(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
  }

  #bytes(): number {
    return this.#entries.reduce(
      (sum, { source }) => sum + (Buffer.isBuffer(source) ? source.length : 0),
      0,
    );
  }

  /** Every other one of those in memory. */
  #thin(): void {
    let count = 0;
    this.#entries = this.#entries.filter(
      ({ source }) => !Buffer.isBuffer(source) || count++ % 2 === 1,
    );
    this.#every *= 2;
  }
}
