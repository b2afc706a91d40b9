/**
 * Inodes that one line told of as a whole and that nothing else knows, as columns: there may be
 * tens of thousands, nobody looks at most of them, and the collector of garbage need not.
 */
import type { EventOf } from '../protocol/events.ts';
import type { Address, Nanos } from '../protocol/units.ts';
import { fileKey, Incarnation } from './incarnation.ts';
import { beginOf, isLifeEvent, type LifeEvent, tell } from './life-line.ts';
import type { Superblock } from './superblocks.ts';

/** Doubles of each inode, beside its number: where each of them is. */
const AT = {
  pages: 0,
  held: 1,
  ts: 2,
  cpu: 3,
  pid: 4,
  tid: 5,
  dev: 6,
  ino: 7,
  nlink: 8,
  mode: 9,
  size: 10,
  blocks: 11,
  evict_cpu: 12,
  evict_inode: 13,
  flags: 14,
  by: 15,
  // of `life` alone
  inode: 16,
  magic: 17,
  nrpages: 18,
  state: 19,
  nrpages_end: 20,
  evict: 21,
  truncate_final: 22,
  clear_inode: 23,
  evict_inode_end: 24,
  destroy_inode: 25,
  destroy_op: 26,
  evict_end: 27,
  i_callback: 28,
  free_op: 29,
} as const;
const WORDS = Object.keys(AT).length;
const SMALLEST = 64;

/** What is no number; inodes that have it in common share it. */
interface Words {
  readonly kind: LifeEvent['kind'];
  readonly fs: string;
  readonly comm: string;
  /** Of `life` alone. */
  readonly freeInode: string;
  readonly superblock: Superblock | undefined;
}

/** What its line does not say of an inode. */
export type Untold = Pick<Incarnation, 'number' | 'fs' | 'superblock' | 'pages' | 'held'>;

export class PackedLives {
  private _size = 0;
  /** A ring of places, as many as a power of two; the oldest inode is here. */
  private _oldest = 0;
  private _numbers = new Float64Array(SMALLEST);
  private _ends = new Float64Array(SMALLEST);
  private _values = new Float64Array(SMALLEST * WORDS);
  private _words: (Words | null)[] = new Array<Words | null>(SMALLEST).fill(null);
  private _lastWords: Words | null = null;
  /** Those that somebody has looked at, by number: the same object from then on. */
  private readonly _unpacked = new Map<number, Incarnation>();

  get size(): number {
    return this._size;
  }

  /**
   * False: it stays as it is, since more is known of it than its line says. Its number, and its
   * place in the order in which inodes ended, must be larger than those of all that are here.
   */
  add(inode: Incarnation, end: number): boolean {
    const event = inode.evidence[0];
    if (event === undefined || !isLifeEvent(event) || !isWhole(inode, event)) return false;
    this.put(inode, end, event);
    return true;
  }

  /** The same for one of which its line says all else. */
  put(of: Untold, end: number, event: LifeEvent): void {
    if (this._size === this._words.length) this.#grow();
    const place = this.#placeOf(this._size++);
    this._words[place] = this.#wordsOf(of, event);
    this._numbers[place] = of.number;
    this._ends[place] = end;
    pack(this._values, place * WORDS, of, event);
  }

