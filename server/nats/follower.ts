/**
 * One host, as the stream tells of it: from messages to the same frames that its tracer
 * saw, in the same order, to the recording first and then to a pipeline, as tracer.ts does
 * it. What is missing, comes twice or is damaged is counted; after a hole the pipeline
 * ends with its reason, and another begins where the agent says how. Knows no broker.
 */
import { nowMs } from '../protocol/clock.ts';
import type { TracerStatus } from '../protocol/hosts.ts';
import { plain } from '../protocol/plain.ts';
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import { Pipeline, type PipelineOptions } from '../tracer/pipeline.ts';
import { feed } from '../tracer/tracer.ts';
import {
  type ChunkMessage,
  type EpochMessage,
  handoverFrames,
  type Message,
  unpack,
} from './message.ts';
import { type Place, Sequence } from './sequence.ts';

/** Samples kept of messages that were rejected. */
const MAX_SAMPLES = 10;

export interface FollowerOptions {
  readonly host: string;
  /** Ended incarnations kept in memory, by each pipeline. */
  readonly keep: number;
  /** Number of the next epoch in this server, from 1. */
  readonly nextEpoch: () => number;
  readonly onEpoch?: (pipeline: Pipeline) => void;
  /** `atMs`: wall clock of the agent. */
  readonly onFrame?: (epoch: EpochInfo, kind: FrameKind, bytes: Buffer, atMs: number) => void;
  readonly onAlert?: PipelineOptions['onAlert'];
  readonly onEnd?: PipelineOptions['onEnd'];
  /** Words for the terminal. */
  readonly say: (text: string) => void;
}

/** Messages of one host, since this server has followed it. */
export interface FollowerCounts {
  taken: number;
  /** Came again, and were left out. */
  again: number;
  /** Never came; each hole ends an epoch. */
  missing: number;
  /** Came after a hole, before the epoch could be entered again. */
  skipped: number;
  /** Were none of ours, or damaged. */
  rejected: number;
}

/** The epoch that is followed: as the agent numbers it. */
export interface Followed {
  readonly session: string;
  readonly epoch: number;
}

export class Follower {
  readonly host: string;
  readonly counts: FollowerCounts = { taken: 0, again: 0, missing: 0, skipped: 0, rejected: 0 };
  readonly samples: string[] = [];
  status: TracerStatus = 'connecting';
  message = '';
  pipeline: Pipeline | null = null;
  /** The last one that was entered; null before the first. */
  followed: Followed | null = null;
  /** Wall clock of the last frames, ms. */
  heardAt: number | null = null;
  /** Bytes that waited at the agent when it said so last; null: it did not. */
  spooledBytes: number | null = null;
  readonly #options: FollowerOptions;
  readonly #sequence = new Sequence();
  /** Messages that agents had no room for: of the last session, and of those before. */
  readonly #dropped = { session: '', now: 0, before: 0 };
  /** Frames go on where the last ones ended. */
  #whole = false;
  /** The first message of all has been seen: what is missing from now on is a hole. */
  #joined = false;
  /** bpftrace runs, as far as the frames tell. */
  #running = false;

  constructor(options: FollowerOptions) {
    this.host = options.host;
    this.#options = options;
  }

  /** The next message of the stream. `current`: none waits behind it. */
  take(payload: Uint8Array, current: boolean): void {
    let message: Message;
    try {
      message = unpack(payload, this.host);
    } catch (error) {
      return this.#reject((error as Error).message);
    }
    const place = this.#sequence.take(message);
    if (place.kind === 'again') {
      this.counts.again++;
      return;
    }
    this.counts.taken++;
    this.#hole(place, message);
    this.#joined = true;
    try {
      if (message.kind === 'epoch') this.#epoch(message);
      else if (message.kind === 'chunk') this.#chunk(message, current);
      else this.#status(message.status, message.message);
    } catch (error) {
      // a pipeline that cannot take it is not to be trusted with what follows
      this.#reject((error as Error).message);
      this.#leave('the agent said what makes no sense');
    }
  }

