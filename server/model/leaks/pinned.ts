/** Hugepages of an inode that left its page cache, or its last mapping, and are not back in the pool. */
import type { Leak, Suspect } from '../../protocol/leaks.ts';
import type { Hugepage, Incarnation } from '../incarnation.ts';
import { howOf, isBrief, POISONED, tellingFrames } from './how.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';
import { type HostScan, PIN_WAYS, type Pinner } from './scan.ts';

/** Suspects named with a leak. */
const MAX_SUSPECTS = 8;
/** A sample of the pool speaks for the events when none of hugepages came so long around it. */
const QUIET_NS = 1e9;
/** So long after the threshold it is waited for word of the losses before it is told as suspected. */
const PATIENCE_NS = 1.5e9;
/** How often the host is asked to look for more suspects, at most. */
const SCAN_EVERY_NS = 10e9;

interface Pinned {
  readonly leak: OpenLeak;
  readonly pages: Set<Hugepage>;
  /** A loss between these times could explain it. */
  from: number;
  until: number;
  /** When the last of them came back. */
  back: number;
}

export class PinnedWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  private readonly _byInode = new Map<Incarnation, Pinned>();
  /** Past the threshold, and not told yet: word of the losses is to come. */
  private readonly _due = new Map<Hugepage, { owner: Incarnation; pinners: Suspect[] }>();
  /** Ended before word of the losses up to `until` had come: it may still make them certain. */
  private _ended: Pinned[] = [];
  private _scan: HostScan | null = null;

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  tick(now: number): void {
    const { model, after } = this._leaks;
    const { hugepages } = model;
    this.#settle(now);
    this.#word();
    if (!model.seesFree) return;
    this.#cameBack(now);
    const fresh = new Map<Incarnation, Hugepage[]>();
    for (const page of hugepages.left) {
      if (now - page.removedAt < after.pinned) break;
      const owner = page.owner;
      if (owner === null || owner.canary || this._byInode.get(owner)?.pages.has(page)) continue;
      const list = fresh.get(owner) ?? [];
      list.push(page);
      fresh.set(owner, list);
    }
    if (fresh.size === 0) return;
    // the pool knows better than a line that was lost
    const inUse = this.#inUse(now);
    if (inUse !== null && inUse < hugepages.outstanding) return;
    for (const [owner, pages] of fresh) {
      // the first of them: others that follow do not put it off
      const until = pages[0]!.removedAt + after.pinned;
      const waits = now < until + PATIENCE_NS && this._leaks.awaitsWord(provenFrom(pages), until);
      for (const page of pages) {
        // who pinned it is forgotten when it is freed
        if (waits) this._due.set(page, { owner, pinners: this.#pinners([page]) });
        else this._due.delete(page);
      }
      if (!waits) this.#found(owner, pages, now);
    }
  }

  /** Those that came back while it was waited were leaks all the same, and end with the next tick. */
  #cameBack(now: number): void {
    for (const [page, { owner, pinners }] of this._due) {
      if (page.state === 'removed') continue;
      this._due.delete(page);
      if (page.state !== 'freed' || Number.isNaN(page.freedAt)) continue;
      // with those of the inode that are still away: it is one leak, since the first of them
      const away = [...this._due].filter(([other, due]) => {
        return due.owner === owner && other.state === 'removed';
      });
      for (const [other] of away) this._due.delete(other);
      this.#found(owner, [page, ...away.map(([other]) => other)], now);
      const { leak } = this._byInode.get(owner)!;
      if (leak.suspects.length === 0) this._leaks.change(leak, { suspects: pinners });
    }
  }

  pending(): boolean {
    for (const page of this._leaks.model.hugepages.left) {
      const { owner } = page;
      if (owner === null || owner.canary) continue;
      if (!this._byInode.get(owner)?.pages.has(page)) return true;
    }
    return false;
  }

  wantsScan(now: number, asked: number | null): boolean {
    if (asked !== null && now - asked < SCAN_EVERY_NS) return false;
    for (const { leak, pages } of this._byInode.values()) {
      if (leak.suspects.length === 0) return true;
      // once for those that have some: the others are named, or cannot be
      if (
        leak.fired > (asked ?? -1) &&
        holdersAmong(this.#pinners([...pages])).length < extraOf(pages)
      ) {
        return true;
      }
    }
    return false;
  }

  scanned(scan: HostScan): void {
    this._scan = scan;
    for (const pinned of this._byInode.values()) this.#update(pinned);
  }

  #found(owner: Incarnation, pages: Hugepage[], now: number): void {
    const known = this._byInode.get(owner);
    if (known !== undefined) {
      for (const page of pages) known.pages.add(page);
      this.#update(known);
      return;
    }
    const since = Math.min(...pages.map((page) => page.removedAt));
    const leak = this._leaks.fire(
      {
        kind: 'pinned',
        inode: owner,
        verdict: 'suspected',
        pages: pages.length,
        pageBytes: this._leaks.model.pageSizes.of(owner),
        since,
        text: '',
        suspects: [],
      },
      now,
    );
    const from = provenFrom(pages);
    const pinned: Pinned = { leak, pages: new Set(pages), from, until: since, back: since };
    this._byInode.set(owner, pinned);
    this.#update(pinned);
  }

  #update(pinned: Pinned): void {
    const { leak, pages } = pinned;
    const list = [...pages];
    const verdict = this.#verdict(pinned);
    this._leaks.change(leak, {
      pages: pages.size,
      verdict,
      text: `${whatLeft(list)}, and did not come back to the pool${this.#poisoned(list)}`,
      suspects: this.#suspects(list, leak.since),
    });
  }

  /** One that is poisoned never comes back, and nobody holds it. */
  #poisoned(pages: readonly Hugepage[]): string {
    const { corruptedKb } = this._leaks.model.pools;
    const seen = holdersAmong(this.#pinners(pages));
    const explained = seen.length > 0 && seen.length >= extraOf(pages);
    if (corruptedKb === 0 || (explained && seen.every(({ how }) => how !== POISONED))) return '';
    return `; memory of this host is poisoned (HardwareCorrupted: ${corruptedKb} kB), and a hugepage that is does not come back`;
  }

  /** Those that come back end the leak; so does the pool, where it shows that they did. */
  #settle(now: number): void {
    const inUse = this.#inUse(now);
    const { hugepages } = this._leaks.model;
    for (const [owner, pinned] of this._byInode) {
      const { leak, pages } = pinned;
      let changed = false;
      for (const page of pages) {
        if (page.state === 'removed') continue;
        if (page.state === 'freed') pinned.back = Math.max(pinned.back, page.freedAt);
        pages.delete(page);
        changed = true;
      }
      if (pages.size === 0) {
        this._byInode.delete(owner);
        this._leaks.end(leak, 'resolved', pinned.back);
        if (leak.verdict === 'suspected') this._ended.push(pinned);
      } else if (inUse !== null && inUse < hugepages.outstanding) {
        // fewer are in use than would have to be: their return was lost
        this._byInode.delete(owner);
        const why = `the pool has only ${inUse} in use: that they came back was a lost event`;
        this._leaks.end(leak, 'refuted', now, why);
        for (const page of pages) hugepages.back(page);
      } else if (changed || leak.verdict !== this.#verdict(pinned)) {
        this.#update(pinned);
      }
    }
  }

  /** What was known to be lost makes the difference, also when it is told after the end. */
  #word(): void {
    if (this._ended.length === 0) return;
    this._ended = this._ended.filter(({ leak, from, until }) => {
      if (this._leaks.isCertain(from, until)) {
        this._leaks.change(leak, { verdict: 'certain' });
        return false;
      }
      return this._leaks.awaitsWord(from, until);
    });
  }

  /** Certain: each of its hugepages was away for the threshold, and no loss explains that. */
  #verdict(pinned: Pinned): Leak['verdict'] {
    const { leak, pages } = pinned;
    let last = leak.since;
    for (const page of pages) last = Math.max(last, page.removedAt);
    pinned.from = Math.min(pinned.from, provenFrom(pages));
    pinned.until = last + this._leaks.after.pinned;
    return this._leaks.isCertain(pinned.from, pinned.until) ? 'certain' : 'suspected';
  }

  /** Hugepages in use by the pool's counters; null when they do not speak for this moment. */
  #inUse(now: number): number | null {
    const { pools, hugepages } = this._leaks.model;
    let inUse = 0;
    let seen = false;
    for (const pool of pools.latest()) {
      if (pool.node !== -1) continue;
      if (pool.ts > now || now - pool.ts > 3 * QUIET_NS) return null;
      if (hugepages.lastEvent > pool.ts - QUIET_NS / 5) return null;
      inUse += pool.total - pool.free;
      seen = true;
    }
    return seen ? inUse : null;
  }

  /** Those whose pins were seen; where they are too few, also those found on the host. */
  #suspects(pages: readonly Hugepage[], since: number): Suspect[] {
    const pinners = this.#pinners(pages);
    const seen = holdersAmong(pinners);
    const brief = pinners.filter((suspect) => !seen.includes(suspect));
    if (seen.length > 0 && seen.length >= extraOf(pages)) return [...seen, ...brief];
    for (const taker of takers(pages)) {
      if (!seen.some(({ pid }) => pid === taker.pid)) seen.push(taker);
    }
    // who pinned them before we looked has not let go since: only if it was looked after that
    if (this._scan === null || this._scan.ts < since) return [...seen, ...brief];
    const more = this._scan.pinners
      .filter(({ pid }) => !seen.some((suspect) => suspect.pid === pid))
      .sort((a, b) => PIN_WAYS.indexOf(a.way) - PIN_WAYS.indexOf(b.way))
      .map(suspectOf);
    return [...seen, ...more, ...brief].slice(0, MAX_SUSPECTS);
  }

  /**
   * Who took a reference on any of these and may still have it: the newest first, and after
   * them who had it for a moment.
   */
  #pinners(pages: readonly Hugepage[]): Suspect[] {
    const { hugepages } = this._leaks.model;
    const pins = pages
      .flatMap((page) =>
        hugepages.pins.of(page.folio).map((pin) => ({ page, pin, how: howOf(pin.stack) })),
      )
      .sort((a, b) => Number(isBrief(a.how)) - Number(isBrief(b.how)) || b.pin.ts - a.pin.ts);
    const out = new Map<string, Suspect>();
    for (const { page, pin, how } of pins) {
      const key = `${pin.pid} ${how}`;
      if (out.has(key) || out.size >= MAX_SUSPECTS) continue;
      const ms = Math.round((page.removedAt - pin.ts) / 1e6);
      const when = ms >= 0 ? `${ms} ms before` : `${-ms} ms after`;
      const left = page.privateSince === null ? 'it left the page cache' : 'its mapping was gone';
      const by = tellingFrames(pin.stack).slice(0, 5).join(' < ');
      out.set(key, {
        pid: pin.pid,
        comm: pin.comm,
        how,
        evidence: `took a reference ${when} ${left}${by === '' ? '' : `: ${by}`}`,
      });
    }
    return [...out.values()];
  }
}

