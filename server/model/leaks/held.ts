/**
 * Files of hugetlbfs without a name that somebody still has open or mapped: the normal
 * case for a virtual machine on a memfd, and what is left of a process that forgot one.
 * Only a look at the host tells who, so a leak begins with a scan; that it ends, the
 * lines tell.
 */
import type { Suspect } from '../../protocol/leaks.ts';
import { fileKey, type Incarnation } from '../incarnation.ts';
import type { File } from '../inodes.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';
import type { Holder, HostScan, Segment } from './scan.ts';

const MAX_SUSPECTS = 8;
/** How often it is looked, at most: half the threshold within these bounds. */
const SLOWEST_NS = 30e9;
const FASTEST_NS = 2e9;

/** A file without a name, as the last scan showed it. */
interface Shown {
  readonly dev: number;
  readonly ino: number;
  /** The first scan that showed it with hugepages, ns of the epoch. */
  readonly first: number;
  scans: number;
  holders: readonly Holder[];
  /** Null while no line has named it: it was made before tracing began. */
  inode: Incarnation | null;
  leak: OpenLeak | null;
}

export class HeldWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  private _segments: readonly Segment[] = [];
  /** By device and number. */
  private readonly _shown = new Map<string, Shown>();

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  /** `asked`: when it was asked for last; null, never: who was there before us? */
  wantsScan(now: number, asked: number | null): boolean {
    if (asked === null) return true;
    const after = this._leaks.after.held;
    if (now - asked < Math.min(SLOWEST_NS, Math.max(FASTEST_NS, after / 2))) return false;
    if (this._shown.size > 0) return true;
    for (const inode of this._leaks.model.hugepages.holding) {
      if (now - inode.holdsSince < after) return false;
      if (!inode.canary) return true;
    }
    return false;
  }

  /** Whoever holds hugepages may hold them without a name: only the next look tells. */
  pending(now: number): boolean {
    const soon = this._leaks.after.held + FASTEST_NS;
    for (const { leak } of this._shown.values()) if (leak === null) return true;
    for (const inode of this._leaks.model.hugepages.holding) {
      const { canary, state, holdsSince } = inode;
      if (!canary && state === 'open' && now - holdsSince < soon) return true;
    }
    return false;
  }

  tick(): void {
    for (const [key, shown] of this._shown) {
      const { inode, leak } = shown;
      if (inode === null) continue;
      if (inode.state !== 'open') {
        this.#over(key, shown, inode.at('evict') ?? inode.at('evict_inode') ?? inode.last);
      } else if (this.#counts(inode) && inode.pages === 0) {
        this.#over(key, shown, inode.last);
      } else if (leak !== null && leak.pages !== this.#pages(shown)) {
        this.#tell(shown);
      } else if (leak?.verdict === 'certain' && !shown.holders.length && !this.#counts(inode)) {
        this._leaks.change(leak, { verdict: 'suspected' }); // its end may be what was lost
      }
    }
  }

  scanned(scan: HostScan): void {
    const byFile = new Map<string, Holder[]>();
    for (const holder of scan.holders) {
      if (!holder.deleted) continue;
      const key = `${holder.dev}:${holder.ino}`;
      const list = byFile.get(key);
      if (list === undefined) byFile.set(key, [holder]);
      else list.push(holder);
    }
    if (scan.whole) this.#unheld(byFile, scan.ts);
    if (byFile.size === 0 && this._shown.size === 0) return;
    this._segments = scan.segments;
    const held = [...byFile.values()].map(([holder]) => holder!);
    const inodes = this._leaks.model.inodes.ofFiles([...held, ...this._shown.values()]);
    const inodeOf = ({ dev, ino }: File) => nowOf(inodes.get(fileKey(dev, ino)));
    for (const [key, holders] of byFile) this.#saw(key, holders, inodeOf(holders[0]!), scan.ts);
    if (!scan.whole) return;
    for (const [key, shown] of this._shown) {
      if (byFile.has(key)) continue;
      // handed on just now, perhaps: only looks in a row that show nobody count
      if (shown.holders.length > 0) shown.scans = 0;
      shown.holders = [];
      const inode = shown.inode ?? inodeOf(shown);
      // known to live: in a message on its way between processes, or attached by none
      if (inode?.state === 'open') this.#mayFire(shown, scan.ts);
      else this.#over(key, shown, inode?.at('evict') ?? inode?.at('evict_inode') ?? scan.ts);
    }
  }

  #saw(key: string, holders: readonly Holder[], inode: Incarnation | null, ts: number): void {
    let shown = this._shown.get(key);
    const gone = inode !== null && inode.state !== 'open';
    if (gone || inode?.canary || holders[0]!.pages === 0) {
      // it was evicted after it was looked at, or is empty
      if (shown !== undefined) this.#over(key, shown, gone ? inode.last : ts);
      return;
    }
    if (shown === undefined) {
      const { dev, ino } = holders[0]!;
      shown = { dev, ino, first: ts, scans: 0, holders, inode, leak: null };
      this._shown.set(key, shown);
    }
    shown.inode = inode;
    shown.holders = holders;
    this.#mayFire(shown, ts);
  }

  /**
   * Those on the kernel's own mount have no name, whether somebody is seen to have them or
   * not. Only where each line of their life came: else they may be gone.
   */
  #unheld(held: ReadonlyMap<string, unknown>, ts: number): void {
    const { model, after } = this._leaks;
    for (const inode of model.hugepages.holding) {
      if (ts - inode.holdsSince < after.held) break;
      const { dev, ino } = inode;
      const key = `${dev}:${ino}`;
      if (dev !== model.namelessDev || inode.canary || held.has(key) || this._shown.has(key))
        continue;
      if (inode.pages === 0 || !this.#counts(inode)) continue;
      const first = inode.holdsSince + after.held;
      this._shown.set(key, { dev, ino, first, scans: 0, holders: [], inode, leak: null });
    }
  }

  #mayFire(shown: Shown, ts: number): void {
    shown.scans++;
    if (shown.leak !== null) return this.#tell(shown);
    const { model, after } = this._leaks;
    const { inode, holders } = shown;
    const since = this.#since(shown);
    // one that no line names may be gone, its last line forgotten: not if it is there again;
    // one that nobody has may have been handed from one to another while it was looked
    const twice = inode === null || holders.length === 0;
    if (ts - since < after.held || (twice && shown.scans < 2)) return;
    if (inode !== null && holders.length === 0) {
      if (!this.#counts(inode) || !this._leaks.isCertain(inode.first, shown.first)) return;
    }
    const pageBytes = holders[0]?.pageBytes ?? model.pageSizes.of(inode);
    shown.leak = this._leaks.fire(
      {
        kind: 'held',
        inode,
        file: shown,
        verdict: 'certain', // it was looked at, or each line of it came
        pages: 0,
        pageBytes,
        since,
        text: '',
        suspects: [],
      },
      Math.max(ts, model.now),
    );
    this.#tell(shown);
  }

  /** Since when it is known to hold hugepages. */
  #since({ inode, first }: Shown): number {
    if (inode === null || !this._leaks.model.hugepages.holding.has(inode)) return first;
    const told = inode.holdsSince;
    return this.#counts(inode) ? told : Math.min(told, first);
  }

  #tell(shown: Shown): void {
    const { leak, holders, inode } = shown;
    if (leak === null) return;
    const pages = this.#pages(shown);
    const count = pages === 1 ? 'a hugepage' : `${pages} hugepages`;
    const unseen = inode?.born ? '' : '; that it was made was not seen';
    this._leaks.change(leak, {
      pages,
      text: `a file without a name holds ${count}, ${stillBy(holders)}${unseen}`,
      suspects:
        holders.length > 0
          ? holders.slice(0, MAX_SUSPECTS).map(suspectOf)
          : this.#segmentsOf(shown).map(creatorOf),
    });
  }

  /** SysV segments whose id is the number of this inode (ipc/shm.c: newseg()). */
  #segmentsOf({ dev, ino }: Shown): readonly Segment[] {
    if (dev !== this._leaks.model.namelessDev) return [];
    return this._segments.filter(({ id }) => id === ino);
  }

  #over(key: string, { leak }: Shown, until: number): void {
    this._shown.delete(key);
    if (leak !== null) this._leaks.end(leak, 'resolved', Math.max(until, leak.since));
  }

  /** Whether the lines tell how many hugepages it has: all of them were seen coming. */
  #counts(inode: Incarnation): boolean {
    return inode.born && !this._leaks.model.doubtful(inode);
  }

  /** By the lines; by the last scan where they do not tell. */
  #pages({ inode, holders, leak }: Shown): number {
    if (inode !== null && this.#counts(inode)) return inode.pages;
    return holders[0]?.pages ?? leak?.pages ?? 0;
  }
}

