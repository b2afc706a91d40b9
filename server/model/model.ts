/**
 * One epoch of one host: events in, state out. Pure: time comes from the events,
 * so any point of any trace can be computed again, and a replay says what live said.
 */
import { LEAK_AFTER } from '../protocol/config.ts';
import type { EventOf, TraceEvent } from '../protocol/events.ts';
import type { LineName } from '../protocol/grammar.ts';
import {
  type Context,
  INODE_STAGES,
  type InodeStage,
  isObserved,
  type Plan,
} from '../protocol/stages.ts';
import type { Address } from '../protocol/units.ts';
import { Contract } from './contract/contract.ts';
import { Gaps, type ModelGap } from './gaps.ts';
import { Hugepages } from './hugepages.ts';
import { fileKey, type Incarnation } from './incarnation.ts';
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
import { Subpools } from './subpools.ts';
import { Superblocks } from './superblocks.ts';

/** PF_KTHREAD (include/linux/sched.h): the same bit since 3.x. */
const PF_KTHREAD = 0x0020_0000;

/**
 * An end that lies this far back and overlaps a gap is taken as lost in it. Lazy
 * RCU (CONFIG_RCU_LAZY) delays callbacks by up to 10 s without any loss.
 */
const PRESUMED_LOST_NS = 15e9;

/** Incarnations taken as lost whose end may still be told; the oldest are forgotten. */
const MAX_PRESUMED = 1024;

