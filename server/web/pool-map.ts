/** From the model to the Hugepages view: the pages of each pool, as columns. */
import type { Hugepage, Incarnation } from '../model/incarnation.ts';
import {
  type HugepagesOfPool,
  type LeakRow,
  MAX_PAGES,
  PAGE_STATES,
  type PageInode,
} from '../protocol/pool-map.ts';
import { formatAddress, formatDev, type SbDev } from '../protocol/units.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** By size, those that have pages; `epoch`: the place of the pipeline in the session. */
export function hugepagesOf(
  pipeline: Pipeline,
  epoch: number,
  leaks: readonly LeakRow[],
): HugepagesOfPool[] {
  const bySize = new Map<number, Columns>();
  const leakOf = leaksByInode(leaks);
  for (const page of pipeline.model.hugepages.known()) {
    if (page.state === 'freed' || page.owner?.canary || page.taker?.inode?.canary) continue;
    const kb = sizeKb(pipeline, page);
    let columns = bySize.get(kb);
    if (columns === undefined) {
      columns = new Columns(pipeline, epoch, kb, leakOf);
      bySize.set(kb, columns);
    }
    columns.add(page);
  }
  return [...bySize.values()].map((columns) => columns.table());
}

function leaksByInode(leaks: readonly LeakRow[]): Map<string, LeakRow[]> {
  const out = new Map<string, LeakRow[]>();
  for (const leak of leaks) {
    if (leak.state !== 'firing' || leak.inode === null) continue;
    if (leak.kind !== 'pinned' && leak.kind !== 'held') continue;
    out.set(leak.inode, [...(out.get(leak.inode) ?? []), leak]);
  }
  return out;
}

/** By the superblock of its inode; the default size where that was not seen. */
function sizeKb(pipeline: Pipeline, { owner, taker }: Hugepage): number {
  const { model } = pipeline;
  const inode = owner ?? taker?.inode ?? null;
  const { pageSizes } = model;
  const bytes = inode === null && taker !== null ? pageSizes.on(taker.dev) : pageSizes.of(inode);
  return bytes / 1024;
}

class Columns {
  readonly #pipeline: Pipeline;
  readonly #epoch: number;
  readonly #sizeKb: number;
  readonly #leakOf: ReadonlyMap<string, readonly LeakRow[]>;
  readonly #inodes: PageInode[] = [];
  readonly #inodeAt = new Map<Incarnation, number>();
  readonly #tasks: { pid: number; comm: string }[] = [];
  readonly #taskAt = new Map<string, number>();
  readonly #leaks: string[] = [];
  readonly #rows = {
    pfn: [] as (number | null)[],
    folio: [] as string[],
    state: [] as number[],
    inode: [] as number[],
    index: [] as number[],
    extra_refs: [] as (number | null)[],
    since_ms: [] as number[],
    taker: [] as number[],
    leak: [] as number[],
  };
  #leftOut = 0;

  constructor(
    pipeline: Pipeline,
    epoch: number,
    sizeKb: number,
    leakOf: ReadonlyMap<string, readonly LeakRow[]>,
  ) {
    this.#pipeline = pipeline;
    this.#epoch = epoch;
    this.#sizeKb = sizeKb;
    this.#leakOf = leakOf;
  }

  add(page: Hugepage): void {
    const rows = this.#rows;
    if (rows.pfn.length >= MAX_PAGES) {
      this.#leftOut++;
      return;
    }
    const { model } = this.#pipeline;
    const state = page.state === 'allocated' ? 'private' : page.state;
    const inode = page.owner ?? page.taker?.inode ?? null;
    rows.pfn.push(page.pfn ?? model.hugepages.pfnOf(page.folio));
    rows.folio.push(page.folio === 0 ? '' : formatAddress(page.folio));
    rows.state.push(PAGE_STATES.indexOf(state as (typeof PAGE_STATES)[number]));
    rows.inode.push(inode === null ? -1 : this.#inode(inode));
    rows.index.push(page.owner === null ? -1 : page.index);
    rows.extra_refs.push(page.state === 'removed' ? page.extraRefs : null);
    rows.since_ms.push(Math.round(this.#pipeline.wallMs(page.since)));
    rows.taker.push(this.#task(page));
    rows.leak.push(this.#leak(page));
  }

  table(): HugepagesOfPool {
    return {
      host: this.#pipeline.info.host,
      size_kb: this.#sizeKb,
      inodes: this.#inodes,
      tasks: this.#tasks,
      leaks: this.#leaks,
      ...this.#rows,
      left_out: this.#leftOut,
    };
  }

  #inode(inode: Incarnation): number {
    const known = this.#inodeAt.get(inode);
    if (known !== undefined) return known;
    this.#inodeAt.set(inode, this.#inodes.length);
    const { fs, dev, ino } = inode;
    const id = `${this.#epoch}.${inode.number}`;
    return this.#inodes.push({ id, fs, dev: formatDev(dev as SbDev), ino }) - 1;
  }

  #task({ taker }: Hugepage): number {
    if (taker === null) return -1;
    const { pid, comm } = taker;
    const key = `${pid} ${comm}`;
    const known = this.#taskAt.get(key);
    if (known !== undefined) return known;
    this.#taskAt.set(key, this.#tasks.length);
    return this.#tasks.push({ pid, comm }) - 1;
  }

  /** Pinned, once its threshold has passed; held, while it is in the page cache. */
  #leak(page: Hugepage): number {
    if (page.owner === null || this.#leakOf.size === 0) return -1;
    const leaks = this.#leakOf.get(`${this.#epoch}.${page.owner.number}`) ?? [];
    const { model } = this.#pipeline;
    const leak = leaks.find(({ kind }) =>
      kind === 'pinned'
        ? page.state === 'removed' && model.now - page.removedAt >= model.leaks.after.pinned
        : page.state === 'cached',
    );
    if (leak === undefined) return -1;
    const at = this.#leaks.indexOf(leak.id);
    return at >= 0 ? at : this.#leaks.push(leak.id) - 1;
  }
}
