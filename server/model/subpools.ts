/**
 * Subpools: what a hugetlbfs mount with size= or min_size= may use, and what is kept
 * for it. Their counters are told when a mount is made or goes and with each
 * reservation; what happens between is not, so each has the time it is of.
 */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';

export interface Subpool {
  readonly address: Address;
  /** The line that told of it first. */
  readonly made: EventOf<'new_subpool' | 'subpool'>;
  /** `s_dev` of the mount; null before it is known. */
  dev: number | null;
  /** Hugepages; -1 where the mount has no such limit. */
  readonly max: number;
  readonly min: number;
  used: number;
  reserved: number;
  /** When used and reserved were told, ns of the epoch. */
  told: number;
  /** kept: the mount let go of it while hugepages of it were in use. */
  state: 'mounting' | 'mounted' | 'failed' | 'kept' | 'gone';
}

const MAX_KNOWN = 4096;
/** Of those that are gone. */
const MAX_GONE = 64;
const MAX_TASKS = 1000;

export class Subpools {
  private readonly _known = new Map<Address, Subpool>();
  private _gone: Subpool[] = [];
  /** By task: the latest one, whose mount the next fill_super tells. */
  private readonly _newest = new Map<number, Subpool>();

  made(event: EventOf<'new_subpool'>): void {
    if (event.subpool === 0) return;
    // -1, as the kernel has it, where there is no minimum
    const subpool = this.#begin(event, { used: 0, reserved: event.min }, 'mounting');
    if (this._newest.size > MAX_TASKS) this._newest.clear();
    if (subpool !== null) this._newest.set(event.tid, subpool);
  }

  mounted(event: EventOf<'fill_super'>): void {
    const subpool = this._newest.get(event.tid);
    this._newest.delete(event.tid);
    if (subpool?.state !== 'mounting') return;
    subpool.dev = event.dev;
    subpool.state = event.ret === 0 ? 'mounted' : 'failed';
  }

  /** `dev`: of the inode that the line names; null when that is not known. */
  seen(event: EventOf<'subpool'>, dev: number | null): void {
    // one that was made before tracing began
    const subpool = this._known.get(event.subpool) ?? this.#begin(event, event, 'mounted');
    if (subpool === null) return;
    subpool.dev ??= dev;
    this.#told(subpool, event);
  }

  put(event: EventOf<'put_subpool'>): void {
    const subpool = this._known.get(event.subpool);
    if (subpool === undefined) return;
    this.#told(subpool, event);
    // subpool_is_free() (mm/hugetlb.c): then it is freed at once
    const free = event.max !== -1 ? event.used === 0 : event.reserved === event.min;
    if (event.count > 1 || !free) {
      subpool.state = 'kept';
      return;
    }
    subpool.state = 'gone';
    this._known.delete(event.subpool);
    this._gone.push(subpool);
    if (this._gone.length > MAX_GONE) this._gone.shift();
  }

  /** Those that are there, then those that are gone, the latest first. */
  all(): Subpool[] {
    return [...this._known.values(), ...this._gone.slice().reverse()];
  }

  #begin(
    event: EventOf<'new_subpool' | 'subpool'>,
    { used, reserved }: { used: number; reserved: number },
    state: Subpool['state'],
  ): Subpool | null {
    // another one at the address of one that is known: that one was freed unseen
    this._known.delete(event.subpool);
    if (this._known.size >= MAX_KNOWN) return null;
    const { subpool: address, max, min, ts } = event;
    const subpool: Subpool = {
      address,
      made: event,
      dev: null,
      max,
      min,
      used,
      reserved,
      told: ts,
      state,
    };
    this._known.set(address, subpool);
    return subpool;
  }

  #told(subpool: Subpool, event: EventOf<'subpool' | 'put_subpool'>): void {
    subpool.used = event.used;
    subpool.reserved = event.reserved;
    subpool.told = event.ts;
  }
}
