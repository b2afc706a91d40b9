import type { InodeDetail, TimelineEntry } from '../../../server/protocol/messages.ts';
import type { Context } from '../../../server/protocol/stages.ts';

/**
 * An inode's evidence arranged for drawing: one lane for each context that did
 * something, slices nested in it, single events, the wait for RCU as a lane of its
 * own, and how many hugepages were out of the page cache but not free. Pure.
 */
export interface TimelineLayout {
  readonly lanes: readonly Lane[];
  /** Steps of the number of hugepages out of the cache and not free; empty without any. */
  readonly outstanding: readonly { readonly ns: number; readonly count: number }[];
  /** Still owed at the end; null where the host does not show frees. */
  readonly owed: number | null;
  readonly from: number;
  readonly to: number;
  /** Where the end begins: evict, or the first sighting of an inode that is still open. */
  readonly endFrom: number;
  /** Begin and end of evict, where both are known. */
  readonly evict: { readonly from: number; readonly to: number } | null;
  /** Every time that matters, for squeezing the waits between them. */
  readonly times: readonly number[];
}

export interface Lane {
  readonly key: string;
  readonly context: Context | 'waiting';
  readonly title: string;
  readonly subtitle: string;
  readonly slices: readonly Slice[];
  readonly instants: readonly Instant[];
}

export interface Slice {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Nesting: 0 is outermost. */
  readonly depth: number;
  readonly kind: 'run' | 'wait';
  /** Not over yet, or its end was not seen. */
  readonly open: boolean;
  readonly entry: TimelineEntry | null;
}

export interface Instant {
  readonly what: string;
  readonly ns: number;
  readonly hugepage: boolean;
  readonly entry: TimelineEntry;
}

/** `nowNs`: the present on this inode's time axis, where open ends are drawn to. */
export function layoutTimeline(detail: InodeDetail, nowNs: number): TimelineLayout {
  const entries = withMissingStages(detail);
  const seen = entries.map((entry) => entry.ns);
  // Entries come in order of time.
  const first = Math.min(0, seen[0] ?? 0);
  const last = Math.max(0, seen.at(-1) ?? 0);
  const waiting = detail.row.state === 'grace' || detail.row.state === 'evicting';
  const isOpen = waiting || (detail.row.owed ?? 0) > 0;
  const to = isOpen ? Math.max(last * 1.05, nowNs) : last;
  const byName = (what: string) => entries.find((entry) => entry.what === what);
  const lanes = new Map<string, MutableLane>();
  for (const entry of entries) {
    const lane = laneOf(lanes, entry);
    if (!SLICE_EDGES.has(entry.what)) {
      lane.instants.push({ what: entry.what, ns: entry.ns, hugepage: isHugepage(entry), entry });
    }
  }
  for (const [begin, end, depth] of SLICES) {
    const entry = byName(begin);
    if (!entry) continue;
    const finish = byName(end);
    const open = finish === undefined;
    // An end that is missing from an inode that went on was not observed: do not draw it as running.
    const until = finish?.ns ?? (detail.row.state === 'evicting' ? to : entry.ns);
    laneOf(lanes, entry).slices.push({
      name: begin,
      from: entry.ns,
      to: until,
      depth,
      kind: 'run',
      open,
      entry,
    });
  }
  const ordered = [...lanes.values()].sort(byContext);
  const wait = graceLane(detail, byName, to);
  if (wait) insertWait(ordered, wait);
  // Without frees to see, a count that never falls would tell a lie.
  const outstanding = detail.row.owed === null ? [] : countOutstanding(entries);
  return {
    lanes: ordered,
    outstanding,
    owed: detail.row.owed,
    from: first,
    endFrom: byName('evict') ? 0 : first,
    evict: evictOf(byName('evict'), byName('evict_end')),
    to: Math.max(to, 1),
    times: [...seen, to],
  };
}

/** What counts as a long wait: much longer than evict itself. */
export function longWait(layout: TimelineLayout): number {
  const length = layout.evict ? layout.evict.to - layout.evict.from : 0;
  return Math.max(length, 4000) / 12;
}

interface MutableLane extends Lane {
  subtitle: string;
  readonly slices: Slice[];
  readonly instants: Instant[];
}

