/**
 * From the spool to the stream, one message after the other for each host: the next one is
 * sent when the broker has said that it keeps the last one, so their order is never in
 * doubt. What fails is sent again, until it is kept; the broker takes a number once.
 */
import {
  JetStreamApiError,
  type JetStreamClient,
  JetStreamError,
  jetstream,
} from '@nats-io/jetstream';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import type { Spool, Spooled } from './spool.ts';

/** Milliseconds: for an answer, and the pauses after a failure. */
const ANSWER_MS = 5000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;

export interface SenderOptions {
  readonly connection: NatsConnection;
  readonly spool: Spool;
  /** Words for the terminal. */
  readonly say: (text: string) => void;
}

export class Sender {
  /** Messages that the broker has confirmed; of those, it knew some already. */
  sent = 0;
  repeated = 0;
  /** Why the last try failed; empty while all is well. */
  error = '';
  readonly #options: SenderOptions;
  readonly #js: JetStreamClient;
  readonly #loops = new Map<string, Promise<void>>();
  readonly #wakes = new Map<string, () => void>();
  /** Hosts whose last message failed. */
  readonly #failing = new Set<string>();
  #stopping = false;
  #stopped = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#js = jetstream(options.connection, { timeout: ANSWER_MS });
    for (const host of options.spool.hosts()) this.wake(host);
  }

  /** A message of this host waits. */
  wake(host: string): void {
    if (!this.#loops.has(host)) this.#loops.set(host, this.#run(host));
    this.#wakes.get(host)?.();
  }

  /** Sends what waits if that works within the time; the rest stays in the spool. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    for (const wake of this.#wakes.values()) wake();
    const timer = setTimeout(() => {
      this.#stopped = true;
      for (const wake of this.#wakes.values()) wake();
    }, withinMs);
    const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs + 500).unref());
    await Promise.race([Promise.all(this.#loops.values()), late]);
    this.#stopped = true;
    clearTimeout(timer);
  }

  async #run(host: string): Promise<void> {
    const { spool } = this.#options;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopped) {
      const head = spool.head(host);
      if (head === null) {
        if (this.#stopping) return;
        await this.#pause(host, null);
        continue;
      }
      const why = await this.#publish(head);
      if (this.#stopped) return;
      if (why === null) {
        spool.remove(head);
        pauseMs = FIRST_PAUSE_MS;
        this.#worked(host);
        continue;
      }
      this.#failed(host, why);
      await this.#pause(host, pauseMs * (0.75 + Math.random() / 2));
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
  }

  /** Null: the stream has it. */
  async #publish({ subject, payload, id }: Spooled): Promise<string | null> {
    try {
      const { duplicate } = await this.#js.publish(subject, payload, {
        msgID: id,
        timeout: ANSWER_MS,
      });
      this.sent++;
      if (duplicate) this.repeated++;
      return null;
    } catch (error) {
      return reasonOf(error);
    }
  }

  #worked(host: string): void {
    if (!this.#failing.delete(host) || this.#failing.size > 0) return;
    this.error = '';
    this.#options.spool.durable(false);
    this.#options.say('the broker takes messages again');
  }

  #failed(host: string, why: string): void {
    const first = this.#failing.size === 0;
    this.#failing.add(host);
    this.error = why;
    if (!first) return;
    this.#options.spool.durable(true);
    this.#options.say(`${why}; messages wait on disk until the broker takes them`);
  }

  /** Null: until woken. After a failure nothing but the time and the end count. */
  #pause(host: string, ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      this.#wakes.set(host, () => {
        if (ms !== null && !this.#stopped) return;
        if (timer !== null) clearTimeout(timer);
        resolve();
      });
    });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.PermissionViolationError) {
    return 'this user of the broker may not publish there (docs/fleet-nats.md, accounts)';
  }
  if (error instanceof errors.TimeoutError) return 'the broker does not answer';
  // what the client makes of a stream that nobody leads
  const noLeader = error instanceof Error && error.message === 'jetstream is not enabled';
  if (noLeader || error instanceof errors.NoRespondersError) {
    return 'no broker keeps the stream at the moment';
  }
  if (error instanceof JetStreamApiError) return `the broker refuses: ${error.message}`;
  if (error instanceof JetStreamError) return `the stream does not take it: ${error.message}`;
  return (error as Error).message;
}
