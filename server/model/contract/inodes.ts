/**
 * The steps of an inode's end in the order in which they come (R1 to R3), and what
 * happens to an address (R8, R9). Callbacks are in callbacks.ts, what hugetlbfs does
 * inside evict() in hugetlbfs.ts.
 */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import { type Address, formatAddress } from '../../protocol/units.ts';
import { CallbackRules } from './callbacks.ts';
import { type InodeLife, subject } from './inode-life.ts';
import { asFreed, type Freed, type Lives } from './lives.ts';
import type { Claim, Verdicts } from './verdicts.ts';

/** evict() takes its time twice, for the line of its own and for the one at the end. */
const SAME_EVICT_NS = 1e9;

/** A line about the pages, reservations or mappings of an inode. */
export type UseEvent = EventOf<
  | 'hugepage_add'
  | 'hugepage_remove'
  | 'hugepage_alloc'
  | 'reserve'
  | 'unreserve'
  | 'subpool'
  | 'remove_hugepages'
  | 'vm_close'
  | 'gmem_fallocate'
  | 'gmem_release'
>;

export class InodeRules {
  readonly callbacks: CallbackRules;
  private readonly _verdicts: Verdicts;
  private readonly _lives: Lives;
  private readonly _freedState: number | null;
  private readonly _emptied: (life: InodeLife, end: TraceEvent) => void;

  /** `emptied`: evict() is through with the hugepages and reservations of an inode. */
  constructor(
    verdicts: Verdicts,
    lives: Lives,
    freedState: number | null,
    emptied: (life: InodeLife, end: TraceEvent) => void,
  ) {
    this._verdicts = verdicts;
    this._lives = lives;
    this._freedState = freedState;
    this._emptied = emptied;
    this.callbacks = new CallbackRules(verdicts, lives, freedState);
  }

  alloc(event: EventOf<'alloc_inode'>): InodeLife | null {
    if (event.inode === 0) {
      this.callbacks.allocFailed(event.tid);
      return null;
    }
    const before = this._lives.at(event.inode);
    if (before !== undefined) {
      if (this._lives.freeIsSeen(before)) {
        this._verdicts.claim(
          'R8',
          before,
          {
            from: before.first,
            to: event.ts,
            sentence: `alloc_inode() returned ${formatAddress(event.inode)}, which was not freed: no i_callback() since it was used last; expected one, or another address.`,
            lines: [...before.lines, event],
          },
          event.ts,
        );
      }
      this.#forget(before);
    } else if (this._lives.isFree(event.inode)) {
      this._verdicts.held('R8', subject('inode', event.inode));
    }
    return this._lives.begin(event.inode, event.dev, event.magic, event);
  }

  evict(event: EventOf<'evict'>): InodeLife {
    let life = this.#begunAt(event.inode, event.ts);
    if (life !== undefined && (life.evict !== null || life.dev !== event.dev)) {
      if (life.evict !== null && (life.destroy === null || this._lives.freeIsSeen(life))) {
        const seen = 'evict() ran a second time on it';
        const claim = this.#wrongOrder(life, life.evict.ts, event, seen);
        if (claim?.state === 'pending') return life;
      }
      // what it lacks was lost: another life begins
      this.#forget(life);
      life = undefined;
    }
    life ??= this._lives.begin(event.inode, event.dev, event.magic, event);
    this._lives.evicted(life, event);
    this._lives.note(life, event);
    return life;
  }