/** Without those who took a reference for a moment only. */
function holdersAmong(pinners: readonly Suspect[]): Suspect[] {
  return pinners.filter(({ how }) => !isBrief(how));
}

/**
 * Since when the lines prove that they are away, if none was lost: that one left the page
 * cache shows that it was not free then; of a private one only that it was taken.
 */
function provenFrom(pages: Iterable<Hugepage>): number {
  let from = Number.POSITIVE_INFINITY;
  for (const { removedAt, privateSince } of pages) from = Math.min(from, privateSince ?? removedAt);
  return from;
}

function whatLeft(pages: readonly Hugepage[]): string {
  const count = (n: number, kind: string) =>
    n === 1 ? `a ${kind}hugepage` : `${n} ${kind}hugepages`;
  const cached = pages.filter(({ privateSince }) => privateSince === null);
  const extra = extraOf(cached);
  const held = extra > 0 ? `, with ${extra} reference${extra === 1 ? '' : 's'} too many` : '';
  const out = [];
  if (cached.length > 0)
    out.push(`${count(cached.length, '')} left the page cache of the inode${held}`);
  const own = pages.length - cached.length;
  if (own > 0) out.push(`${count(own, 'private ')} outlived the last mapping of the inode`);
  return out.join(', ');
}

/** Who took private hugepages from the pool: nobody else could pin them. */
function takers(pages: readonly Hugepage[]): Suspect[] {
  const out = new Map<number, Suspect>();
  for (const { privateSince, taker } of pages) {
    if (privateSince === null || taker === null) continue;
    const evidence = 'took it from the pool for a private mapping';
    out.set(taker.pid, { pid: taker.pid, comm: taker.comm, how: 'mapping', evidence });
  }
  return [...out.values()];
}

/** References too many when they left the page cache, of the page that has the most; 0 when not seen. */
function extraOf(pages: Iterable<Hugepage>): number {
  let most = 0;
  for (const page of pages) most = Math.max(most, page.extraRefs ?? 0);
  return most;
}

/** It can pin pages; that it has these is not said. */
function suspectOf({ pid, comm, fd, way, buffers }: Pinner): Suspect {
  if (buffers !== null) {
    const plural = buffers === 1 ? 'buffer' : 'buffers';
    const evidence = `has ${buffers} registered ${plural}, of whatever memory: /proc/${pid}/fdinfo/${fd}`;
    return { pid, comm, how: 'io_uring registered buffer', evidence };
  }
  return { pid, comm, how: way, evidence: `can pin memory by ${way}: /proc/${pid}/fd/${fd}` };
}
