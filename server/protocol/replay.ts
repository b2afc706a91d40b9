/** The controls of a replay, and what a page is told of it. Times are wall clock of the recording, ms. */
import { z } from 'zod/mini';

/** Times the pace at which it was recorded; `max`: as fast as it can be read. */
export const ReplaySpeed = z.union([z.number().check(z.gt(0), z.lte(1_000_000)), z.literal('max')]);
export type ReplaySpeed = z.infer<typeof ReplaySpeed>;

export const REPLAY_STEPS = ['event', 'alert', 'teardown'] as const;
export type ReplayStep = (typeof REPLAY_STEPS)[number];

/** What can be asked of a replay; all pages look at the same one. */
export const ReplayCommand = z.discriminatedUnion('do', [
  z.object({ do: z.literal('play') }),
  z.object({ do: z.literal('pause') }),
  z.object({ do: z.literal('speed'), speed: ReplaySpeed }),
  /** To a time; before the beginning is the beginning, after the end is the end. */
  z.object({ do: z.literal('seek'), at_ms: z.number() }),
  /** So far on from where it is, or is on its way to; back where it is negative. */
  z.object({ do: z.literal('skip'), by_ms: z.number() }),
  z.object({
    do: z.literal('step'),
    /** `teardown`: the next evict() at the address of `inode`, or of its device and number. */
    to: z.enum(REPLAY_STEPS),
    /** To the event before; not for the others. */
    back: z.optional(z.boolean()),
    /** The `id` of an InodeRow. */
    inode: z.optional(z.string().check(z.maxLength(64))),
  }),
]);
export type ReplayCommand = z.infer<typeof ReplayCommand>;

/** Client to server. */
export const ReplayMessage = z.object({ type: z.literal('replay'), command: ReplayCommand });
export type ReplayMessage = z.infer<typeof ReplayMessage>;

export interface ReplayStatus {
  /** `seeking`: on its way to where it was asked to be. */
  readonly state: 'playing' | 'paused' | 'seeking';
  readonly speed: ReplaySpeed;
  readonly at_ms: number;
  readonly begin_ms: number;
  readonly end_ms: number;
  readonly at_end: boolean;
  /** How far it was looked through for marks. */
  readonly scanned_ms: number;
  /** What the last step came to, where it did not get there; else empty. */
  readonly message: string;
  /** The inode that the last step to a teardown came to; else empty. */
  readonly inode: string;
  /** Counts up with each jump: what a page knows from before it is of another time. */
  readonly generation: number;
}

/** What a time bar marks, as far as it was looked through. */
export interface ReplayMarks {
  /** Events in each of equal parts of the time. */
  readonly rate: readonly number[];
  /** The last ones of each epoch. */
  readonly gaps: readonly {
    readonly host: string;
    readonly from_ms: number;
    readonly to_ms: number;
    readonly lost: number;
    readonly where: string;
  }[];
  /** Alerts that fired, the first ones. */
  readonly alerts: readonly {
    readonly at_ms: number;
    readonly title: string;
    readonly text: string;
    readonly certain: boolean;
  }[];
}
