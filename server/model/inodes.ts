/**
 * Every incarnation: those whose end is still to come, and the most recent of
 * those that ended. Bounded: the oldest ended ones are dropped and counted.
 */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import { ByFilesystem } from './by-filesystem.ts';
import { lifeContext } from './context.ts';
import { fileKey, Incarnation } from './incarnation.ts';
import { NumberMap } from './number-map.ts';
import { PackedLives } from './packed-lives.ts';

/** By what others name an inode. */
export interface File {
  readonly dev: number;
  readonly ino: number;
}

/** Canaries, and others of which nothing is shown, that have ended; the oldest are forgotten. */
const MAX_UNSHOWN = 4096;

/** Who hears of the ends of inodes where nobody does. */
const NOBODY = (): void => {};

export class Inodes {
  readonly filesystems = new ByFilesystem();
  /** Ended incarnations that were dropped from memory. */
  dropped = 0;
  /** Of these, those that a checkpoint left out; see `listed`. */
  leftOut = 0;
  /** Changes whenever anything here does. */
  revision = 0;
  /** The one that ended last. */
  latest: Incarnation | null = null;
  /**
   * Inodes that ended from this time on, ns of the epoch, may be packed: no canary can be among them
   * whose name has not come.
   */
  packFrom = Number.POSITIVE_INFINITY;
  /** Told of each end, and again of one that was taken as lost and ends all the same. */
  onEnded: (inode: Incarnation) => void = NOBODY;
  private _next = 1;
  /**
   * The newest one, if no key names it: when the next begins or ends, all of it is known, and
   * it goes to those that are packed or to the others.
   */
  private _past: Incarnation | null = null;
  /** All the others that are not packed. */
  private readonly _byNumber = new NumberMap<number, Incarnation>();
  private readonly _packed = new PackedLives();
  private readonly _byKey = new NumberMap<number, Incarnation>();
  /** Those whose key is no number. */
  private readonly _byName = new Map<string, Incarnation>();
  /** Ended ones that are not packed, oldest first, from _oldest on; nothing before. */
  private _ended: (Incarnation | undefined)[] = [];
  /** How many had ended when each of these did: their order among those that are packed. */
  private _ends: number[] = [];
  private _oldest = 0;
  private _ending = 0;
  /** Numbers of the canaries among them, whose names came when they had ended. */
  private readonly _canaries = new Set<number>();
  /** Ended ones of which nothing is shown, oldest first: they take no room from the others. */
  private _unshown: Incarnation[] = [];
  private _keep: number;

  constructor(keep: number) {
    this._keep = keep;
  }

  /**
   * All that are known, in the order in which they began. `skip`: is asked of some before anybody
   * looks at them, by the time at which they began to end (Incarnation.began).
   */
  *all(skip: (began: number) => boolean = () => false): Generator<Incarnation> {
    const packed = this._packed;
    let next = 0;
    for (const inode of this._byNumber.values()) {
      for (; next < packed.size && packed.numberAt(next) < inode.number; next++) {
        if (!packed.skips(next, skip)) yield packed.at(next);
      }
      yield inode;
    }
    for (; next < packed.size; next++) if (!packed.skips(next, skip)) yield packed.at(next);
    if (this._past !== null) yield this._past;
  }

  /** The same, those that began last first. */
  *newestFirst(skip: (began: number) => boolean = () => false): Generator<Incarnation> {
    if (this._past !== null) yield this._past;
    const packed = this._packed;
    let next = packed.size - 1;
    for (const inode of this._byNumber.newestFirst()) {
      for (; next >= 0 && packed.numberAt(next) > inode.number; next--) {
        if (!packed.skips(next, skip)) yield packed.at(next);
      }
      yield inode;
    }
    for (; next >= 0; next--) if (!packed.skips(next, skip)) yield packed.at(next);
  }

  /** Those that have not ended, among others. */
  unended(): Generator<Incarnation> {
    return this.all(() => true);
  }

  /** Those of a file that are known, in the order in which they began. */
  ofFile(file: File): Incarnation[] {
    return this.ofFiles([file]).get(fileKey(file.dev, file.ino)) ?? [];
  }

  /** The same for many files at once, by `fileKey`. */
  ofFiles(files: Iterable<File>): Map<number | string, Incarnation[]> {
    const found = new Map<number | string, Incarnation[]>();
    for (const { dev, ino } of files) found.set(fileKey(dev, ino), []);
    for (const inode of this._packed.ofFiles(found)) {
      found.get(fileKey(inode.dev, inode.ino))!.push(inode);
    }
    const offer = (inode: Incarnation) => found.get(fileKey(inode.dev, inode.ino))?.push(inode);
    for (const inode of this._byNumber.values()) offer(inode);
    if (this._past !== null) offer(this._past);
    for (const inodes of found.values()) inodes.sort((a, b) => a.number - b.number);
    return found;
  }

