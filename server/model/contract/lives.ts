/**
 * Which life of an inode a line belongs to: by its address, and inside evict() by the
 * task. Draws no conclusion.
 */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import type { LineName } from '../../protocol/grammar.ts';
import type { Address } from '../../protocol/units.ts';
import type { Incarnation } from '../incarnation.ts';
import type { Inodes } from '../inodes.ts';
import { NumberMap } from '../number-map.ts';
import { Recent } from '../recent.ts';
import type { Superblocks } from '../superblocks.ts';
import { InodeLife, subject } from './inode-life.ts';
import type { Subject } from './verdicts.ts';

/** Freed addresses that are remembered, to know what comes again. */
const MAX_FREED = 4096;
/** Those of them whose lives are kept with their lines; of the others the inode has them. */
const MAX_FRESH = 128;
/** Lives that are followed at the same time; those beyond are not checked. */
const MAX_LIVES = 1_000_000;
/** evict() inside evict(): deeper than that, the ends of the outer ones were lost. */
const MAX_NESTED = 16;
/** Tasks in evict(): beyond, those whose end was lost are looked for. */
const MAX_TASKS = 4096;

/** A life that is over, and nothing has named its address since. */
export interface Freed {
  readonly subject: Subject;
  readonly born: boolean;
  readonly magic: number;
  /** destroy_inode(), or else i_callback(). */
  readonly end: { readonly kind: LineName; readonly ts: number } | null;
  /** When i_callback() ran, ns of the epoch. */
  readonly calledBack: number | null;
  readonly lines: readonly TraceEvent[];
}

/** What is remembered of it when many others were freed since. */
interface LongFreed {
  /** Number of its incarnation; 0: none. */
  readonly inode: number;
  readonly born: boolean;
  readonly magic: number;
  /** i_callback() or the line that tells of it, or else destroy_inode(), and when it ran. */
  readonly kind: LineName | null;
  readonly ts: number;
}

export class Lives {
  /** free_inode pointers that i_callback() was seen with: of those it is told here. */
  readonly callbacksSeen = new Set<string>();
  /** How many are not evicted and were seen with hugepages or reservations: they may hold some of the pool. */
  holders = 0;
  /** When one of them was used or evicted last, ns of the epoch. */
  heldAt = 0;
  private readonly _superblocks: Superblocks;
  private readonly _inodes: Inodes;
  private readonly _lives = new NumberMap<number, InodeLife>();
  /** Freed, and nothing has named the address since; oldest first. */
  private readonly _freed = new NumberMap<number, InodeLife>();
  /** Those before them, and those that nobody saw made. */
  private readonly _longFreed = new Recent<number, LongFreed>(MAX_FREED);
  /** By superblock: how many are known and not evicted. */
  private readonly _open = new Map<number, { count: number }>();
  private _next = 1;
  /** Whose evict() runs in a task, the innermost last. */
  private readonly _evicting = new NumberMap<number, InodeLife[]>();

  constructor(superblocks: Superblocks, inodes: Inodes) {
    this._superblocks = superblocks;
    this._inodes = inodes;
  }

  /** The life that an address names now. */
  at(address: number): InodeLife | undefined {
    return this._lives.get(address);
  }

  /** The one that a task evicts at this address. */
  inEvict(address: number, tid: number): InodeLife | undefined {
    const stack = this._evicting.get(tid);
    const at = stack === undefined ? -1 : lastAt(stack, address);
    if (at < 0) return undefined;
    const now = this._lives.get(address);
    // another has its address: that evict() returned was lost
    return now === undefined || now === stack![at] ? stack![at] : undefined;
  }

  /** The innermost one that a task evicts. */
  evictedBy(tid: number): InodeLife | undefined {
    const life = this._evicting.get(tid)?.at(-1);
    if (life === undefined || life.emptied) return undefined;
    return this._lives.get(life.address) === life ? life : undefined;
  }

  begin(address: Address, dev: number, magic: number, event: TraceEvent): InodeLife {
    const born = event.kind === 'alloc_inode';
    const life = new InodeLife(this._next++, address, dev, magic, event.ts, born);
    this.unfree(address);
    if (this._lives.size >= MAX_LIVES) return life;
    this._lives.set(address, life);
    life.open = true;
    const open = this._open.get(dev);
    if (open === undefined) this._open.set(dev, { count: 1 });
    else open.count++;
    if (born) this.note(life, event);
    return life;
  }

  /** Nothing was known of it before the line that tells its end: no other line is of it. */
  passing({ inode, dev, magic, ts }: EventOf<'life'>): InodeLife {
    return new InodeLife(this._next++, inode, dev, magic, ts, false);
  }

  /** evict() has it, or its end was told in one line. */
  evicted(life: InodeLife, event: EventOf<'evict' | 'life'>): void {
    this.close(life);
    const sb = this._superblocks.get(event.dev);
    // a device number may be given to another type, whose table has not come yet
    if (sb?.magic === event.magic) life.superblock = sb;
    if (event.kind === 'life') return;
    life.evict = event;
    const stack = this._evicting.get(event.tid);
    if (stack === undefined) this._evicting.set(event.tid, [life]);
    else {
      stack.push(life);
      if (stack.length > MAX_NESTED) stack.shift();
    }
    if (this._evicting.size > MAX_TASKS) this.#sweep();
  }