  /** The inode with this number; undefined when it is not here. */
  get(number: number): Incarnation | undefined {
    let from = 0;
    let to = this._size;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.numberAt(middle) < number) from = middle + 1;
      else to = middle;
    }
    return from < this._size && this.numberAt(from) === number ? this.at(from) : undefined;
  }

  /** Of the one at a place in the order. */
  numberAt(index: number): number {
    return this._numbers[this.#placeOf(index)]!;
  }

  /** The place of the same in the order in which inodes ended; infinite: there is none. */
  endAt(index: number): number {
    return index < this._size ? this._ends[this.#placeOf(index)]! : Number.POSITIVE_INFINITY;
  }

  /** By its place in the order, from 0. */
  at(index: number): Incarnation {
    const number = this.numberAt(index);
    const known = this._unpacked.get(number);
    if (known !== undefined) return known;
    const place = this.#placeOf(index);
    const inode = unpack(number, this._values, place * WORDS, this._words[place]!);
    this._unpacked.set(number, inode);
    return inode;
  }

  /** Whether nobody has looked at it yet, and it is to be skipped for the time at which it began to end. */
  skips(index: number, skip: (began: number) => boolean): boolean {
    if (this._unpacked.size > 0 && this._unpacked.has(this.numberAt(index))) return false;
    const place = this.#placeOf(index);
    return skip(beganOf(this._values, place * WORDS, this._words[place]!.kind));
  }

  /** The same, if somebody has looked at it already. */
  lookedAt(number: number): Incarnation | undefined {
    return this._unpacked.get(number);
  }

  /** Those of files, by `fileKey`; the oldest first. */
  *ofFiles(wanted: ReadonlyMap<number | string, unknown>): Generator<Incarnation> {
    const values = this._values;
    for (let i = 0; i < this._size; i++) {
      const at = this.#placeOf(i) * WORDS;
      if (wanted.has(fileKey(values[at + AT.dev]!, values[at + AT.ino]!))) yield this.at(i);
    }
  }

  /** Forgets the oldest one, and gives its number. There must be one. */
  drop(): number {
    const number = this.numberAt(0);
    this._oldest = this.#placeOf(1);
    this._size--;
    if (this._unpacked.size > 0) this._unpacked.delete(number);
    return number;
  }

  clear(): void {
    this._size = 0;
    this._oldest = 0;
    this._numbers = new Float64Array(SMALLEST);
    this._ends = new Float64Array(SMALLEST);
    this._values = new Float64Array(SMALLEST * WORDS);
    this._words = new Array<Words | null>(SMALLEST).fill(null);
    this._lastWords = null;
    this._unpacked.clear();
  }

  #placeOf(index: number): number {
    return (this._oldest + index) & (this._words.length - 1);
  }

  #wordsOf({ fs, superblock }: Untold, event: LifeEvent): Words {
    const { kind, comm } = event;
    const freeInode = event.kind === 'life' ? event.free_inode : '';
    const last = this._lastWords;
    const same =
      last !== null &&
      last.comm === comm &&
      last.kind === kind &&
      last.fs === fs &&
      last.freeInode === freeInode &&
      last.superblock === superblock;
    if (same) return last;
    this._lastWords = { kind, fs, comm, freeInode, superblock };
    return this._lastWords;
  }

  #grow(): void {
    const { _words: words, _oldest: oldest } = this;
    this._words = [...words.slice(oldest), ...words.slice(0, oldest), ...words.map(() => null)];
    this._numbers = grown(this._numbers, oldest);
    this._ends = grown(this._ends, oldest);
    this._values = grown(this._values, oldest * WORDS);
    this._oldest = 0;
  }
}

/** Twice as long, and what was from here on comes first. */
function grown(ring: Float64Array, oldest: number): Float64Array<ArrayBuffer> {
  const twice = new Float64Array(ring.length * 2);
  twice.set(ring.subarray(oldest));
  twice.set(ring.subarray(0, oldest), ring.length - oldest);
  return twice;
}

/** Whether its line says all of it. */
function isWhole(inode: Incarnation, event: LifeEvent): boolean {
  return (
    inode.state === 'ended' &&
    inode.evidence.length === 1 &&
    inode.first === beginOf(event) &&
    inode.last === event.ts &&
    !inode.cited &&
    !inode.canary &&
    !inode.born &&
    inode.removed === 0 &&
    inode.freed === 0 &&
    inode.hugepages.length === 0
  );
}

function pack(to: Float64Array, at: number, inode: Untold, event: LifeEvent): void {
  to[at + AT.pages] = inode.pages;
  to[at + AT.held] = inode.held;
  to[at + AT.ts] = event.ts;
  to[at + AT.cpu] = event.cpu;
  to[at + AT.pid] = event.pid;
  to[at + AT.tid] = event.tid;
  to[at + AT.dev] = event.dev;
  to[at + AT.ino] = event.ino;
  to[at + AT.nlink] = event.nlink;
  to[at + AT.mode] = event.mode;
  to[at + AT.size] = event.size;
  to[at + AT.blocks] = event.blocks;
  to[at + AT.evict_cpu] = event.evict_cpu;
  to[at + AT.evict_inode] = event.evict_inode;
  to[at + AT.flags] = event.flags;
  to[at + AT.by] = event.by;
  if (event.kind === 'life') packStages(to, at, event);
}

