/**
 * The Timeline view: many inodes as columns. Each is sent once, and again when it has
 * changed; a page keeps them in typed arrays and draws from there. Times are nanoseconds.
 */
import type { InodeState } from './messages.ts';
import type { Context, InodeStage } from './stages.ts';

/** By their place here in `state` and `context`. */
export const LANE_STATES: readonly InodeState[] = ['open', 'evicting', 'grace', 'ended', 'lost'];
export const LANE_CONTEXTS: readonly Context[] = [
  'task',
  'softirq',
  'ksoftirqd',
  'rcu-thread',
  'unknown',
];

/** What is drawn of an inode's end, in the order in which it happens. */
export const LANE_STAGES = [
  'evict_inode',
  'clear_inode',
  'evict_inode_end',
  'destroy_inode',
  'evict_end',
  'i_callback',
  'free_inode',
] as const satisfies readonly InodeStage[];
export type LaneStage = (typeof LANE_STAGES)[number];

/** Inodes of one answer, and of all answers to one subscription. */
export const LANES_AT_ONCE = 5000;
export const MAX_LANES = 200_000;
/** Hugepages of one inode whose way back is drawn one by one. */
export const MAX_TICKS = 64;

/** A part of what was asked for; more follows while `pending` is not 0. */
export interface LanesBlock {
  /** Forget all that was sent before. */
  readonly reset: boolean;
  /** Inodes that match and have not been sent yet. */
  readonly pending: number;
  /** Older ones that match and are not sent, since there are more than MAX_LANES. */
  readonly left_out: number;
  readonly epochs: readonly LanesOfEpoch[];
}

/** All columns have the length of `number`, but for `back`. */
export interface LanesOfEpoch {
  /** With `number`, the `id` of an InodeRow: `<epoch>.<number>`. */
  readonly epoch: number;
  readonly host: string;
  /** Wall clock of this epoch's nanosecond 0, ms. */
  readonly zero_ms: number;
  /** What `fs`, `dev` and `comm` point into. */
  readonly words: readonly string[];
  readonly number: readonly number[];
  readonly fs: readonly number[];
  readonly dev: readonly number[];
  readonly comm: readonly number[];
  readonly ino: readonly number[];
  readonly pid: readonly number[];
  /** Place in LANE_STATES. */
  readonly state: readonly number[];
  /** Where RCU called back: place in LANE_CONTEXTS. */
  readonly context: readonly number[];
  /** 1: losses overlap its life. */
  readonly doubtful: readonly number[];
  /** evict begin, else the first sighting. */
  readonly begin: readonly number[];
  /** Since `begin`; -1 where not seen. */
  readonly stages: Readonly<Record<LaneStage, readonly number[]>>;
  readonly pages: readonly number[];
  /** -1 where the way back is not observable. */
  readonly owed: readonly number[];
  /** How many of `back` are of this inode; they follow each other. */
  readonly backs: readonly number[];
  /** When each hugepage was free again, since `begin`; MAX_TICKS of each inode at most. */
  readonly back: readonly number[];
  /** Sent before, and no longer of what was asked for. */
  readonly gone: readonly number[];
}
