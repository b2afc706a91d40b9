/**
 * One epoch of one host: events in, state out. Pure: time comes from the events,
 * so any point of any trace can be computed again, and a replay says what live said.
 */
import { byPlace, LINE_PLACE } from '../protocol/by-line.ts';
import { LEAK_AFTER } from '../protocol/config.ts';
import type { EventOf, TraceEvent } from '../protocol/events.ts';
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
import { type PageFacts, PageSizes } from './page-sizes.ts';
import { type PoolSample, Pools } from './pools.ts';
import { Promises } from './promises.ts';
import { StageLines } from './stage-lines.ts';
import { Subpools } from './subpools.ts';
import { type KnownTypes, Superblocks } from './superblocks.ts';
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

export interface ModelOptions extends PageFacts, KnownTypes {
  readonly plan: Plan;
  /** Ended incarnations kept in memory. */
  readonly keep: number;
  /** After how long each kind of leak is one, ns. */
  readonly leakAfter?: LeakAfter;
  /** What the kernel side tells of each inode; see EpochInfo. */
  readonly detail?: AskedDetail;
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
  readonly superblocks: Superblocks;
  readonly inodes: Inodes;
  readonly hugepages: Hugepages;
  readonly gaps = new Gaps();
  readonly pools = new Pools();
  readonly pageSizes: PageSizes;
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
    this.superblocks = new Superblocks(options);
    this.inodes = new Inodes(options.keep);
    this._seesFree = isObserved(options.plan.hugepage_free);
    const { plan, freedState = null, detail: asked = 'steps' } = options;
    const steps = asked !== 'lifecycle';
    this.detail = { steps, since: 0, rate: 0 };
    this.hugepages = new Hugepages(this._seesFree);
    this.pageSizes = new PageSizes(options, this.pools);
    const { inodes, superblocks, hugepages, promises, gaps, pageSizes } = this;
    const parts = { inodes, superblocks, hugepages, promises, gaps, pageSizes };
    this._teardown = new Teardown({
      plan,
      asked,
      hiddenMagic: options.hiddenMagic ?? null,
      ...parts,
    });
    this._gmem = new GuestMemfds(this._teardown);
    this._stages = new StageLines(this._teardown, this._gmem);
    this._ends = new EndLines(this._teardown, this._gmem);
    this._tracepoints = new TracepointLines(this._teardown);
    this.contract = new Contract({ plan, freedState, steps }, this);
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

  /**
   * The epoch is over, and long ago: of single inodes and hugepages nothing is known any more.
   * What was counted, measured and found stays.
   */
  forget(): void {
    this.inodes.forget();
    this.hugepages.forget();
    this.promises.forget();
    this._teardown.forget();
    this.contract.forget();
    this.stacks.clear();
  }

  /** In evict() or waiting for RCU, oldest first. */
  waiting(): Iterable<Incarnation> {
    return this._teardown.waiting;
  }

  /** Those of them whose end has not gone on for so long, ns. */
  waitingFor(ns: number): Iterable<Incarnation> {
    return this._teardown.waitingFor(ns);
  }

  /** Whether all probes were attached when it began to end. */
  wasWatched(inode: Incarnation): boolean {
    return inode.began > this._teardown.readBefore;
  }

  /** Since when a loss would explain that the end of this inode does not come; see Teardown. */
  owesSince(inode: Incarnation): number | null {
    return this._teardown.owesSince(inode);
  }

  /** Whether this host shows hugepages going back. */
  get seesFree(): boolean {
    return this._seesFree;
  }

  /** `ts` and `place`: of the event; see LINE_PLACE. */
  apply(event: TraceEvent, ts: number = event.ts, place: number = LINE_PLACE[event.kind]): void {
    if (ts > this._teardown.now) this._teardown.now = ts;
    Model._take[place]!(this, event);
    this.contract.applied(event, ts, place);
    if (place === LINE_PLACE.tick) this.leaks.tick(this.now);
  }

