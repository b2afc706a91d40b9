/**
 * How the lives of inodes begin, are evicted, come to their end, or are lost: what lines of
 * single stages, one line at the end, and tracepoints have in common.
 */
import type { TraceEvent } from '../protocol/events.ts';
import type { LineName } from '../protocol/grammar.ts';
import { isLife } from '../protocol/line-kinds.ts';
import { isObserved, type Plan, type PlanEntry } from '../protocol/stages.ts';
import type { Address } from '../protocol/units.ts';
import type { Gaps } from './gaps.ts';
import type { Hugepages } from './hugepages.ts';
import type { Incarnation } from './incarnation.ts';
import type { File, Inodes } from './inodes.ts';
import { NumberMap } from './number-map.ts';
import { NumberedSet } from './numbered-set.ts';
import type { PageSizes } from './page-sizes.ts';
import type { Promises } from './promises.ts';
import type { Superblocks } from './superblocks.ts';

/**
 * An end that lies this far back and overlaps a gap is taken as lost in it. Lazy
 * RCU (CONFIG_RCU_LAZY) delays callbacks by up to 10 s without any loss.
 */
const PRESUMED_LOST_NS = 15e9;

/** Incarnations taken as lost whose end may still be told; the oldest are forgotten. */
const MAX_PRESUMED = 1024;

const LEFT_OUT = 'the end of an inode was not told, and that of a later one of its task was';

/** Tasks whose newest eviction with an end is known; the oldest are forgotten. */
const MAX_TASKS = 4096;

/** Canaries whose names are known; the oldest are forgotten, long after they ended. */
const MAX_CANARIES = 1024;

/** What the kernel side was asked to tell of each inode; see EpochInfo. */
export type AskedDetail = 'steps' | 'lifecycle' | 'auto';

function isRaw(entry: PlanEntry): boolean {
  return isObserved(entry) && entry.probe.startsWith('rawtracepoint:');
}

/** What the lives of inodes touch. */
type Parts = Pick<
  Teardown,
  | 'plan'
  | 'asked'
  | 'hiddenMagic'
  | 'pageSizes'
  | 'inodes'
  | 'superblocks'
  | 'hugepages'
  | 'promises'
  | 'gaps'
>;

export class Teardown {
  /** Time of the newest event, ns of the epoch; 0 before the first. */
  now = 0;
  /** Whose evict() runs in which task. */
  readonly evicting = new NumberMap<number, Incarnation>();
  /**
   * By task: what its evict() was doing when the inode had ended, since its filesystem frees it by
   * itself; its address may be another's before evict() returns.
   */
  private readonly _returning = new NumberMap<number, Incarnation>();
  /** In evict() or waiting for RCU, oldest first. */
  readonly waiting = new NumberedSet<Incarnation>();
  /**
   * Lines that must have been and were not seen, found by what came before and
   * after them in the life of an inode. A witness beside the kernel's own counts:
   * a tracepoint that is hit inside perf's own recursion guard is not even counted.
   */
  readonly unseen = new Map<LineName, number>();
  /** Of those, the lines at the end of inodes that were taken as lost. */
  readonly lostEnds = { count: 0 };
  /**
   * What was evicted until this time owes no line. Probes attach one by one until the tracer is ready
   * for the first time. Where the trace begins in the middle, lines may have been read before it: one
   * bpftrace is read ahead of the other.
   */
  readBefore = Number.NEGATIVE_INFINITY;
  /** The mount of hugetlbfs that only the kernel has: memfds and SysV segments, without names. */
  namelessDev: number | null = null;
  readonly plan: Plan;
  readonly asked: AskedDetail;
  /** Inodes of these superblocks are traced for canaries alone. */
  readonly hiddenMagic: number | null;
  /** The line at the end of an inode that has no address here. */
  readonly tracepointLife: 'tp_life' | 'raw_life';
  readonly pageSizes: PageSizes;
  readonly inodes: Inodes;
  readonly superblocks: Superblocks;
  readonly hugepages: Hugepages;
  readonly promises: Promises;
  readonly gaps: Gaps;
  /** By task: when the newest of its evictions began whose inode has been freed, tracepoints alone. */
  private readonly _freedOf = new NumberMap<number, number>();
  /** Taken as lost, by address or device and number, with the lines taken as missing; see recovered. */
  private readonly _presumed = new Map<
    number | string,
    { inode: Incarnation; missing: readonly LineName[] }
  >();
  /** Canaries that were announced: by inode number, their devices. */
  private readonly _canaries = new Map<number, number[]>();