function packStages(to: Float64Array, at: number, event: EventOf<'life'>): void {
  to[at + AT.inode] = event.inode;
  to[at + AT.magic] = event.magic;
  to[at + AT.nrpages] = event.nrpages;
  to[at + AT.state] = event.state;
  to[at + AT.nrpages_end] = event.nrpages_end;
  to[at + AT.evict] = event.evict;
  to[at + AT.truncate_final] = event.truncate_final;
  to[at + AT.clear_inode] = event.clear_inode;
  to[at + AT.evict_inode_end] = event.evict_inode_end;
  to[at + AT.destroy_inode] = event.destroy_inode;
  to[at + AT.destroy_op] = event.destroy_op;
  to[at + AT.evict_end] = event.evict_end;
  to[at + AT.i_callback] = event.i_callback;
  to[at + AT.free_op] = event.free_op;
}

/** As Incarnation.began of what it was. */
function beganOf(from: Float64Array, at: number, kind: LifeEvent['kind']): number {
  const ts = from[at + AT.ts]!;
  const evict = kind === 'life' ? from[at + AT.evict]! : 0;
  return ts - (evict > 0 ? evict : from[at + AT.evict_inode]!);
}

function unpack(number: number, from: Float64Array, at: number, words: Words): Incarnation {
  const event = words.kind === 'life' ? lifeOf(from, at, words) : tracepointsOf(from, at, words);
  const address = event.kind === 'life' ? event.inode : (0 as Address);
  const begin = beginOf(event);
  const inode = new Incarnation(number, words.fs, event.dev, address, event.ino, begin);
  inode.superblock = words.superblock;
  tell(inode, event);
  inode.state = 'ended';
  inode.pages = from[at + AT.pages]!;
  inode.held = from[at + AT.held]!;
  return inode;
}

/** In the order of the grammar, so that it has the shape of those that the decoder makes. */
function lifeOf(from: Float64Array, at: number, words: Words): EventOf<'life'> {
  return {
    kind: 'life',
    ts: from[at + AT.ts]! as Nanos,
    cpu: from[at + AT.cpu]!,
    pid: from[at + AT.pid]!,
    tid: from[at + AT.tid]!,
    inode: from[at + AT.inode]! as Address,
    dev: from[at + AT.dev]!,
    magic: from[at + AT.magic]!,
    ino: from[at + AT.ino]!,
    nlink: from[at + AT.nlink]!,
    mode: from[at + AT.mode]!,
    size: from[at + AT.size]!,
    blocks: from[at + AT.blocks]!,
    nrpages: from[at + AT.nrpages]!,
    evict_cpu: from[at + AT.evict_cpu]!,
    state: from[at + AT.state]!,
    nrpages_end: from[at + AT.nrpages_end]!,
    evict: from[at + AT.evict]!,
    evict_inode: from[at + AT.evict_inode]!,
    truncate_final: from[at + AT.truncate_final]!,
    clear_inode: from[at + AT.clear_inode]!,
    evict_inode_end: from[at + AT.evict_inode_end]!,
    destroy_inode: from[at + AT.destroy_inode]!,
    destroy_op: from[at + AT.destroy_op]!,
    evict_end: from[at + AT.evict_end]!,
    i_callback: from[at + AT.i_callback]!,
    free_op: from[at + AT.free_op]!,
    free_inode: words.freeInode,
    flags: from[at + AT.flags]!,
    by: from[at + AT.by]!,
    comm: words.comm,
  };
}

function tracepointsOf(
  from: Float64Array,
  at: number,
  words: Words,
): EventOf<'tp_life' | 'raw_life'> {
  return {
    kind: words.kind as 'tp_life' | 'raw_life',
    ts: from[at + AT.ts]! as Nanos,
    cpu: from[at + AT.cpu]!,
    pid: from[at + AT.pid]!,
    tid: from[at + AT.tid]!,
    dev: from[at + AT.dev]!,
    ino: from[at + AT.ino]!,
    nlink: from[at + AT.nlink]!,
    mode: from[at + AT.mode]!,
    size: from[at + AT.size]!,
    blocks: from[at + AT.blocks]!,
    evict_cpu: from[at + AT.evict_cpu]!,
    evict_inode: from[at + AT.evict_inode]!,
    flags: from[at + AT.flags]!,
    by: from[at + AT.by]!,
    comm: words.comm,
  };
}
