/** Promised hugepages: subpool counters (R17, R18), the pool at rest (R16), resv_maps (R20). */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import { type Address, formatAddress } from '../../protocol/units.ts';
import type { PoolSample } from '../pools.ts';
import { HUGETLBFS, type InodeLife, subject } from './inode-life.ts';
import type { Lives } from './lives.ts';
import type { Mounts } from './mounts.ts';
import type { Claim, Verdicts } from './verdicts.ts';

/** Around a refused reservation, what other tasks do may change the same subpool. */
const ALONE_NS = 1e9;
/** The pool is at rest when nobody held any of it for so long; then, what is left is lost. */
const REST_NS = 2e9;
const LONG_REST_NS = 5e9;
/** resv_huge_pages is unsigned: beyond this it went below zero. */
const BELOW_ZERO = 2 ** 62;
const MAX_RELEASED = 16_384;
const MAX_SAMPLES = 64;

/** A reservation that is being made: the subpool as it was when it began. */
interface Reserving {
  readonly before: EventOf<'subpool'>;
  after: EventOf<'subpool'> | null;
}

interface ResvMap {
  readonly event: EventOf<'resv_map_alloc'>;
  /** The inode it belongs to, or the inode of its mapping. */
  life: InodeLife | null;
}

export class ReservationRules {
  readonly #verdicts: Verdicts;
  readonly #lives: Lives;
  readonly #mounts: Mounts;
  readonly #reserving = new Map<number, Reserving>();
  /** The latest line that may have changed a subpool, and the latest of another task. */
  #lastUse = { tid: -1, ts: Number.NEGATIVE_INFINITY };
  #lastOther = { tid: -1, ts: Number.NEGATIVE_INFINITY };
  /** Refused, and changed something: it waits until nobody else is seen to have done it. */
  #refused: { event: EventOf<'reserve'>; reserving: Reserving }[] = [];
  readonly #maps = new Map<Address, ResvMap>();
  readonly #mapsOf = new Map<InodeLife, Set<Address>>();
  /** By task: the latest one, whose owner the next line tells. */
  readonly #newest = new Map<number, Address>();
  readonly #released = new Map<Address, EventOf<'resv_map_release'>>();
  /** Samples that the events have not reached yet. */
  #samples: PoolSample[] = [];
  /** Since when nobody holds any of the pools, and what had passed for the host by then. */
  #rest: { since: number; passed: number } | null = null;
  /** By size: a moment in which nothing was in use and nothing reserved. */
  readonly #clean = new Map<number, number>();
  /** By size: the rest that was checked last, and what was claimed about it. */
  readonly #checkedRest = new Map<number, { since: number; long: boolean; claim: Claim | null }>();

  constructor(verdicts: Verdicts, lives: Lives, mounts: Mounts) {
    this.#verdicts = verdicts;
    this.#lives = lives;
    this.#mounts = mounts;
  }

