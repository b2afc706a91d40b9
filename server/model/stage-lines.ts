/** Lines that tell a stage of an inode, or something of its pages, at once. */
import type { EventOf, TraceEvent } from '../protocol/events.ts';
import { INODE_STAGES, type InodeStage, isObserved } from '../protocol/stages.ts';
import type { Address } from '../protocol/units.ts';
import { callbackContext } from './context.ts';
import type { GuestMemfds } from './guest-memfds.ts';
import { type Incarnation, STAGE_PLACE } from './incarnation.ts';
import type { File } from './inodes.ts';
import { HUGETLBFS } from './superblocks.ts';
import type { Teardown } from './teardown.ts';

/** The stages inside evict(), which all run in one task, in this order. */
type EvictStage = Exclude<InodeStage, 'evict' | 'i_callback' | 'free_inode'>;

type EventOfInode = EventOf<'hugepage_add' | 'hugepage_remove' | 'reserve' | 'unreserve'>;

export class StageLines {
  private readonly _teardown: Teardown;
  private readonly _gmem: GuestMemfds;
  /** The last stage that is seen of an inode that its filesystem frees by itself. */
  private readonly _last: EvictStage;

  constructor(teardown: Teardown, gmem: GuestMemfds) {
    this._teardown = teardown;
    this._gmem = gmem;
    const { plan } = teardown;
    const last = (['evict_end', 'destroy_op'] as const).find((stage) => isObserved(plan[stage]));
    this._last = last ?? 'destroy_inode';
  }

  evict(event: EventOf<'evict'>): void {
    this._teardown.evictBegins(event.tid);
    let inode = this._teardown.inodes.current(event.inode);
    if (inode === undefined || inode.state !== 'open' || !isOfFile(inode, event)) {
      inode = this._teardown.begin(event.inode, event.dev, event.magic, event.ino, event);
    }
    this._teardown.evicted(inode, event.ts);
    inode.superblock = this._teardown.superblocks.of(event.dev, event.magic) ?? inode.superblock;
    this._gmem.nameFs(inode, event);
    inode.ino = event.ino;
    inode.nlink = event.nlink;
    inode.mode = event.mode;
    inode.size = event.size;
    inode.usedBy(event);
    // i_blocks counts what is in the cache, also what was added before tracing began
    if (inode.fs === 'hugetlbfs') {
      inode.pages = (event.blocks * 512) / this._teardown.pageSizes.of(inode);
    }
    inode.freedBefore = inode.freed;
    inode.reach('evict', event.ts);
    inode.note(event);
    this._gmem.adopt(inode);
    this._teardown.evicting.set(event.tid, inode);
    this._teardown.disownCanary(inode);
    this._teardown.touch();
  }

  stage(event: TraceEvent, address: Address, stage: EvictStage): void {
    const inode =
      this._teardown.inodes.current(address) ??
      this._teardown.recovered(address, (lost) => !isOfAnotherLife(lost, event, stage));
    // without any earlier line the filesystem is not known: tracing began inside it, or a gap
    if (inode === undefined || (inode.state === 'open' && event.ts < inode.first)) return;
    if (inode.state === 'open') {
      if (stage === 'evict_end' && this.#isOfFreedBefore(inode, event)) return;
      // the line of evict() itself was lost, or tracing began after it
      this._teardown.evicted(inode, event.ts);
      inode.pid = event.pid;
      inode.tid = event.tid;
    } else if (isOfAnotherLife(inode, event, stage)) {
      return this._teardown.displace(address, inode);
    }
    inode.reach(stage, event.ts);
    inode.note(event);
    if (stage === 'destroy_inode' || stage === this._last) this.#destroyed(inode, stage);
    this._teardown.touch();
  }

  /**
   * Whether evict() may return from the inode before at this address, which was freed inside it. A
   * task that is there makes no other: one that it was first seen with is its own.
   */
  #isOfFreedBefore(inode: Incarnation, event: TraceEvent): boolean {
    return this._teardown.superblocks.someFreeThemselves() && event.tid !== inode.tid;
  }

