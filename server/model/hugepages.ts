/**
 * Where every hugepage is that we have heard of: in an inode's page cache, out of
 * it but not yet freed, or back in the pool. A free is attributed to an inode by
 * the page's own history, else by the evict() that runs in that task, else to none.
 */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import type { Hugepage, Incarnation } from './incarnation.ts';
import { NumberMap } from './number-map.ts';
import { NumberedSet } from './numbered-set.ts';
import { Pins } from './pins.ts';

/** Of a mapping that may be shared (include/linux/mm.h). */
const VM_MAYSHARE = 0x80;

/** A hugepage of which nothing more is to come. */
export interface GoneHugepage {
  /** Null: it was freed, and nothing was known of it. */
  readonly page: Hugepage | null;
  readonly folio: Address;
  /** The inode that it is attributed to. */
  readonly owner: Incarnation | null;
  /** Null: its free was not seen, or cannot be seen on this host. */
  readonly freedAt: number | null;
}

export class Hugepages {
  readonly pins = new Pins();
  allocated = 0;
  freed = 0;
  attributed = 0;
  /** Left a page cache and not yet freed. */
  outstanding = 0;
  /** By folio address; from tracepoints by -1 - pfn. Only those not (known to be) in the pool. */
  private readonly _known = new NumberMap<number, Hugepage>();
  private _next = 1;
  /** Of those known, the ones that left a page cache and are not freed, oldest first. */
  private readonly _removed = new NumberedSet<Hugepage>();
  /** Taken for a private mapping of an inode. */
  private readonly _private = new Map<Incarnation, Set<Hugepage>>();
  /** Time of the last line about a hugepage that came or went, ns of the epoch. */
  lastEvent = 0;
  /** Told of each hugepage that is forgotten; where it went is told a moment later, in `page`. */
  onGone: ((gone: GoneHugepage) => void) | null = null;
  /** Open inodes with hugepages in their page cache, the longest first. */
  readonly holding = new NumberedSet<Incarnation>();
  /** Freed a moment ago, waiting for the word where they went. Bounded by the CPUs. */
  private readonly _freeing = new NumberMap<number, Hugepage>();
  /** Where the array of struct page begins (x86-64, sparse vmemmap), to tell page frame numbers. */
  vmemmap: { base: Address; pageSize: number } | null = null;
  private readonly _observesFree: boolean;

  /** `observesFree`: whether this host shows hugepages being freed. */
  constructor(observesFree: boolean) {
    this._observesFree = observesFree;
  }

  /** Page frame number of a folio; null where the host does not tell where struct pages lie. */
  pfnOf(folio: Address): number | null {
    if (this.vmemmap === null || folio === 0) return null;
    return ((folio - this.vmemmap.base) * 8) / this.vmemmap.pageSize;
  }

  /** Those that left a page cache and are not freed, oldest first. */
  get left(): Pick<NumberedSet<Hugepage>, 'has' | typeof Symbol.iterator> {
    return this._removed;
  }

  /** No line of any of them will come: they are counted as they are. */
  forget(): void {
    this._known.clear();
    this._removed.clear();
    this._private.clear();
    this._freeing.clear();
    this.pins.clear();
    this.holding.clear();
  }

  /** It is in the pool again, though that was not seen. */
  back(page: Hugepage): void {
    if (!this._removed.delete(page)) return;
    this.outstanding--;
    page.state = 'freed';
    this._known.delete(page.pfn === null ? page.folio : -1 - page.pfn);
    this.#gone(page);
  }

  /** Whether more may come of it. */
  isKnown(page: Hugepage): boolean {
    return this._known.get(page.pfn === null ? page.folio : -1 - page.pfn) === page;
  }

  *known(): Iterable<Hugepage> {
    yield* this._known.values();
  }

  /** Taken for a mapping; whose page cache it enters, if any, is told next. */
  taken(event: EventOf<'hugepage_alloc'>, inode: Incarnation | null): void {
    const page = this.#take(event, inode, event.dev);
    const isPrivate = Math.floor(event.flags / VM_MAYSHARE) % 2 === 0;
    if (inode === null || !isPrivate) return;
    const others = this._private.get(inode);
    if (others === undefined) this._private.set(inode, new Set([page]));
    else others.add(page);
  }

  /** Taken for no mapping: another is migrated into it, or it is freed again. */
  takenAlone(event: EventOf<'hugepage_alloc_nodemask'>): void {
    this.#take(event, null, 0);
  }

