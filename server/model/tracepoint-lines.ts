/** Lines of the tracepoints of hugetlbfs. */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import { callbackContext } from './context.ts';
import { fileKey } from './incarnation.ts';
import type { Teardown } from './teardown.ts';

export class TracepointLines {
  private readonly _teardown: Teardown;

  constructor(teardown: Teardown) {
    this._teardown = teardown;
  }

  /** Hosts that offer the hugetlbfs tracepoints only: device and number are the identity. */
  take(
    event: EventOf<
      | 'tp_alloc_inode'
      | 'tp_evict_inode'
      | 'tp_free_inode'
      | 'raw_free_inode'
      | 'tp_hugepage_add'
      | 'tp_hugepage_remove'
    >,
  ): void {
    const { inodes, hugepages } = this._teardown;
    const key = fileKey(event.dev, event.ino);
    let inode = inodes.current(key);
    if (event.kind === 'tp_free_inode' || event.kind === 'raw_free_inode') {
      inode ??= this._teardown.recovered(key, (lost) => event.ts >= lost.progress);
      if (inode === undefined) {
        // its eviction was before us, or the program that notes it did not run
        if (this._teardown.asked !== 'steps' && this._teardown.sawAllOf(event.ts)) {
          this._teardown.missed(this._teardown.tracepointLife);
        }
        return;
      }
      this._teardown.freed(inode.tid, inode.at('evict_inode') ?? 0);
      inode.reach('free_inode', event.ts);
      inode.note(event);
      inode.freeContext = callbackContext(event.flags, event.comm);
      if (inode.born && inode.at('evict_inode') === null) {
        const { asked, tracepointLife } = this._teardown;
        this._teardown.missed(asked === 'steps' ? 'tp_evict_inode' : tracepointLife);
      }
      this._teardown.end(inode, 'ended');
      inodes.filesystems.measureFree(inode, 'evict_inode');
      inodes.release(key, inode);
      return;
    }
    if (event.kind === 'tp_hugepage_remove') {
      // evict() took so long that it was taken as lost, and goes on in its task
      inode ??= this._teardown.recovered(key, ({ tid }) => tid === event.tid);
    }
    const begins = event.kind === 'tp_alloc_inode' || inode?.state === 'evicting';
    const reused = begins && event.kind !== 'tp_hugepage_remove' && event.ts > (inode?.last ?? 0);
    if (inode === undefined || reused) {
      if (inode !== undefined) this._teardown.displace(key, inode);
      inode = inodes.begin(key, 'hugetlbfs', event.dev, 0 as Address, event.ino, event.ts);
      inode.pid = event.pid;
      inode.tid = event.tid;
      this._teardown.disownCanary(inode);
    }
    inode.note(event);
    const none = 0 as Address;
    if (event.kind === 'tp_alloc_inode') {
      inode.born = true;
    } else if (event.kind === 'tp_evict_inode') {
      inode.nlink = event.nlink;
      inode.mode = event.mode;
      inode.size = event.size;
      inode.pages = (event.blocks * 512) / this._teardown.pageSizes.on(event.dev);
      inode.usedBy(event);
      this._teardown.evicted(inode, event.ts);
      inode.reach('evict_inode', event.ts);
    } else if (event.kind === 'tp_hugepage_add') {
      hugepages.added(inode, none, event.pfn, this.#indexOf(event), event.ts);
    } else {
      inode.goesOn(event.ts);
      if (inode.state === 'open') inode.pages = Math.max(0, inode.pages - 1);
      hugepages.removed(inode, none, event.pfn, this.#indexOf(event), null, event.ts);
    }
    this._teardown.touch();
  }

  /** In hugepages of that mount, of which the order of the folio tells the size. */
  #indexOf({ dev, index, order }: EventOf<'tp_hugepage_add' | 'tp_hugepage_remove'>): number {
    const { pageSizes } = this._teardown;
    pageSizes.seen(dev, pageSizes.pageBytes * 2 ** order);
    return Math.floor(index / 2 ** order);
  }
}