/** Begin, end, nesting. `i_callback` has no end of its own: what it calls is the last thing seen. */
const SLICES = [
  ['evict', 'evict_end', 0],
  ['evict_inode', 'evict_inode_end', 1],
  ['i_callback', 'free_inode', 0],
] as const;
const SLICE_EDGES = new Set(['evict', 'evict_end', 'evict_inode', 'evict_inode_end', 'i_callback']);

const CONTEXT_TITLE: Record<Context, string> = {
  task: 'task',
  softirq: 'softirq',
  ksoftirqd: 'ksoftirqd',
  'rcu-thread': 'RCU thread',
  unknown: 'unknown context',
};

/** Stages that have a time but no line of evidence still belong on the picture. */
function withMissingStages(detail: InodeDetail): readonly TimelineEntry[] {
  const known = new Set(detail.timeline.map((entry) => entry.what));
  const task = detail.timeline.find((entry) => entry.context === 'task');
  const extra = detail.stages
    .filter((stage) => stage.ns !== null && !known.has(stage.stage))
    .map((stage) => ({
      what: stage.stage,
      ns: stage.ns ?? 0,
      cpu: task?.cpu ?? -1,
      context: stage.context,
      pid: stage.context === 'task' ? detail.row.pid : 0,
      tid: stage.context === 'task' ? (task?.tid ?? detail.row.pid) : 0,
      comm: stage.context === 'task' ? detail.row.comm : '',
      detail: '',
    }));
  return [...detail.timeline, ...extra].sort((a, b) => a.ns - b.ns);
}

function evictOf(begin: TimelineEntry | undefined, end: TimelineEntry | undefined) {
  return begin && end ? { from: begin.ns, to: end.ns } : null;
}

function laneOf(lanes: Map<string, MutableLane>, entry: TimelineEntry): MutableLane {
  // A softirq has no task of its own: the CPU is what tells two of them apart.
  const ofTask = entry.context === 'task' || entry.context === 'unknown';
  const key = ofTask ? `${entry.context} ${entry.tid}` : `${entry.context} cpu ${entry.cpu}`;
  const known = lanes.get(key);
  if (known) {
    // Not every line carries the name of its task.
    if (ofTask && known.subtitle === '') known.subtitle = entry.comm;
    return known;
  }
  const lane: MutableLane = {
    key,
    context: entry.context,
    title: `${CONTEXT_TITLE[entry.context]}${ofTask ? ` ${entry.tid}` : ''}`,
    subtitle: ofTask ? entry.comm : entry.cpu >= 0 ? `cpu ${entry.cpu}` : '',
    slices: [],
    instants: [],
  };
  lanes.set(key, lane);
  return lane;
}

/** Tasks first, in the order they appear; then what runs after the grace period. */
function byContext(a: Lane, b: Lane): number {
  const rank = (lane: Lane) => (lane.context === 'task' || lane.context === 'unknown' ? 0 : 1);
  return rank(a) - rank(b);
}

function graceLane(
  detail: InodeDetail,
  byName: (what: string) => TimelineEntry | undefined,
  to: number,
): Lane | null {
  const begin = byName('destroy_inode') ?? byName('destroy_op') ?? byName('evict_end');
  const end = byName('i_callback') ?? byName('free_inode');
  if (!begin || (!end && detail.row.state !== 'grace')) return null;
  return {
    key: 'waiting',
    context: 'waiting',
    title: 'grace period',
    subtitle: 'nobody runs; RCU waits',
    slices: [
      {
        name: 'grace period',
        from: begin.ns,
        to: end?.ns ?? to,
        depth: 0,
        kind: 'wait',
        open: !end,
        entry: null,
      },
    ],
    instants: [],
  };
}

function insertWait(lanes: Lane[], wait: Lane): void {
  const after = lanes.findIndex((lane) => lane.context !== 'task' && lane.context !== 'unknown');
  lanes.splice(after === -1 ? lanes.length : after, 0, wait);
}

function isHugepage(entry: TimelineEntry): boolean {
  return entry.what.startsWith('hugepage_');
}

function countOutstanding(entries: readonly TimelineEntry[]): { ns: number; count: number }[] {
  const steps: { ns: number; count: number }[] = [];
  let count = 0;
  for (const entry of entries) {
    if (entry.what === 'hugepage_remove') count++;
    else if (entry.what === 'hugepage_free') count = Math.max(0, count - 1);
    else continue;
    steps.push({ ns: entry.ns, count });
  }
  return steps;
}
