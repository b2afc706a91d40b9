/**
 * One epoch of one host: events in, state out. Pure: time comes from the events,
 * so any point of any trace can be computed again, and a replay says what live said.
 */
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
import { Gaps, type ModelGap } from './gaps.ts';
import { Hugepages } from './hugepages.ts';
import type { Incarnation } from './incarnation.ts';
import { Inodes } from './inodes.ts';
import { type PoolSample, Pools } from './pools.ts';
import { Superblocks } from './superblocks.ts';

/** PF_KTHREAD (include/linux/sched.h): the same bit since 3.x. */
const PF_KTHREAD = 0x0020_0000;

/**
 * An end that lies this far back and overlaps a gap is taken as lost in it. Lazy
 * RCU (CONFIG_RCU_LAZY) delays callbacks by up to 10 s without any loss.
 */
const PRESUMED_LOST_NS = 15e9;

export interface ModelOptions {
  readonly plan: Plan;
  /** Size of the default hugepage in KiB (/proc/meminfo, Hugepagesize). */
  readonly hugepageKb: number;
  /** Ended incarnations kept in memory. */
  readonly keep: number;
}

export class Model {
  readonly superblocks = new Superblocks();
  readonly inodes: Inodes;
  readonly hugepages: Hugepages;
  readonly gaps = new Gaps();
  readonly pools = new Pools();
  /**
   * Lines that must have been and were not seen, found by what came before and
   * after them in the life of an inode. A witness beside the kernel's own counts:
   * a tracepoint that is hit inside perf's own recursion guard is not even counted.
   */
  readonly unseen = new Map<LineName, number>();
  /** Time of the newest event, ns of the epoch; 0 before the first. */
  now = 0;
  readonly plan: Plan;
  readonly #seesFree: boolean;
  readonly #sectorsPerHugepage: number;
  /** Whose evict() runs in which task. */
  readonly #evicting = new Map<number, Incarnation>();
  /** In evict() or waiting for RCU, oldest first. */
  readonly #waiting = new Set<Incarnation>();
  /** Canaries that were announced before their lines came. */
  readonly #canaries = new Set<string>();