/** Lines kept of a guest_memfd whose inode is not known yet, and of how many of them. */
const MAX_GMEM_EVENTS = 64;
const MAX_GMEM = 1024;

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
  readonly detail?: 'steps' | 'lifecycle' | 'auto';
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
  /**
   * Lines that must have been and were not seen, found by what came before and
   * after them in the life of an inode. A witness beside the kernel's own counts:
   * a tracepoint that is hit inside perf's own recursion guard is not even counted.
   */
  readonly unseen = new Map<LineName, number>();
  /** Time of the newest event, ns of the epoch; 0 before the first. */
  now = 0;
  /** The mount of hugetlbfs that only the kernel has: memfds and SysV segments, without names. */
  namelessDev: number | null = null;
  readonly plan: Plan;
  private readonly _seesFree: boolean;
  private readonly _sectorsPerHugepage: number;
  /** Whose evict() runs in which task. */
  private readonly _evicting = new Map<number, Incarnation>();
  /** In evict() or waiting for RCU, oldest first. */
  private readonly _waiting = new Set<Incarnation>();
  /** Taken as lost, by address or device and number, with the lines taken as missing; see #recovered. */
  private readonly _presumed = new Map<
    number | string,
    { inode: Incarnation; missing: readonly LineName[] }
  >();
  /** Canaries that were announced: by inode number, their devices. */
  private readonly _canaries = new Map<number, number[]>();
  private readonly _detail: 'steps' | 'lifecycle' | 'auto';
  detail: DetailNow;
  /** What was told of a guest_memfd before its inode was evicted; oldest first, bounded. */
  private readonly _gmem = new Map<Address, TraceEvent[]>();

  constructor(options: ModelOptions) {
    this.plan = options.plan;
    this.inodes = new Inodes(options.keep);
    this._seesFree = isObserved(options.plan.hugepage_free);
    this._detail = options.detail ?? 'steps';
    this.detail = { steps: this._detail !== 'lifecycle', since: 0, rate: 0 };
    this.hugepages = new Hugepages(this._seesFree, options.baseIndex ?? true);
    this._sectorsPerHugepage = options.hugepageKb * 2;
    const { plan, freedState = null, baseIndex = true } = options;
    const steps = options.detail !== 'lifecycle';
    this.contract = new Contract({ plan, freedState, baseIndex, steps }, this);
    this.leaks = new Leaks(this, options.leakAfter ?? LEAK_AFTER);
    for (const Watch of WATCHES) this.leaks.watch((leaks) => new Watch(leaks));
  }

  /** In evict() or waiting for RCU, oldest first. */
  waiting(): Iterable<Incarnation> {
    return this._waiting;
  }

  /** Bytes of a hugepage of this inode's superblock. */
  hugepageBytes(inode: Incarnation | null): number {
    const size = inode?.fs === 'hugetlbfs' ? this.superblocks.blockSize(inode.dev) : undefined;
    return size ?? this._sectorsPerHugepage * 512;
  }

  /** Whether this host shows hugepages going back. */
  get seesFree(): boolean {
    return this._seesFree;
  }

  apply(event: TraceEvent): void {
    this.#take(event);
    this.contract.applied(event);
    if (event.kind === 'tick') this.leaks.tick(this.now);
  }

  #take(event: TraceEvent): void {
    if (event.ts > this.now) this.now = event.ts;
    switch (event.kind) {
      case 'tick':
        return this.#presumeLost();
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
        const inode = this.#begin(event.inode, event.dev, event.magic, 0, event);
        inode.born = true;
        return inode.note(event);
      }
      case 'evict':
        return this.#evict(event);
      case 'evict_inode':
      case 'truncate_final':
      case 'evict_inode_end':
      case 'clear_inode':
      case 'destroy_op':
        return this.#stage(event, event.inode, event.kind);
      case 'destroy_inode': {
        this.#stage(event, event.inode, 'destroy_inode');
        const inode = this.inodes.current(event.inode);
        if (inode?.state === 'evicting') inode.state = 'grace';
        this._evicting.delete(event.tid); // the last thing evict() does
        return;
      }
      case 'evict_end':
        this.#stage(event, event.inode, 'evict_end');
        this._evicting.delete(event.tid);
        return;
      case 'i_callback':
        return this.#callback(event);
      case 'free_inode':
        return this.#freed(event);
      case 'hugepage_add':
        this.promises.added(event, this.#ofInode(event));
        return;
      case 'hugepage_remove':
        this.#ofInode(event);
        return;
      case 'reserve':
        return this.promises.reserve(event, this.#ofInode(event), this.#tellsMaps());
      case 'unreserve':
        this.promises.unreserve(event, this.#ofInode(event));
        // its pages are gone; the steps would tell when evict() is through with it
        if (!this.detail.steps && this._evicting.get(event.tid)?.address === event.inode) {
          this._evicting.delete(event.tid);
        }
        return;
      case 'hugepage_free':
        this.hugepages.freeing(event, this._evicting.get(event.tid))?.note(event);
        return this.#touch();
      case 'hugepage_enqueue':
        this.hugepages.went(event.folio, 'pool')?.note(event);
        return;
      case 'hugepage_to_buddy':
        this.hugepages.went(event.folio, 'buddy')?.note(event);
        return;
      case 'resv_map_release':
        this.promises.mapRelease(event);
        this._evicting.get(event.tid)?.note(event);
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
        return this.#guestMemfd(event);
      case 'detail':
        this.detail = { steps: event.steps === 1, since: event.ts, rate: event.rate };
        if (!this.detail.steps) this._evicting.clear(); // nobody tells when they are through
        return;
      case 'life':
        return this.#life(event);
      case 'tp_life':
        return this.#tracepointLife(event);
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
      case 'tp_hugepage_add':
      case 'tp_hugepage_remove':
        return this.#tracepoint(event);
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
   * part, and judged by nobody before `inheritedNs`.
   */
  resume(steps: boolean, inheritedNs: number): void {
    this.gap({ from: 0, to: 0, lost: 0, where: 'tracer_down', detail: BEGINS_HERE });
    if (steps !== this.detail.steps) {
      this.detail = { steps, since: 0, rate: 0 };
      this.contract.watch.steps(0, steps);
    }
    this.contract.ready(inheritedNs);
  }

  /** The inode with this device and number is lastref's own canary. */
  canary(fs: string, dev: number, ino: number): void {
    if (fs === 'hugetlbfs') this.namelessDev = dev;
    this._canaries.set(ino, [...(this._canaries.get(ino) ?? []), dev]);
    for (const inode of this.inodes.all()) this.#disownCanary(inode);
  }

  /** Whether something was lost while this incarnation lived. */
  doubtful(inode: Incarnation): boolean {
    const to = inode.state === 'ended' ? inode.last : this.now;
    // what was first seen in the middle of its life may have begun at any time
    const begin = inode.at('evict') ?? inode.at('evict_inode');
    const from = inode.born || inode.first === begin ? inode.first : 0;
    return this.gaps.overlaps(from, to);
  }

  #disownCanary(inode: Incarnation): void {
    if (this._canaries.get(inode.ino)?.includes(inode.dev)) this.inodes.disown(inode);
  }

  /** A new life at this address: what lived there before has ended unseen. */
  #begin(
    address: Address,
    dev: number,
    magic: number,
    ino: number,
    event: TraceEvent,
  ): Incarnation {
    const before = this.inodes.current(address);
    if (before !== undefined) {
      this.#displace(address, before);
    }
    const fs = this.superblocks.fsName(dev, magic);
    const inode = this.inodes.begin(address, fs, dev, address, ino, event.ts);
    inode.pid = event.pid;
    inode.tid = event.tid;
    return inode;
  }

  /** Another life goes on at this address: the end of this one was not seen. */
  #displace(key: number | string, inode: Incarnation): void {
    this.inodes.release(key, inode);
    if (inode.state !== 'ended') this.#lose(inode);
  }

  /** evict() has it since this time. */
  #isEvicted(inode: Incarnation, ts: number): void {
    inode.state = 'evicting';
    this.hugepages.unmapped(inode, ts);
    this.hugepages.holding.delete(inode);
    this._waiting.add(inode);
  }

  #end(inode: Incarnation, state: 'ended' | 'lost'): void {
    this._waiting.delete(inode);
    this.promises.ended(inode);
    this.hugepages.holding.delete(inode);
    if (this._evicting.get(inode.tid) === inode) this._evicting.delete(inode.tid);
    this.inodes.end(inode, state);
  }

  #evict(event: EventOf<'evict'>): void {
    let inode = this.inodes.current(event.inode);
    if (inode === undefined || inode.state !== 'open' || inode.dev !== event.dev) {
      inode = this.#begin(event.inode, event.dev, event.magic, event.ino, event);
    }
    this.#isEvicted(inode, event.ts);
    inode.superblock = this.superblocks.of(event.dev, event.magic) ?? inode.superblock;
    this.#nameFs(inode, event);
    inode.ino = event.ino;
    inode.nlink = event.nlink;
    inode.mode = event.mode;
    inode.size = event.size;
    this.#lastUser(inode, event);
    // i_blocks counts what is in the cache, also what was added before tracing began
    if (inode.fs === 'hugetlbfs') inode.pages = (event.blocks * 512) / this.hugepageBytes(inode);
    inode.freedBefore = inode.freed;
    inode.reach('evict', event.ts);
    inode.note(event);
    this.#adoptGmem(inode);
    this._evicting.set(event.tid, inode);
    this.#disownCanary(inode);
    this.#touch();
  }

  /** One line with all stages, when the inode has ended; some may have been told before. */
  #life(event: EventOf<'life'>): void {
    const begin = event.ts - event.evict;
    let inode = this.inodes.current(event.inode);
    const later = inode !== undefined && inode.first > event.ts;
    if (inode !== undefined && (later || !isSameLife(inode, event, begin))) {
      if (!later) this.#displace(event.inode, inode);
      inode = undefined;
    }
    inode ??= this.#recovered(event.inode, (lost) => isSameLife(lost, event, begin));
    if (inode === undefined) {
      const fs = this.superblocks.fsName(event.dev, event.magic);
      inode = this.inodes.beginPast(fs, event.dev, event.inode, event.ino, begin);
    }
    inode.superblock = this.superblocks.of(event.dev, event.magic) ?? inode.superblock;
    this.#nameFs(inode, event);
    inode.ino = event.ino;
    inode.nlink = event.nlink;
    inode.mode = event.mode;
    inode.size = event.size;
    this.#lastUser(inode, event);
    this.#adoptGmem(inode);
    if (inode.at('evict') === null) {
      if (inode.fs === 'hugetlbfs') inode.pages = (event.blocks * 512) / this.hugepageBytes(inode);
      inode.freedBefore = inode.freed;
    }
    for (const stage of LIFE_STAGES) {
      if (event[stage] > 0) inode.reach(stage, event.ts - event[stage]);
    }
    // the last step is at the time of the line
    if (event.free_op > 0) inode.reach('free_inode', event.ts);
    else if (event.i_callback > 0) inode.reach('i_callback', event.ts);
    inode.note(event);
    inode.freeContext = lifeContext(event);
    inode.freeCpu = event.cpu;
    if (inode.superblock !== undefined) this.superblocks.ran(inode.superblock, event.free_inode);
    this.#disownCanary(inode);
    this.hugepages.unmapped(inode, begin);
    this.#end(inode, 'ended');
    this.inodes.measurePair(inode, 'i_callback', 'free_inode');
    this.inodes.release(event.inode, inode);
  }

  /** Its eviction took very long, with a gap in between, and it was taken as lost: it was not. */
  #recovered(key: number | string, isIt: (lost: Incarnation) => boolean): Incarnation | undefined {
    const presumed = this._presumed.get(key);
    if (presumed === undefined || !isIt(presumed.inode)) return undefined;
    this._presumed.delete(key);
    if (!this.inodes.reopen(key, presumed.inode)) return undefined;
    for (const line of presumed.missing) this.unseen.set(line, this.unseen.get(line)! - 1);
    this._waiting.add(presumed.inode);
    return presumed.inode;
  }

  #tracepointLife(event: EventOf<'tp_life'>): void {
    const key = fileKey(event.dev, event.ino);
    const none = 0 as Address;
    const begin = event.ts - event.evict_inode;
    let inode =
      this.inodes.current(key) ??
      this.#recovered(key, (lost) => isSameEviction(lost.at('evict_inode'), begin));
    if (inode === undefined) {
      inode = this.inodes.beginPast('hugetlbfs', event.dev, none, event.ino, begin);
    } else if (inode.first > event.ts) {
      inode = this.inodes.begin(key, 'hugetlbfs', event.dev, none, event.ino, begin);
    }
    inode.nlink = event.nlink;
    inode.mode = event.mode;
    inode.size = event.size;
    this.#lastUser(inode, event);
    if (inode.at('evict_inode') === null) inode.pages = event.blocks / this._sectorsPerHugepage;
    inode.reach('evict_inode', begin);
    inode.reach('free_inode', event.ts);
    inode.note(event);
    inode.freeContext = lifeContext(event);
    this.#disownCanary(inode);
    this.#end(inode, 'ended');
    this.inodes.measurePair(inode, 'evict_inode', 'free_inode');
    this.inodes.release(key, inode);
  }

  /** Up to 6.18 a guest_memfd is an inode of anon_inodefs: that it is closed tells which. */
  #guestMemfd(event: EventOf<'gmem_release' | 'gmem_fallocate'>): void {
    const inode = this.inodes.current(event.inode);
    if (inode !== undefined && inode.state === 'open') return inode.note(event);
    const told = this._gmem.get(event.inode) ?? [];
    if (told.length < MAX_GMEM_EVENTS) told.push(event);
    this._gmem.delete(event.inode);
    this._gmem.set(event.inode, told);
    if (this._gmem.size > MAX_GMEM) this._gmem.delete(this._gmem.keys().next().value!);
  }

  /** Up to 6.18 a guest_memfd lies on anon_inodefs, and goes by its own name here. */
  #nameFs(
    inode: Incarnation,
    { dev, magic }: { readonly dev: number; readonly magic: number },
  ): void {
    const name = this.superblocks.fsName(dev, magic);
    if (name === 'anon_inodefs' && inode.fs === 'guest_memfd') return;
    this.inodes.rename(inode, name);
  }

  /** What was told of it before its inode was known. */
  #adoptGmem(inode: Incarnation): void {
    const told = this._gmem.get(inode.address);
    if (told === undefined) return;
    this._gmem.delete(inode.address);
    for (const event of told) inode.note(event);
    if (told.some((event) => event.kind === 'gmem_release')) {
      this.inodes.rename(inode, 'guest_memfd');
    }
  }

  #lastUser(inode: Incarnation, event: { pid: number; tid: number; comm: string }): void {
    inode.pid = event.pid;
    inode.tid = event.tid;
    inode.comm = event.comm;
  }

  #stage(event: TraceEvent, address: Address, stage: EvictStage): void {
    const inode =
      this.inodes.current(address) ??
      this.#recovered(address, (lost) => !isOfAnotherLife(lost, event, stage));
    // without any earlier line the filesystem is not known: tracing began inside it, or a gap
    if (inode === undefined || (inode.state === 'open' && event.ts < inode.first)) return;
    if (inode.state === 'open') {
      // the line of evict() itself was lost, or tracing began after it
      this.#isEvicted(inode, event.ts);
      inode.pid = event.pid;
      inode.tid = event.tid;
    } else if (isOfAnotherLife(inode, event, stage)) {
      return this.#displace(address, inode);
    }
    inode.reach(stage, event.ts);
    inode.note(event);
    this.#touch();
  }

  #callback(event: EventOf<'i_callback'>): void {
    const inode = this.inodes.current(event.inode);
    if (inode === undefined || event.ts < inode.first) return; // not one of ours, or begun before us
    if (inode.state === 'ended') return this.inodes.release(event.inode, inode); // another life's
    inode.reach('i_callback', event.ts);
    inode.note(event);
    inode.freeContext = callbackContext(event.flags, event.comm);
    inode.freeCpu = event.cpu;
    if (inode.superblock !== undefined) this.superblocks.ran(inode.superblock, event.free_inode);
    this.#end(inode, 'ended');
    if (event.free_inode === '0') this.inodes.release(event.inode, inode);
  }

  #freed(event: EventOf<'free_inode'>): void {
    const inode = this.inodes.current(event.inode);
    if (inode === undefined || event.ts < inode.first) return;
    this.inodes.release(event.inode, inode);
    // free_inode runs inside i_callback
    if (inode.state === 'ended' && event.cpu !== inode.freeCpu) return;
    inode.reach('free_inode', event.ts);
    inode.note(event);
    if (inode.state === 'ended') this.inodes.measurePair(inode, 'i_callback', 'free_inode');
    else this.#end(inode, 'ended'); // i_callback itself was lost
    this.#touch();
  }

  #ofInode(
    event: EventOf<'hugepage_add' | 'hugepage_remove' | 'reserve' | 'unreserve'>,
  ): Incarnation {
    let inode = this.inodes.current(event.inode);
    if (inode === undefined || isPast(inode, event)) {
      inode = this.#begin(event.inode, event.dev, 0x958458f6, event.ino, event);
    }
    if (inode.state === 'open') {
      inode.ino = event.ino;
      this.#disownCanary(inode);
    }
    inode.note(event);
    if (event.kind === 'hugepage_add' && event.ret === 0) {
      this.hugepages.added(inode, event.folio, null, event.index, event.ts);
    } else if (event.kind === 'hugepage_remove') {
      if (inode.state === 'open') inode.pages = Math.max(0, inode.pages - 1);
      this.hugepages.removed(inode, event.folio, null, event.index, event.refcount, event.ts);
    }
    this.#touch();
    return inode;
  }

  /** Whether a mapping that gets a resv_map of its own is told apart from one that does not. */
  #tellsMaps(): boolean {
    return this.detail.steps && isObserved(this.plan.resv_map_alloc);
  }

  /** Hosts that offer the hugetlbfs tracepoints only: device and number are the identity. */
  #tracepoint(
    event: EventOf<
      | 'tp_alloc_inode'
      | 'tp_evict_inode'
      | 'tp_free_inode'
      | 'tp_hugepage_add'
      | 'tp_hugepage_remove'
    >,
  ): void {
    const key = fileKey(event.dev, event.ino);
    let inode = this.inodes.current(key);
    if (event.kind === 'tp_free_inode') {
      if (inode === undefined) {
        // its eviction was before us, or the program that notes it did not run
        if (this._detail !== 'steps' && this.#sawAllOf(event.ts)) this.#unseen('tp_life');
        return;
      }
      inode.reach('free_inode', event.ts);
      inode.note(event);
      inode.freeContext = callbackContext(event.flags, event.comm);
      if (inode.born && inode.at('evict_inode') === null) {
        this.#unseen(this._detail === 'steps' ? 'tp_evict_inode' : 'tp_life');
      }
      this.#end(inode, 'ended');
      this.inodes.measurePair(inode, 'evict_inode', 'free_inode');
      this.inodes.release(key, inode);
      return;
    }
    const begins = event.kind === 'tp_alloc_inode' || inode?.state === 'evicting';
    const reused = begins && event.kind !== 'tp_hugepage_remove' && event.ts > (inode?.last ?? 0);
    if (inode === undefined || reused) {
      if (inode !== undefined) this.#displace(key, inode);
      inode = this.inodes.begin(key, 'hugetlbfs', event.dev, 0 as Address, event.ino, event.ts);
      inode.pid = event.pid;
      inode.tid = event.tid;
      this.#disownCanary(inode);
    }
    inode.note(event);
    const none = 0 as Address;
    if (event.kind === 'tp_alloc_inode') {
      inode.born = true;
    } else if (event.kind === 'tp_evict_inode') {
      inode.nlink = event.nlink;
      inode.mode = event.mode;
      inode.size = event.size;
      inode.pages = event.blocks / this._sectorsPerHugepage;
      this.#lastUser(inode, event);
      this.#isEvicted(inode, event.ts);
      inode.reach('evict_inode', event.ts);
    } else if (event.kind === 'tp_hugepage_add') {
      this.hugepages.added(inode, none, event.pfn, event.index >> 9, event.ts);
    } else {
      if (inode.state === 'open') inode.pages = Math.max(0, inode.pages - 1);
      this.hugepages.removed(inode, none, event.pfn, event.index, null, event.ts);
    }
    this.#touch();
  }

  /** Whether tracing ran for longer than the longest grace period before this time. */
  #sawAllOf(ts: number): boolean {
    const since = ts - PRESUMED_LOST_NS;
    return (
      since > 0 && !this.gaps.list.some((gap) => gap.where === 'tracer_down' && gap.to > since)
    );
  }

  /** What waits far too long, while a gap could have swallowed its end, is taken as lost. */
  #presumeLost(): void {
    for (const inode of this._waiting) {
      if (this.now - inode.last < PRESUMED_LOST_NS) return;
      // without a gap since its last line it is not lost but stuck, and stays
      if (!this.gaps.overlaps(inode.last, this.now)) continue;
      this.inodes.release(inode.key, inode);
      this._presumed.set(inode.key, { inode, missing: this.#lose(inode) });
      if (this._presumed.size > MAX_PRESUMED) {
        this._presumed.delete(this._presumed.keys().next().value!);
      }
    }
  }

  /** Its end was not seen though it must have been: which lines are missing? */
  #lose(inode: Incarnation): readonly LineName[] {
    const missing: LineName[] = [];
    if (this._detail !== 'steps') {
      if (inode.address === 0) missing.push('tp_life');
      else if (inode.at('evict') !== null) missing.push('life');
    } else if (inode.address === 0) {
      if (inode.at('evict_inode') === null) missing.push('tp_evict_inode');
      missing.push('tp_free_inode');
    } else if (inode.at('evict') !== null) {
      const sb = inode.superblock;
      for (const stage of ['destroy_inode', 'evict_end', 'i_callback', 'free_inode'] as const) {
        if (stage === 'free_inode' && (sb === undefined || sb.free_inode === '0')) continue;
        if (isObserved(this.plan[stage]) && inode.at(stage) === null) missing.push(stage);
      }
    }
    for (const line of missing) this.#unseen(line);
    this.#end(inode, 'lost');
    return missing;
  }

  #unseen(line: LineName): void {
    this.unseen.set(line, (this.unseen.get(line) ?? 0) + 1);
  }

  #touch(): void {
    this.inodes.revision++;
  }
}

