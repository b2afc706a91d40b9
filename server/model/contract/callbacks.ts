/** What follows destroy_inode(): the callback of RCU and what it calls (R4 to R7). */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import { NumberMap } from '../number-map.ts';
import { NumberedSet } from '../numbered-set.ts';
import { HUGETLBFS } from '../superblocks.ts';
import type { InodeLife } from './inode-life.ts';
import type { Freed, Lives } from './lives.ts';
import { OneLine } from './one-line.ts';
import type { Claim, Verdicts } from './verdicts.ts';

/** i_callback() that did not come by then is missed; lazy RCU alone takes up to 10 s. */
const CALLBACK_NS = 15e9;
/** For so long it is looked for. */
const GIVEN_UP_NS = 60e9;
/** The s_op table of a superblock is printed again after so much time. */
const SB_AGAIN_NS = 10e9;

export class CallbackRules {
  private readonly _verdicts: Verdicts;
  private readonly _lives: Lives;
  private readonly _oneLine: OneLine;
  /** destroy_inode() was seen, oldest first. */
  private readonly _waiting = new NumberedSet<InodeLife>();
  /** By CPU: the latest destroy_inode() that armed there and whose callback has run. */
  private readonly _calledBack = new NumberMap<number, number>();
  /** By task: a second i_callback(), which an alloc_inode() that fails would explain. */
  private readonly _second = new Map<number, Claim>();

  constructor(verdicts: Verdicts, lives: Lives, freedState: number | null) {
    this._verdicts = verdicts;
    this._lives = lives;
    this._oneLine = new OneLine(verdicts, freedState);
  }

  /** destroy_inode() armed the callback. */
  armed(life: InodeLife): void {
    if (life.callback === null) this._waiting.add(life);
  }

  /** Another life goes on at its address. */
  forget(life: InodeLife): void {
    this._waiting.delete(life);
  }

  /** alloc_inode() returned NULL: where inode_init_always() failed, it called i_callback() itself. */
  allocFailed(tid: number): void {
    const second = this._second.get(tid);
    if (second !== undefined) this._verdicts.withdraw(second);
    this._second.delete(tid);
  }

