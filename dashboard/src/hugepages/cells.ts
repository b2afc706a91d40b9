import type { HugepagesOfPool, PoolRow } from '../../../server/protocol/pool-map.ts';

/**
 * What one cell of the map shows, in the order of importance. The last three are what
 * the pool's counters leave, and `lost` are those of them that are part of a leak; the
 * others are hugepages that are known one by one.
 */
export const CELL_STATES = [
  'leaked',
  'lost',
  'owed',
  'held',
  'cached',
  'private',
  'unseen',
  'reserved',
  'free',
] as const;
export type CellState = (typeof CELL_STATES)[number];

/** One cell for each hugepage of a pool: always as many as the pool's own counter says. */
export interface PoolCells {
  /** For each cell an index into CELL_STATES. */
  readonly states: Uint8Array;
  /** For each cell the row of its hugepage; -1 where there is none to name. */
  readonly rows: Int32Array;
  readonly counts: Readonly<Record<CellState, number>>;
  /** Known ones beyond what the pool has in use: they stand where the counters say free. */
  readonly ahead: number;
  /** Known ones for which the pool has no cell: only in the table. */
  readonly beyond: number;
  /** Reserved ones for which no free hugepage is left; Infinity: the counter is below zero. */
  readonly overReserved: number;
}

/** Leaks that only counters show: of hugepages that are reserved, in use, or free. */
export interface CountedLeaks {
  readonly reserved: number;
  readonly unseen: number;
  readonly free: number;
}
const NO_LEAKS: CountedLeaks = { reserved: 0, unseen: 0, free: 0 };

/** `pages`: of this host and size; null for a single node, where no hugepage is known to lie. */
export function poolCells(
  pool: PoolRow,
  pages: HugepagesOfPool | null,
  leaks: CountedLeaks = NO_LEAKS,
): PoolCells {
  const total = Math.max(0, pool.total);
  const order = pages === null ? [] : placesOf(pages, total);
  const known = order.length;
  const states = new Uint8Array(total);
  const rows = new Int32Array(total).fill(-1);
  const counts = Object.fromEntries(CELL_STATES.map((state) => [state, 0])) as Record<
    CellState,
    number
  >;
  order.forEach((row, cell) => {
    const state = stateOfRow(pages!, row);
    states[cell] = CELL_STATES.indexOf(state);
    rows[cell] = row;
    counts[state]++;
  });
  const counted = Math.min(total, Math.max(0, pool.free));
  const free = Math.min(counted, total - known);
  const asked = pool.reserved ?? 0;
  counts.reserved = Math.min(Math.max(0, asked), free);
  counts.free = free - counts.reserved;
  counts.unseen = total - known - free;
  let cell = known;
  for (const state of ['unseen', 'reserved', 'free'] as const) {
    const all = counts[state];
    const lost = Math.min(Math.max(0, leaks[state]), all);
    counts[state] -= lost;
    counts.lost += lost;
    states.fill(CELL_STATES.indexOf('lost'), cell, cell + lost);
    states.fill(CELL_STATES.indexOf(state), cell + lost, cell + all);
    cell += all;
  }
  return {
    states,
    rows,
    counts,
    ahead: Math.max(0, known - (total - counted)),
    beyond: (pages?.pfn.length ?? 0) - known,
    overReserved: asked < 0 ? Number.POSITIVE_INFINITY : Math.max(0, asked - free),
  };
}

/** What is known of one hugepage. A pinned one is leaked; a held one is where its file still is. */
export function stateOfRow(pages: HugepagesOfPool, row: number): CellState {
  const inLeak = pages.leak[row]! >= 0;
  switch (pages.state[row]) {
    case 0:
      return inLeak ? 'held' : 'cached';
    case 1:
      return 'private';
    default:
      return inLeak ? 'leaked' : 'owed';
  }
}

/** Rows in the order of their page frame numbers, those without one last. The least important go when there is no room. */
function placesOf(pages: HugepagesOfPool, room: number): number[] {
  let rows = pages.pfn.map((_, row) => row);
  if (rows.length > room) {
    const weight = rows.map((row) => CELL_STATES.indexOf(stateOfRow(pages, row)));
    rows = rows.sort((a, b) => weight[a]! - weight[b]!).slice(0, room);
  }
  const place = (row: number) => pages.pfn[row] ?? Number.POSITIVE_INFINITY;
  return rows.sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    return x === y ? compare(pages.folio[a]!, pages.folio[b]!) || a - b : x - y;
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