  private static readonly _take = byPlace<Model>({
    tick: (m) => m._teardown.presumeLost(),
    beat: () => {},
    vmemmap: (m, event) => {
      m.hugepages.vmemmap = { base: event.base, pageSize: event.size };
    },
    sb: (m, event) => m.superblocks.seen(event),
    sb_size: (m, event) => m.pageSizes.sized(event),
    alloc_inode: (m, event) => m.#born(event),
    evict: (m, event) => m._stages.evict(event),
    evict_inode: (m, event) => m._stages.stage(event, event.inode, 'evict_inode'),
    truncate_final: (m, event) => m._stages.stage(event, event.inode, 'truncate_final'),
    evict_inode_end: (m, event) => m._stages.stage(event, event.inode, 'evict_inode_end'),
    clear_inode: (m, event) => m._stages.stage(event, event.inode, 'clear_inode'),
    destroy_op: (m, event) => m._stages.stage(event, event.inode, 'destroy_op'),
    destroy_inode: (m, event) => {
      m._stages.stage(event, event.inode, 'destroy_inode');
      m._teardown.evicting.delete(event.tid); // the last thing evict() does
    },
    evict_end: (m, event) => m._stages.evictEnd(event),
    i_callback: (m, event) => m._stages.callback(event),
    free_inode: (m, event) => m._stages.freed(event),
    hugepage_add: (m, event) => m.promises.added(event, m._stages.ofInode(event)),
    hugepage_remove: (m, event) => m._stages.ofInode(event),
    reserve: (m, event) => m.promises.reserve(event, m._stages.ofInode(event), m.#tellsMaps()),
    unreserve: (m, event) => {
      m.promises.unreserve(event, m._stages.ofInode(event));
      // its pages are gone; the steps would tell when evict() is through with it
      if (!m.detail.steps && m._teardown.evicting.get(event.tid)?.address === event.inode) {
        m._teardown.evicting.delete(event.tid);
      }
    },
    hugepage_free: (m, event) => {
      const owner = m.hugepages.freeing(event, m._teardown.evicting.get(event.tid));
      owner?.note(event);
      if (owner?.state === 'ended') m.inodes.cameBackLater(owner);
      m.#touch();
    },
    hugepage_enqueue: (m, event) => m.hugepages.went(event.folio, 'pool')?.note(event),
    hugepage_to_buddy: (m, event) => m.hugepages.went(event.folio, 'buddy')?.note(event),
    resv_map_alloc: (m, event) => m.promises.mapAlloc(event),
    resv_map_release: (m, event) => {
      m.promises.mapRelease(event);
      m._teardown.evicting.get(event.tid)?.note(event);
    },
    hugepage_alloc: (m, event) => {
      const inode = m.inodes.current(event.inode);
      if (event.folio !== 0) m.hugepages.taken(event, inode ?? null);
      inode?.note(event);
      m.#touch();
    },
    hugepage_alloc_nodemask: (m, event) => m.hugepages.takenAlone(event),
    hugepage_pin: (m, event) => {
      m.hugepages.pins.took(event, m.stacks.get(event) ?? []);
      m.stacks.delete(event);
    },
    hugepage_move: (m, event) => m.hugepages.moved(event.from, event.to),
    remove_hugepages: (m, event) => m.#ofOpen(event),
    vm_close: (m, event) => m.#ofOpen(event),
    subpool: (m, event) => {
      m.subpools.seen(event, m.inodes.current(event.inode)?.dev ?? null);
      m.#ofOpen(event);
    },
    new_subpool: (m, event) => m.subpools.made(event),
    put_subpool: (m, event) => m.subpools.put(event),
    fill_super: (m, event) => m.subpools.mounted(event),
    gmem_release: (m, event) => m._gmem.told(event),
    gmem_fallocate: (m, event) => m._gmem.told(event),
    detail: (m, event) => {
      m.detail = { steps: event.steps === 1, since: event.ts, rate: event.rate };
      if (!m.detail.steps) m._teardown.evicting.clear(); // nobody tells when they are through
    },
    life: (m, event) => m._ends.life(event),
    tp_life: (m, event) => m._ends.tracepoints(event),
    raw_life: (m, event) => m._ends.tracepoints(event),
    tp_alloc_inode: (m, event) => m._tracepoints.take(event),
    tp_evict_inode: (m, event) => m._tracepoints.take(event),
    tp_free_inode: (m, event) => m._tracepoints.take(event),
    raw_free_inode: (m, event) => m._tracepoints.take(event),
    tp_hugepage_add: (m, event) => m._tracepoints.take(event),
    tp_hugepage_remove: (m, event) => m._tracepoints.take(event),
    // of no inode
    hugepage_released: () => {},
    shutdown_super: () => {},
    gmem_create: () => {},
  });

  #born(event: EventOf<'alloc_inode'>): void {
    if (event.inode === 0) return; // no memory, or no inodes left on that mount
    this.promises.born(event.tid);
    const current = this.inodes.current(event.inode);
    if (current !== undefined && event.ts < current.first) {
      current.born = true; // came late: what it began is known already
      return current.note(event);
    }
    const inode = this._teardown.begin(event.inode, event.dev, event.magic, 0, event);
    inode.born = true;
    inode.note(event);
  }

  /** A line that changes nothing of an inode, and is part of its story. */
  #ofOpen(event: EventOf<'remove_hugepages' | 'vm_close' | 'subpool'>): void {
    const inode = this.inodes.current(event.inode);
    if (inode !== undefined && inode.state !== 'ended') inode.note(event);
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

  /** Probes are being attached, one by one. */
  attaching(): void {
    this._teardown.attaching();
  }

  /** All of them are attached. */
  ready(ts: number): void {
    this._teardown.ready(ts);
    this.contract.ready(ts);
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
