/**
 * Where every hugepage is that we have heard of: in an inode's page cache, out of
 * it but not yet freed, or back in the pool. A free is attributed to an inode by
 * the page's own history, else by the evict() that runs in that task, else to none.
 */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import type { Hugepage, Incarnation } from './incarnation.ts';

/** Pages of 4 KiB in a hugepage of 2 MiB. */
const BASE_PAGES = 512;

export class Hugepages {
  allocated = 0;
  freed = 0;
  attributed = 0;
  /** Left a page cache and not yet freed. */
  outstanding = 0;
  /** By folio address; from tracepoints by -1 - pfn. Only those not (known to be) in the pool. */
  readonly #known = new Map<number, Hugepage>();
  /** Freed a moment ago, waiting for the word where they went. Bounded by the CPUs. */
  readonly #freeing = new Map<number, Hugepage>();
  /** Where the array of struct page begins (x86-64, sparse vmemmap), to tell page frame numbers. */
  vmemmap: { base: Address; pageSize: number } | null = null;
  readonly #observesFree: boolean;

  /** `observesFree`: whether this host shows hugepages being freed. */
  constructor(observesFree: boolean) {
    this.#observesFree = observesFree;
  }

  /** Page frame number of a folio; null where the host does not tell where struct pages lie. */
  pfnOf(folio: Address): number | null {
    if (this.vmemmap === null || folio === 0) return null;
    return ((folio - this.vmemmap.base) * 8) / this.vmemmap.pageSize;
  }

  *known(): Iterable<Hugepage> {
    yield* this.#known.values();
  }

  added(owner: Incarnation, folio: Address, pfn: number | null, index: number, ts: number): void {
    const key = pfn === null ? folio : -1 - pfn;
    const before = this.#known.get(key);
    // seen being added again: its free was lost
    if (before?.state === 'removed') this.outstanding--;
    const page: Hugepage = {
      folio,
      pfn,
      index,
      owner,
      state: 'cached',
      fate: null,
      since: ts,
      removedAt: Number.NaN,
      freedAt: Number.NaN,
      extraRefs: null,
    };
    this.#known.set(key, page);
    this.allocated++;
    owner.pages++;
    owner.take(page);
  }

  /** `refcount`: at filemap_remove_folio(); null when not observed. */
  removed(
    owner: Incarnation,
    folio: Address,
    pfn: number | null,
    basePage: number,
    refcount: number | null,
    ts: number,
  ): void {
    const key = pfn === null ? folio : -1 - pfn;
    let page = this.#known.get(key);
    if (page?.state === 'removed') this.outstanding--; // its free and its next add were lost
    if (page === undefined || page.state !== 'cached' || page.owner !== owner) {
      // in the cache before tracing began, or its add was lost
      page = {
        folio,
        pfn,
        index: Math.floor(basePage / BASE_PAGES),
        owner,
        state: 'cached',
        fate: null,
        since: ts,
        removedAt: ts,
        freedAt: Number.NaN,
        extraRefs: null,
      };
      owner.take(page);
      this.#known.set(key, page);
    }
    page.owner = owner;
    page.state = 'removed';
    page.since = ts;
    page.removedAt = ts;
    page.extraRefs = refcount === null ? null : extraReferences(refcount);
    owner.removed++;
    if (this.#observesFree) this.outstanding++;
    else this.#known.delete(key); // its way ends here: nothing will tell that it came back
  }

  /** Returns the inode the page is attributed to. `evicting`: whose evict() runs in this task. */
  freeing(event: EventOf<'hugepage_free'>, evicting: Incarnation | undefined): Incarnation | null {
    this.freed++;
    const page = this.#known.get(event.folio);
    this.#known.delete(event.folio);
    if (page?.state === 'removed') this.outstanding--;
    // an anonymous page has left what we knew of it behind: that it was freed then, was lost
    const owner = event.anon === 0 ? (page?.owner ?? evicting ?? null) : null;
    if (owner !== null) {
      this.attributed++;
      owner.freed++;
    }
    if (page !== undefined && owner !== null) {
      page.state = 'freed';
      page.freedAt = event.ts;
      if (this.#freeing.size > 4096) this.#freeing.clear();
      this.#freeing.set(event.folio, page);
    }
    return owner;
  }

  /** The freed page is on the pool's free list, or on its way to the page allocator. */
  went(folio: Address, fate: 'pool' | 'buddy'): Incarnation | null {
    const page = this.#freeing.get(folio);
    if (page === undefined) return null;
    this.#freeing.delete(folio);
    page.fate = fate;
    return page.owner;
  }
}

/**
 * References beyond those of the page cache and of the batch that removes the
 * page: 513 for a folio of 2 MiB since folios count per base page, 2 before
 * (6.1). A pipe or a registered buffer holds one, direct I/O 512.
 */
function extraReferences(refcount: number): number {
  return refcount - (refcount > BASE_PAGES ? BASE_PAGES + 1 : 2);
}