  called(life: InodeLife, event: EventOf<'i_callback'>): void {
    life.callback = event;
    if (life.noCallback !== null) this._verdicts.withdraw(life.noCallback);
    if (life.freesItself) this.#notCalledFor(life, event);
    else if (life.destroy !== null) {
      this._verdicts.held('R4', life);
      this._verdicts.held('R7', life);
      if (life.magic === HUGETLBFS) this._verdicts.held('R9', life);
    } else if (life.evict !== null || life.born) {
      life.noCallback = this.#claim('R4', life, event, life.evict?.ts ?? life.first, {
        sentence: 'i_callback() ran, and no destroy_inode() before it; expected one.',
        steps: true,
      });
    }
    this.#ran(life, event, event.free_inode, life.evict?.ts);
  }

  /** All stages in one line. */
  oneLine(life: InodeLife, event: EventOf<'life'>): void {
    life.callback = event;
    if (life.noCallback !== null) this._verdicts.withdraw(life.noCallback);
    this._oneLine.check(life, event);
    this.#ran(life, event, event.free_inode, event.ts - event.evict);
  }

  /** s_op->free_inode, which runs inside i_callback(), without it. */
  freedWithout(life: InodeLife, event: EventOf<'free_inode'>): void {
    const begin = life.destroy?.ts ?? life.evict?.ts ?? (life.born ? life.first : null);
    if (begin === null || this._lives.callbacksSeen.size === 0) return;
    this.#claim('R7', life, event, begin, {
      sentence:
        's_op->free_inode ran and no i_callback() before it; expected the grace period of RCU between destroy_inode() and it.',
    });
  }

  /** A step of destroy_inode() came after i_callback(): not left out, but too late. */
  early(life: InodeLife, event: TraceEvent, step: string): void {
    if (life.noCallback !== null) this._verdicts.withdraw(life.noCallback);
    this.#claim('R7', life, event, life.evict?.ts ?? life.first, {
      sentence: `i_callback() ran before ${step}; expected it a grace period later.`,
    });
  }

  /** i_callback() of an address that is free: freed twice, or never given to anybody. */
  again(event: EventOf<'i_callback'>): void {
    const last = this._lives.freshlyFreed(event.inode);
    if (last?.freesItself === true) return this.#notCalledFor(last, event);
    const freed = this._lives.freedAt(event.inode);
    if (freed === undefined || !freed.born || freed.calledBack === null) return;
    this._lives.unfree(event.inode);
    const claim = this.#claim('R4', freed, event, freed.calledBack, {
      sentence:
        'i_callback() ran a second time, and no alloc_inode() returned this address between; expected one callback for each destroy_inode().',
      steps: true,
    });
    if (claim === null) return;
    if (this._second.size > 1000) this._second.clear();
    this._second.set(event.tid, claim);
  }

  /** Callbacks that should have come. */
  tick(now: number): void {
    for (const life of this._waiting) {
      const { destroy, returned } = life;
      if (destroy === null || now - destroy.ts < CALLBACK_NS) return;
      if (returned !== null && now - returned.ts < CALLBACK_NS) continue;
      if (life.freesItself) {
        this._waiting.delete(life);
        this._lives.free(life);
      } else if (now - destroy.ts > GIVEN_UP_NS || !this._lives.freeIsSeen(life)) {
        this._waiting.delete(life);
      } else this.#overdue(life, destroy, now);
    }
  }

  /**
   * RCU sets no limit. But the callbacks of a CPU run in the order in which they were
   * armed: one armed later that has run proves that this one was skipped.
   */
  #overdue(life: InodeLife, { ts }: EventOf<'destroy_inode'>, now: number): void {
    const cpu = armedOn(life);
    const proven = cpu !== null && (this._calledBack.get(cpu) ?? 0) > life.returned!.ts;
    const claim = life.noCallback;
    if (claim !== null && (!proven || claim.evidence.onlySuspected !== true)) return;
    const waited = `${((now - ts) / 1e9).toFixed(0)} s`;
    const lines = life.lines;
    // a line at the end comes only where its program has seen evict(), too
    const from = life.evict?.ts ?? life.first;
    const evidence = proven
      ? {
          from,
          to: now,
          sentence: `no i_callback() ${waited} after destroy_inode(), although one that was armed later on CPU ${cpu} has run; expected one.`,
          lines,
        }
      : {
          from,
          to: now,
          sentence: `no i_callback() ${waited} after destroy_inode(); expected one, unless the grace period is stalled.`,
          lines,
          onlySuspected: true,
        };
    life.noCallback =
      claim === null
        ? this._verdicts.claim('R4', life, evidence, now)
        : (this._verdicts.harden(claim, evidence, now) ?? claim);
    if (life.noCallback === null) this._waiting.delete(life);
  }

  /** i_callback() has the free_inode of the superblock (R6). */
  #ran(life: InodeLife, event: TraceEvent, called: string, evicted: number | undefined): void {
    this._waiting.delete(life);
    const cpu = armedOn(life);
    if (cpu !== null && life.destroy!.ts > (this._calledBack.get(cpu) ?? 0)) {
      this._calledBack.set(cpu, life.destroy!.ts);
    }
    const sb = life.superblock;
    if (sb === undefined || evicted === undefined || life.freesItself) return;
    if (sb.free_inode === called) return this._verdicts.held('R6', life);
    const from = this._verdicts.watch.before(evicted, SB_AGAIN_NS);
    this.#claim('R6', life, event, from, {
      sentence: `i_callback() found free_inode ${called}; expected ${sb.free_inode}, the s_op->free_inode of its superblock.`,
    });
  }

  #notCalledFor(life: InodeLife, event: TraceEvent): void {
    const from = this._verdicts.watch.before(life.evict!.ts, SB_AGAIN_NS);
    this.#claim('R5', life, event, from, {
      sentence: `i_callback() ran, although ${life.superblock!.destroy_inode}() frees the inode and s_op->free_inode is NULL; expected none.`,
    });
  }

  #claim(
    rule: 'R4' | 'R5' | 'R6' | 'R7',
    of: InodeLife | Freed,
    event: TraceEvent,
    from: number,
    words: { sentence: string; steps?: boolean },
  ): Claim | null {
    const lines = [...of.lines, event];
    const who = 'subject' in of ? of.subject : of;
    return this._verdicts.claim(rule, who, { from, to: event.ts, lines, ...words }, event.ts);
  }
}

/**
 * The CPU whose list has its callback; null where that is not sure. destroy_inode() arms it after
 * s_op->destroy_inode, and a task may have been held up in there, or gone on elsewhere.
 */
function armedOn({ destroy, returned }: InodeLife): number | null {
  return destroy !== null && returned?.cpu === destroy.cpu ? destroy.cpu : null;
}
