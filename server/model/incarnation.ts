/**
 * One life of one `struct inode` address: from alloc_inode or first sighting until
 * i_callback. Holds what was seen; draws no conclusion.
 */
import type { TraceEvent } from '../protocol/events.ts';
import type { InodeState } from '../protocol/messages.ts';
import { type Context, INODE_STAGES, type InodeStage } from '../protocol/stages.ts';
import type { Address } from '../protocol/units.ts';
import type { Superblock } from './superblocks.ts';

/** Lines kept as evidence per incarnation; the rest is counted. */
const MAX_EVIDENCE = 512;
/** Hugepages kept by name per incarnation; the rest is counted. */
const MAX_HUGEPAGES = 1024;

/** One hugepage while it is known, by folio address or, from tracepoints, by pfn. */
export interface Hugepage {
  /** Counts up in the epoch. */
  readonly number: number;
  /** Folio address, or 0 where only the pfn is known. */
  folio: Address;
  readonly pfn: number | null;
  readonly index: number;
  owner: Incarnation | null;
  /** allocated: taken for a mapping and in no page cache (yet, or private to the mapping). */
  state: 'allocated' | 'cached' | 'removed' | 'freed';
  /** Where it went: known once it is freed. */
  fate: 'pool' | 'buddy' | null;
  since: number;
  removedAt: number;
  freedAt: number;
  /** References beyond the page cache's own at removal; null when not seen. */
  extraRefs: number | null;
  /**
   * It was private to a mapping of its inode, and all of those are gone: since when that is
   * known, ns. Null: it was in the page cache.
   */
  privateSince: number | null;
  /** Who took it from the pool, for a mapping of which inode; null when that was not seen. */
  taker: Taker | null;
}

export interface Taker {
  readonly pid: number;
  readonly comm: string;
  readonly inode: Incarnation | null;
  /** `s_dev` of that inode, known or not. */
  readonly dev: number;
}

/** By stage: its place in INODE_STAGES. */
export const STAGE_PLACE = Object.fromEntries(
  INODE_STAGES.map((stage, i) => [stage, i]),
) as Readonly<Record<InodeStage, number>>;

const EVICT = STAGE_PLACE.evict;
const EVICT_INODE = STAGE_PLACE.evict_inode;
/** Behind the stages: when a line last showed its end going on. */
const PROGRESS = INODE_STAGES.length;
/** Nothing of it was seen. Copied, since an array of numbers is made far faster than a typed one. */
const NEVER: readonly number[] = Array.from({ length: PROGRESS + 1 }, () => Number.NaN);
/** Most have no hugepage, and many one line: each gets an array of its own with the first. */
const NONE: never[] = [];

/**
 * Names a file by its device and number: by a number where a double can hold both, as
 * with devices without a major number; below zero, where no address is.
 */
export function fileKey(dev: number, ino: number): number | string {
  if (dev < 2 ** 20 && ino < 2 ** 32) return -1 - dev * 2 ** 32 - ino;
  return `${dev}:${ino}`;
}

export class Incarnation {
  readonly number: number;
  fs: string;
  /** The callbacks of its superblock, as they were at evict. */
  superblock: Superblock | undefined;
  readonly dev: number;
  readonly address: Address;
  ino: number;
  state: InodeState = 'open';
  /** First line that named it. */
  readonly first: number;
  /** Last line of its story: that may be one of a hugepage that outlives it. */
  last: number;
  born = false;
  /** Made by lastref to see that the tracer is ready; in no count. */
  canary = false;
  pid = 0;
  tid = 0;
  comm = '';
  nlink: number | null = null;
  mode: number | null = null;
  size = 0;
  /** Hugepages of its page cache: those in it now, or at evict. */
  pages = 0;
  removed = 0;
  freed = 0;
  /** Of `freed`, those given back before evict: truncated, or holes. */
  freedBefore = 0;
  /** When the last of them was, ns. */
  freedLast = Number.NaN;
  /** Since when it is open and has hugepages, ns; see Hugepages.holding. */
  holdsSince = Number.NaN;
  hugepages: Hugepage[] = NONE;
  hugepagesMore = 0;
  evidence: TraceEvent[] = NONE;
  evidenceMore = 0;
  freeContext: Context = 'unknown';
  /** Where i_callback ran; -1 when not seen. */
  freeCpu = -1;
  /** A finding names it, or what may become one. */
  cited = false;
  /** Rules of the contract that hold for it, a bit for each; see RULE_INDEX. */
  held = 0;
  /** Rules that it breaks for certain, and those that it may break. */
  broken = 0;
  suspected = 0;
  private readonly _times = NEVER.slice();

