/** The way of a hugepage out of the page cache and back (R12 to R15). */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import type { Address } from '../../protocol/units.ts';
import { NumberMap } from '../number-map.ts';
import type { HugetlbfsRules } from './hugetlbfs.ts';
import { type InodeLife, subject } from './inode-life.ts';
import type { Lives } from './lives.ts';
import type { RuleId } from './rules.ts';
import type { Claim, Subject, Verdicts } from './verdicts.ts';

/** A hugepage that nobody holds is back so long after evict(); others hold it only in passing. */
const BACK_NS = 5e9;
/** free_huge_folio() should have found a place for it by then. */
const PLACED_NS = 5e9;
/** free_hpage_workfn() should have run by then. */
const RELEASED_NS = 15e9;
/** One that is queued so much later is not in the same batch of free_hpage_workfn(). */
const LATER_NS = 1e9;
/** Tasks of which is known that they went on. */
const MAX_TASKS = 16_384;
/** HPG_freed in the private field of a hugepage (include/linux/hugetlb.h). */
const HPG_FREED = 8;
/** Hugepages whose next step did not come are forgotten after so much time. */
const GIVEN_UP_NS = 60e9;

/** A hugepage that waits for its next line. */
interface Waiting<E extends TraceEvent> {
  readonly event: E;
  readonly who: Subject;
  claim: Claim | null;
}

/** One that evict() took out of the page cache. */
interface Removed extends Waiting<EventOf<'hugepage_remove'>> {
  readonly life: InodeLife;
  /** When it was told how many references a hugepage of its mount has; at the latest, its line. */
  readonly from: number;
  /** Time that passed for the host when evict() was through with it; null before. */
  since: number | null;
}

type Queue<E extends TraceEvent> = NumberMap<Address, Waiting<E>>;

export class HugepageRules {
  private readonly _verdicts: Verdicts;
  private readonly _lives: Lives;
  private readonly _hugetlbfs: HugetlbfsRules;
  private readonly _baseIndex: boolean;
  /** Migration puts another hugepage into the page cache: it has to be seen. */
  private readonly _seesMove: boolean;
  /** Of the hugepages the page allocator got: when the one queued last was queued. */
  private _lastReleased: number | null = null;
  /** By task: when it was last seen to do something outside free_huge_folio(). */
  private readonly _wentOn = new NumberMap<number, { ts: number }>();
  private readonly _cached = new NumberMap<
    Address,
    { add: EventOf<'hugepage_add'>; life: InodeLife | null }
  >();
  /** Removed by evict() and held by nobody else. */
  private readonly _removed = new NumberMap<Address, Removed>();
  private readonly _freed: Queue<EventOf<'hugepage_free'>> = new NumberMap();
  private readonly _leaving: Queue<EventOf<'hugepage_to_buddy'>> = new NumberMap();

  constructor(
    verdicts: Verdicts,
    lives: Lives,
    hugetlbfs: HugetlbfsRules,
    { baseIndex, seesMove }: { baseIndex: boolean; seesMove: boolean },
  ) {
    this._verdicts = verdicts;
    this._lives = lives;
    this._hugetlbfs = hugetlbfs;
    this._baseIndex = baseIndex;
    this._seesMove = seesMove;
  }

  add(event: EventOf<'hugepage_add'>, life: InodeLife | null): void {
    if (event.ret !== 0) return;
    this.#reused(event.folio, event);
    this._cached.set(event.folio, { add: event, life });
  }

  alloc(event: EventOf<'hugepage_alloc' | 'hugepage_alloc_nodemask'>): void {
    if (event.folio !== 0) this.#reused(event.folio, event);
  }

  remove(event: EventOf<'hugepage_remove'>): void {
    this._cached.delete(event.folio);
    const life = this._lives.inEvict(event.inode, event.tid);
    const basePages = this._hugetlbfs.basePages(event.dev);
    if (life === undefined || basePages === null) return;
    // the page cache's references and that of the caller
    const baseline = this._baseIndex ? basePages.pages + 1 : 2;
    if (event.refcount !== baseline) return;
    const who = pageOf(event.folio, life);
    const from = Math.min(event.ts, basePages.ts);
    this._removed.set(event.folio, { event, who, claim: null, life, from, since: null });
  }

  move(event: EventOf<'hugepage_move'>): void {
    const cached = this._cached.take(event.from);
    if (cached !== undefined) this._cached.set(event.to, cached);
  }

