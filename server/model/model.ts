/**
 * One epoch of one host: events in, state out. Pure: time comes from the events,
 * so any point of any trace can be computed again, and a replay says what live said.
 */
import { LEAK_AFTER } from '../protocol/config.ts';
import type { TraceEvent } from '../protocol/events.ts';
import type { LineName } from '../protocol/grammar.ts';
import { isObserved, type Plan } from '../protocol/stages.ts';
import { Contract } from './contract/contract.ts';
import { EndLines } from './end-lines.ts';
import { Gaps, type ModelGap } from './gaps.ts';
import { GuestMemfds } from './guest-memfds.ts';
import { Hugepages } from './hugepages.ts';
import type { Incarnation } from './incarnation.ts';
import { Inodes } from './inodes.ts';
import { HeldWatch } from './leaks/held.ts';
import { type LeakAfter, Leaks } from './leaks/leaks.ts';
import { PinnedWatch } from './leaks/pinned.ts';
import { PoolDriftWatch } from './leaks/pool-drift.ts';
import { PoolReservationWatch } from './leaks/pool-reservation.ts';
import { ReservationWatch } from './leaks/reservation.ts';
import { StuckWatch } from './leaks/stuck.ts';
import { SurplusWatch } from './leaks/surplus.ts';
import { type PoolSample, Pools } from './pools.ts';
import { Promises } from './promises.ts';
import { StageLines } from './stage-lines.ts';
import { Subpools } from './subpools.ts';
import { Superblocks } from './superblocks.ts';
import { type AskedDetail, Teardown } from './teardown.ts';
import { TracepointLines } from './tracepoint-lines.ts';

const BEGINS_HERE = 'the recording begins here; what came before is not in it';

/** Each for a kind of leak, or a part of it; what comes later may look at what is there. */
const WATCHES = [
  PinnedWatch,
  HeldWatch,
  ReservationWatch,
  PoolReservationWatch,
  PoolDriftWatch,
  StuckWatch,
  SurplusWatch,
] as const;

export interface ModelOptions {
  readonly plan: Plan;
  /** Size of the default hugepage in KiB (/proc/meminfo, Hugepagesize). */
  readonly hugepageKb: number;
  /** Ended incarnations kept in memory. */
  readonly keep: number;
  /** After how long each kind of leak is one, ns. */
  readonly leakAfter?: LeakAfter;
  /** What the kernel side tells of each inode; see EpochInfo. */
  readonly detail?: AskedDetail;
  /** The page cache of hugetlbfs counts base pages (6.7 and newer), not hugepages. */
  readonly baseIndex?: boolean;
  /** `I_FREEING | I_CLEAR` of this kernel; null, the default, when not known. */
  readonly freedState?: number | null;
}

/** What the kernel side tells of each inode at the moment, and since when. */
export interface DetailNow {
  /** Each stage at once; otherwise one line when the inode ends. */
  steps: boolean;
  since: number;
  /** Inodes a second when it changed. */
  rate: number;
}

export class Model {
  readonly superblocks = new Superblocks();
  readonly inodes: Inodes;
  readonly hugepages: Hugepages;
  readonly gaps = new Gaps();
  readonly pools = new Pools();
  readonly promises = new Promises();
  readonly subpools = new Subpools();
  /** Kernel stacks of events on their way here; frames may still come after the event. */
  readonly stacks = new Map<TraceEvent, string[]>();
  readonly contract: Contract;
  readonly leaks: Leaks;
  readonly plan: Plan;
  private readonly _seesFree: boolean;
  private readonly _teardown: Teardown;
  private readonly _gmem: GuestMemfds;
  private readonly _stages: StageLines;
  private readonly _ends: EndLines;
  private readonly _tracepoints: TracepointLines;
  detail: DetailNow;

