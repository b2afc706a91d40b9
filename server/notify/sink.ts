/** Where notifications go: a webhook, an Alertmanager, a command. */
import type { Notification, SinkStatus } from '../protocol/alerts.ts';

/** What came of one attempt. */
export type Answer =
  /** The sink said that it has it. */
  | { readonly kind: 'taken' }
  /** It will never take this one. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No answer, or one that may be better another time. */
  | { readonly kind: 'failed'; readonly why: string; readonly retryAfterMs?: number };

export interface Sink {
  readonly kind: SinkStatus['kind'];
  /** Where it goes, without secrets. */
  readonly target: string;
  /** Never rejects. Ends early when the signal is given. */
  send(notification: Notification, signal: AbortSignal): Promise<Answer>;
  /** For a sink that forgets what it is not told again: everything that fires now. */
  readonly repeat?: {
    readonly everyMs: number;
    send(firing: readonly Notification[], signal: AbortSignal): Promise<Answer>;
  };
}