  constructor(options: ModelOptions) {
    this.plan = options.plan;
    this.inodes = new Inodes(options.keep);
    this.#seesFree = isObserved(options.plan.hugepage_free);
    this.hugepages = new Hugepages(this.#seesFree);
    this.#sectorsPerHugepage = options.hugepageKb * 2;
  }

  /** Whether this host shows hugepages going back. */
  get seesFree(): boolean {
    return this.#seesFree;
  }

  apply(event: TraceEvent): void {
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
      case 'evict_inode_end':
      case 'clear_inode':
      case 'destroy_op':
        return this.#stage(event, event.inode, event.kind);
      case 'destroy_inode': {
        this.#stage(event, event.inode, 'destroy_inode');
        const inode = this.inodes.current(event.inode);
        if (inode?.state === 'evicting') inode.state = 'grace';
        this.#evicting.delete(event.tid); // the last thing evict() does
        return;
      }
      case 'evict_end':
        this.#stage(event, event.inode, 'evict_end');
        this.#evicting.delete(event.tid);
        return;
      case 'i_callback':
        return this.#callback(event);
      case 'free_inode':
        return this.#freed(event);
      case 'hugepage_add':
      case 'hugepage_remove':
      case 'reserve':
      case 'unreserve':
        return this.#ofInode(event);
      case 'hugepage_free':
        this.hugepages.freeing(event, this.#evicting.get(event.tid))?.note(event);
        return this.#touch();
      case 'hugepage_enqueue':
        this.hugepages.went(event.folio, 'pool')?.note(event);
        return;
      case 'hugepage_to_buddy':
        this.hugepages.went(event.folio, 'buddy')?.note(event);
        return;
      case 'resv_map_release':
        this.#evicting.get(event.tid)?.note(event);
        return;
      default:
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
  }

  /** The inode with this device and number is lastref's own canary. */
  canary(dev: number, ino: number): void {
    this.#canaries.add(`${dev}:${ino}`);
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
    if (this.#canaries.size > 0 && this.#canaries.has(`${inode.dev}:${inode.ino}`)) {
      this.inodes.disown(inode);
    }
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

  #end(inode: Incarnation, state: 'ended' | 'lost'): void {
    this.#waiting.delete(inode);
    if (this.#evicting.get(inode.tid) === inode) this.#evicting.delete(inode.tid);
    this.inodes.end(inode, state);
  }

  #evict(event: EventOf<'evict'>): void {
    let inode = this.inodes.current(event.inode);
    if (inode === undefined || inode.state !== 'open' || inode.dev !== event.dev) {
      inode = this.#begin(event.inode, event.dev, event.magic, event.ino, event);
    }
    inode.state = 'evicting';
    inode.superblock = this.superblocks.get(event.dev);
    this.inodes.rename(inode, this.superblocks.fsName(event.dev, event.magic));
    inode.ino = event.ino;
    inode.nlink = event.nlink;
    inode.mode = event.mode;
    inode.size = event.size;
    this.#lastUser(inode, event);
    // i_blocks counts what is in the cache, also what was added before tracing began
    if (inode.fs === 'hugetlbfs') inode.pages = event.blocks / this.#sectorsPerHugepage;
    inode.freedBefore = inode.freed;
    inode.reach('evict', event.ts);
    inode.note(event);
    this.#evicting.set(event.tid, inode);
    this.#waiting.add(inode);
    this.#disownCanary(inode);
    this.#touch();
  }

  #lastUser(inode: Incarnation, event: { pid: number; tid: number; comm: string }): void {
    inode.pid = event.pid;
    inode.tid = event.tid;
    inode.comm = event.comm;
  }

  #stage(event: TraceEvent, address: Address, stage: EvictStage): void {
    const inode = this.inodes.current(address);
    // without any earlier line the filesystem is not known: tracing began inside it, or a gap
    if (inode === undefined || (inode.state === 'open' && event.ts < inode.first)) return;
    if (inode.state === 'open') {
      // the line of evict() itself was lost, or tracing began after it
      inode.state = 'evicting';
      inode.pid = event.pid;
      inode.tid = event.tid;
      this.#waiting.add(inode);
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

  #ofInode(event: EventOf<'hugepage_add' | 'hugepage_remove' | 'reserve' | 'unreserve'>): void {
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
    const key = `${event.dev}:${event.ino}`;
    let inode = this.inodes.current(key);
    if (event.kind === 'tp_free_inode') {
      if (inode === undefined) return; // begun before us
      inode.reach('free_inode', event.ts);
      inode.note(event);
      inode.freeContext = callbackContext(event.flags, event.comm);
      if (inode.born && inode.at('evict_inode') === null) this.#unseen('tp_evict_inode');
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
      inode.pages = event.blocks / this.#sectorsPerHugepage;
      this.#lastUser(inode, event);
      inode.state = 'evicting';
      inode.reach('evict_inode', event.ts);
      this.#waiting.add(inode);
    } else if (event.kind === 'tp_hugepage_add') {
      this.hugepages.added(inode, none, event.pfn, event.index >> 9, event.ts);
    } else {
      if (inode.state === 'open') inode.pages = Math.max(0, inode.pages - 1);
      this.hugepages.removed(inode, none, event.pfn, event.index, null, event.ts);
    }
    this.#touch();
  }

  /** What waits far too long, while a gap could have swallowed its end, is taken as lost. */
  #presumeLost(): void {
    for (const inode of this.#waiting) {
      if (this.now - inode.last < PRESUMED_LOST_NS) return;
      // without a gap since its last line it is not lost but stuck, and stays
      if (!this.gaps.overlaps(inode.last, this.now)) continue;
      this.inodes.release(inode.address || `${inode.dev}:${inode.ino}`, inode);
      this.#lose(inode);
    }
  }

  /** Its end was not seen though it must have been: which lines are missing? */
  #lose(inode: Incarnation): void {
    const missing: LineName[] = [];
    if (inode.address === 0) {
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
  }

  #unseen(line: LineName): void {
    this.unseen.set(line, (this.unseen.get(line) ?? 0) + 1);
  }

  #touch(): void {
    this.inodes.revision++;
  }
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
