/** How large pages are on a host, and the hugepages of each of its mounts of hugetlbfs. */
import type { EventOf } from '../protocol/events.ts';
import type { Incarnation } from './incarnation.ts';
import type { Pools } from './pools.ts';

/** What is known of a host's pages before it says anything. */
export interface PageFacts {
  /** Bytes of a page (getconf PAGESIZE); 4096 by default. */
  readonly pageBytes?: number;
  /** Size of the default hugepage in KiB (/proc/meminfo, Hugepagesize). */
  readonly hugepageKb: number;
  /** The page cache of hugetlbfs counts base pages (6.7 and newer), not hugepages; the default. */
  readonly baseIndex?: boolean;
}

export class PageSizes {
  /** Bytes of a page, and of a hugepage of the default size. */
  readonly pageBytes: number;
  readonly hugepageBytes: number;
  readonly baseIndex: boolean;
  private readonly _pools: Pools;
  /** By device: bytes of a block, which on hugetlbfs is a hugepage. */
  private readonly _byDev = new Map<number, number>();

  constructor({ pageBytes = 4096, hugepageKb, baseIndex = true }: PageFacts, pools: Pools) {
    this.pageBytes = pageBytes;
    this.hugepageBytes = hugepageKb * 1024;
    this.baseIndex = baseIndex;
    this._pools = pools;
  }

  /** s_blocksize of a superblock. */
  sized({ dev, blocksize }: EventOf<'sb_size'>): void {
    this._byDev.set(dev, blocksize);
  }

  /** A hugepage there seems to have so many bytes: taken, where the host has a pool of these. */
  seen(dev: number, bytes: number): void {
    if (this._byDev.get(dev) !== bytes && this._pools.has(bytes / 1024)) {
      this._byDev.set(dev, bytes);
    }
  }

  /** Bytes of a hugepage of this device; of the default size, where that was not told. */
  on(dev: number): number {
    return this._byDev.get(dev) ?? this.hugepageBytes;
  }

  /** Bytes of a hugepage of this inode; of the default size, where it is of no hugetlbfs. */
  of(inode: Incarnation | null): number {
    return inode?.fs === 'hugetlbfs' ? this.on(inode.dev) : this.hugepageBytes;
  }

  /** By how much the index of the page cache of hugetlbfs grows from one hugepage to the next. */
  indexUnit(dev: number): number {
    return this.baseIndex ? this.on(dev) / this.pageBytes : 1;
  }
}