  /** Any line of a task that may change a subpool or the pool. */
  used(event: TraceEvent): void {
    if (event.tid !== this.#lastUse.tid) this.#lastOther = this.#lastUse;
    this.#lastUse = { tid: event.tid, ts: event.ts };
    if (this.#refused.length === 0) return;
    // somebody else is at it: it may have been their doing
    this.#refused = this.#refused.filter(({ event: refused }) => refused.tid === event.tid);
  }

  subpool(event: EventOf<'subpool'>): void {
    this.#inRange(event);
    if (event.at === 0) {
      if (this.#reserving.size > 1000) this.#reserving.clear();
      this.#reserving.set(event.tid, { before: event, after: null });
      return;
    }
    const reserving = this.#reserving.get(event.tid);
    if (reserving?.before.subpool === event.subpool) reserving.after = event;
  }

  putSubpool(event: EventOf<'put_subpool'>): void {
    if (event.subpool !== 0) this.#inRange(event);
  }

  enqueued(event: EventOf<'hugepage_enqueue'>): void {
    if (event.reserved < BELOW_ZERO) return;
    this.#verdicts.shown('R18', subject('pool'), {
      to: event.ts,
      sentence: `resv_huge_pages of the pool is ${event.reserved}, which is below 0; expected 0 or more.`,
      lines: [event],
    });
  }

  reserve(event: EventOf<'reserve'>, life: InodeLife | null): void {
    const reserving = this.#reserving.get(event.tid);
    this.#reserving.delete(event.tid);
    const map = this.#newest.get(event.tid);
    if (map !== undefined && event.vma !== 0 && life !== null) this.#own(map, life);
    this.#newest.delete(event.tid);
    if (event.ret >= 0 || reserving?.after == null) return;
    const { before, after } = reserving;
    if (before.inode !== event.inode) return;
    if (this.#lastOther.ts > before.ts - ALONE_NS) return;
    const same =
      before.used === after.used && before.reserved === after.reserved && before.min === after.min;
    if (same) this.#verdicts.held('R17', subjectOf(before.subpool, life));
    else this.#refused.push({ event, reserving });
  }

  mapAlloc(event: EventOf<'resv_map_alloc'>): void {
    const { resv_map: map } = event;
    if (map === 0) return;
    const before = this.#maps.get(map);
    if (before !== undefined) {
      this.#unreleased(map, before, event, 'resv_map_alloc() returned it again');
      this.#forgetMap(map);
    }
    this.#released.delete(map);
    this.#maps.set(map, { event, life: null });
    if (this.#newest.size > 1000) this.#newest.clear();
    this.#newest.set(event.tid, map);
  }

  /** hugetlbfs_get_inode() makes the resv_map, then the inode. */
  born(event: EventOf<'alloc_inode'>, life: InodeLife | null): void {
    const map = this.#newest.get(event.tid);
    this.#newest.delete(event.tid);
    if (map !== undefined && life?.magic === HUGETLBFS) this.#own(map, life);
  }

  mapRelease(event: EventOf<'resv_map_release'>): void {
    const { resv_map: map } = event;
    const known = this.#maps.get(map);
    if (known !== undefined) {
      this.#verdicts.held('R20', mapSubject(map, known.life));
      this.#forgetMap(map);
    } else {
      const before = this.#released.get(map);
      if (before !== undefined) {
        const evidence = {
          from: before.ts,
          to: event.ts,
          sentence:
            'resv_map_release() ran on it twice, and no resv_map_alloc() returned it between; expected one release.',
          lines: [before, event],
          steps: true,
        };
        this.#verdicts.claim('R20', mapSubject(map, null), evidence, event.ts);
      }
    }
    this.#released.set(map, event);
    if (this.#released.size > MAX_RELEASED) {
      this.#released.delete(this.#released.keys().next().value!);
    }
  }

  /** The inode is destroyed: its resv_map and those of its mappings must be gone. */
  emptied(life: InodeLife, end: TraceEvent): void {
    const maps = this.#mapsOf.get(life);
    if (maps === undefined) return;
    for (const map of maps) {
      const known = this.#maps.get(map)!;
      this.#unreleased(map, known, end, `its inode came to ${end.kind}`);
      this.#maps.delete(map);
    }
    this.#mapsOf.delete(life);
  }

  sample(sample: PoolSample): void {
    if (sample.node !== -1 || sample.reserved === null) return;
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** `passed`: time that the host was seen to run, which a stopped guest does not. */
  tick(now: number, passed: number): void {
    this.#decideRefused(now);
    const held = this.#lives.holders.size > 0 || this.#mounts.hasSubpool;
    const since = Math.max(this.#lives.heldAt, this.#mounts.heldAt);
    if (held) this.#rest = null;
    else if (this.#rest?.since !== since) this.#rest = { since, passed };
    while (this.#samples.length > 0 && this.#samples[0]!.ts < now - REST_NS / 2) {
      const sample = this.#samples.shift()!;
      this.#mayBeClean(sample, since);
      if (this.#rest !== null) this.#atRest(sample, this.#rest, passed - (now - sample.ts));
    }
  }

  /** Nothing in use, nothing reserved: from here on every holder is known. */
  #mayBeClean({ sizeKb, ts, reserved, total, free }: PoolSample, heldAt: number): void {
    if (reserved !== 0 || total !== free || ts <= heldAt) return;
    this.#clean.set(sizeKb, ts);
    this.#mounts.clean();
  }

  /** R16: with nobody left who could hold a reservation, none may be left. */
  #atRest(sample: PoolSample, rest: { since: number; passed: number }, passed: number): void {
    const { sizeKb, ts, reserved, total } = sample;
    const clean = this.#clean.get(sizeKb);
    const rested = Math.min(passed - rest.passed, ts - rest.since);
    if (clean === undefined || rested < REST_NS || total === 0) return;
    const long = rested >= LONG_REST_NS;
    const last = this.#checkedRest.get(sizeKb);
    const known = last?.since === rest.since ? last : undefined;
    if (known?.claim != null && reserved === 0) this.#verdicts.withdraw(known.claim);
    if (known !== undefined && (known.long || !long || known.claim === null)) return;
    const who = subject(`pool of ${sizeKb} kB`);
    let claim = known?.claim ?? null;
    if (reserved === 0) this.#verdicts.held('R16', who);
    else {
      const evidence = {
        from: clean,
        to: ts,
        sentence: `${reserved} hugepages are reserved, though for ${(rested / 1e9).toFixed(1)} s there has been no inode and no subpool to hold them; expected 0.`,
        lines: this.#mounts.lastLines,
      };
      const softer = long ? evidence : { ...evidence, onlySuspected: true };
      claim =
        claim === null
          ? this.#verdicts.claim('R16', who, softer, ts)
          : (this.#verdicts.harden(claim, evidence, ts) ?? claim);
    }
    this.#checkedRest.set(sizeKb, { since: rest.since, long, claim });
  }

  #decideRefused(now: number): void {
    while (this.#refused.length > 0 && now - this.#refused[0]!.event.ts > ALONE_NS) {
      const { event, reserving } = this.#refused.shift()!;
      const { before, after } = reserving;
      const evidence = {
        from: before.ts - ALONE_NS,
        to: event.ts + ALONE_NS,
        sentence: `hugetlb_reserve_pages() refused (${event.ret}) and left used_hpages ${before.used} as ${after!.used}, rsv_hpages ${before.reserved} as ${after!.reserved}; expected both unchanged.`,
        lines: [before, after, event],
      };
      const life = this.#lives.at(event.inode) ?? null;
      this.#verdicts.claim('R17', subjectOf(before.subpool, life), evidence, now);
    }
  }

  #inRange(event: EventOf<'subpool' | 'put_subpool'>): void {
    const { used, min, reserved } = event;
    const who = subjectOf(event.subpool, null);
    // without min_size= both are -1
    const fine = used >= 0 && (min < 0 || (reserved >= 0 && reserved <= min));
    if (fine) return this.#verdicts.held('R18', who);
    this.#verdicts.shown('R18', who, {
      to: event.ts,
      sentence: `the subpool has used_hpages ${used}, rsv_hpages ${reserved} and min_hpages ${min}; expected used_hpages >= 0 and 0 <= rsv_hpages <= min_hpages.`,
      lines: [event],
    });
  }

  #own(map: Address, life: InodeLife): void {
    const known = this.#maps.get(map);
    if (known === undefined) return;
    known.life = life;
    const maps = this.#mapsOf.get(life) ?? new Set();
    maps.add(map);
    this.#mapsOf.set(life, maps);
  }

  #forgetMap(map: Address): void {
    const known = this.#maps.get(map);
    this.#maps.delete(map);
    if (known?.life == null) return;
    const maps = this.#mapsOf.get(known.life);
    maps?.delete(map);
    if (maps?.size === 0) this.#mapsOf.delete(known.life);
  }

  #unreleased(map: Address, known: ResvMap, end: TraceEvent, seen: string): void {
    const evidence = {
      from: known.event.ts,
      to: end.ts,
      sentence: `${seen} and no resv_map_release() before; expected one.`,
      lines: [known.event, ...(known.life?.lines ?? []), end],
      steps: true,
    };
    this.#verdicts.claim('R20', mapSubject(map, known.life), evidence, end.ts);
  }
}

function mapSubject(map: Address, life: InodeLife | null) {
  return subject(`resv_map ${formatAddress(map)}`, life?.inode ?? null);
}

function subjectOf(subpool: Address, life: InodeLife | null) {
  return subject(`subpool ${formatAddress(subpool)}`, life?.inode ?? null);
}