  constructor(options: ModelOptions) {
    this.plan = options.plan;
    this.inodes = new Inodes(options.keep);
    this._seesFree = isObserved(options.plan.hugepage_free);
    const { plan, freedState = null, baseIndex = true, detail: asked = 'steps' } = options;
    const steps = asked !== 'lifecycle';
    this.detail = { steps, since: 0, rate: 0 };
    this.hugepages = new Hugepages(this._seesFree, baseIndex);
    const { inodes, superblocks, hugepages, promises, gaps } = this;
    const sectorsPerHugepage = options.hugepageKb * 2;
    const parts = { inodes, superblocks, hugepages, promises, gaps };
    this._teardown = new Teardown({ plan, asked, sectorsPerHugepage, ...parts });
    this._gmem = new GuestMemfds(this._teardown);
    this._stages = new StageLines(this._teardown, this._gmem);
    this._ends = new EndLines(this._teardown, this._gmem);
    this._tracepoints = new TracepointLines(this._teardown);
    this.contract = new Contract({ plan, freedState, baseIndex, steps }, this);
    this.leaks = new Leaks(this, options.leakAfter ?? LEAK_AFTER);
    for (const Watch of WATCHES) this.leaks.watch((leaks) => new Watch(leaks));
  }

  /** Time of the newest event, ns of the epoch; 0 before the first. */
  get now(): number {
    return this._teardown.now;
  }

  /** Lines that must have been and were not seen, and how many; see Teardown. */
  get unseen(): ReadonlyMap<LineName, number> {
    return this._teardown.unseen;
  }

  /** Of those, the lines at the end of inodes that were taken as lost. */
  get lostEnds(): { readonly count: number } {
    return this._teardown.lostEnds;
  }

  /** The mount of hugetlbfs that only the kernel has; null before a canary lay on it. */
  get namelessDev(): number | null {
    return this._teardown.namelessDev;
  }

  /** In evict() or waiting for RCU, oldest first. */
  waiting(): Iterable<Incarnation> {
    return this._teardown.waiting;
  }

  /** Bytes of a hugepage of this inode's superblock. */
  hugepageBytes(inode: Incarnation | null): number {
    return this._teardown.hugepageBytes(inode);
  }

  /** Whether this host shows hugepages going back. */
  get seesFree(): boolean {
    return this._seesFree;
  }

  /** `ts`: of the event. */
  apply(event: TraceEvent, ts: number = event.ts): void {
    if (ts > this._teardown.now) this._teardown.now = ts;
    this.#take(event);
    this.contract.applied(event, ts);
    if (event.kind === 'tick') this.leaks.tick(this.now);
  }

