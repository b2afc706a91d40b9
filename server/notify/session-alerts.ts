/**
 * The alerts of a whole session: those of every epoch, with the wall clock and the silences.
 * Live, it also tells the sinks; a replay tells nobody.
 */
import type {
  Alert,
  AlertsView,
  FiringSummary,
  NewSilence,
  SessionAlert,
  Silence,
} from '../protocol/alerts.ts';
import { alertsOf, currentEpochs, type EpochAlert } from '../tracer/alerts.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import type { Notifier } from './notifier.ts';
import type { SilenceList } from './silence-list.ts';

/** How often silences and what fires are looked at again. */
const CHECK_MS = 1000;
/** Alerts that a page is sent: of those not resolved, and of the others. */
const MAX_ACTIVE = 1000;
const MAX_RESOLVED = 500;
const MAX_NEWEST = 20;

export interface SessionAlertsOptions {
  /** All epochs, in the order they began. */
  readonly pipelines: () => readonly Pipeline[];
  /** Null in a replay: nothing is silenced, and nobody told. */
  readonly silences: SilenceList | null;
  /** Null without sinks. */
  readonly notifier: Notifier | null;
  /** The recording that leads up to an alert; null: none. */
  readonly recordingOf?: (fingerprint: string) => string | null;
  /** An alert fired or was resolved. */
  readonly changed?: (alert: SessionAlert) => void;
}

export class SessionAlerts {
  readonly #options: SessionAlertsOptions;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: SessionAlertsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.notifier?.start();
    this.#timer ??= setInterval(() => this.check(), CHECK_MS);
  }

  /** Sinks are given a moment for what waits. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#options.notifier?.stop();
  }

  /** From the pipeline, in the order of the trace. */
  changed(pipeline: Pipeline, alert: Alert): void {
    const row = this.#row({ pipeline, alert });
    const { notifier } = this.#options;
    if (row.state === 'resolved') notifier?.resolved(row);
    else if (row.silence === null) notifier?.firing([row]);
    this.#options.changed?.(row);
  }

  /** Once a second: silences that are over, alerts that were silenced, alerts of an earlier lastref. */
  check(): void {
    const { silences, notifier } = this.#options;
    const active = this.list().filter((alert) => alert.state !== 'resolved');
    silences?.expire(
      active.map(({ labels }) => labels),
      Date.now(),
    );
    if (notifier === null) return;
    const firing = this.list().filter((alert) => alert.state === 'firing');
    notifier.stillFiring(firing);
    notifier.firing(firing.filter((alert) => alert.silence === null));
    const live = new Set(active.map(({ fingerprint }) => fingerprint));
    notifier.endForgotten(live, currentEpochs(this.#options.pipelines()), Date.now());
  }

  /** Firing, then pending, then resolved; silenced ones last, certain before suspected, newest first. */
  list(): SessionAlert[] {
    const rows = alertsOf(this.#options.pipelines()).map((of) => this.#row(of));
    return rows.sort(
      (a, b) => ORDER[a.state] - ORDER[b.state] || doubt(a) - doubt(b) || at(b) - at(a),
    );
  }

  view(host?: string): AlertsView {
    const { pipelines, silences, notifier } = this.#options;
    const rows = this.list().filter((alert) => host === undefined || alert.leak.host === host);
    const resolved = rows.filter((alert) => alert.state === 'resolved');
    const kept = pipelines().filter((p) => host === undefined || p.info.host === host);
    const unsent = Math.max(0, resolved.length - MAX_RESOLVED);
    return {
      alerts: [
        ...rows.filter((alert) => alert.state !== 'resolved').slice(0, MAX_ACTIVE),
        ...resolved.slice(0, MAX_RESOLVED),
      ],
      forgotten: unsent + kept.reduce((sum, p) => sum + p.alerts.forgotten, 0),
      silences: silences?.list ?? [],
      sinks: notifier?.status() ?? [],
    };
  }

  firing(): FiringSummary {
    // asked ten times a second for each page: the history is left out before anything is made
    const firing = alertsOf(this.#options.pipelines())
      .filter(({ alert }) => alert.state === 'firing')
      .map((of) => this.#row(of))
      .filter(({ silence }) => silence === null);
    const newest = firing.sort((a, b) => at(b) - at(a)).slice(0, MAX_NEWEST);
    return {
      firing: firing.length,
      certain: firing.filter(({ leak }) => leak.verdict === 'certain').length,
      newest: newest.map((alert) => ({
        key: `${alert.fingerprint}-${alert.starts_ms}`,
        starts_ms: alert.starts_ms!,
        title: alert.labels.alertname!,
        text: alert.annotations.summary ?? alert.leak.text,
      })),
    };
  }

  silences(): readonly Silence[] {
    return this.#options.silences?.list ?? [];
  }

  /** `replay`: there is nothing to silence; `full`: there are too many. */
  silence(asked: NewSilence): Silence | 'replay' | 'full' {
    const { silences } = this.#options;
    if (silences === null) return 'replay';
    return silences.add(asked, Date.now()) ?? 'full';
  }

  /** False: there is none, or it stands in the config file. */
  unsilence(id: string): boolean {
    return this.#options.silences?.remove(id) ?? false;
  }

  #row({ pipeline, alert }: EpochAlert): SessionAlert {
    const { active_ns, fired_ns, resolved_ns, leak } = alert;
    const wall = (ns: number) => Math.round(pipeline.wallMs(ns)) || pipeline.info.started_ms;
    const until = leak.until_ns ?? resolved_ns ?? pipeline.model.now;
    const silence =
      alert.state === 'resolved' ? null : this.#options.silences?.of(alert.labels, Date.now());
    return {
      ...alert,
      active_ms: wall(active_ns),
      starts_ms: fired_ns === null ? null : wall(fired_ns),
      ends_ms: resolved_ns === null ? null : wall(resolved_ns),
      since_ms: wall(leak.since_ns),
      lasted_ms: Math.max(0, until - leak.since_ns) / 1e6,
      silence: silence?.id ?? null,
      recording: this.#options.recordingOf?.(alert.fingerprint) ?? null,
    };
  }
}

const ORDER = { firing: 0, pending: 1, resolved: 2 } as const;

function doubt({ state, leak, silence }: SessionAlert): number {
  if (state === 'resolved') return 0;
  return (silence === null ? 0 : 2) + (leak.verdict === 'suspected' ? 1 : 0);
}

function at({ ends_ms, starts_ms, active_ms }: SessionAlert): number {
  return ends_ms ?? starts_ms ?? active_ms;
}
