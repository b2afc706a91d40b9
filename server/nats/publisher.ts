/**
 * From the frames of one traced host to messages in the spool: what is gathered in a
 * quarter of a second becomes one message, in the order in which it came. Now and then a
 * message tells how the epoch can be entered there, for whoever has not seen its beginning.
 */
import { randomBytes } from 'node:crypto';
import { nowMs } from '../protocol/clock.ts';
import type { TracerStatus } from '../protocol/hosts.ts';
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import { type Chunk, Gathering } from '../recording/chunks.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import {
  type Dropped,
  GATHER_BYTES,
  idOf,
  MAX_MESSAGE,
  type Origin,
  type Packed,
  packChunk,
  packEpoch,
  packStatus,
} from './message.ts';
import type { Spool } from './spool.ts';

/** What waits longer is sent. */
const GATHER_MS = 250;
/** How often an epoch can be entered. */
const ENTRY_MS = 60_000;
/** A spool that was full is used again when it is filled no more than this. */
const ROOM = 0.9;

export interface PublisherOptions {
  readonly host: string;
  readonly spool: Spool;
  /** A message waits. */
  readonly wake: () => void;
  /** Words for the terminal. */
  readonly say: (text: string) => void;
  /** By itself every quarter of a second; the default. */
  readonly timer?: boolean;
  /** Wall clock, ms. */
  readonly now?: () => number;
}

export class Publisher {
  /** One run of this agent for this host. */
  readonly session = randomBytes(8).toString('hex');
  /** Of the whole session, what had no room in the spool. */
  readonly dropped: Dropped = { messages: 0, events: 0, bytes: 0 };
  readonly #options: PublisherOptions;
  readonly #now: () => number;
  readonly #gathering = new Gathering();
  readonly #timer: NodeJS.Timeout | null;
  #seq = 0;
  #pipeline: Pipeline | null = null;
  #entryAt = 0;
  /** Something was dropped: nobody can go on but where the epoch can be entered anew. */
  #broken = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#now = options.now ?? nowMs;
    this.#timer = options.timer === false ? null : setInterval(() => this.tick(), GATHER_MS);
  }

  /** Messages so far, also those that were dropped. */
  get messages(): number {
    return this.#seq;
  }

  /** An epoch begins: its first frame comes next. */
  epoch(pipeline: Pipeline): void {
    this.#flush();
    this.#pipeline = pipeline;
    this.#entryAt = this.#now();
    this.#broken = !this.#put(
      (origin) => packEpoch(origin, pipeline.info, null, this.dropped, this.#options.spool.bytes),
      null,
    );
    this.#options.wake();
  }

  /** In the order in which they come; the bytes are kept for a moment, not copied. */
  frame({ number }: EpochInfo, kind: FrameKind, bytes: Buffer): void {
    if (this.#gathering.bytes + bytes.length > GATHER_BYTES) this.#flush();
    this.#gathering.add(number, kind, bytes, this.#now());
  }

  status(status: TracerStatus, message: string): void {
    this.#flush();
    this.#put((origin) => packStatus(origin, status, message), null);
    this.#options.wake();
  }

  /** Four times a second, between two frames. */
  tick(): void {
    this.#flush();
    const due = this.#now() - this.#entryAt >= ENTRY_MS;
    if (due || this.#broken) this.#entry();
    this.#options.wake();
  }

  /** Tracing has ended; the rest goes into the spool. */
  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#flush();
    if (this.#broken) this.#entry();
    this.#options.wake();
  }

  #flush(): void {
    for (const chunk of this.#gathering.take()) {
      if (this.#broken) this.#drop(chunk);
      else if (!this.#put((origin) => packChunk(origin, chunk), chunk)) this.#broken = true;
    }
  }

  /** Where there is one; while probes are attached an epoch cannot be entered. */
  #entry(): void {
    const { spool } = this.#options;
    const pipeline = this.#pipeline;
    if (pipeline === null || (this.#broken && spool.bytes > spool.limit * ROOM)) return;
    const handover = pipeline.handover();
    if (handover === null) return;
    const was = this.#broken;
    const put = this.#put(
      (origin) => packEpoch(origin, pipeline.info, handover, this.dropped, spool.bytes),
      null,
    );
    this.#broken = !put;
    this.#entryAt = this.#now();
    if (was && put) {
      const { messages, events } = this.dropped;
      this.#say(
        `the spool has room again; ${messages} messages with ${events} events were dropped in all`,
      );
    }
  }

  /** Takes the next number in any case: what is dropped leaves a hole that can be seen. */
  #put(make: (origin: Origin) => Packed, chunk: Chunk | null): boolean {
    const { host, spool } = this.#options;
    const origin = { host, session: this.session, seq: ++this.#seq };
    const packed = make(origin);
    try {
      if (packed.payload.length <= MAX_MESSAGE && spool.add(host, idOf(origin), packed))
        return true;
      this.#full('the spool is full');
    } catch (error) {
      this.#full(`the spool cannot be written (${(error as Error).message})`);
    }
    this.#count(chunk);
    return false;
  }

  #drop(chunk: Chunk): void {
    this.#seq++;
    this.#count(chunk);
  }

  #count(chunk: Chunk | null): void {
    this.dropped.messages++;
    this.dropped.events += chunk?.events ?? 0;
    this.dropped.bytes += chunk?.bytes ?? 0;
  }

  #full(why: string): void {
    if (!this.#broken) this.#say(`${why}: what comes now is dropped, and told as a gap`);
  }

  #say(text: string): void {
    this.#options.say(`${this.#options.host}: ${text}`);
  }
}
