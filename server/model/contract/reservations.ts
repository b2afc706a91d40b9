/** Promised hugepages: subpool counters (R17, R18), the pool at rest (R16), resv_maps (R20). */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import type { Address } from '../../protocol/units.ts';
import { NumberMap } from '../number-map.ts';
import type { PoolSample } from '../pools.ts';
import { Recent } from '../recent.ts';
import { HUGETLBFS } from '../superblocks.ts';
import { type InodeLife, subject, wholeSubject } from './inode-life.ts';
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
  private readonly _verdicts: Verdicts;
  private readonly _lives: Lives;
  private readonly _mounts: Mounts;
  private readonly _reserving = new NumberMap<number, Reserving>();
  /** The latest line that may have changed a subpool, and the latest of another task. */
  private _lastUse = { tid: -1, ts: Number.NEGATIVE_INFINITY };
  private _lastOther = { tid: -1, ts: Number.NEGATIVE_INFINITY };
  /** Refused, and changed something: it waits until nobody else is seen to have done it. */
  private _refused: { event: EventOf<'reserve'>; reserving: Reserving }[] = [];
  private readonly _maps = new NumberMap<Address, ResvMap>();
  /** By task: the latest one, whose owner the next line tells. */
  private readonly _newest = new NumberMap<number, Address>();
  private readonly _released = new Recent<Address, EventOf<'resv_map_release'>>(MAX_RELEASED);
  /** Samples that the events have not reached yet. */
  private _samples: PoolSample[] = [];
  /** Since when nobody holds any of the pools, and what had passed for the host by then. */
  private _rest: { since: number; passed: number } | null = null;
  /** By size: a moment in which nothing was in use and nothing reserved. */
  private readonly _clean = new Map<number, number>();
  /** Sizes whose counter was below zero in the newest sample. */
  private readonly _belowZero = new Set<number>();
  /** By size: the rest that was checked last, and what was claimed about it. */
  private readonly _checkedRest = new Map<
    number,
    { since: number; long: boolean; claim: Claim | null }
  >();

  constructor(verdicts: Verdicts, lives: Lives, mounts: Mounts) {
    this._verdicts = verdicts;
    this._lives = lives;
    this._mounts = mounts;
  }

  /** Any line of a task that may change a subpool or the pool. */
  used(event: TraceEvent): void {
    if (event.tid !== this._lastUse.tid) {
      const other = this._lastOther;
      this._lastOther = this._lastUse;
      this._lastUse = other;
      other.tid = event.tid;
    }
    this._lastUse.ts = event.ts;
    if (this._refused.length === 0) return;
    // somebody else is at it: it may have been their doing
    this._refused = this._refused.filter(({ event: refused }) => refused.tid === event.tid);
  }

  subpool(event: EventOf<'subpool'>): void {
    this.#inRange(event);
    if (event.at === 0) {
      if (this._reserving.size > 1000) this._reserving.clear();
      this._reserving.set(event.tid, { before: event, after: null });
      return;
    }
    const reserving = this._reserving.get(event.tid);
    if (reserving?.before.subpool === event.subpool) reserving.after = event;
  }

  putSubpool(event: EventOf<'put_subpool'>): void {
    if (event.subpool !== 0) this.#inRange(event);
  }

  enqueued(event: EventOf<'hugepage_enqueue'>): void {
    if (event.reserved < BELOW_ZERO) return;
    this._verdicts.shown('R18', wholeSubject('pool'), {
      to: event.ts,
      sentence:
        'resv_huge_pages of the pool is below 0 (unsigned, so that it shows as nearly 2^64); expected 0 or more.',
      lines: [event],
    });
  }

  reserve(event: EventOf<'reserve'>, life: InodeLife | null): void {
    const reserving = this._reserving.take(event.tid);
    const map = this._newest.take(event.tid);
    if (map !== undefined && event.vma !== 0 && life !== null) this.#own(map, life);
    if (event.ret >= 0 || reserving?.after == null) return;
    const { before, after } = reserving;
    if (before.inode !== event.inode) return;
    if (this._lastOther.ts > before.ts - ALONE_NS) return;
    const same =
      before.used === after.used && before.reserved === after.reserved && before.min === after.min;
    if (same) this._verdicts.held('R17', subjectOf(before.subpool, life));
    else this._refused.push({ event, reserving });
  }

  mapAlloc(event: EventOf<'resv_map_alloc'>): void {
    const { resv_map: map } = event;
    if (map === 0) return;
    const before = this._maps.get(map);
    if (before !== undefined) {
      this.#unreleased(map, before, event, 'resv_map_alloc() returned it again');
      this.#forgetMap(map);
    }
    this._released.delete(map);
    this._maps.set(map, { event, life: null });
    if (this._newest.size > 1000) this._newest.clear();
    this._newest.set(event.tid, map);
  }

  /** hugetlbfs_get_inode() makes the resv_map, then the inode. */
  born(event: EventOf<'alloc_inode'>, life: InodeLife | null): void {
    const map = this._newest.take(event.tid);
    if (map !== undefined && life?.magic === HUGETLBFS) this.#own(map, life);
  }

  mapRelease(event: EventOf<'resv_map_release'>): void {
    const { resv_map: map } = event;
    const known = this._maps.get(map);
    if (known !== undefined) {
      this._verdicts.held('R20', mapSubject(map, known.life));
      this.#forgetMap(map);
    } else {
      const before = this._released.get(map);
      if (before !== undefined) {
        const evidence = {
          from: before.ts,
          to: event.ts,
          sentence:
            'resv_map_release() ran on it twice, and no resv_map_alloc() returned it between; expected one release.',
          lines: [before, event],
          steps: true,
        };
        this._verdicts.claim('R20', mapSubject(map, null), evidence, event.ts);
      }
    }
    this._released.set(map, event);
  }

  /** The inode is destroyed: its resv_map and those of its mappings must be gone. */
  emptied(life: InodeLife, end: TraceEvent): void {
    for (const map of life.maps) {
      const known = this._maps.get(map)!;
      this.#unreleased(map, known, end, `its inode came to ${end.kind}`);
      this._maps.delete(map);
    }
    life.maps = [];
  }

  sample(sample: PoolSample): void {
    if (sample.node !== -1 || sample.reserved === null) return;
    this.#sampleInRange(sample.sizeKb, sample.reserved, sample.ts);
    this._samples.push(sample);
    if (this._samples.length > MAX_SAMPLES) this._samples.shift();
  }

  /** Told once for as long as it is so. */
  #sampleInRange(sizeKb: number, reserved: number, ts: number): void {
    const was = this._belowZero.has(sizeKb);
    if (reserved >= 0) {
      this._belowZero.delete(sizeKb);
      return;
    }
    this._belowZero.add(sizeKb);
    if (was) return;
    this._verdicts.shown('R18', wholeSubject(`pool of ${sizeKb} kB`), {
      to: ts,
      sentence: `resv_hugepages is ${reserved} (unsigned, so that it shows as 2^64 less that); expected 0 or more.`,
      lines: [],
    });
  }

  /** `passed`: time that the host was seen to run, which a stopped guest does not. */
  tick(now: number, passed: number): void {
    this.#decideRefused(now);
    const held = this._lives.holders > 0 || this._mounts.hasSubpool;
    const since = Math.max(this._lives.heldAt, this._mounts.heldAt);
    if (held) this._rest = null;
    else if (this._rest?.since !== since) this._rest = { since, passed };
    while (this._samples.length > 0 && this._samples[0]!.ts < now - REST_NS / 2) {
      const sample = this._samples.shift()!;
      this.#mayBeClean(sample, since);
      if (this._rest !== null) this.#atRest(sample, this._rest, passed - (now - sample.ts));
    }
  }

  /** Nothing in use, nothing reserved: from here on every holder is known. */
  #mayBeClean({ sizeKb, ts, reserved, total, free }: PoolSample, heldAt: number): void {
    if (reserved !== 0 || total !== free || ts <= heldAt) return;
    this._clean.set(sizeKb, ts);
    this._mounts.clean();
  }

  /** R16: with nobody left who could hold a reservation, none may be left. */
  #atRest(sample: PoolSample, rest: { since: number; passed: number }, passed: number): void {
    const { sizeKb, ts, reserved, total } = sample;
    const clean = this._clean.get(sizeKb);
    const rested = Math.min(passed - rest.passed, ts - rest.since);
    if (clean === undefined || rested < REST_NS || total === 0) return;
    if (reserved !== null && reserved < 0) return; // R18 tells
    const long = rested >= LONG_REST_NS;
    const last = this._checkedRest.get(sizeKb);
    const known = last?.since === rest.since ? last : undefined;
    if (known?.claim != null && reserved === 0) this._verdicts.withdraw(known.claim);
    if (known !== undefined && (known.long || !long || known.claim === null)) return;
    const who = wholeSubject(`pool of ${sizeKb} kB`);
    let claim = known?.claim ?? null;
    if (reserved === 0) this._verdicts.held('R16', who);
    else {
      const evidence = {
        from: clean,
        to: ts,
        sentence: `${reserved} hugepages are reserved, though for ${(rested / 1e9).toFixed(1)} s there has been no inode and no subpool to hold them; expected 0.`,
        lines: this._mounts.lastLines,
      };
      const softer = long ? evidence : { ...evidence, onlySuspected: true };
      claim =
        claim === null
          ? this._verdicts.claim('R16', who, softer, ts)
          : (this._verdicts.harden(claim, evidence, ts) ?? claim);
    }
    this._checkedRest.set(sizeKb, { since: rest.since, long, claim });
  }

  #decideRefused(now: number): void {
    while (this._refused.length > 0 && now - this._refused[0]!.event.ts > ALONE_NS) {
      const { event, reserving } = this._refused.shift()!;
      const { before, after } = reserving;
      const evidence = {
        from: before.ts - ALONE_NS,
        to: event.ts + ALONE_NS,
        sentence: `hugetlb_reserve_pages() refused (${event.ret}) and left used_hpages ${before.used} as ${after!.used}, rsv_hpages ${before.reserved} as ${after!.reserved}; expected both unchanged.`,
        lines: [before, after, event],
      };
      const life = this._lives.at(event.inode) ?? null;
      this._verdicts.claim('R17', subjectOf(before.subpool, life), evidence, now);
    }
  }

  #inRange(event: EventOf<'subpool' | 'put_subpool'>): void {
    const { used, min, reserved } = event;
    const who = subjectOf(event.subpool, null);
    // without min_size= both are -1
    const fine = used >= 0 && (min < 0 || (reserved >= 0 && reserved <= min));
    if (fine) return this._verdicts.held('R18', who);
    this._verdicts.shown('R18', who, {
      to: event.ts,
      sentence: `the subpool has used_hpages ${used}, rsv_hpages ${reserved} and min_hpages ${min}; expected used_hpages >= 0 and 0 <= rsv_hpages <= min_hpages.`,
      lines: [event],
    });
  }

  #own(map: Address, life: InodeLife): void {
    const known = this._maps.get(map);
    if (known === undefined) return;
    known.life = life;
    if (!life.maps.includes(map)) life.maps = [...life.maps, map];
  }

  #forgetMap(map: Address): void {
    const known = this._maps.get(map);
    this._maps.delete(map);
    if (known?.life == null) return;
    known.life.maps = known.life.maps.filter((other) => other !== map);
  }

  #unreleased(map: Address, known: ResvMap, end: TraceEvent, seen: string): void {
    const evidence = {
      from: known.event.ts,
      to: end.ts,
      sentence: `${seen} and no resv_map_release() before; expected one.`,
      lines: [known.event, ...(known.life?.lines ?? []), end],
      steps: true,
    };
    this._verdicts.claim('R20', mapSubject(map, known.life), evidence, end.ts);
  }
}

function mapSubject(map: Address, life: InodeLife | null) {
  return subject('resv_map', map, life?.inode ?? null);
}

function subjectOf(subpool: Address, life: InodeLife | null) {
  return subject('subpool', subpool, life?.inode ?? null);
}
