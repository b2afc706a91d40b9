/** One line with all stages of an inode, when it has ended; some may have been told before. */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import type { GuestMemfds } from './guest-memfds.ts';
import { fileKey, type Incarnation } from './incarnation.ts';
import { beginOf, tell } from './life-line.ts';
import type { Teardown } from './teardown.ts';

/** Two programs note the time of evict(), one after the other; a guest's CPU may stop in between. */
const SAME_EVICT_NS = 1e9;

export class EndLines {
  private readonly _teardown: Teardown;
  private readonly _gmem: GuestMemfds;

  constructor(teardown: Teardown, gmem: GuestMemfds) {
    this._teardown = teardown;
    this._gmem = gmem;
  }

  life(event: EventOf<'life'>): void {
    const { inodes, superblocks, hugepages } = this._teardown;
    const begin = beginOf(event);
    let inode = inodes.current(event.inode);
    const later = inode !== undefined && inode.first > event.ts;
    if (inode !== undefined && (later || !isSameLife(inode, event, begin))) {
      if (!later) this._teardown.displace(event.inode, inode);
      inode = undefined;
    }
    inode ??= this._teardown.recovered(event.inode, (lost) => isSameLife(lost, event, begin));
    if (inode === undefined) {
      const fs = superblocks.fsName(event.dev, event.magic);
      inode = inodes.beginPast(fs, event.dev, event.inode, event.ino, begin);
      this._teardown.hide(inode, event.magic);
    }
    inode.superblock = superblocks.of(event.dev, event.magic) ?? inode.superblock;
    this._gmem.nameFs(inode, event);
    this._gmem.adopt(inode);
    if (inode.at('evict') === null) {
      if (inode.fs === 'hugetlbfs') {
        inode.pages = (event.blocks * 512) / this._teardown.pageSizes.of(inode);
      }
      // one that was pinned may have come back since
      const since = inode.hugepages.filter(({ freedAt }) => freedAt > begin).length;
      inode.freedBefore = inode.freed - since;
    }
    tell(inode, event);
    if (inode.superblock !== undefined) superblocks.ran(inode.superblock, event.free_inode);
    this._teardown.disownCanary(inode);
    hugepages.unmapped(inode, begin);
    this._teardown.end(inode, 'ended');
    inodes.filesystems.measureFree(inode, 'i_callback');
    inodes.release(event.inode, inode);
  }

  tracepoints(event: EventOf<'tp_life' | 'raw_life'>): void {
    const { inodes } = this._teardown;
    const key = fileKey(event.dev, event.ino);
    const none = 0 as Address;
    const begin = beginOf(event);
    let inode =
      inodes.current(key) ??
      this._teardown.recovered(key, (lost) => isSameEviction(lost.at('evict_inode'), begin));
    if (inode === undefined) {
      if (this.#pass(event)) return this._teardown.freed(event.tid, begin);
      inode = inodes.beginPast('hugetlbfs', event.dev, none, event.ino, begin);
    } else if (inode.first > event.ts) {
      inode = inodes.begin(key, 'hugetlbfs', event.dev, none, event.ino, begin);
    }
    if (inode.at('evict_inode') === null) inode.pages = this.#pagesOf(event);
    this._teardown.freed(event.tid, begin);
    tell(inode, event);
    this._teardown.disownCanary(inode);
    this._teardown.end(inode, 'ended');
    inodes.filesystems.measureFree(inode, 'evict_inode');
    inodes.release(key, inode);
  }

  /** Nothing but its line is known of it: whether it was taken as that. */
  #pass(event: EventOf<'tp_life' | 'raw_life'>): boolean {
    if (this._teardown.isCanary(event)) return false;
    return this._teardown.inodes.pass('hugetlbfs', event, this.#pagesOf(event));
  }

  #pagesOf({ dev, blocks }: EventOf<'tp_life' | 'raw_life'>): number {
    return blocks === 0 ? 0 : (blocks * 512) / this._teardown.pageSizes.on(dev);
  }
}

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