  /**
   * The life at this address whose evict() may have begun at this time: of one that was destroyed
   * before, and not seen in evict(), nothing more is to come but i_callback(), which was lost.
   */
  #begunAt(address: Address, ts: number): InodeLife | undefined {
    const life = this._lives.at(address);
    if (life === undefined || life.evict !== null || life.destroy === null) return life;
    if (life.destroy.ts > ts) return life;
    this.#forget(life);
    return undefined;
  }

  clear(event: EventOf<'clear_inode'>): void {
    const life = this._lives.inEvict(event.inode, event.tid);
    if (life === undefined) this.#outside(event, 'clear_inode()');
    else {
      this._lives.note(life, event);
      if (life.clear !== null) {
        this.#wrongOrder(life, life.clear.ts, event, 'clear_inode() ran a second time on it');
      }
      life.clear = event;
    }
    const who = life ?? subject('inode', event.inode);
    if (event.nrpages === 0) return this._verdicts.held('R2', who);
    this._verdicts.shown('R2', who, {
      to: event.ts,
      sentence: `clear_inode() found ${event.nrpages} pages in the page cache; expected 0.`,
      lines: life?.lines ?? [event],
    });
  }

  destroy(event: EventOf<'destroy_inode'>): void {
    const life = this._lives.inEvict(event.inode, event.tid);
    if (life === undefined) {
      // iget_locked() and others destroy an inode that lost a race, without evict()
      const other = this.#outside(event, 'destroy_inode()');
      if (other !== undefined && other.destroy === null) this.#destroyed(other, event);
      return;
    }
    this._lives.note(life, event);
    if (life.destroy !== null) {
      this.#wrongOrder(life, life.destroy.ts, event, 'destroy_inode() ran a second time on it');
      return;
    }
    if (life.callback !== null) this.callbacks.early(life, event, 'destroy_inode()');
    this.#destroyed(life, event);
    this.#finalState(life, event);
    if (life.clear !== null) this._verdicts.held('R1', life);
    else
      this.#wrongOrder(life, life.evict!.ts, event, 'destroy_inode() came without clear_inode()');
    this.#empty(life, event);
  }

  destroyOp(event: EventOf<'destroy_op'>): void {
    const life = this._lives.inEvict(event.inode, event.tid) ?? this._lives.at(event.inode);
    if (life === undefined) return;
    this._lives.note(life, event);
    if (life.callback !== null) this.callbacks.early(life, event, 's_op->destroy_inode');
  }

  evictEnd(event: EventOf<'evict_end'>): void {
    const life = this._lives.returned(event.inode, event.tid);
    if (life === undefined) return;
    this._lives.note(life, event);
    life.returned = event;
    if (life.destroy === null) {
      this.#wrongOrder(life, life.evict!.ts, event, 'evict() returned without destroy_inode()');
    }
    this.#empty(life, event);
    if (!life.freesItself) return;
    // nothing more is to come of it; its address may be another's already
    if (this._lives.at(life.address) === life) this.#end(life, event);
    else this.callbacks.forget(life);
  }

  /** evict_inode, truncate_final and their like: part of the story only. */
  step(event: EventOf<'evict_inode' | 'evict_inode_end' | 'truncate_final'>): void {
    const life = this._lives.inEvict(event.inode, event.tid);
    if (life !== undefined) this._lives.note(life, event);
  }

  callback(event: EventOf<'i_callback'>): void {
    this._lives.callbacksSeen.add(event.free_inode);
    const life = this._lives.at(event.inode);
    if (life === undefined) return this.callbacks.again(event);
    this._lives.note(life, event);
    this.callbacks.called(life, event);
    this.#end(life, event);
  }

  freeInode(event: EventOf<'free_inode'>): void {
    const life = this._lives.at(event.inode);
    if (life !== undefined) {
      this._lives.note(life, event);
      this.callbacks.freedWithout(life, event);
      return this.#end(life, event);
    }
    const freed = this._lives.freshlyFreed(event.inode);
    if (freed !== undefined) this._lives.note(freed, event); // inside i_callback()
  }

  /** All stages in one line: what it says is checked where the stages did not come. */
  oneLine(event: EventOf<'life'>): void {
    this._lives.callbacksSeen.add(event.free_inode);
    const began = event.ts - event.evict;
    let life = this.#begunAt(event.inode, began);
    const other = Math.abs((life?.evict?.ts ?? began) - began) > SAME_EVICT_NS;
    // the end of the one before was lost
    if (life !== undefined && (life.dev !== event.dev || other)) {
      this.#forget(life);
      life = undefined;
    }
    life ??= this._lives.passing(event);
    this._lives.note(life, event);
    if (life.evict === null) this._lives.evicted(life, event);
    else this._lives.told(event.inode, life.evict.tid);
    this.callbacks.oneLine(life, event);
    this.#end(life, event);
  }

  /** The life that a line about pages, reservations or mappings is of (R9). */
  used(event: UseEvent, magic: number): InodeLife | null {
    if (event.inode === 0) return null;
    let life = this._lives.at(event.inode);
    const over = this.#over(event.inode as Address, life);
    const end = over?.end ?? null;
    const after = over !== undefined && end !== null && event.ts > end.ts;
    let claim: Claim | null = null;
    if (after && over.born && over.magic === magic) {
      claim = this._verdicts.claim(
        'R9',
        over.subject,
        {
          from: end.ts,
          to: event.ts,
          sentence: `a line ${event.kind} names the inode after its ${end.kind}; expected none until alloc_inode() returns it again.`,
          lines: [...over.lines, event],
          steps: true,
        },
        event.ts,
      );
    }
    // no life of its own, as long as it is not doubtful that there was none
    if (claim?.state === 'pending') return null;
    if (after && life !== undefined) {
      this.#forget(life);
      life = undefined;
    }
    if (life === undefined) {
      if (!('dev' in event)) return null;
      life = this._lives.begin(event.inode as Address, event.dev, magic, event);
    }
    this._lives.holds(life, event.ts);
    this._lives.note(life, event);
    return life;
  }

  /** What was named last at an address, where that is over. */
  #over(address: Address, life: InodeLife | undefined): Freed | undefined {
    if (life === undefined) return this._lives.freedAt(address);
    return life.destroy === null && life.callback === null ? undefined : asFreed(life);
  }

  /** A step of evict() in a task that is not known to evict this inode. */
  #outside(event: EventOf<'clear_inode' | 'destroy_inode'>, step: string): InodeLife | undefined {
    const life = this._lives.at(event.inode);
    if (life === undefined) return undefined;
    this._lives.note(life, event);
    const { evict, destroy } = life;
    if (evict !== null && destroy === null) {
      const tasks = `evict() ran in task ${evict.tid} and ${step} in task ${event.tid}`;
      this.#wrongOrder(life, evict.ts, event, tasks);
    } else if (evict !== null) {
      this.#wrongOrder(life, evict.ts, event, `${step} ran after destroy_inode()`);
    } else if (event.kind === 'clear_inode' && life.born) {
      this.#wrongOrder(life, life.first, event, 'clear_inode() ran without evict()');
    }
    return life;
  }

  #wrongOrder(life: InodeLife, from: number, event: TraceEvent, seen: string): Claim | null {
    const sentence = `${seen}; expected evict(), clear_inode() and destroy_inode() in this order, in one task, once each.`;
    const lines = [...life.lines, event];
    return this._verdicts.claim(
      'R1',
      life,
      { from, to: event.ts, sentence, lines, steps: true },
      event.ts,
    );
  }

  #finalState(life: InodeLife, event: EventOf<'destroy_inode'>): void {
    if (event.state === this._freedState) return this._verdicts.held('R3', life);
    const from = life.evict!.ts;
    const evidence = {
      from,
      to: event.ts,
      sentence: `i_state is 0x${event.state.toString(16)} at destroy_inode(); expected 0x${this._freedState?.toString(16)} (I_FREEING | I_CLEAR).`,
      lines: life.lines,
    };
    this._verdicts.claim('R3', life, evidence, event.ts);
  }

  #destroyed(life: InodeLife, event: EventOf<'destroy_inode'>): void {
    life.destroy = event;
    this._lives.close(life);
    this.callbacks.armed(life);
  }

  #empty(life: InodeLife, event: TraceEvent): void {
    if (life.emptied) return;
    life.emptied = true;
    if (this._lives.letsGo(life)) this._lives.heldAt = event.ts;
    this._emptied(life, event);
  }

  #end(life: InodeLife, event: TraceEvent): void {
    this.#empty(life, event);
    this.callbacks.forget(life);
    this._lives.free(life);
  }

  #forget(life: InodeLife): void {
    this.callbacks.forget(life);
    this._lives.forget(life);
  }
}
