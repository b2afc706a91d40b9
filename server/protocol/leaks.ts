/** Leaks: what they are called, and what crosses a boundary of each. */
import { z } from 'zod';

/** The six kinds, each with its own condition; see docs/leaks.md. */
export const LEAK_KINDS = [
  'pinned',
  'held',
  'reservation',
  'pool drift',
  'stuck',
  'surplus',
] as const;
export type LeakKind = (typeof LEAK_KINDS)[number];

/** One line about each kind. */
export const LEAK_TEXT: Record<LeakKind, string> = {
  pinned: 'hugepages left the page cache of an inode and are not back in the pool',
  held: 'a file without a name is still open or mapped, and holds hugepages',
  reservation: 'reserved hugepages were not given back with their inode, mapping or mount',
  'pool drift': 'the pool says that more hugepages are in use than anything known accounts for',
  stuck: 'an inode does not finish its end',
  surplus: 'surplus hugepages stay after their last user',
};

/** Who may hold it, best first. */
export const Suspect = z.object({
  pid: z.int().nonnegative(),
  comm: z.string(),
  /** `vmsplice`, `io_uring`, `mapping`, `fd 3`, ... */
  how: z.string(),
  /** What says so, in words: a line of the trace, a file of /proc. */
  evidence: z.string(),
});
export type Suspect = z.infer<typeof Suspect>;

export const Leak = z.object({
  /** Names it within the session: `EPOCH.KIND.SUBJECT`. */
  id: z.string(),
  kind: z.enum(LEAK_KINDS),
  /** refuted: it was none; what made it look so was a lost event. */
  state: z.enum(['firing', 'resolved', 'refuted']),
  /** suspected: a loss or a stage that cannot be seen could explain it. */
  verdict: z.enum(['certain', 'suspected']),
  host: z.string(),
  /** Boot id. */
  epoch: z.string(),
  fs: z.string(),
  /** `MAJOR:MINOR`; empty where it belongs to no superblock. */
  s_dev: z.string(),
  ino: z.int().nonnegative(),
  /** `EPOCH.NUMBER` of the incarnation, for a link; null where there is none. */
  inode: z.string().nullable(),
  /** Hugepages, and their size. */
  pages: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  /** Nanoseconds of the epoch: since when it is so, when its threshold passed, when it ended. */
  since_ns: z.int().nonnegative(),
  fired_ns: z.int().nonnegative(),
  until_ns: z.int().nonnegative().nullable(),
  /** One sentence: what was seen, what is missing. */
  text: z.string(),
  suspects: z.array(Suspect),
});
export type Leak = z.infer<typeof Leak>;