  constructor(parts: Parts) {
    this.plan = parts.plan;
    this.asked = parts.asked;
    this.hiddenMagic = parts.hiddenMagic;
    this.tracepointLife = isRaw(parts.plan.lifecycle) ? 'raw_life' : 'tp_life';
    this.pageSizes = parts.pageSizes;
    this.inodes = parts.inodes;
    this.superblocks = parts.superblocks;
    this.hugepages = parts.hugepages;
    this.promises = parts.promises;
    this.gaps = parts.gaps;
  }

  /** A new life at this address: what lived there before has ended unseen. */
  begin(address: Address, dev: number, magic: number, ino: number, event: TraceEvent): Incarnation {
    const before = this.inodes.current(address);
    if (before !== undefined) {
      this.displace(address, before);
    } else if (this._presumed.size > 0) {
      this._presumed.delete(address); // what comes from now on is this one's
    }
    const fs = this.superblocks.fsName(dev, magic);
    const inode = this.inodes.begin(address, fs, dev, address, ino, event.ts);
    inode.pid = event.pid;
    inode.tid = event.tid;
    this.hide(inode, magic);
    return inode;
  }

  /** Whoever made it: nothing of it is shown, if nobody asked for its filesystem. */
  hide(inode: Incarnation, magic: number): void {
    if (magic === this.hiddenMagic) this.inodes.hide(inode);
  }

  /** Another life goes on at this address: the end of this one was not seen. */
  displace(key: number | string, inode: Incarnation): void {
    this.inodes.release(key, inode);
    if (inode.state === 'ended') return;
    const destroyed = inode.at('destroy_op') !== null || inode.at('destroy_inode') !== null;
    if (destroyed && this.superblocks.freesItself(inode)) this.endByItself(inode);
    else this.lose(inode);
  }

  /** s_op->destroy_inode has freed it; that evict() returned may be told later. */
  endByItself(inode: Incarnation): void {
    this.end(inode, 'ended');
    if (inode.at('evict_end') !== null) return;
    this._returning.set(inode.tid, inode);
    if (this._returning.size > MAX_TASKS) this._returning.takeOldest();
  }

  /** Another evict() begins in this task: the one before returned. */
  evictBegins(tid: number): void {
    if (this._returning.size > 0) this._returning.delete(tid);
  }

  /** evict() returned in this task, and had an inode at this address that has ended; see endByItself. */
  returned(address: Address, tid: number): Incarnation | undefined {
    if (this._returning.size === 0 || this._returning.get(tid)?.address !== address)
      return undefined;
    return this._returning.take(tid);
  }

  /** For the first time; later that is in a gap. */
  attaching(): void {
    if (this.readBefore === Number.NEGATIVE_INFINITY) this.readBefore = Number.POSITIVE_INFINITY;
  }

  /** All probes are attached. */
  ready(ts: number): void {
    if (this.readBefore === Number.POSITIVE_INFINITY) this.readBefore = ts;
  }

  /** No line of any inode will come. */
  forget(): void {
    this.evicting.clear();
    this._returning.clear();
    this.waiting.clear();
    this._freedOf.clear();
    this._presumed.clear();
  }

  /** evict() has it since this time. */
  evicted(inode: Incarnation, ts: number): void {
    inode.state = 'evicting';
    this.hugepages.unmapped(inode, ts);
    this.hugepages.holding.delete(inode);
    this.waiting.add(inode);
  }

  end(inode: Incarnation, state: 'ended' | 'lost'): void {
    this.waiting.delete(inode);
    this.promises.ended(inode);
    this.hugepages.holding.delete(inode);
    if (this.evicting.get(inode.tid) === inode) this.evicting.delete(inode.tid);
    this.inodes.end(inode, state);
  }

  /** Those in evict() or waiting for RCU whose end has not gone on for so long, ns. */
  *waitingFor(ns: number): Iterable<Incarnation> {
    for (const inode of this.waiting) {
      if (this.now - inode.began < ns) return;
      if (this.now - inode.progress >= ns) yield inode;
    }
  }

  /**
   * Since when a loss would explain that its end does not come. A step tells itself; but the line
   * at the end comes only where the program that prints it has seen evict(): null, where that was
   * not seen, or not by that program, which began later.
   */
  owesSince(inode: Incarnation): number | null {
    if (this.asked === 'steps') return inode.progress;
    return inode.at(inode.address === 0 ? 'evict_inode' : 'evict');
  }

