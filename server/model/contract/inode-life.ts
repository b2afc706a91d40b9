/**
 * What the contract keeps of one life of an inode, from alloc_inode() or the first
 * line that names its address to i_callback(). Unlike an Incarnation it keeps lines
 * that cannot be: a second evict(), a destroy_inode() in another task.
 */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import type { Address } from '../../protocol/units.ts';
import type { Incarnation } from '../incarnation.ts';
import { freesItself, type Superblock } from '../superblocks.ts';
import type { Claim, Subject } from './verdicts.ts';

/** Lines kept before evict(), and from it on. */
const MAX_BEFORE = 16;
const MAX_AFTER = 120;

const NO_MAPS: readonly Address[] = [];

export class InodeLife implements Subject {
  /** Counts up in the epoch. */
  readonly number: number;
  readonly address: Address;
  readonly dev: number;
  readonly magic: number;
  /** First line that named it. */
  readonly first: number;
  /** alloc_inode() was seen to return it. */
  readonly born: boolean;
  inode: Incarnation | null = null;
  readonly what = '';
  judged = 0;
  /** The s_op table at evict(); undefined when it was not seen. */
  superblock: Superblock | undefined;
  evict: EventOf<'evict'> | null = null;
  clear: EventOf<'clear_inode'> | null = null;
  destroy: EventOf<'destroy_inode'> | null = null;
  /** evict() returned: what destroy_inode() armed is armed. */
  returned: EventOf<'evict_end'> | null = null;
  callback: EventOf<'i_callback'> | EventOf<'life'> | null = null;
  /** That i_callback() does not come. */
  noCallback: Claim | null = null;
  /** What hugetlbfs does inside evict(), in its task. */
  removeHugepages: EventOf<'remove_hugepages'> | null = null;
  removed = 0;
  firstRemove: TraceEvent | null = null;
  lastRemove: TraceEvent | null = null;
  unreserve: EventOf<'unreserve'> | null = null;
  release: EventOf<'resv_map_release'> | null = null;
  /** Rules about its hugepages were checked. */
  emptied = false;
  /** Known and not evicted, and counted so; see Lives. */
  open = false;
  /** Counted among those that may hold some of the pool; see Lives. */
  holds = false;
  /** The resv_maps of it and of its mappings. */
  maps: readonly Address[] = NO_MAPS;
  /** kvm_gmem_create() gave it to a process. */
  gmemGiven = false;
  gmemReleased = false;
  readonly lines: TraceEvent[] = [];

  constructor(
    number: number,
    address: Address,
    dev: number,
    magic: number,
    ts: number,
    born: boolean,
  ) {
    this.number = number;
    this.address = address;
    this.dev = dev;
    this.magic = magic;
    this.first = ts;
    this.born = born;
  }

  note(event: TraceEvent): void {
    const max = this.evict === null ? MAX_BEFORE : MAX_BEFORE + MAX_AFTER;
    if (this.lines.length < max) this.lines.push(event);
  }

  /** evict() runs, or ran, in this task. */
  inEvict(tid: number): boolean {
    return this.evict?.tid === tid;
  }

  /** s_op->destroy_inode frees the inode by itself: no i_callback(). */
  get freesItself(): boolean {
    return freesItself(this.superblock);
  }
}

/** Something of which only this is known: `hugepage` and its address. */
export function subject(what: string, address: Address, inode: Incarnation | null = null): Subject {
  return { inode, what, address, judged: 0 };
}

/** Something that has no address: `pool`. */
export function wholeSubject(what: string): Subject {
  return { inode: null, what, judged: 0 };
}