  constructor(number: number, fs: string, dev: number, address: Address, ino: number, ts: number) {
    this.number = number;
    this.fs = fs;
    this.dev = dev;
    this.address = address;
    this.ino = ino;
    this.first = ts;
    this.last = ts;
  }

  /** What names it while it lives: its address or, where only tracepoints tell of it, its file. */
  get key(): number | string {
    return this.address === 0 ? fileKey(this.dev, this.ino) : this.address;
  }

  /** The task that used it last. */
  usedBy({
    pid,
    tid,
    comm,
  }: {
    readonly pid: number;
    readonly tid: number;
    readonly comm: string;
  }) {
    this.pid = pid;
    this.tid = tid;
    this.comm = comm;
  }

  /** Time of a stage in nanoseconds of the epoch; null when not seen. */
  at(stage: InodeStage): number | null {
    const ts = this.timeAt(STAGE_PLACE[stage]);
    return Number.isNaN(ts) ? null : ts;
  }

  /** The same by its place in INODE_STAGES; NaN when not seen. */
  timeAt(place: number): number {
    return this._times[place]!;
  }

  /** When it began to end, as far as that was seen; else the first line that named it. */
  get began(): number {
    // asked of every inode for each page that is shown: by place, which is sooner found than by name
    const evict = this._times[EVICT]!;
    if (!Number.isNaN(evict)) return evict;
    const evictInode = this._times[EVICT_INODE]!;
    return Number.isNaN(evictInode) ? this.first : evictInode;
  }

  reach(stage: InodeStage, ts: number): void {
    this._times[STAGE_PLACE[stage]] = ts;
    this.goesOn(ts);
  }

  /** A stage, or a hugepage or reservation that it lost: its end, if it is at its end, goes on. */
  goesOn(ts: number): void {
    if (!(ts <= this._times[PROGRESS]!)) this._times[PROGRESS] = ts;
  }

  /**
   * When its own lines last showed its end going on, ns of the epoch. A hugepage that somebody
   * pins is freed whenever that is over, and tells nothing of where the inode is.
   */
  get progress(): number {
    const ts = this._times[PROGRESS]!;
    return Number.isNaN(ts) ? this.last : ts;
  }

  /** A stage, by its place in INODE_STAGES, so many ns before a time; 0: it was not seen. */
  reachBefore(place: number, ts: number, ns: number): void {
    if (ns > 0) this._times[place] = ts - ns;
  }

  /** From one stage to another, in ns; null unless both were seen. */
  between(from: InodeStage, to: InodeStage): number | null {
    const a = this.at(from);
    const b = this.at(to);
    return a === null || b === null ? null : b - a;
  }

  note(event: TraceEvent): void {
    if (event.ts > this.last) this.last = event.ts;
    if (this.evidence.length === 0) this.evidence = [event];
    else if (this.evidence.length < MAX_EVIDENCE) this.evidence.push(event);
    else this.evidenceMore++;
  }

  take(page: Hugepage): void {
    if (this.hugepages.length === 0) this.hugepages = [page];
    else if (this.hugepages.length < MAX_HUGEPAGES) this.hugepages.push(page);
    else this.hugepagesMore++;
  }
}