  /** What waits far too long, while a gap could have swallowed its end, is taken as lost. */
  presumeLost(): void {
    for (const inode of this.waitingFor(PRESUMED_LOST_NS)) {
      const { progress } = inode;
      const from = this.owesSince(inode);
      // without a gap since then it is not lost but stuck, and stays
      const owes = from !== null && inode.began > this.readBefore;
      if (owes && !this.gaps.overlaps(from, this.now)) {
        if (!this.#wasLeftOut(inode)) continue;
        const detail = LEFT_OUT;
        this.gaps.add({
          from: progress,
          to: progress + 1e9,
          lost: 1,
          where: 'not_run',
          detail,
        });
      }
      this.inodes.release(inode.key, inode);
      this._presumed.set(inode.key, { inode, missing: this.lose(inode) });
      if (this._presumed.size > MAX_PRESUMED) {
        this._presumed.delete(this._presumed.keys().next().value!);
      }
    }
  }

  /** An inode that has no address here was freed; `begin`: of its eviction, by this task. */
  freed(tid: number, begin: number): void {
    if (this.waiting.size === 0 || (this._freedOf.get(tid) ?? 0) >= begin) return;
    this._freedOf.set(tid, begin);
    if (this._freedOf.size > MAX_TASKS) this._freedOf.takeOldest();
  }

  /**
   * Its task has evicted another inode since, so its own eviction is over; that one has been
   * freed, and RCU is not as late as this: the kernel left the program out, and counted it nowhere.
   */
  #wasLeftOut(inode: Incarnation): boolean {
    const begin = inode.at('evict_inode');
    if (inode.address !== 0 || begin === null) return false;
    return (this._freedOf.get(inode.tid) ?? 0) > begin;
  }

  /** Its eviction took very long, with a gap in between, and it was taken as lost: it was not. */
  recovered(key: number | string, isIt: (lost: Incarnation) => boolean): Incarnation | undefined {
    if (this._presumed.size === 0) return undefined;
    const presumed = this._presumed.get(key);
    if (presumed === undefined || !isIt(presumed.inode)) return undefined;
    this._presumed.delete(key);
    if (!this.inodes.reopen(key, presumed.inode)) return undefined;
    for (const line of presumed.missing) {
      this.unseen.set(line, this.unseen.get(line)! - 1);
      if (isLife(line)) this.lostEnds.count--;
    }
    this.waiting.add(presumed.inode);
    return presumed.inode;
  }

  /** Its end was not seen though it must have been: which lines are missing? */
  lose(inode: Incarnation): readonly LineName[] {
    const missing: LineName[] = [];
    if (this.asked !== 'steps') {
      if (inode.address === 0) missing.push(this.tracepointLife);
      else if (inode.at('evict') !== null) missing.push('life');
    } else if (inode.address === 0) {
      if (inode.at('evict_inode') === null) missing.push('tp_evict_inode');
      missing.push('tp_free_inode');
    } else if (inode.at('evict') !== null) {
      const sb = inode.superblock;
      for (const stage of ['destroy_inode', 'evict_end', 'i_callback', 'free_inode'] as const) {
        if (stage === 'free_inode' && (sb === undefined || sb.free_inode === '0')) continue;
        if (stage === 'i_callback' && this.superblocks.freesItself(inode)) continue;
        if (isObserved(this.plan[stage]) && inode.at(stage) === null) missing.push(stage);
      }
    }
    this.end(inode, 'lost');
    const begin = inode.at('evict') ?? inode.at('evict_inode');
    if (begin !== null && begin <= this.readBefore) return [];
    for (const line of missing) {
      this.missed(line);
      if (isLife(line)) this.lostEnds.count++;
    }
    return missing;
  }

  /** A line must have been, and did not come. */
  missed(line: LineName): void {
    this.unseen.set(line, (this.unseen.get(line) ?? 0) + 1);
  }

  /** Whether tracing ran for longer than the longest grace period before this time. */
  sawAllOf(ts: number): boolean {
    const since = ts - PRESUMED_LOST_NS;
    return (
      since > 0 && !this.gaps.list.some((gap) => gap.where === 'tracer_down' && gap.to > since)
    );
  }

  /** The inode with this device and number is lastref's own canary. */
  canary(fs: string, dev: number, ino: number): void {
    if (fs === 'hugetlbfs') this.namelessDev = dev;
    this._canaries.set(ino, [...(this._canaries.get(ino) ?? []), dev]);
    if (this._canaries.size > MAX_CANARIES) {
      this._canaries.delete(this._canaries.keys().next().value!);
    }
    for (const inode of this.inodes.ofFile({ dev, ino })) this.disownCanary(inode);
  }

  disownCanary(inode: Incarnation): void {
    if (this.isCanary(inode)) this.inodes.disown(inode);
  }

  isCanary({ dev, ino }: File): boolean {
    return this._canaries.get(ino)?.includes(dev) === true;
  }

  /** Whether something was lost while this incarnation lived. */
  doubtful(inode: Incarnation): boolean {
    const to = inode.state === 'ended' ? inode.last : this.now;
    // what was first seen in the middle of its life may have begun at any time
    const begin = inode.at('evict') ?? inode.at('evict_inode');
    const from = inode.born || inode.first === begin ? inode.first : 0;
    return this.gaps.overlaps(from, to);
  }

  touch(): void {
    this.inodes.revision++;
  }
}