  /** Messages that its agents have dropped, as far as they told. */
  get dropped(): number {
    return this.#dropped.before + this.#dropped.now;
  }

  /** What is shown of it when no status has come yet. */
  get shownStatus(): TracerStatus {
    const ready = this.pipeline !== null && this.pipeline.readyAt !== null;
    return this.status === 'connecting' && ready ? 'ready' : this.status;
  }

  #hole(place: Place, { session, seq }: Message): void {
    if (place.kind === 'next' || place.kind === 'again') return;
    if (place.kind === 'session') {
      // an agent that was killed has not said that its tracing ended
      this.#leave('the agent was ended without a word, and started anew');
    }
    if (place.missing === 0 || !this.#joined) return;
    this.counts.missing += place.missing;
    const what = place.missing === 1 ? '1 message is' : `${place.missing} messages are`;
    const text = `${what} missing from the stream before number ${seq} of session ${session}`;
    this.#options.say(`${this.host}: ${text}`);
    this.#leave(text);
  }

  /** The epoch is over, as far as anything is known of it. */
  #leave(why: string): void {
    this.#whole = false;
    if (!this.#running) return;
    this.#frame(
      'end',
      Buffer.from(JSON.stringify({ wanted: false, why })),
      this.heardAt ?? nowMs(),
    );
  }

  #epoch(message: EpochMessage): void {
    const { session, info } = message;
    this.#agent(message);
    const followed = this.#isFollowed(session, info.number);
    if (followed && this.#whole) return;
    if (!followed) this.#leave('tracing was started anew with other probes');
    const options = this.#options;
    this.pipeline = new Pipeline(
      { ...info, host: this.host, number: options.nextEpoch() },
      {
        keep: options.keep,
        ...(options.onAlert ? { onAlert: options.onAlert } : {}),
        ...(options.onEnd ? { onEnd: options.onEnd } : {}),
      },
    );
    this.followed = { session, epoch: info.number };
    this.#whole = true;
    this.#running = false;
    options.onEpoch?.(this.pipeline);
    const atMs = this.heardAt ?? info.started_ms;
    for (const { kind, bytes } of handoverFrames(message)) this.#frame(kind, bytes, atMs);
  }

  /** What an agent says of itself where an epoch begins or can be entered. */
  #agent({ session, dropped, spooled }: EpochMessage): void {
    const counts = this.#dropped;
    if (counts.session !== session) {
      counts.before += counts.now;
      counts.session = session;
    }
    counts.now = dropped.messages;
    this.spooledBytes = spooled ?? null;
  }

  #chunk({ session, epoch, content, from_ms, to_ms }: ChunkMessage, current: boolean): void {
    if (!this.#whole || !this.#isFollowed(session, epoch)) {
      this.counts.skipped++;
      return;
    }
    this.heardAt = to_ms;
    content.forEach(({ kind, bytes }, index) => {
      this.#frame(kind, bytes, index === content.length - 1 ? to_ms : from_ms);
    });
    // by the clock of this server, which may be another than the agent's
    if (current) this.heardAt = nowMs();
  }

  #status(status: TracerStatus, message: string): void {
    this.status = status;
    this.message = plain(message);
  }

  #isFollowed(session: string, epoch: number): boolean {
    return this.followed?.session === session && this.followed.epoch === epoch;
  }

  #frame(kind: FrameKind, bytes: Buffer, atMs: number): void {
    const pipeline = this.pipeline!;
    if (kind === 'begin' || kind === 'resume') this.#running = true;
    if (kind === 'end') this.#running = false;
    this.#options.onFrame?.(pipeline.info, kind, bytes, atMs);
    feed(pipeline, kind, bytes);
  }

  #reject(why: string): void {
    this.counts.rejected++;
    if (this.samples.length < MAX_SAMPLES) this.samples.push(plain(why));
    if (this.counts.rejected === 1) {
      this.#options.say(`${this.host}: rejected from the stream: ${plain(why)}`);
    }
  }
}
