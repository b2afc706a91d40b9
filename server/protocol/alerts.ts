/** Alerts: what the model says of each, what pages and sinks are told, and silences. */
import { z } from 'zod';
import { Leak } from './leaks.ts';

export const ALERT_STATES = ['pending', 'firing', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

const Words = z.record(z.string(), z.string());

/** One leak that met one rule. Times are nanoseconds of the leak's epoch. */
export const Alert = z.object({
  /** 64 bits in hexadecimal of the labels, the same that Alertmanager makes of them. */
  fingerprint: z.string().regex(/^[0-9a-f]{16}$/),
  state: z.enum(ALERT_STATES),
  labels: Words,
  annotations: Words,
  /** The leak as it is, or as it was when the alert ended. */
  leak: Leak,
  /** Since when the rule is met; when that had lasted for the rule's `for`; when it ended. */
  active_ns: z.int().nonnegative(),
  fired_ns: z.int().nonnegative().nullable(),
  resolved_ns: z.int().nonnegative().nullable(),
  /** Why it ended, where that is more than the leak's own end; else empty. */
  note: z.string(),
});
export type Alert = z.infer<typeof Alert>;

/** An alert of a session: with the wall clock, milliseconds since 1970. */
export const SessionAlert = Alert.extend({
  active_ms: z.number(),
  /** When it fired; null while pending. */
  starts_ms: z.number().nullable(),
  ends_ms: z.number().nullable(),
  /** Since when the leak is one, and for how long it was or is; by its epoch's newest event. */
  since_ms: z.number(),
  lasted_ms: z.number(),
  /** The silence that keeps it from being sent; null without one. */
  silence: z.string().nullable(),
  /** The file of the flight recorder that leads up to it; null: none. */
  recording: z.string().nullable().default(null),
});
export type SessionAlert = z.infer<typeof SessionAlert>;

/**
 * What goes to a webhook as the body and to a command on its standard input: one
 * alert that fired or was resolved. docs/alerts.md describes it.
 */
export const Notification = z.object({
  version: z.literal(1),
  /** `FINGERPRINT-STARTS-STATUS`: the same however often it has to be sent. */
  key: z.string(),
  status: z.enum(['firing', 'resolved']),
  fingerprint: z.string(),
  labels: Words,
  annotations: Words,
  /** ISO 8601: when it fired, when it ended. */
  starts_at: z.string(),
  ends_at: z.string().nullable(),
  /** How long the leak was one; null while it is, or when its end was not seen. */
  lasted_ms: z.number().nullable(),
  note: z.string(),
  /** The inode in the page, or the alert where there is no inode. Without the token. */
  url: z.string(),
  leak: Leak,
});
export type Notification = z.infer<typeof Notification>;

export const MAX_SILENCES = 1000;
const short = z.string().max(1000);

/** What POST /api/silences takes: one that matches every label named; `*` stands for anything. */
export const NewSilence = z.strictObject({
  match: z
    .record(z.string().min(1).max(100), short)
    .refine((match) => Object.keys(match).length > 0, 'at least one label is needed')
    .refine((match) => Object.keys(match).length <= 50, 'at most 50 labels'),
  /** Milliseconds since 1970; or until the alerts that it matches are resolved. */
  until: z.union([z.number().positive().max(8.64e15), z.literal('resolved')]),
  reason: short.default(''),
});
export type NewSilence = z.infer<typeof NewSilence>;

export const Silence = z.object({
  id: z.string(),
  match: Words,
  /** Null: no end of its own. */
  until_ms: z.number().nullable(),
  until_resolved: z.boolean(),
  reason: z.string(),
  created_ms: z.number(),
  /** Written in the config file: only there can it be removed. */
  config: z.boolean(),
});
export type Silence = z.infer<typeof Silence>;

/** How one sink does. Counts are of this run of lastref; `waiting` and `dropped` outlive it. */
export interface SinkStatus {
  readonly name: string;
  readonly kind: 'webhook' | 'alertmanager' | 'command';
  /** Where it goes, without secrets: a host, a program. */
  readonly target: string;
  readonly sent: number;
  /** Attempts that failed and are made again. */
  readonly failures: number;
  /** Notifications that the sink refused for good. */
  readonly refused: number;
  /** In the spool. */
  readonly waiting: number;
  /** Notifications given up because the spool was full. */
  readonly dropped: number;
  /** Of the last attempt; empty when it went well. */
  readonly error: string;
  /** Wall clock of the next attempt, ms; null when none is due. */
  readonly retry_ms: number | null;
}

/** The Alerts view. */
export interface AlertsView {
  /** Firing, then pending, then the newest resolved ones. */
  readonly alerts: readonly SessionAlert[];
  /** Resolved alerts that are no longer kept. */
  readonly forgotten: number;
  readonly silences: readonly Silence[];
  readonly sinks: readonly SinkStatus[];
}

/** In every view: what fires, for the navigation, the tab's title and notifications. */
export interface FiringSummary {
  /** Firing and not silenced; those of them with a certain leak. */
  readonly firing: number;
  readonly certain: number;
  /** Newest first, at most 20. */
  readonly newest: readonly {
    readonly key: string;
    readonly starts_ms: number;
    readonly title: string;
    readonly text: string;
  }[];
}