  free(event: EventOf<'hugepage_free'>): void {
    const { folio } = event;
    const removed = this._removed.take(folio);
    const evicting = this._lives.evictedBy(event.tid);
    const who = removed?.who ?? pageOf(folio, evicting ?? null);
    if (evicting !== undefined) this._lives.note(evicting, event);
    this.#count(event, who);
    if (removed !== undefined) {
      if (removed.claim !== null) this._verdicts.withdraw(removed.claim);
      else this._verdicts.held('R12', who);
    }
    const cached = this._cached.take(folio);
    if (cached !== undefined && this._seesMove) {
      const inCache = { ...who, inode: cached.life?.inode ?? null };
      this.#claim('R12', inCache, [cached.add, event], {
        seen: 'free_huge_folio() ran on it and it was not seen to leave the page cache',
        expected: 'filemap_remove_folio() before',
      });
    }
    const before = this._freed.get(folio);
    if (before !== undefined) this.#unplaced(before, event);
    this._freed.set(folio, { event, who: pageOf(folio, evicting ?? null), claim: null });
  }

  /** To the free list of the pool, or to the page allocator. */
  placed(event: EventOf<'hugepage_enqueue' | 'hugepage_to_buddy'>): void {
    const evicting = this._lives.evictedBy(event.tid);
    if (evicting !== undefined) this._lives.note(evicting, event);
    if (event.kind === 'hugepage_to_buddy') {
      const who = pageOf(event.folio, evicting ?? null);
      this._leaving.set(event.folio, { event, who, claim: null });
    }
    const freed = this._freed.take(event.folio);
    if (freed === undefined) return; // the pool grows or shrinks
    if (freed.claim !== null) return this._verdicts.withdraw(freed.claim);
    if (freed.event.tid === event.tid) return this._verdicts.held('R13', freed.who);
    this.#claim('R13', freed.who, [freed.event, event], {
      seen: `free_huge_folio() ran in task ${freed.event.tid} and ${event.kind} in task ${event.tid}`,
      expected: 'both in one task',
    });
  }

  released(event: EventOf<'hugepage_released'>): void {
    const leaving = this._leaving.take(event.folio);
    if (leaving === undefined) return;
    this._lastReleased = Math.max(leaving.event.ts, this._lastReleased ?? 0);
    if (leaving.claim !== null) this._verdicts.withdraw(leaving.claim);
    else this._verdicts.held('R14', leaving.who);
  }

  /** A task that is in free_huge_folio() does nothing of this. */
  wentOn({ tid, ts }: TraceEvent): void {
    if (this._freed.size === 0) return; // no task is
    if (this._wentOn.size > MAX_TASKS) this._wentOn.clear();
    const task = this._wentOn.get(tid);
    if (task === undefined) this._wentOn.set(tid, { ts });
    else task.ts = ts;
  }

  /** `passed`: time that the host was seen to run, which a stopped guest does not. */
  tick(now: number, passed: number): void {
    for (const [folio, removed] of this._removed) {
      if (removed.life.emptied) removed.since ??= passed;
      if (removed.since !== null && passed - removed.since > BACK_NS) {
        this.#notBack(folio, removed, now);
      }
    }
    this.#overdue(this._freed, now, PLACED_NS, {
      rule: 'R13',
      seen: 'free_huge_folio() ran and it is neither in the pool nor given back',
      expected: 'enqueue_hugetlb_folio() or update_and_free_hugetlb_folio()',
      proven: ({ tid, ts }) => (this._wentOn.get(tid)?.ts ?? 0) > ts,
    });
    this.#overdue(this._leaving, now, RELEASED_NS, {
      rule: 'R14',
      seen: 'update_and_free_hugetlb_folio() ran and the page allocator did not get it',
      expected: '__update_and_free_hugetlb_folio()',
      proven: ({ ts }) => (this._lastReleased ?? 0) > ts + LATER_NS,
    });
  }

  /** Reference count and HPG_freed: what the one line says (R15). */
  #count(event: EventOf<'hugepage_free'>, who: Subject): void {
    const isFree = Math.floor(event.private / HPG_FREED) % 2 === 1;
    if (event.refcount === 0 && !isFree) return this._verdicts.held('R15', apart(who));
    const seen = isFree
      ? 'free_huge_folio() got a hugepage that is on the free list (HPG_freed is set)'
      : `free_huge_folio() got a hugepage with ${event.refcount} references`;
    this._verdicts.shown('R15', apart(who), {
      to: event.ts,
      sentence: `${seen}; expected ${isFree ? 'one that is in use' : 'none'}.`,
      lines: [event],
    });
  }

  /** Somebody has it again: what it waited for was left out. */
  #reused(folio: Address, event: TraceEvent): void {
    const freed = this._freed.take(folio);
    if (freed !== undefined) this.#unplaced(freed, event);
    this._leaving.delete(folio);
    const removed = this._removed.take(folio);
    if (removed === undefined || removed.claim !== null) return;
    this.#claim('R12', removed.who, [removed.event, event], {
      seen: `it left the page cache and is used again (${event.kind}) without being freed`,
      expected: 'free_huge_folio() between',
      from: removed.from,
    });
  }

  #unplaced(freed: Waiting<EventOf<'hugepage_free'>>, event: TraceEvent): void {
    if (freed.claim !== null) return;
    this.#claim('R13', freed.who, [freed.event, event], {
      seen: `free_huge_folio() ran and then ${event.kind}, and it went neither to the pool nor back`,
      expected: 'enqueue_hugetlb_folio() or update_and_free_hugetlb_folio() between',
    });
  }

  #notBack(folio: Address, removed: Removed, now: number): void {
    const { event, who } = removed;
    if (removed.claim !== null) {
      if (now - event.ts > GIVEN_UP_NS) this._removed.delete(folio);
      return;
    }
    const sentence = `evict() took it out of the page cache, nobody else held it, and ${BACK_NS / 1e9} s later it is not freed; expected free_huge_folio().`;
    const lines = [...this.#storyOf(removed), event];
    const evidence = { from: removed.from, to: now, sentence, lines };
    removed.claim = this._verdicts.claim('R12', who, evidence, now);
    if (removed.claim === null) this._removed.delete(folio);
  }

  /** Suspicious after a while, certain when what came later proves that it was left out. */
  #overdue<E extends TraceEvent & { folio: Address }>(
    queue: Queue<E>,
    now: number,
    limit: number,
    words: { rule: RuleId; seen: string; expected: string; proven: (event: E) => boolean },
  ): void {
    for (const [folio, waiting] of queue) {
      const { event, claim, who } = waiting;
      if (now - event.ts < limit) return;
      const proven = words.proven(event);
      // where it was never seen, it may have been inlined
      const blind = words.rule === 'R14' && this._lastReleased === null;
      if (blind || now - event.ts > GIVEN_UP_NS) queue.delete(folio);
      else if (claim === null || (proven && claim.evidence.onlySuspected === true)) {
        const evidence = {
          from: event.ts,
          to: now,
          sentence: `${words.seen} ${((now - event.ts) / 1e9).toFixed(0)} s later; expected ${words.expected}${proven ? '' : ', unless it is still on its way'}.`,
          lines: [...this.#storyOf(waiting), event],
        };
        const softer = proven ? evidence : { ...evidence, onlySuspected: true };
        waiting.claim =
          claim === null
            ? this._verdicts.claim(words.rule, who, softer, now)
            : (this._verdicts.harden(claim, evidence, now) ?? claim);
        if (waiting.claim === null) queue.delete(folio);
      }
    }
  }

  /** The lines of the inode that name this hugepage. */
  #storyOf({ who, event }: Waiting<TraceEvent & { folio: Address }>): TraceEvent[] {
    const lines = who.inode?.evidence ?? [];
    return lines.filter((line) => 'folio' in line && line.folio === event.folio);
  }

  #claim(
    rule: RuleId,
    who: Subject,
    [first, last]: readonly [TraceEvent, TraceEvent],
    { seen, expected, from = first.ts }: { seen: string; expected: string; from?: number },
  ): void {
    const evidence = {
      from,
      to: last.ts,
      sentence: `${seen}; expected ${expected}.`,
      lines: [first, last],
    };
    this._verdicts.claim(rule, apart(who), evidence, last.ts);
  }
}

/** The same thing, of which no rule was counted yet. */
function apart({ what, address, inode }: Subject): Subject {
  return { inode, what, address, judged: 0 };
}

function pageOf(folio: Address, life: InodeLife | null): Subject {
  return subject('hugepage', folio, life?.inode ?? null);
}
