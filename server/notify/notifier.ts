/** All sinks of a session, each with its spool. */
import { join } from 'node:path';
import type { Notification, SessionAlert, SinkStatus } from '../protocol/alerts.ts';
import type { Config } from '../protocol/config.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { Delivery, type Pace } from './delivery.ts';
import { endOf, notificationOf } from './notification.ts';
import type { Sink } from './sink.ts';
import { sinkOf } from './sinks.ts';
import { Spool } from './spool.ts';
import type { StateDir } from './state-dir.ts';

/**
 * An alert that an earlier lastref told of has, once tracing is ready, its own threshold
 * and so much more to show itself again.
 */
const AGAIN_NS = 60e9;

export interface NotifierOptions {
  readonly config: Config;
  readonly state: StateDir;
  /** Where people reach the page, without the token. */
  readonly pageUrl: () => string;
  readonly say: (text: string) => void;
  readonly pace?: Pace;
  /** Another way to make a sink. */
  readonly makeSink?: (config: Config['sinks'][number]) => Sink;
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #deliveries: readonly Delivery[];
  #firing: readonly Notification[] = [];

  /** Throws the system's error when a spool cannot be used. */
  constructor(options: NotifierOptions) {
    this.#options = options;
    const { config, state, say, pace } = options;
    this.#deliveries = config.sinks.map((sinkConfig) => {
      const { name } = sinkConfig;
      const spool = new Spool({
        directory: join(state.path, 'sinks', name),
        limit: config.spool,
        say: (text) => say(`sink ${name}: ${text}`),
      });
      const sink = (options.makeSink ?? sinkOf)(sinkConfig);
      const firing = () => this.#firing;
      return new Delivery({ name, sink, spool, firing, say, ...(pace ? { pace } : {}) });
    });
  }

  start(): void {
    for (const delivery of this.#deliveries) delivery.start();
  }

  /**
   * What fires and is not silenced: at once when one begins to, and again each second. What
   * a sink knows already is not told again.
   */
  firing(alerts: readonly SessionAlert[]): void {
    for (const alert of alerts) {
      const notification = this.#notification(alert);
      for (const { spool } of this.#deliveries) spool.firing(notification);
    }
    this.#wake();
  }

  /** All that fires, silenced or not: Alertmanager is told again of what it knows. */
  stillFiring(alerts: readonly SessionAlert[]): void {
    this.#firing = alerts.map((alert) => this.#notification(alert));
  }

  /** Told to those who were told that it fires, silenced or not. */
  resolved(alert: SessionAlert): void {
    const notification = this.#notification(alert);
    this.#firing = this.#firing.filter((n) => n.fingerprint !== alert.fingerprint);
    for (const { spool } of this.#deliveries) spool.resolved(notification);
    this.#wake();
  }

  /**
   * Ends what sinks were told of by an earlier lastref, or before the host was booted again,
   * and is not there any more. `live`: fingerprints that are pending or fire; `current`: of
   * each host, the epoch that is traced now.
   */
  endForgotten(
    live: ReadonlySet<string>,
    current: ReadonlyMap<string, Pipeline>,
    nowMs: number,
  ): void {
    for (const { spool } of this.#deliveries) {
      for (const firing of [...spool.unresolved.values()]) {
        const pipeline = current.get(firing.leak.host);
        if (pipeline === undefined || live.has(firing.fingerprint)) continue;
        const why = this.#whyOver(firing, pipeline);
        if (why !== null) spool.resolved(endOf(firing, nowMs, why));
      }
    }
    this.#wake();
  }

  status(): SinkStatus[] {
    return this.#deliveries.map((delivery) => delivery.status());
  }

  /** Sends what waits if that works within the time; the rest when lastref runs again. */
  async stop(withinMs = 2000): Promise<void> {
    await Promise.all(this.#deliveries.map((delivery) => delivery.stop(withinMs)));
    for (const { name, waiting } of this.status()) {
      if (waiting === 0) continue;
      const what = waiting === 1 ? '1 notification waits' : `${waiting} notifications wait`;
      this.#options.say(`sink ${name}: ${what} on disk, to be sent when lastref runs again`);
    }
  }

  #notification(alert: SessionAlert): Notification {
    return notificationOf(alert, this.#options.config.page_url ?? this.#options.pageUrl());
  }

  #whyOver(firing: Notification, pipeline: Pipeline): string | null {
    const { kind, epoch } = firing.leak;
    if (pipeline.info.boot_id !== epoch) return 'the host was booted again';
    const { rules, leak_after } = this.#options.config;
    const rule = rules.find(({ alert }) => alert === firing.labels.alertname);
    const enough = leak_after[kind] + (rule?.for ?? 0) + AGAIN_NS;
    if (pipeline.readyAt === null || pipeline.model.now - pipeline.readyAt < enough) return null;
    return 'tracing was started anew and does not find this leak again; when it ended is not known';
  }

  #wake(): void {
    for (const delivery of this.#deliveries) delivery.wake();
  }
}
