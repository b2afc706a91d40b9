/**
 * Saves states while a recording is written, so that a replay of it can go anywhere at
 * once. Only in a file that holds its epochs from their beginning: elsewhere what the
 * pipelines hold is more than the file can tell.
 */
import type { DatabaseSync } from 'node:sqlite';
import { Pipeline } from '../../tracer/pipeline.ts';
import type { Chunk } from '../chunks.ts';
import { CheckpointError } from './graph.ts';
import { type SaveOptions, saveState } from './state.ts';
import { CheckpointStore } from './store.ts';

/** Uncompressed bytes of chunks between two states: about 45,000 events, played in 120 ms. */
const EVERY_BYTES = 3.5 * 1024 * 1024;
/** Of the time since the last state: what else the server has to do goes first. */
const SHARE = 0.2;
/** All states together may take so many bytes, for each of the compressed chunks. */
const BYTES_SHARE = 0.5;
/**
 * Hosts and runs whose states are saved together, in one turn of the event loop: each may
 * take 50 ms. With more of them a replay saves them itself when it looks through the file.
 */
const MAX_PIPELINES = 8;

export interface SaverOptions {
  /** Ended inodes that each pipeline keeps. */
  readonly keep: number;
  /** Uncompressed bytes of chunks between two states. */
  readonly everyBytes?: number;
  /** Of the time since the last state, the part that may go into the next. */
  readonly share?: number;
  /** Bytes of all states for each byte of the chunks. */
  readonly bytesShare?: number;
}

export class StateSaver {
  readonly #store: CheckpointStore;
  readonly #options: SaveOptions;
  readonly #everyBytes: number;
  readonly #share: number;
  readonly #bytesShare: number;
  readonly #say: (text: string) => void;
  /** Epochs in the order of their first chunk, which is that of a replay's pipelines. */
  readonly #epochs = new Set<number>();
  #lastChunk = 0;
  /** Since the last state, uncompressed. */
  #bytes = 0;
  /** Of all chunks, compressed, and of all states; and of the last state. */
  #chunkBytes = 0;
  #stateBytes = 0;
  #lastBytes = 0;
  #saved = 0;
  #savedAt = 0;
  #tookMs = 0;
  /** There is something that cannot be saved: the recording goes on without. */
  #failed = false;

  /** Into a recording that has no chunk yet; makes the table. `say`: words for the terminal. */
  constructor(
    db: DatabaseSync,
    { keep, everyBytes = EVERY_BYTES, share = SHARE, bytesShare = BYTES_SHARE }: SaverOptions,
    say: (text: string) => void,
  ) {
    this.#store = CheckpointStore.create(db);
    this.#options = { keep, make: (info) => new Pipeline(info, { keep }) };
    this.#everyBytes = everyBytes;
    this.#share = share;
    this.#bytesShare = bytesShare;
    this.#say = say;
  }

  /**
   * In the transaction that has written these chunks. The pipelines have been fed all that
   * is in the file, and nothing else. Throws what SQLite throws.
   */
  wrote(chunks: readonly Chunk[], pipelines: readonly Pipeline[]): void {
    for (const { epoch, bytes, frames, times } of chunks) {
      this.#epochs.add(epoch);
      this.#bytes += bytes;
      this.#chunkBytes += frames.length + (times?.length ?? 0);
      this.#lastChunk++;
    }
    const newest = chunks.at(-1);
    const began = performance.now();
    if (newest === undefined || !this.#isDue(began)) return;
    const fed = [...this.#epochs].flatMap(
      (number) => pipelines.find(({ info }) => info.number === number) ?? [],
    );
    if (fed.length < this.#epochs.size) return; // the session has let go of one
    try {
      const state = saveState(fed, this.#options);
      this.#store.write(this.#lastChunk, newest.toMs, state);
      this.#lastBytes = state.length;
      this.#stateBytes += state.length;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      this.#failed = true;
      this.#say(`the recording has no states to seek by: ${error.message}. It is whole without.`);
    }
    this.#bytes = 0;
    this.#savedAt = performance.now();
    // most of what the first ones take is compiling
    this.#tookMs = (this.#savedAt - began) * (this.#saved++ < 5 ? 0.25 : 1);
  }

  #isDue(now: number): boolean {
    if (this.#failed || this.#bytes < this.#everyBytes) return false;
    if (this.#epochs.size > MAX_PIPELINES) return false;
    if (this.#stateBytes + this.#lastBytes > this.#chunkBytes * this.#bytesShare) return false;
    return this.#tookMs <= (now - this.#savedAt) * this.#share;
  }
}
