import { LANE_STATES } from '../../../server/protocol/lanes.ts';
import type { LaneStore } from './laneStore.ts';

/** What is in sight, times in ns since the store's zero. */
export interface Window {
  readonly from: number;
  readonly to: number;
  /** What is shown as now: nothing is drawn beyond it. */
  readonly now: number;
}

export interface Sight {
  readonly count: number;
  /** Places in the store; `count` of them. */
  readonly items: Int32Array;
  /** Of these, those that are wider than a pixel or not over; `large` of them. */
  readonly large: number;
  readonly largeItems: Int32Array;
  /** Of the others, one for each pixel of each lane; `small` of them. */
  readonly small: number;
  readonly smallItems: Int32Array;
  /** Of each group, by column of pixels: how many are narrower than one. */
  readonly smallCounts: readonly Int32Array[];
  /** Of each group, by lane: 1 where something is in sight. */
  readonly lanes: readonly Uint8Array[];
  /** Of each group: how many inodes are in sight. */
  readonly counts: readonly number[];
}

/** `width`: of the picture in device pixels. One pass over all there is, and nothing is made for each. */
export function lookAt(store: LaneStore, { from, to, now }: Window, width: number): Sight {
  const { begin, end, group, lane, gone } = store.columns;
  const lanes = store.groups.map(({ packer }) => new Uint8Array(packer.lanes));
  const lastColumn = lanes.map((of) => new Int32Array(of.length).fill(-1));
  const smallCounts = lanes.map(() => new Int32Array(width));
  const counts = store.groups.map(() => 0);
  if (scratch.items.length < store.count) scratch = room(2 * store.count);
  const { items, largeItems, smallItems } = scratch;
  const until = Math.min(to, now);
  const perNs = width / (to - from);
  let [count, large, small] = [0, 0, 0];
  for (let i = 0; i < store.count; i++) {
    const b = begin[i]!;
    const e = end[i]!;
    if (b > until || e < from || gone[i] === 1) continue;
    const of = group[i]!;
    const at = lane[i]!;
    items[count++] = i;
    counts[of]!++;
    lanes[of]![at] = 1;
    if ((e - b) * perNs >= SMALL) {
      largeItems[large++] = i;
      continue;
    }
    const column = Math.min(width - 1, Math.max(0, Math.floor((b - from) * perNs)));
    smallCounts[of]![column]!++;
    if (lastColumn[of]![at] === column) continue;
    lastColumn[of]![at] = column;
    smallItems[small++] = i;
  }
  return { count, items, large, largeItems, small, smallItems, smallCounts, lanes, counts };
}

/** Pixels below which an inode is one pixel, whatever it does in it. */
const SMALL = 1.5;

/** One for all: there is one timeline at a time, and it is drawn at once. */
let scratch = room(4096);

function room(count: number) {
  return {
    items: new Int32Array(count),
    largeItems: new Int32Array(count),
    smallItems: new Int32Array(count),
  };
}

/**
 * The parts of one inode's picture, ns since the store's zero; NaN for those it does not
 * have. One object is read into again and again: there are hundreds of thousands.
 */
export interface Parts {
  /** In use, and not in evict(): it has none of the rest. */
  open: boolean;
  /** evict() runs, and s_op->evict_inode in it. */
  evictFrom: number;
  evictTo: number;
  innerFrom: number;
  innerTo: number;
  /** Nothing runs: the grace period. */
  waitFrom: number;
  waitTo: number;
  /** RCU calls back. */
  freeFrom: number;
  freeTo: number;
  /** Hugepages are owed after the inode is gone: up to now, or until the last came back. */
  tailFrom: number;
  tailTo: number;
  /** Where all of it ends. */
  last: number;
}

export function noParts(): Parts {
  const none = Number.NaN;
  return {
    open: false,
    evictFrom: none,
    evictTo: none,
    innerFrom: none,
    innerTo: none,
    waitFrom: none,
    waitTo: none,
    freeFrom: none,
    freeTo: none,
    tailFrom: none,
    tailTo: none,
    last: none,
  };
}

export function readParts(store: LaneStore, i: number, now: number, out: Parts): void {
  const { begin, end, stages, state, owed } = store.columns;
  const zero = begin[i]!;
  out.open = state[i] === OPEN;
  out.evictFrom = zero;
  out.waitFrom = out.waitTo = out.tailFrom = out.tailTo = Number.NaN;
  if (out.open) {
    out.last = now;
    return;
  }
  let known = 0;
  for (let k = 0; k < BEFORE_WAIT.length; k++) {
    const ns = stages[BEFORE_WAIT[k]!][i]!;
    if (ns > known) known = ns;
  }
  const over = state[i]! >= ENDED;
  const callback = stages.i_callback[i]!;
  const free = stages.free_inode[i]!;
  const calledAt = Number.isNaN(callback) ? free : callback;
  const called = !Number.isNaN(calledAt);
  // nothing that follows evict() is known yet: it goes on; where evict() itself is not seen
  // (its first stage is where the picture begins), nobody knows when it returns
  const seen = stages.evict_inode[i] !== 0;
  const running = seen && !over && !called && Number.isNaN(stages.destroy_inode[i]!);
  out.evictTo = running ? now : zero + known;
  out.innerFrom = zero + stages.evict_inode[i]!;
  const innerEnd = stages.evict_inode_end[i]!;
  out.innerTo = Number.isNaN(innerEnd) ? out.evictTo : zero + innerEnd;
  if (called || (!running && !over)) {
    out.waitFrom = out.evictTo;
    out.waitTo = Math.min(now, Math.max(out.evictTo, called ? zero + calledAt : now));
  }
  out.freeFrom = zero + calledAt;
  out.freeTo = zero + (Number.isNaN(free) ? calledAt : Math.max(free, calledAt));
  out.last = called ? out.freeTo : over || running ? out.evictTo : now;
  const until = owed[i]! > 0 ? now : Math.min(now, end[i]!);
  if (over && until > out.last) {
    out.tailFrom = out.last;
    out.tailTo = until;
    out.last = until;
  }
}

const BEFORE_WAIT = [
  'evict_inode',
  'clear_inode',
  'evict_inode_end',
  'destroy_inode',
  'evict_end',
] as const;
const OPEN = LANE_STATES.indexOf('open');
const ENDED = LANE_STATES.indexOf('ended');
