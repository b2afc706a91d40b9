/** The rules on the one line that tells all stages of an inode (R1 to R4, R7, R9). */
import type { EventOf } from '../../protocol/events.ts';
import { HUGETLBFS } from '../superblocks.ts';
import type { InodeLife } from './inode-life.ts';
import type { Verdicts } from './verdicts.ts';

export class OneLine {
  private readonly _verdicts: Verdicts;
  private readonly _freedState: number | null;

  constructor(verdicts: Verdicts, freedState: number | null) {
    this._verdicts = verdicts;
    this._freedState = freedState;
  }

  /** What came as lines of its own was checked there. */
  check(life: InodeLife, event: EventOf<'life'>): void {
    if (life.clear === null) this.#contents(life, event);
    if (life.destroy === null) this.#order(life, event);
    this.#callback(life, event);
    if (life.magic === HUGETLBFS) this._verdicts.held('R9', life);
  }

  #contents(life: InodeLife, event: EventOf<'life'>): void {
    const { nrpages_end: pages, state } = event;
    if (pages === 0) this._verdicts.held('R2', life);
    else {
      this._verdicts.shown('R2', life, {
        to: event.ts,
        sentence: `${pages} pages were in the page cache when the inode was freed; expected 0.`,
        lines: life.lines,
      });
    }
    if (state === this._freedState) this._verdicts.held('R3', life);
    else {
      this.#claim('R3', life, event, {
        seen: `i_state was 0x${state.toString(16)} when the inode was freed`,
        expected: `0x${this._freedState?.toString(16)} (I_FREEING | I_CLEAR)`,
      });
    }
  }

  /** Nanoseconds before the end: the earlier, the more. */
  #order(life: InodeLife, event: EventOf<'life'>): void {
    const { evict, clear_inode: clear, destroy_inode: destroy } = event;
    const missing = [clear === 0 ? 'clear_inode()' : '', destroy === 0 ? 'destroy_inode()' : '']
      .filter((step) => step !== '')
      .join(' and no ');
    if (missing === '' && evict >= clear && clear >= destroy) {
      return this._verdicts.held('R1', life);
    }
    this.#claim('R1', life, event, {
      seen: missing === '' ? 'the steps came in another order' : `no ${missing} was seen`,
      expected: 'evict(), clear_inode() and destroy_inode() in this order',
    });
  }

  #callback(life: InodeLife, event: EventOf<'life'>): void {
    const { destroy_inode: destroy, destroy_op: op, i_callback: callback } = event;
    if (callback === 0) {
      return this.#claim('R7', life, event, {
        seen: 's_op->free_inode ran and no i_callback() before it',
        expected: 'the grace period of RCU between destroy_inode() and it',
      });
    }
    if (destroy === 0) {
      return this.#claim('R4', life, event, {
        seen: 'i_callback() ran, and no destroy_inode() before it',
        expected: 'one',
      });
    }
    this._verdicts.held('R4', life);
    if (destroy > callback && (op === 0 || op > callback)) {
      return this._verdicts.held('R7', life);
    }
    this.#claim('R7', life, event, {
      seen: `i_callback() ran before ${destroy > callback ? 's_op->destroy_inode' : 'destroy_inode()'}`,
      expected: 'it a grace period later',
    });
  }

  #claim(
    rule: 'R1' | 'R3' | 'R4' | 'R7',
    life: InodeLife,
    event: EventOf<'life'>,
    { seen, expected }: { seen: string; expected: string },
  ): void {
    this._verdicts.claim(
      rule,
      life,
      {
        from: event.ts - event.evict,
        to: event.ts,
        sentence: `${seen}; expected ${expected}.`,
        lines: life.lines,
      },
      event.ts,
    );
  }
}
