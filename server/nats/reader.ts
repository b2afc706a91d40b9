/** One host's messages, from the stream to its follower: from where it was left, for as long as it is read. */
import {
  type ConsumerMessages,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import type { Followed, Follower } from './follower.ts';
import { epochSubject, hostEpochSubjects, hostSubjects, STREAM } from './subjects.ts';

/** Messages asked for at once: some megabytes at most. */
const AHEAD = 64;
/** A request for messages lives so long; how often the broker says that none has come, ms. */
const REQUEST_MS = 5000;
const BEAT_MS = 1000;
/** A consumer that is silent for so many beats is made anew. */
const SILENT_BEATS = 4;
const AGAIN_MS = 500;
/** JetStream's code for: there is no such message. */
const NO_MESSAGE = 10037;
/** Work between two turns of the event loop, ms. */
const TURN_MS = 20;

export interface HostReaderOptions {
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly follower: Follower;
  /** The epoch with which to begin, where it is still kept; null: the last one. */
  readonly from: () => Followed | null;
}

export class HostReader {
  readonly follower: Follower;
  /** Messages that the stream has beyond what was read; null before the first. */
  behind: number | null = null;
  readonly #options: HostReaderOptions;
  /** Number in the stream of the message that was read last; null: nothing was. */
  #position: number | null = null;
  #run: { stopped: boolean; stop: () => void } | null = null;

  constructor(options: HostReaderOptions) {
    this.#options = options;
    this.follower = options.follower;
  }

  get reading(): boolean {
    return this.#run !== null;
  }

  /** Begins, or goes on where it was stopped. */
  start(): void {
    if (this.#run !== null) return;
    this.#run = { stopped: false, stop: () => {} };
    void this.#read(this.#run);
  }

  /** Nothing is taken any more when this returns. */
  stop(): void {
    if (this.#run === null) return;
    this.#run.stopped = true;
    this.#run.stop();
    this.#run = null;
    this.behind = null;
  }

  async #read(run: { stopped: boolean; stop: () => void }): Promise<void> {
    while (!run.stopped) {
      try {
        await this.#consume(run);
      } catch {
        // the broker is away: again, from the message after the last one that was read
      }
      if (!run.stopped) await pause(AGAIN_MS);
    }
  }

  async #consume(run: { stopped: boolean; stop: () => void }): Promise<void> {
    const { js, follower } = this.#options;
    const start = this.#position === null ? await this.#begin() : this.#position + 1;
    if (run.stopped) return;
    const consumer = await js.consumers.get(STREAM, {
      filter_subjects: hostSubjects(follower.host),
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: start,
    });
    const messages = await consumer.consume({
      max_messages: AHEAD,
      expires: REQUEST_MS,
      idle_heartbeat: BEAT_MS,
    });
    run.stop = () => messages.stop();
    if (run.stopped) return messages.stop();
    const silence = new Silence(messages);
    try {
      let turn = performance.now();
      for await (const message of messages) {
        if (run.stopped) return;
        silence.heard();
        // a consumer that was made anew may begin before
        if (this.#position !== null && message.seq <= this.#position) continue;
        this.#position = message.seq;
        this.behind = message.info.pending;
        follower.take(message.data, this.behind === 0);
        if (performance.now() - turn < TURN_MS) continue;
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
    } finally {
      silence.end();
      messages.stop();
    }
  }

  /** Number in the stream of the first message of the epoch with which to begin; 1 without any. */
  async #begin(): Promise<number> {
    const { host } = this.#options.follower;
    const from = this.#options.from();
    const first =
      from === null ? null : await this.#first(epochSubject(host, from.session, from.epoch));
    if (first !== null) return first.seq;
    const last = await this.#message({ last_by_subj: hostEpochSubjects(host) });
    if (last === null) return 1;
    return (await this.#first(last.subject))?.seq ?? last.seq;
  }

  #first(subject: string): Promise<StoredMsg | null> {
    // asked for by its own kind of subject alone, it is the oldest that is kept
    return this.#message({ seq: 1, next_by_subj: subject });
  }

  async #message(query: object): Promise<StoredMsg | null> {
    try {
      return await this.#options.jsm.streams.getMessage(STREAM, query as { last_by_subj: string });
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === NO_MESSAGE) return null;
      throw error;
    }
  }
}

/**
 * Ends the messages of a consumer of which nothing comes any more. Counted here: while the library connects
 * anew it counts no beats itself, and asks for good about a consumer that was in the memory of
 * a broker that has died.
 */
class Silence {
  #beats = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(messages: ConsumerMessages) {
    // what waits in the socket is read between two turns of a timer
    this.#timer = setInterval(() => {
      if (++this.#beats > SILENT_BEATS) messages.stop();
    }, BEAT_MS);
    void this.#listen(messages);
  }

  heard(): void {
    this.#beats = 0;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #listen(messages: ConsumerMessages): Promise<void> {
    for await (const { type } of messages.status()) {
      if (type === 'heartbeat') this.heard();
      else if (type === 'consumer_not_found') messages.stop();
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