  #take(event: TraceEvent): void {
    switch (event.kind) {
      case 'tick':
        return this._teardown.presumeLost();
      case 'beat':
        return;
      case 'vmemmap':
        this.hugepages.vmemmap = { base: event.base, pageSize: event.size };
        return;
      case 'sb':
        return this.superblocks.seen(event);
      case 'alloc_inode': {
        if (event.inode === 0) return; // no memory, or no inodes left on that mount
        this.promises.born(event.tid);
        const current = this.inodes.current(event.inode);
        if (current !== undefined && event.ts < current.first) {
          current.born = true; // came late: what it began is known already
          return current.note(event);
        }
        const inode = this._teardown.begin(event.inode, event.dev, event.magic, 0, event);
        inode.born = true;
        return inode.note(event);
      }
      case 'evict':
        return this._stages.evict(event);
      case 'evict_inode':
      case 'truncate_final':
      case 'evict_inode_end':
      case 'clear_inode':
      case 'destroy_op':
        return this._stages.stage(event, event.inode, event.kind);
      case 'destroy_inode': {
        this._stages.stage(event, event.inode, 'destroy_inode');
        const inode = this.inodes.current(event.inode);
        if (inode?.state === 'evicting') inode.state = 'grace';
        this._teardown.evicting.delete(event.tid); // the last thing evict() does
        return;
      }
      case 'evict_end':
        this._stages.stage(event, event.inode, 'evict_end');
        this._teardown.evicting.delete(event.tid);
        return;
      case 'i_callback':
        return this._stages.callback(event);
      case 'free_inode':
        return this._stages.freed(event);
      case 'hugepage_add':
        this.promises.added(event, this._stages.ofInode(event));
        return;
      case 'hugepage_remove':
        this._stages.ofInode(event);
        return;
      case 'reserve':
        return this.promises.reserve(event, this._stages.ofInode(event), this.#tellsMaps());
      case 'unreserve':
        this.promises.unreserve(event, this._stages.ofInode(event));
        // its pages are gone; the steps would tell when evict() is through with it
        if (!this.detail.steps && this._teardown.evicting.get(event.tid)?.address === event.inode) {
          this._teardown.evicting.delete(event.tid);
        }
        return;
      case 'hugepage_free':
        this.hugepages.freeing(event, this._teardown.evicting.get(event.tid))?.note(event);
        return this.#touch();
      case 'hugepage_enqueue':
        this.hugepages.went(event.folio, 'pool')?.note(event);
        return;
      case 'hugepage_to_buddy':
        this.hugepages.went(event.folio, 'buddy')?.note(event);
        return;
      case 'resv_map_release':
        this.promises.mapRelease(event);
        this._teardown.evicting.get(event.tid)?.note(event);
        return;
      case 'hugepage_alloc': {
        const inode = this.inodes.current(event.inode);
        if (event.folio !== 0) this.hugepages.taken(event, inode ?? null);
        inode?.note(event);
        return this.#touch();
      }
      case 'hugepage_pin':
        this.hugepages.pinned(event, this.stacks.get(event) ?? []);
        this.stacks.delete(event);
        return;
      case 'hugepage_move':
        return this.hugepages.moved(event.from, event.to);
      case 'remove_hugepages':
      case 'subpool':
      case 'vm_close': {
        const inode = this.inodes.current(event.inode);
        if (event.kind === 'subpool') this.subpools.seen(event, inode?.dev ?? null);
        if (inode !== undefined && inode.state !== 'ended') inode.note(event);
        return;
      }
      case 'gmem_release':
      case 'gmem_fallocate':
        return this._gmem.told(event);
      case 'detail':
        this.detail = { steps: event.steps === 1, since: event.ts, rate: event.rate };
        if (!this.detail.steps) this._teardown.evicting.clear(); // nobody tells when they are through
        return;
      case 'life':
        return this._ends.life(event);
      case 'tp_life':
      case 'raw_life':
        return this._ends.tracepoints(event);
      case 'sb_size':
        return this.superblocks.sized(event);
      case 'resv_map_alloc':
        return this.promises.mapAlloc(event);
      case 'new_subpool':
        return this.subpools.made(event);
      case 'put_subpool':
        return this.subpools.put(event);
      case 'fill_super':
        return this.subpools.mounted(event);
      case 'hugepage_released':
      case 'shutdown_super':
      case 'gmem_create':
        return; // of no inode
      case 'tp_alloc_inode':
      case 'tp_evict_inode':
      case 'tp_free_inode':
      case 'raw_free_inode':
      case 'tp_hugepage_add':
      case 'tp_hugepage_remove':
        return this._tracepoints.take(event);
    }
  }

  /** Events were lost between two times. */
  gap(gap: ModelGap): void {
    this.gaps.add(gap);
    this.#touch();
  }

  pool(sample: PoolSample): void {
    this.pools.sample(sample);
    this.contract.pool(sample);
  }

  /**
   * The trace begins in the middle, all probes attached: what was under way is seen in
   * part, and judged by nobody before `inheritedNs`. Lines up to `readNs` may have been read
   * before the trace begins.
   */
  resume(steps: boolean, readNs: number, inheritedNs: number): void {
    this._teardown.readBefore = readNs;
    this.gap({ from: 0, to: 0, lost: 0, where: 'tracer_down', detail: BEGINS_HERE });
    if (steps !== this.detail.steps) {
      this.detail = { steps, since: 0, rate: 0 };
      this.contract.watch.steps(0, steps);
    }
    this.contract.ready(inheritedNs);
  }

  /** The inode with this device and number is lastref's own canary. */
  canary(fs: string, dev: number, ino: number): void {
    this._teardown.canary(fs, dev, ino);
  }

  /** Whether something was lost while this incarnation lived. */
  doubtful(inode: Incarnation): boolean {
    return this._teardown.doubtful(inode);
  }

  /** Whether a mapping that gets a resv_map of its own is told apart from one that does not. */
  #tellsMaps(): boolean {
    return this.detail.steps && isObserved(this.plan.resv_map_alloc);
  }

  #touch(): void {
    this.inodes.revision++;
  }
}
