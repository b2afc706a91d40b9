/**
 * Alertmanager's API v2, spoken as Prometheus does: a firing alert carries an end in the
 * future and is sent again before that; a resolved one is sent again for a quarter of an
 * hour, since Alertmanager forgets alerts when it is started anew.
 */
import type { Notification } from '../protocol/alerts.ts';
import { post, targetOf } from './post.ts';
import type { Sink } from './sink.ts';

export interface AlertmanagerOptions {
  readonly alertmanager: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: number;
  /** Nanoseconds. */
  readonly resend: number;
}

/** How many intervals a firing alert lives without being sent again (rules/manager.go). */
const INTERVALS = 4;
/** resolvedRetention of rules/alerting.go */
const RESOLVED_MS = 15 * 60e3;
/** Alerts in one request. */
const BATCH = 500;

export function alertmanager(options: AlertmanagerOptions): Sink {
  const url = `${options.alertmanager.replace(/\/+$/, '')}/api/v2/alerts`;
  const { headers, timeout } = options;
  const resendMs = options.resend / 1e6;
  const resolved = new Map<string, Notification>();
  const send = (body: unknown, signal: AbortSignal) =>
    post({ url, headers, body, timeoutNs: timeout, signal });
  return {
    kind: 'alertmanager',
    target: targetOf(options.alertmanager),
    send: async (notification, signal) => {
      const answer = await send([alertOf(notification, resendMs)], signal);
      if (answer.kind === 'taken' && notification.status === 'resolved') {
        resolved.set(notification.fingerprint, notification);
      }
      return answer;
    },
    repeat: {
      everyMs: resendMs,
      send: async (firing, signal) => {
        const names = new Set(firing.map(({ fingerprint }) => fingerprint));
        for (const [fingerprint, { ends_at }] of resolved) {
          const over = Date.now() - Date.parse(ends_at!) > RESOLVED_MS;
          if (over || names.has(fingerprint)) resolved.delete(fingerprint);
        }
        const all = [...firing, ...resolved.values()].map((n) => alertOf(n, resendMs));
        for (let at = 0; at < all.length; at += BATCH) {
          const answer = await send(all.slice(at, at + BATCH), signal);
          if (answer.kind !== 'taken') return answer;
        }
        return { kind: 'taken' };
      },
    },
  };
}

/** PostableAlert of its OpenAPI document. A traced host's clock may be ahead: nothing is later than now. */
function alertOf(notification: Notification, resendMs: number) {
  const now = Date.now();
  const begun = Math.min(now, Date.parse(notification.starts_at));
  const ends =
    notification.ends_at === null
      ? now + INTERVALS * resendMs
      : Math.max(begun, Math.min(now, Date.parse(notification.ends_at)));
  return {
    labels: notification.labels,
    annotations: notification.annotations,
    startsAt: new Date(begun).toISOString(),
    endsAt: new Date(ends).toISOString(),
    generatorURL: notification.url,
  };
}
