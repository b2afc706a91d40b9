import type { HugepagesOfPool, LeakRow, PoolRow } from '../../../server/protocol/pool-map.ts';
import { formatPfn } from '../inode/hugepageWords.ts';
import { CELL_STATES, type CellState, type CountedLeaks, type PoolCells } from './cells.ts';

/** Which pool, inode or hugepage is shown, as the address has it. */
export interface Choice {
  readonly pool: string;
  /** Id of an inode whose hugepages are shown; empty for all. */
  readonly of: string;
  /** The key of a cell; empty without one. */
  readonly page: string;
}

/** Names a pool in the address: `2048@vm`, `2048n1@vm`. */
export function keyOfPool(pool: PoolRow): string {
  return `${pool.size_kb}${pool.node < 0 ? '' : `n${pool.node}`}@${pool.host}`;
}

/**
 * The pools worth a map: those with hugepages (all, when none has any), whole hosts
 * before nodes. With one node, it would only repeat the whole.
 */
export function poolsToMap(
  pools: readonly PoolRow[],
  pages: readonly HugepagesOfPool[],
): PoolRow[] {
  const uncounted = pages
    .filter((table) => !pools.some((pool) => isPoolOf(pool, table)))
    .map((table) => withoutCounters(table));
  const worth = pools.filter((pool) => {
    if (pool.node < 0) return true;
    const nodes = pools.filter(
      (other) => other.node >= 0 && other.host === pool.host && other.size_kb === pool.size_kb,
    );
    return nodes.length > 1;
  });
  const all = [...worth, ...uncounted];
  const filled = all.filter(
    (pool) =>
      pool.total > 0 ||
      (pool.reserved ?? 0) > 0 ||
      (pool.node < 0 && pages.some((table) => isPoolOf(pool, table))),
  );
  return (filled.length > 0 ? filled : all).sort(
    (a, b) => Number(a.node >= 0) - Number(b.node >= 0),
  );
}

/** The pool that the address names, else the one with the chosen inode or hugepage, else the first. */
export function chosenPool(
  pools: readonly PoolRow[],
  pages: readonly HugepagesOfPool[],
  { pool, of, page }: Choice,
): PoolRow | undefined {
  const named = pools.find((candidate) => keyOfPool(candidate) === pool);
  if (named !== undefined) return named;
  const table = pages.find(
    (candidate) =>
      (of !== '' && candidate.inodes.some(({ id }) => id === of)) ||
      (page !== '' && rowOfKey(candidate, page) >= 0),
  );
  return (
    (table && pools.find((candidate) => isPoolOf(candidate, table))) ??
    pools.find((candidate) => pages.some((other) => isPoolOf(candidate, other))) ??
    pools[0]
  );
}

export function pagesOfPool(
  pages: readonly HugepagesOfPool[],
  pool: PoolRow,
): HugepagesOfPool | null {
  return pages.find((table) => isPoolOf(pool, table)) ?? null;
}

/** Hugepages of this pool that leak by its counters alone. A node has no such leaks of its own. */
export function countedLeaks(leaks: readonly LeakRow[], pool: PoolRow): CountedLeaks {
  const sum = (kind: LeakRow['kind']) =>
    leaks
      .filter((leak) => leak.kind === kind && leak.host === pool.host && leak.pages > 0)
      .filter((leak) => pool.node < 0 && leak.bytes / leak.pages === pool.size_kb * 1024)
      .reduce((total, leak) => total + leak.pages, 0);
  return { reserved: sum('reservation'), unseen: sum('pool drift'), free: sum('surplus') };
}

/** Names a cell: by page frame number, else folio, else its place. */
export function keyOfCell(cells: PoolCells, pages: HugepagesOfPool | null, cell: number): string {
  const row = cells.rows[cell] ?? -1;
  return pages === null || row < 0 ? `cell${cell}` : keyOfRow(pages, row);
}

export function keyOfRow(pages: HugepagesOfPool, row: number): string {
  const pfn = pages.pfn[row]!;
  return pfn === null ? pages.folio[row]! || `row${row}` : formatPfn(pfn);
}

/** The cell of a key; -1 when it is not there (any more). */
export function cellOfKey(cells: PoolCells, pages: HugepagesOfPool | null, key: string): number {
  if (key === '') return -1;
  if (key.startsWith('cell')) {
    const cell = Number(key.slice(4));
    return Number.isInteger(cell) && cells.rows[cell] === -1 ? cell : -1;
  }
  const row = pages === null ? -1 : rowOfKey(pages, key);
  return row < 0 ? -1 : cells.rows.indexOf(row);
}

export function rowOfKey(pages: HugepagesOfPool, key: string): number {
  if (key.startsWith('0x')) return pages.pfn.indexOf(Number(key));
  return pages.pfn.findIndex((_, row) => keyOfRow(pages, row) === key);
}

/** The next known cell in the direction: of the state that is filtered for, else of the worst there is. */
export function nextOf(cells: PoolCells, from: number, by: 1 | -1, filter: CellState | ''): number {
  const wanted = filter === '' ? worstState(cells) : filter;
  if (wanted === null) return -1;
  const code = CELL_STATES.indexOf(wanted);
  const { length } = cells.states;
  const start = from < 0 ? (by > 0 ? -1 : length) : from;
  for (let step = 1; step <= length; step++) {
    const cell = (start + by * step + 2 * length) % length;
    if (cells.states[cell] === code) return cell;
  }
  return -1;
}

function worstState({ counts }: PoolCells): CellState | null {
  return CELL_STATES.find((state) => counts[state] > 0) ?? null;
}

function isPoolOf(pool: PoolRow, table: HugepagesOfPool): boolean {
  return pool.node < 0 && pool.host === table.host && pool.size_kb === table.size_kb;
}

/** Hugepages of a pool whose counters did not come (yet). */
function withoutCounters({ host, size_kb, pfn }: HugepagesOfPool): PoolRow {
  return { host, size_kb, node: -1, total: pfn.length, free: 0, reserved: null, surplus: 0 };
}