  #take(
    { folio, ts, pid, comm }: EventOf<'hugepage_alloc' | 'hugepage_alloc_nodemask'>,
    inode: Incarnation | null,
    dev: number,
  ): Hugepage {
    const before = this._known.get(folio);
    if (before !== undefined) {
      this.#forget(before); // its free was lost
      this.#gone(before);
    }
    this.allocated++;
    this.lastEvent = ts;
    const page = this.#page(folio, null, 0, ts);
    page.taker = { pid, comm, inode, dev };
    this._known.set(folio, page);
    return page;
  }

  /**
   * evict() has the inode: no mapping of it is left, since each holds its file. What was
   * private to one was freed with it, or somebody has a reference.
   */
  unmapped(inode: Incarnation, ts: number): void {
    const pages = this._private.size === 0 ? undefined : this._private.get(inode);
    if (pages === undefined) return;
    this._private.delete(inode);
    if (!this._observesFree) return;
    for (const page of pages) {
      page.privateSince = page.since;
      page.owner = inode;
      page.state = 'removed';
      page.since = ts;
      page.removedAt = ts;
      inode.removed++;
      inode.take(page);
      this.outstanding++;
      this._removed.add(page);
    }
  }

  /** It goes on as another folio (migration). */
  moved(from: Address, to: Address): void {
    // where alloc_hugetlb_folio_nodemask() is not seen, this tells that the other one was taken
    if (this._known.get(to)?.state !== 'allocated') this.allocated++;
    const page = this._known.get(from);
    if (page === undefined) return;
    // the one it moved into was taken for this; the old one is freed next, and is nobody's
    this._known.delete(from);
    this.pins.forget(from);
    page.folio = to;
    this._known.set(to, page);
  }

  added(owner: Incarnation, folio: Address, pfn: number | null, index: number, ts: number): void {
    const key = pfn === null ? folio : -1 - pfn;
    const before = this._known.get(key);
    // seen being added again: its free was lost
    if (before !== undefined) this.#forget(before);
    this.lastEvent = ts;
    const page = this.#page(folio, pfn, index, ts);
    page.state = 'cached';
    page.owner = owner;
    if (before?.state === 'allocated') page.taker = before.taker;
    this._known.set(key, page);
    if (before?.state !== 'allocated') {
      this.allocated++;
      if (before !== undefined) this.#gone(before);
    }
    owner.pages++;
    if (owner.state === 'open' && !this.holding.has(owner)) {
      owner.holdsSince = ts;
      this.holding.add(owner);
    }
    owner.take(page);
  }

  /** `index`: in hugepages; `extraRefs`: see Hugepage, null when not observed. */
  removed(
    owner: Incarnation,
    folio: Address,
    pfn: number | null,
    index: number,
    extraRefs: number | null,
    ts: number,
  ): void {
    const key = pfn === null ? folio : -1 - pfn;
    let page = this._known.get(key);
    if (page !== undefined) this.#forget(page); // its free and its next add were lost
    this.lastEvent = ts;
    if (page === undefined || page.state !== 'cached' || page.owner !== owner) {
      if (page !== undefined && page.state !== 'allocated') this.#gone(page);
      // in the cache before tracing began, or its add was lost
      page = this.#page(folio, pfn, index, ts);
      owner.take(page);
      this._known.set(key, page);
    }
    page.owner = owner;
    page.state = 'removed';
    page.since = ts;
    page.removedAt = ts;
    page.extraRefs = extraRefs;
    owner.removed++;
    if (owner.pages === 0) this.holding.delete(owner);
    if (this._observesFree) {
      this.outstanding++;
      this._removed.add(page);
    }
    // its way ends here: nothing will tell that it came back
    else {
      this._known.delete(key);
      this.#gone(page);
    }
  }

  /** Returns the inode the page is attributed to. `evicting`: whose evict() runs in this task. */
  freeing(event: EventOf<'hugepage_free'>, evicting: Incarnation | undefined): Incarnation | null {
    this.freed++;
    this.pins.forget(event.folio);
    const page = this._known.take(event.folio);
    if (page !== undefined) this.#forget(page);
    this.lastEvent = event.ts;
    // an anonymous page has left what we knew of it behind: that it was freed then, was lost
    const cached = event.anon === 0 ? (page?.owner ?? evicting ?? null) : null;
    const owner = page !== undefined && page.privateSince !== null ? page.owner : cached;
    if (owner !== null) {
      this.attributed++;
      owner.freed++;
      owner.freedLast = event.ts;
    }
    if (page !== undefined && owner !== null) {
      page.state = 'freed';
      page.freedAt = event.ts;
      if (this._freeing.size > 4096) this._freeing.clear();
      this._freeing.set(event.folio, page);
    }
    this.onGone?.({ page: page ?? null, folio: event.folio, owner, freedAt: event.ts });
    return owner;
  }

  /** One that is in no page cache, as far as is known. */
  #page(folio: Address, pfn: number | null, index: number, ts: number): Hugepage {
    return {
      number: this._next++,
      folio,
      pfn,
      index,
      owner: null,
      state: 'allocated',
      fate: null,
      since: ts,
      removedAt: Number.NaN,
      freedAt: Number.NaN,
      extraRefs: null,
      privateSince: null,
      taker: null,
    };
  }

  /** Its free was not seen. */
  #gone(page: Hugepage): void {
    this.onGone?.({ page, folio: page.folio, owner: page.owner, freedAt: null });
  }

  /** It is not owed any more. */
  #forget(page: Hugepage): void {
    if (this._removed.delete(page)) this.outstanding--;
    const inode = page.taker?.inode ?? null;
    if (page.state !== 'allocated' || inode === null) return;
    const pages = this._private.get(inode);
    pages?.delete(page);
    if (pages?.size === 0) this._private.delete(inode);
  }

  /** The freed page is on the pool's free list, or on its way to the page allocator. */
  went(folio: Address, fate: 'pool' | 'buddy'): Incarnation | null {
    const page = this._freeing.take(folio);
    if (page === undefined) return null;
    page.fate = fate;
    return page.owner;
  }
}