/** The stages in a line at the end, but the last one. */
const LIFE_STAGES = [
  'evict',
  'evict_inode',
  'truncate_final',
  'clear_inode',
  'evict_inode_end',
  'destroy_inode',
  'destroy_op',
  'evict_end',
  'i_callback',
] as const;

/** Two programs note the time of evict(), one after the other; a guest's CPU may stop in between. */
const SAME_EVICT_NS = 1e9;

/** Whether the line at the end speaks of the incarnation that is known at that address. */
function isSameLife(inode: Incarnation, event: EventOf<'life'>, begin: number): boolean {
  if (inode.dev !== event.dev || inode.state === 'ended') return false;
  if (inode.ino !== 0 && inode.ino !== event.ino) return false;
  const evict = inode.at('evict');
  return evict === null ? inode.first <= event.ts : isSameEviction(evict, begin);
}

/** The line at the end gives the time of the eviction as another program took it. */
function isSameEviction(told: number | null, begin: number): boolean {
  return told !== null && Math.abs(told - begin) < SAME_EVICT_NS;
}

/** Where RCU called back, from the flags of the task it borrowed and the first bytes of its name. */
function lifeContext({ flags, by }: { readonly flags: number; readonly by: number }): Context {
  if ((flags & PF_KTHREAD) === 0) return callbackContext(flags, '');
  const name = String.fromCharCode(by & 0xff, (by >>> 8) & 0xff, (by >>> 16) & 0xff, by >>> 24);
  // `rcuo`, `rcuc`, `rcub`, `rcu_`, `ksof`: as much of the name as the line has room for
  const full: Record<string, string> = { ksof: 'ksoftirqd/', rcu_: 'rcu_' };
  return callbackContext(flags, full[name] ?? (/^rcu[ocgb]/.test(name) ? 'rcuop/' : name));
}

