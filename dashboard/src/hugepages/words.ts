import type { PoolRow } from '../../../server/protocol/pool-map.ts';
import { formatCount, formatPageSize, plural } from '../format/number.ts';
import type { CellState, PoolCells } from './cells.ts';
import { CELL_STATES } from './cells.ts';

/** Names of the states, for the legend, and what each means. */
export const CELL_TEXT: Record<CellState, { readonly name: string; readonly help: string }> = {
  leaked: {
    name: 'leaked',
    help: 'out of its page cache, or of its last private mapping, for longer than the threshold and not back in the pool: part of a leak that fires',
  },
  lost: {
    name: 'leaked, page not known',
    help: 'part of a leak that only counters show: reserved or in use for nobody, or surplus that stays',
  },
  owed: {
    name: 'out, not free',
    help: 'out of its page cache, or of its last private mapping, and not yet back in the pool',
  },
  held: {
    name: 'held',
    help: 'in the page cache of a file that has no name any more: part of a leak that fires',
  },
  cached: { name: 'in page cache', help: 'in the page cache of an inode' },
  private: {
    name: 'private',
    help: 'taken for a mapping and in no page cache: a private mapping has it',
  },
  unseen: {
    name: 'in use, not seen',
    help: 'the pool counts it as in use, and no line told who took it: taken before tracing began, or not seen here',
  },
  reserved: {
    name: 'reserved',
    help: 'free, and promised to a mapping, a file or a mount; which page it will be is not decided yet',
  },
  free: { name: 'free', help: 'free, and promised to nobody' },
};

/** `2 MiB`, `2 MiB node 1`, with the host where there are several. */
export function poolName(pool: PoolRow, withHost: boolean): string {
  const node = pool.node < 0 ? '' : ` node ${pool.node}`;
  return `${withHost ? `${pool.host} ` : ''}${formatPageSize(pool.size_kb)}${node}`;
}

/** The whole map in a sentence, for those who do not see it. */
export function summaryOf(pool: PoolRow, cells: PoolCells): string {
  const parts = CELL_STATES.filter((state) => cells.counts[state] > 0).map(
    (state) => `${formatCount(cells.counts[state])} ${CELL_TEXT[state].name}`,
  );
  const of = parts.length === 0 ? 'it is empty' : parts.join(', ');
  return `Pool of ${poolName(pool, true)}, ${plural(pool.total, 'hugepage')}: ${of}.`;
}

/** Where lines and counters differ, or something cannot be shown: whole sentences. */
export function notesOf(pool: PoolRow, cells: PoolCells, leftOut: number): string[] {
  const notes: string[] = [];
  const { ahead, beyond, overReserved } = cells;
  if (overReserved === Number.POSITIVE_INFINITY) {
    notes.push('The counter of reserved hugepages is below zero.');
  } else if (overReserved > 0) {
    notes.push(`${formatCount(overReserved)} more are reserved than are free.`);
  }
  if (pool.surplus > 0) {
    notes.push(
      `${formatCount(pool.surplus)} of them are surplus, beyond nr_hugepages; the counters do not say which.`,
    );
  }
  if (ahead > 0) {
    notes.push(
      `Lines tell of ${plural(ahead, 'hugepage')} more in use than the counters, which are read each second.`,
    );
  }
  if (beyond > 0) {
    notes.push(
      `${plural(beyond, 'known hugepage')} more than the pool has: only in the table below.`,
    );
  }
  if (leftOut > 0) {
    notes.push(
      `${plural(leftOut, 'known hugepage')} counted as in use, not seen: too many to list.`,
    );
  }
  if (pool.node >= 0) {
    notes.push('On which node a hugepage lies is not told: of a node only the counters are known.');
  } else if (pool.reserved === null) {
    notes.push('Reservations are not counted here.');
  }
  return notes;
}