  get size(): number {
    return this._byNumber.size + this._packed.size + (this._past === null ? 0 : 1);
  }

  /** The number of the incarnation that began last. */
  get newest(): number {
    return this._next - 1;
  }

  byNumber(number: number): Incarnation | undefined {
    if (this._past?.number === number) return this._past;
    return this._byNumber.get(number) ?? this._packed.get(number);
  }

  /** The incarnation that an address (or, without addresses, a device and number) names now. */
  current(key: number | string): Incarnation | undefined {
    return typeof key === 'number' ? this._byKey.get(key) : this._byName.get(key);
  }

  begin(
    key: number | string,
    fs: string,
    dev: number,
    address: Address,
    ino: number,
    ts: number,
  ): Incarnation {
    this.#place();
    const inode = this.#begin(fs, dev, address, ino, ts);
    this._byNumber.set(inode.number, inode);
    this.#name(key, inode);
    return inode;
  }

  /** One that is over already: no later line will name it. */
  beginPast(fs: string, dev: number, address: Address, ino: number, ts: number): Incarnation {
    this.#place();
    this._past = this.#begin(fs, dev, address, ino, ts);
    return this._past;
  }

  #begin(fs: string, dev: number, address: Address, ino: number, ts: number): Incarnation {
    const inode = new Incarnation(this._next++, fs, dev, address, ino, ts);
    this.filesystems.countsOf(fs).live++;
    this.revision++;
    return inode;
  }

  /** Nothing later will name this incarnation by its key. */
  release(key: number | string, inode: Incarnation): void {
    if (this.current(key) !== inode) return;
    if (typeof key === 'number') this._byKey.delete(key);
    else this._byName.delete(key);
  }

  /** Its memory went back (`ended`), or its end fell into a gap (`lost`). */
  end(inode: Incarnation, state: 'ended' | 'lost'): void {
    inode.state = state;
    this.latest = inode;
    this.revision++;
    if (!inode.canary) this.filesystems.ended(inode);
    if (inode !== this._past) {
      this.#place();
      this.#addEnded(inode);
    }
    this.onEnded(inode);
    this.#bound();
  }

  /**
   * One that tracepoints told of in one line, by which nobody else knows it: nothing is made of it
   * until somebody looks. False: it has to begin and end as others do.
   */
  pass(fs: string, event: EventOf<'tp_life' | 'raw_life'>, pages: number): boolean {
    if (event.ts < this.packFrom || this.onEnded !== NOBODY) return false;
    this.#place();
    const of = { number: this._next++, fs, superblock: undefined, pages, held: 0 };
    this._packed.put(of, this._ending++, event);
    this.revision++;
    this.filesystems.passed(fs, event.evict_inode, lifeContext(event));
    this.#bound();
    return true;
  }

  /** A hugepage of one that has ended came back. */
  cameBackLater(inode: Incarnation): void {
    if (!inode.canary) this.filesystems.runsOf(inode.fs)?.cameBackLater();
  }

  #bound(): void {
    if (this.ended > this._keep) this.#dropOldest();
  }

  /** Ended ones that are in memory. */
  get ended(): number {
    const past = this._past === null ? 0 : 1;
    return this._ended.length - this._oldest + this._packed.size + past;
  }

  /** All of them, those that go on as well: they are counted as before. */
  forget(): void {
    this.keepAtMost(0);
    this.dropped += this._byNumber.size;
    this.relist([], []);
    this._byKey.clear();
    this._byName.clear();
    this.latest = null;
    this.revision++;
  }

  /** No more ended ones than that from now on. */
  keepAtMost(ended: number): void {
    this._keep = Math.min(this._keep, ended);
    if (this.ended > this._keep) this.revision++;
    while (this.ended > this._keep) this.#dropOldest();
    while (this._unshown.length > this._keep) this.#forgetUnshown();
  }

  /** All is known of the newest one. */
  #place(): void {
    const inode = this._past;
    if (inode === null) return;
    this._past = null;
    if (inode.last >= this.packFrom && this._packed.add(inode, this._ending)) {
      this._ending++;
      return;
    }
    this._byNumber.set(inode.number, inode);
    this.#addEnded(inode);
  }

  /** It was lost, and its end is told all the same. False: it was dropped from memory. */
  reopen(key: number | string, inode: Incarnation): boolean {
    const at = this._ended.indexOf(inode, this._oldest);
    if (at < 0) return false;
    this._ended.splice(at, 1);
    this._ends.splice(at, 1);
    this.#name(key, inode);
    inode.state = inode.at('destroy_inode') === null ? 'evicting' : 'grace';
    if (!inode.canary) this.filesystems.reopened(inode);
    return true;
  }

  /** The canary is lastref's own: it is in no count. */
  disown(inode: Incarnation): void {
    if (inode.canary) return;
    inode.canary = true;
    if (inode.state === 'ended' || inode.state === 'lost') this._canaries.add(inode.number);
    this.filesystems.disowned(inode);
    this.revision++;
  }

  /** It is of a filesystem of which nothing is shown, and just began. */
  hide(inode: Incarnation): void {
    this.disown(inode);
    this.filesystems.dropEmpty(inode.fs);
  }

  /** The name of its filesystem was only guessed until now. */
  rename(inode: Incarnation, fs: string): void {
    if (inode.fs === fs) return;
    if (!inode.canary) {
      this.filesystems.countsOf(inode.fs).live--;
      this.filesystems.countsOf(fs).live++;
    }
    inode.fs = fs;
  }

  /**
   * Between two lines: in these objects is what a checkpoint holds apart from the rest of the
   * state. See `listed`.
   */
  apart(): readonly object[] {
    this.#place();
    const { _byNumber, _packed, _ended, _ends, _canaries, _unshown } = this;
    return [_byNumber, _packed, _ended, _ends, _canaries, _unshown];
  }

  /**
   * What `relist` takes. `most`: ended ones that are listed, the newest, besides those that are
   * `wanted`; `left`: how many that count are not.
   */
  listed(
    most: number,
    wanted: (inode: Incarnation) => boolean,
  ): { known: Incarnation[]; ended: Incarnation[]; left: number } {
    const from = this._unshown.length - most;
    const older = this._unshown.filter((inode, i) => i < from && !wanted(inode));
    const spared = new Set(older.map(({ number }) => number));
    const ended = this._unshown.filter(({ number }) => !spared.has(number));
    let left = 0;
    let more = this._ended.length - this._oldest + this._packed.size;
    let at = this._oldest;
    for (let packed = 0; more > 0; more--) {
      const isPacked = this._packed.endAt(packed) < (this._ends[at] ?? Number.POSITIVE_INFINITY);
      const number = isPacked ? this._packed.numberAt(packed++) : this._ended[at++]!.number;
      const inode = isPacked ? this._packed.lookedAt(number) : this._ended[at - 1]!;
      if (more <= most || (inode !== undefined && wanted(inode))) {
        ended.push(inode ?? this._packed.get(number)!);
      } else {
        spared.add(number);
        if (!this._canaries.has(number)) left++;
      }
    }
    const known = [...this._byNumber.values()].filter(({ number }) => !spared.has(number));
    for (const inode of ended) if (!this._byNumber.has(inode.number)) known.push(inode);
    return { known: known.sort((a, b) => a.number - b.number), ended, left };
  }

  /** Which are known from now on, by number, and which of them have ended, oldest first. */
  relist(known: readonly Incarnation[], ended: readonly Incarnation[]): void {
    this._byNumber.clear();
    this._packed.clear();
    for (const inode of known) this._byNumber.set(inode.number, inode);
    this._ended = [];
    this._ends = [];
    this._oldest = 0;
    this._canaries.clear();
    this._unshown = [];
    this._past = null;
    for (const inode of ended) this.#addEnded(inode);
  }

  #name(key: number | string, inode: Incarnation): void {
    if (typeof key === 'number') this._byKey.set(key, inode);
    else this._byName.set(key, inode);
  }

  #addEnded(inode: Incarnation): void {
    if (inode.canary) {
      this._unshown.push(inode);
      if (this._unshown.length > Math.min(MAX_UNSHOWN, this._keep)) this.#forgetUnshown();
      return;
    }
    this._ended.push(inode);
    this._ends.push(this._ending++);
  }

  #forgetUnshown(): void {
    const inode = this._unshown.shift()!;
    this.release(inode.key, inode);
    this._byNumber.delete(inode.number);
  }

  #dropOldest(): void {
    if (this._ended.length - this._oldest + this._packed.size === 0) this.#place();
    const isPacked = this._packed.endAt(0) < (this._ends[this._oldest] ?? Number.POSITIVE_INFINITY);
    const number = isPacked ? this._packed.drop() : this.#dropOldestObject();
    if (!this._canaries.delete(number)) this.dropped++;
  }

  #dropOldestObject(): number {
    const inode = this._ended[this._oldest]!;
    this.release(inode.key, inode);
    this._byNumber.delete(inode.number);
    this._ended[this._oldest++] = undefined;
    // not with each: what stays is copied
    if (this._oldest > 64 && this._oldest > this._ended.length / 2) {
      this._ended = this._ended.slice(this._oldest);
      this._ends = this._ends.slice(this._oldest);
      this._oldest = 0;
    }
    return inode.number;
  }
}
