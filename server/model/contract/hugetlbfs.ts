/** What hugetlbfs does inside evict(): its hugepages, then its reservations (R10, R11). */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import type { Address } from '../../protocol/units.ts';
import type { PageSizes } from '../page-sizes.ts';
import { HUGETLBFS } from '../superblocks.ts';
import type { InodeLife } from './inode-life.ts';
import type { Lives } from './lives.ts';
import type { Verdicts } from './verdicts.ts';

/** The kind of a file in i_mode (include/uapi/linux/stat.h): of regular ones and links. */
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const SECTOR = 512;

type StepEvent = EventOf<'remove_hugepages' | 'hugepage_remove' | 'unreserve'>;

export class HugetlbfsRules {
  private readonly _verdicts: Verdicts;
  private readonly _lives: Lives;
  private readonly _pages: PageSizes;
  /** By device: its superblock, where that is of hugetlbfs. */
  private readonly _superblocks = new Map<number, Address>();
  /** By device: bytes of its hugepages, and when that was told. */
  private readonly _sizes = new Map<number, { readonly bytes: number; readonly ts: number }>();

  constructor(verdicts: Verdicts, lives: Lives, pages: PageSizes) {
    this._verdicts = verdicts;
    this._lives = lives;
    this._pages = pages;
  }

  superblock(event: EventOf<'sb'>): void {
    if (event.magic === HUGETLBFS) this._superblocks.set(event.dev, event.sb);
    else this.mounted(event.dev);
  }

  superblockSize({ sb, dev, blocksize, ts }: EventOf<'sb_size'>): void {
    if (this._superblocks.get(dev) === sb) this._sizes.set(dev, { bytes: blocksize, ts });
  }

  /** A device number is given to another mount, or taken from one: what was told of it is past. */
  mounted(dev: number): void {
    this._superblocks.delete(dev);
    this._sizes.delete(dev);
  }

  /** Base pages of the hugepages of a superblock, and when that was told; null when it was not. */
  basePages(dev: number): { readonly pages: number; readonly ts: number } | null {
    const size = this._sizes.get(dev);
    return size === undefined ? null : { pages: size.bytes / this._pages.pageBytes, ts: size.ts };
  }

  step(event: StepEvent): void {
    const life = this._lives.inEvict(event.inode, event.tid);
    if (life === undefined || life.emptied) return;
    if (event.kind === 'remove_hugepages') life.removeHugepages ??= event;
    else if (event.kind === 'unreserve') life.unreserve ??= event;
    else {
      life.removed++;
      life.firstRemove ??= event;
      life.lastRemove = event;
    }
  }

  /** Which resv_map it is, the line does not say: the task does. */
  released(event: EventOf<'resv_map_release'>): void {
    const life = this._lives.evictedBy(event.tid);
    if (life?.magic !== HUGETLBFS) return;
    life.release ??= event;
    this._lives.note(life, event);
  }

  /** evict() is through, or told that it is. */
  emptied(life: InodeLife, end: TraceEvent): void {
    const { evict } = life;
    if (life.magic !== HUGETLBFS || evict === null) return;
    const wrong = this.#order(life);
    if (wrong === null) this._verdicts.held('R10', life);
    else {
      const sentence = `${wrong}; expected remove_inode_hugepages(), hugetlb_unreserve_pages() with freed = ${life.removed}, resv_map_release(), clear_inode().`;
      this.#claim('R10', life, evict.ts, end, sentence);
    }
    this.#account(life, evict, end);
  }

  /** What is missing or in another order; null when all is well. */
  #order(life: InodeLife): string | null {
    const { removeHugepages, firstRemove, lastRemove, unreserve, release, clear, removed } = life;
    if (removeHugepages === null) return 'no remove_inode_hugepages()';
    if (unreserve === null) return 'no hugetlb_unreserve_pages()';
    if (unreserve.freed !== removed) {
      return `hugetlb_unreserve_pages() was told of ${unreserve.freed} freed hugepages, and ${removed} left the page cache`;
    }
    // only these have a resv_map (hugetlbfs_get_inode)
    const kind = life.evict!.mode & S_IFMT;
    if (release === null && (kind === S_IFREG || kind === S_IFLNK)) return 'no resv_map_release()';
    const order = [removeHugepages, firstRemove, lastRemove, unreserve, release, clear].filter(
      (event) => event !== null,
    );
    const late = order.findIndex((event, i) => i > 0 && event.ts < order[i - 1]!.ts);
    return late < 0 ? null : `${order[late]!.kind} came before ${order[late - 1]!.kind}`;
  }

  #account(life: InodeLife, evict: EventOf<'evict'>, end: TraceEvent): void {
    const size = this._sizes.get(life.dev);
    if (size === undefined) return;
    const { removed } = life;
    const { bytes } = size;
    const { baseIndex, pageBytes } = this._pages;
    const pages = removed * (baseIndex ? bytes / pageBytes : 1);
    const blocks = removed * (bytes / SECTOR);
    if (evict.nrpages === pages && evict.blocks === blocks) {
      return this._verdicts.held('R11', life);
    }
    const sentence = `nrpages was ${evict.nrpages} and i_blocks ${evict.blocks} at evict(), which then removed ${removed} hugepages of ${bytes / 1024} kB; expected ${pages} and ${blocks}.`;
    // the size is from before
    this.#claim('R11', life, Math.min(size.ts, evict.ts), end, sentence);
  }

  #claim(
    rule: 'R10' | 'R11',
    life: InodeLife,
    from: number,
    end: TraceEvent,
    sentence: string,
  ): void {
    const lines = [...life.lines, end];
    // what an inode without hugepages or reservations does is told with the steps only
    const steps = rule === 'R10';
    this._verdicts.claim(rule, life, { from, to: end.ts, sentence, lines, steps }, end.ts);
  }
}