  /** RCU has it from now on, or its filesystem frees it by itself before evict() returns. */
  #destroyed(inode: Incarnation, stage: EvictStage): void {
    if (!this._teardown.superblocks.freesItself(inode)) {
      if (stage === 'destroy_inode' && inode.state === 'evicting') inode.state = 'grace';
    } else if (stage === this._last) {
      this._teardown.endByItself(inode);
      this._teardown.inodes.release(inode.address, inode);
    }
  }

  evictEnd(event: EventOf<'evict_end'>): void {
    const freed = this._teardown.returned(event.inode, event.tid);
    if (freed === undefined) this.stage(event, event.inode, 'evict_end');
    else {
      freed.reach('evict_end', event.ts);
      freed.note(event);
      this._teardown.inodes.filesystems.measureReturn(freed);
      this._teardown.touch();
    }
    this._teardown.evicting.delete(event.tid);
  }

  callback(event: EventOf<'i_callback'>): void {
    const inode = this.#freedNow(event);
    if (inode === undefined || event.ts < inode.first) return; // not one of ours, or begun before us
    if (inode.state === 'ended') return this._teardown.inodes.release(event.inode, inode); // another life's
    inode.reach('i_callback', event.ts);
    inode.note(event);
    inode.freeContext = callbackContext(event.flags, event.comm);
    inode.freeCpu = event.cpu;
    if (inode.superblock !== undefined) {
      this._teardown.superblocks.ran(inode.superblock, event.free_inode);
    }
    this._teardown.end(inode, 'ended');
    if (event.free_inode === '0') this._teardown.inodes.release(event.inode, inode);
  }

  freed(event: EventOf<'free_inode'>): void {
    const inode = this.#freedNow(event);
    if (inode === undefined || event.ts < inode.first) return;
    this._teardown.inodes.release(event.inode, inode);
    // free_inode runs inside i_callback
    if (inode.state === 'ended' && event.cpu !== inode.freeCpu) return;
    inode.reach('free_inode', event.ts);
    inode.note(event);
    if (inode.state === 'ended') {
      this._teardown.inodes.filesystems.measureFree(inode, 'i_callback');
    } else this._teardown.end(inode, 'ended'); // i_callback itself was lost
    this._teardown.touch();
  }

  /** The memory of the inode at this address is freed: of one that was taken as lost, too. */
  #freedNow(event: EventOf<'i_callback' | 'free_inode'>): Incarnation | undefined {
    return (
      this._teardown.inodes.current(event.inode) ??
      this._teardown.recovered(event.inode, (lost) => event.ts >= lost.progress)
    );
  }

  /** Undefined: the line came late, and the life it is of is not known any more. */
  ofInode(event: EventOfInode): Incarnation | undefined {
    const { inodes } = this._teardown;
    let inode =
      inodes.current(event.inode) ??
      this._teardown.recovered(event.inode, (lost) => isOfEviction(lost, event));
    if (inode !== undefined && event.ts < inode.first && !isOfFile(inode, event)) {
      inode = inodes.ofFile(event).findLast((life) => isBefore(life, event));
      if (inode === undefined) return undefined;
    } else if (inode === undefined || isPast(inode, event)) {
      inode = this._teardown.begin(event.inode, event.dev, HUGETLBFS, event.ino, event);
    }
    if (inode.state === 'open') {
      inode.ino = event.ino;
      this._teardown.disownCanary(inode);
    }
    inode.note(event);
    if (event.kind === 'hugepage_remove' || event.kind === 'unreserve') inode.goesOn(event.ts);
    if (event.kind === 'hugepage_add' && event.ret === 0) {
      const isFirst = inode.born && inode.pages === 0 && inode.removed === 0;
      if (isFirst) this._teardown.pageSizes.seen(event.dev, event.blocks * 512);
      this._teardown.hugepages.added(inode, event.folio, null, event.index, event.ts);
    } else if (event.kind === 'hugepage_remove') {
      if (inode.state === 'open') inode.pages = Math.max(0, inode.pages - 1);
      const unit = this._teardown.pageSizes.indexUnit(event.dev);
      const index = Math.floor(event.index / unit);
      // those of the page cache, one for each of its pages, and of the batch that removes it
      const extraRefs = event.refcount - (unit + 1);
      this._teardown.hugepages.removed(inode, event.folio, null, index, extraRefs, event.ts);
    }
    this._teardown.touch();
    return inode;
  }
}

/** Whether a stage at this time cannot be this incarnation's: its address was used again. */
function isOfAnotherLife(inode: Incarnation, event: TraceEvent, stage: EvictStage): boolean {
  if (event.tid !== inode.tid) return true;
  if (inode.state === 'ended' && !wasInEvict(inode)) return true;
  const { ts } = event;
  // RCU may be faster than the task
  const until = stage === 'evict_end' ? STAGE_PLACE.i_callback : INODE_STAGES.length;
  for (let place = STAGE_PLACE[stage]; place < until; place++) {
    if (inode.timeAt(place) < ts) return true;
  }
  return false;
}

/** Whether it was seen there: destroy_inode() is also called of one that never came to evict(). */
function wasInEvict(inode: Incarnation): boolean {
  for (let place = STAGE_PLACE.evict; place < STAGE_PLACE.destroy_inode; place++) {
    if (!Number.isNaN(inode.timeAt(place))) return true;
  }
  return false;
}

/** Whether a line about its pages or reservations is of a time after this incarnation. */
function isPast(inode: Incarnation, event: EventOfInode): boolean {
  if (inode.state === 'open') return !isOfFile(inode, event);
  if (event.ts < inode.progress) return false; // late
  return inode.state !== 'evicting' || !givesBack(inode, event) || !isOfFile(inode, event);
}

/** Whether it had this address before another had it: a late line is of its time. */
function isBefore(life: Incarnation, event: EventOfInode): boolean {
  return life.address === event.inode && life.first <= event.ts;
}

/** Whether one that was taken as lost is still in evict(): its hugepages or reservations go. */
function isOfEviction(lost: Incarnation, event: EventOfInode): boolean {
  if (!isOfFile(lost, event)) return false;
  return lost.at('destroy_inode') === null && event.ts >= lost.progress && givesBack(lost, event);
}

/**
 * Whether the inode may be this file's. Its number is not known from alloc_inode(), and that of a
 * SysV segment changes once it is made (newseg() in ipc/shm.c gives it the segment's).
 */
function isOfFile(inode: Incarnation, { dev, ino }: File): boolean {
  if (inode.dev !== dev) return false;
  return inode.ino === 0 || inode.ino === ino || inode.evidence.every(isOfMaking);
}

/** Lines of hugetlb_file_setup(): nothing is mapped. */
function isOfMaking(event: TraceEvent): boolean {
  if (event.kind === 'reserve') return event.vma === 0;
  return event.kind === 'alloc_inode' || event.kind === 'subpool';
}

function givesBack(inode: Incarnation, event: EventOfInode): boolean {
  return (
    event.tid === inode.tid && (event.kind === 'hugepage_remove' || event.kind === 'unreserve')
  );
}