/** The stages inside evict(), which all run in one task, in this order. */
type EvictStage = Exclude<InodeStage, 'evict' | 'i_callback' | 'free_inode'>;

/** Whether a stage at this time cannot be this incarnation's: its address was used again. */
function isOfAnotherLife(inode: Incarnation, event: TraceEvent, stage: EvictStage): boolean {
  if (event.tid !== inode.tid) return true;
  const until = stage === 'evict_end' ? 'i_callback' : 'never'; // RCU may be faster than the task
  for (let i = INODE_STAGES.indexOf(stage); i < INODE_STAGES.length; i++) {
    if (INODE_STAGES[i] === until) return false;
    const at = inode.at(INODE_STAGES[i]!);
    if (at !== null && at < event.ts) return true;
  }
  return false;
}

/** Whether a line about its pages or reservations is of a time after this incarnation. */
function isPast(
  inode: Incarnation,
  event: EventOf<'hugepage_add' | 'hugepage_remove' | 'reserve' | 'unreserve'>,
): boolean {
  if (inode.state === 'open') return false;
  if (event.ts < inode.last) return false; // late
  if (inode.state !== 'evicting' || event.tid !== inode.tid) return true;
  return event.kind === 'hugepage_add' || event.kind === 'reserve';
}

/** RCU callbacks run in a softirq on top of any task, in ksoftirqd, or in a thread of RCU (rcu_nocbs). */
export function callbackContext(flags: number, comm: string): Context {
  if ((flags & PF_KTHREAD) !== 0) {
    if (/^rcu(op|og|oc|c|b)\//.test(comm) || comm.startsWith('rcu_')) return 'rcu-thread';
    if (comm.startsWith('ksoftirqd/')) return 'ksoftirqd';
  }
  return 'softirq';
}
