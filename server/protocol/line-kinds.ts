/** What kinds of lines there are: who prints them, which are counted, which tell a whole life. */
import { LINE_NAMES, type LineName } from './grammar.ts';

/**
 * Two bpftrace processes share the probes of a session: track 1 has those that run
 * from RCU, track 0 the others. Since 0.21 the lines of one bpftrace are put
 * together in memory that its programs on a CPU share, so a softirq that interrupts
 * a task in one of them overwrites its line. In one track, nothing that prints is
 * interrupted by another that does.
 */
export const TRACKS = 2;
const RCU_LINES: readonly LineName[] = [
  'i_callback',
  'free_inode',
  'life',
  'raw_free_inode',
  'raw_life',
];

const TRACK = Object.fromEntries(
  LINE_NAMES.map((name) => [name, RCU_LINES.includes(name) ? 1 : 0]),
) as Readonly<Record<LineName, 0 | 1>>;

/** The track whose program prints this line. A beat says it itself. */
export function trackOf(name: LineName): 0 | 1 {
  return TRACK[name];
}

/** Lines that keep time or place, and are no events. */
export const UNCOUNTED_LINES = ['tick', 'beat', 'vmemmap', 'detail'] as const;
export type UncountedLine = (typeof UNCOUNTED_LINES)[number];

/**
 * bpftrace's count() adds without a lock, and a preemptible kernel may run another program
 * of the same CPU in between: two of them with one key would lose counts. One program
 * alone cannot: the kernel does not run it inside itself.
 */
export const HITS_PER_LINE = 1000;

/** Lines that are counted in @hits, and so in the ledger. */
export const COUNTED_LINES = LINE_NAMES.filter(
  (name) => !(UNCOUNTED_LINES as readonly LineName[]).includes(name),
);

/** Whether it tells all of an inode, when it has ended. */
export function isLife(line: LineName): line is 'life' | 'tp_life' | 'raw_life' {
  return line === 'life' || line === 'tp_life' || line === 'raw_life';
}