  /** evict() returned: takes it, and those inside whose ends were lost, off its task. */
  returned(address: number, tid: number): InodeLife | undefined {
    const stack = this._evicting.get(tid);
    const at = stack === undefined ? -1 : lastAt(stack, address);
    if (stack === undefined || at < 0) return undefined;
    const life = stack[at];
    if (at === 0) this._evicting.delete(tid);
    else stack.length = at;
    return life;
  }

  /** Its end was told in one line, long after evict(): what that task evicts since then goes on. */
  told(address: number, tid: number): void {
    const stack = this._evicting.get(tid);
    const at = stack === undefined ? -1 : lastAt(stack, address);
    if (stack === undefined || at < 0) return;
    stack.splice(at, 1);
    if (stack.length === 0) this._evicting.delete(tid);
  }

  /** It is not open any more. */
  close(life: InodeLife): void {
    if (!life.open) return;
    life.open = false;
    if (--this._open.get(life.dev)!.count === 0) this._open.delete(life.dev);
  }

  /** Those of a superblock that are known and not evicted, in the order in which they came. */
  openOf(dev: number): InodeLife[] {
    if (!this._open.has(dev)) return [];
    return [...this._lives.values()].filter((life) => life.open && life.dev === dev);
  }

  /** It was seen with hugepages or reservations. */
  holds(life: InodeLife, ts: number): void {
    this.heldAt = ts;
    if (life.holds) return;
    life.holds = true;
    this.holders++;
  }

  /** False: it was not known to hold any. */
  letsGo(life: InodeLife): boolean {
    if (!life.holds) return false;
    life.holds = false;
    this.holders--;
    return true;
  }

  note(life: InodeLife, event: TraceEvent): void {
    life.inode ??= this.#incarnationOf(life, event);
    life.note(event);
  }

  #incarnationOf({ address }: InodeLife, event: TraceEvent): Incarnation | null {
    const current = this._inodes.current(address);
    if (current !== undefined) return current;
    // one that is told in one line has ended in the model already
    const { latest } = this._inodes;
    return event.kind === 'life' && latest?.address === address ? latest : null;
  }

  /** Whether the end of this life would be told here. */
  freeIsSeen(life: InodeLife): boolean {
    const sb = life.superblock ?? this._superblocks.get(life.dev);
    if (sb === undefined || sb.magic !== life.magic || sb.free_inode === '0') return false;
    return this.callbacksSeen.has(sb.free_inode);
  }

  /** Its memory went back. */
  free(life: InodeLife): void {
    this.forget(life);
    this.unfree(life.address);
    // of one that was told in one line, and nobody saw made, no more follows than that it was
    if (!life.born && life.evict === null) return this.#remember(life);
    this._freed.set(life.address, life);
    if (this._freed.size > MAX_FRESH) this.#remember(this._freed.takeOldest()!);
  }

  /** Whether what the address named last was freed. */
  isFree(address: number): boolean {
    return this._freed.has(address) || this._longFreed.has(address);
  }

  /** What was freed at this address; undefined when something has named it since. */
  freedAt(address: Address): Freed | undefined {
    const life = this._freed.get(address);
    if (life !== undefined) return asFreed(life);
    const long = this._longFreed.get(address);
    if (long === undefined) return undefined;
    const { born, magic, kind, ts } = long;
    const inode = this._inodes.byNumber(long.inode) ?? null;
    const end = kind === null ? null : { kind, ts };
    const calledBack = kind === null || kind === 'destroy_inode' ? null : ts;
    const who = subject(inode === null ? 'inode' : '', address, inode);
    return { subject: who, born, magic, end, calledBack, lines: inode?.evidence ?? [] };
  }

  /** The life that ended last at this address, while it is kept with its lines. */
  freshlyFreed(address: number): InodeLife | undefined {
    return this._freed.get(address);
  }

  /** Something names the address again. */
  unfree(address: number): void {
    this._freed.delete(address);
    this._longFreed.delete(address);
  }

  #remember(life: InodeLife): void {
    const { born, magic } = life;
    const end = life.callback ?? life.destroy;
    const [kind, ts] = [end?.kind ?? null, end?.ts ?? 0];
    const inode = life.inode?.number ?? 0;
    this._longFreed.set(life.address, { inode, born, magic, kind, ts });
  }

  forget(life: InodeLife): void {
    this.close(life);
    this.letsGo(life);
    if (this._lives.get(life.address) === life) this._lives.delete(life.address);
  }

  #sweep(): void {
    for (const [tid, stack] of this._evicting) {
      if (stack.every((life) => life.callback !== null)) this._evicting.delete(tid);
    }
  }
}

/** A life as one that is over. */
export function asFreed(life: InodeLife): Freed {
  const { born, magic, destroy, callback, lines } = life;
  const calledBack = callback?.ts ?? null;
  return { subject: life, born, magic, end: destroy ?? callback, calledBack, lines };
}

/** Place of the innermost life at an address; -1 for none. */
function lastAt(stack: readonly InodeLife[], address: number): number {
  let at = stack.length - 1;
  while (at >= 0 && stack[at]!.address !== address) at--;
  return at;
}
