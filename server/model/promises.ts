/**
 * Hugepages that are promised to an inode and not taken yet: what
 * hugetlb_reserve_pages() granted, less what entered the page cache since, less what
 * hugetlb_unreserve_pages() gave back (mm/hugetlb.c). A private mapping has a resv_map
 * of its own, and its promise goes with that.
 *
 * Never less than the truth while nothing is lost; it may be more. Up to 6.12 the
 * function says only that it granted, also where a mapping with MAP_NORESERVE was
 * promised nothing, and what a private mapping has used of its promise is not told.
 */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import type { Incarnation } from './incarnation.ts';
import { NumberMap } from './number-map.ts';
import { Ranges } from './ranges.ts';

export interface PromisedPages {
  readonly inode: Incarnation;
  /** Hugepages. */
  readonly pages: number;
  /** As many as that; otherwise that many at most. */
  readonly exact: boolean;
}

interface Entry {
  readonly inode: Incarnation;
  /** Indices of the file, promised and not in its page cache. */
  readonly shared: Ranges;
  /** Promised when the file was made, to its first `setup` indices. */
  setup: number;
  /** Of private mappings. */
  private: number;
  exact: boolean;
}

/** resv_maps of private mappings, and tasks, that are remembered. */
const MAX_MAPS = 65_536;
const MAX_TASKS = 1000;

export class Promises {
  /** By number of the inode. */
  private readonly _byInode = new NumberMap<number, Entry>();
  private readonly _byMap = new NumberMap<Address, { entry: Entry; pages: number }>();
  /** By task: the resv_map it made last; its owner is told next. */
  private readonly _newest = new NumberMap<number, Address>();
  /** hugetlb_reserve_pages() was seen to return a number: then 0 is none. */
  private _counts = false;

  /** `toldMaps`: each resv_map_alloc() is told, so that a private mapping is known to be one. */
  reserve(event: EventOf<'reserve'>, inode: Incarnation | undefined, toldMaps: boolean): void {
    const map = this._newest.take(event.tid);
    const { from, to, ret } = event;
    if (ret > 0) this._counts = true;
    if (inode === undefined || ret < 0 || to <= from || (this._counts && ret === 0)) return;
    const entry = this.#entryOf(inode);
    if (event.vma !== 0 && map !== undefined) {
      entry.private += to - from;
      entry.exact = false;
      if (this._byMap.size < MAX_MAPS) this._byMap.set(map, { entry, pages: to - from });
      // only memory without a file is mapped so after a promise at its making, which was none (VM_NORESERVE)
      entry.shared.remove(0, entry.setup);
      entry.setup = 0;
      return;
    }
    if (!this._counts || !toldMaps || !inode.born || inode.hugepagesMore > 0) entry.exact = false;
    entry.shared.add(from, to);
    if (event.vma === 0) entry.setup = Math.max(entry.setup, to);
    for (const page of inode.hugepages) {
      if (page.state === 'cached') entry.shared.remove(page.index, page.index + 1);
    }
  }

  /** It entered the page cache: the promise is kept. */
  added(event: EventOf<'hugepage_add'>, inode: Incarnation | undefined): void {
    if (this._byInode.size === 0 || inode === undefined || event.ret !== 0) return;
    this._byInode.get(inode.number)?.shared.remove(event.index, event.index + 1);
  }

  unreserve(event: EventOf<'unreserve'>, inode: Incarnation | undefined): void {
    if (inode !== undefined) this._byInode.get(inode.number)?.shared.remove(event.start, event.end);
  }

  mapAlloc(event: EventOf<'resv_map_alloc'>): void {
    if (this._newest.size > MAX_TASKS) this._newest.clear();
    if (event.resv_map !== 0) this._newest.set(event.tid, event.resv_map);
  }

  /** hugetlbfs_get_inode() makes the resv_map of an inode, then the inode. */
  born(tid: number): void {
    this._newest.delete(tid);
  }

  mapRelease(event: EventOf<'resv_map_release'>): void {
    const promise = this._byMap.take(event.resv_map);
    if (promise === undefined) return;
    promise.entry.private = Math.max(0, promise.entry.private - promise.pages);
  }

  /** No line of any inode will come. */
  forget(): void {
    this._byInode.clear();
    this._byMap.clear();
    this._newest.clear();
  }

  /** It is gone, or its end was lost. */
  ended(inode: Incarnation): void {
    if (this._byInode.size > 0) this._byInode.delete(inode.number);
  }

  *all(): Iterable<PromisedPages> {
    for (const entry of this._byInode.values()) {
      const { inode } = entry;
      // nothing is mapped any more
      const pages = entry.shared.size + (inode.state === 'open' ? entry.private : 0);
      if (pages > 0) yield { inode, pages, exact: entry.exact };
    }
  }

  #entryOf(inode: Incarnation): Entry {
    const known = this._byInode.get(inode.number);
    if (known !== undefined) return known;
    const entry: Entry = { inode, shared: new Ranges(), setup: 0, private: 0, exact: true };
    this._byInode.set(inode.number, entry);
    return entry;
  }
}