/** Of those of a file: the one that lives, else the one that was there last. */
function nowOf(inodes: readonly Incarnation[] = []): Incarnation | null {
  return inodes.find(({ state }) => state === 'open') ?? inodes.at(-1) ?? null;
}

/** In order of the processes, fds before mappings, as the scan lists them. */
function stillBy(holders: readonly Holder[]): string {
  const open = pidsOf(holders.filter(({ how }) => how.startsWith('fd ')));
  const mapped = pidsOf(holders.filter(({ how }) => how.startsWith('mapping ')));
  const both = open.length > 0 && mapped.length > 0;
  if (both && open.join() === mapped.join()) return `still open and mapped in ${some(open)}`;
  if (both) return `still open in ${some(open)} and mapped in ${some(mapped)}`;
  if (open.length > 0) return `still open in ${some(open)}`;
  if (mapped.length > 0) return `still mapped in ${some(mapped)}`;
  return 'though no process was seen that has it open or mapped';
}

function pidsOf(holders: readonly Holder[]): number[] {
  return [...new Set(holders.map(({ pid }) => pid))];
}

function some(pids: readonly number[]): string {
  return pids.length <= 3 ? pids.join(', ') : `${pids.length} processes`;
}

function suspectOf({ pid, comm, how }: Holder): Suspect {
  const [way, what] = how.split(' ') as [string, string];
  if (way === 'fd') return { pid, comm, how, evidence: `/proc/${pid}/fd/${what}` };
  return { pid, comm, how: 'mapping', evidence: `/proc/${pid}/map_files/${what}` };
}

function creatorOf({ id, pid, comm, attached }: Segment): Suspect {
  const gone = comm === '' ? ', which has ended' : '';
  const evidence = `ipcs -m: segment ${id}, made by ${pid}${gone}, ${attached} attached`;
  return { pid, comm, how: `SysV segment ${id}`, evidence };
}
