/**
 * Brings one sink what waits for it, one after the other, oldest first. An attempt that
 * fails is made again, later each time, until it is taken: an alert raised while the
 * sink is down arrives when it is back, and never after its own resolution.
 */
import type { Notification, SinkStatus } from '../protocol/alerts.ts';
import { nowMs } from '../protocol/clock.ts';
import type { Answer, Sink } from './sink.ts';
import type { Spool } from './spool.ts';

/** Milliseconds: the first pause, and the longest. */
export interface Pace {
  readonly firstMs: number;
  readonly longestMs: number;
}
const PACE: Pace = { firstMs: 1000, longestMs: 5 * 60e3 };

export interface DeliveryOptions {
  readonly name: string;
  readonly sink: Sink;
  readonly spool: Spool;
  /** All that fires now, for sinks that have to be told again. */
  readonly firing: () => readonly Notification[];
  readonly say: (text: string) => void;
  readonly pace?: Pace;
  /** From 0 to 1, as Math.random. */
  readonly random?: () => number;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #pace: Pace;
  readonly #stop = new AbortController();
  #loop: Promise<void> | null = null;
  #wake: () => void = () => {};
  #stopping = false;
  #sent = 0;
  #failures = 0;
  #refused = 0;
  #error = '';
  #retryAt: number | null = null;
  #repeatedAt = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#pace = options.pace ?? PACE;
  }

  /** Begins with what an earlier lastref left. */
  start(): void {
    this.#loop ??= this.#run();
  }

  get spool(): Spool {
    return this.#options.spool;
  }

  status(): SinkStatus {
    const { name, sink, spool } = this.#options;
    return {
      name,
      kind: sink.kind,
      target: sink.target,
      sent: this.#sent,
      failures: this.#failures,
      refused: this.#refused,
      waiting: spool.waiting,
      dropped: spool.dropped,
      error: this.#error,
      retry_ms: this.#retryAt,
    };
  }

  /** Something may wait. */
  wake(): void {
    if (this.#retryAt === null) this.#wake();
  }

  /** Sends what waits, as far as that works at once and within the time; the rest stays on disk. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake();
    const timer = setTimeout(() => this.#stop.abort(), withinMs);
    await this.#loop;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { sink, spool } = this.#options;
    const { signal } = this.#stop;
    let pauseMs = this.#pace.firstMs;
    while (!signal.aborted) {
      const head = spool.head;
      const repeat = sink.repeat;
      let answer: Answer;
      if (head !== undefined) {
        answer = await sink.send(head, signal);
        // before anything else: what the sink has taken must not be sent again
        if (answer.kind === 'taken') spool.headTaken();
        if (answer.kind === 'refused') this.#headRefused(head, answer.why);
        if (answer.kind === 'taken') this.#sent++;
      } else if (this.#stopping) {
        return;
      } else if (repeat !== undefined && nowMs() - this.#repeatedAt >= repeat.everyMs) {
        const known = this.#options.firing().filter((n) => spool.knows(n.fingerprint));
        answer = await repeat.send(known, signal);
        if (answer.kind === 'taken') this.#repeatedAt = nowMs();
      } else {
        const dueMs = repeat === undefined ? null : this.#repeatedAt + repeat.everyMs - nowMs();
        await this.#pause(dueMs);
        continue;
      }
      if (answer.kind === 'failed') {
        if (this.#stopping) return;
        const jitter = 0.5 + (this.#options.random ?? Math.random)() / 2;
        const waitMs = Math.max(pauseMs * jitter, answer.retryAfterMs ?? 0);
        this.#failed(answer.why, waitMs);
        pauseMs = Math.min(this.#pace.longestMs, pauseMs * 2);
        await this.#pause(waitMs);
        this.#retryAt = null;
      } else {
        pauseMs = this.#pace.firstMs;
        this.#worked();
      }
    }
  }

  #failed(why: string, waitMs: number): void {
    this.#failures++;
    this.#retryAt = nowMs() + waitMs;
    if (this.#error === '') {
      this.#say(`${why}; trying again until it takes it (${this.#options.spool.waiting} waiting)`);
    }
    this.#error = why;
  }

  #headRefused(head: Notification, why: string): void {
    this.#refused += this.#options.spool.headRefused();
    this.#say(`it refuses ${head.key} for good: ${why}`);
  }

  #worked(): void {
    if (this.#error !== '') this.#say('it takes notifications again');
    this.#error = '';
  }

  #say(text: string): void {
    this.#options.say(`sink ${this.#options.name}: ${text}`);
  }

  /** Until there is something to do; null: until woken. */
  #pause(ms: number | null): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, Math.max(0, ms));
      timer?.unref();
      this.#wake = () => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }
}
