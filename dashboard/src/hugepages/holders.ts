import type { HugepagesOfPool, PoolRow, PromisedRow } from '../../../server/protocol/pool-map.ts';
import { stateOfRow } from './cells.ts';

/** What one inode has of a pool. */
export interface Holder {
  /** Index in the table of inodes; -1: it only has a promise, or the inode is not known. */
  readonly at: number;
  /** Empty where no line has named the inode. */
  readonly id: string;
  readonly fs: string;
  readonly ino: number;
  leaked: number;
  owed: number;
  /** In its page cache, held ones too. */
  cached: number;
  private: number;
  promised: { readonly pages: number; readonly exact: boolean; readonly doubtful: boolean } | null;
}

/** Who has hugepages of this pool or a promise of some: leaks first, then the most. */
export function holdersOf(
  pool: PoolRow,
  pages: HugepagesOfPool | null,
  promised: readonly PromisedRow[],
): Holder[] {
  const none = { leaked: 0, owed: 0, cached: 0, private: 0, promised: null };
  const holders: Holder[] =
    pages?.inodes.map(({ id, fs, ino }, at) => ({ at, id, fs, ino, ...none })) ?? [];
  let unknown: Holder | null = null;
  pages?.inode.forEach((at, row) => {
    if (at < 0) unknown ??= { at: -1, id: '', fs: '', ino: 0, ...none };
    const holder = at < 0 ? unknown! : holders[at]!;
    const state = stateOfRow(pages, row);
    holder[state === 'held' ? 'cached' : (state as 'leaked')]++;
  });
  if (unknown !== null) holders.push(unknown);
  for (const row of promised) {
    if (row.host !== pool.host || row.size_kb !== pool.size_kb) continue;
    const { inode: id, fs, ino } = row;
    let holder = holders.find((known) => known.id === id);
    if (holder === undefined) {
      holder = { at: -1, id, fs, ino, ...none };
      holders.push(holder);
    }
    holder.promised = row;
  }
  const all = (holder: Holder) =>
    holder.owed + holder.cached + holder.private + (holder.promised?.pages ?? 0);
  return holders.sort((a, b) => b.leaked - a.leaked || b.owed - a.owed || all(b) - all(a));
}
