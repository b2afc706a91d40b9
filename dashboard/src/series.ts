import type { Series } from '../../server/protocol/series.ts';

/**
 * The points of the overview's charts, one a second, kept as columns of equal
 * length. A column that appears later or skips a message is padded with null, so
 * that every column can be drawn against `t`. Bounded: the oldest points go.
 */
export class SeriesBuffer {
  readonly t: number[] = [];
  readonly events: number[] = [];
  readonly lost: number[] = [];
  readonly ended = new Map<string, Column>();
  readonly pools = new Map<string, PoolColumns>();
  readonly capacity: number;

  constructor(capacity = 3600) {
    this.capacity = capacity;
  }

  append(series: Series): void {
    if (series.reset) this.clear();
    const before = this.t.length;
    push(this.t, series.t);
    push(this.events, series.events);
    push(this.lost, series.lost);
    for (const [key, values] of Object.entries(series.ended)) {
      push(columnOf(this.ended, key, before), values);
    }
    for (const [key, pool] of Object.entries(series.pools)) {
      const columns = poolOf(this.pools, key, before);
      for (const name of POOL_COUNTERS) push(columns[name], pool[name]);
    }
    this.#eachColumn((column) => pad(column, this.t.length));
    // Trim in blocks: shifting every array each second would be wasteful.
    const excess = this.t.length - this.capacity;
    if (excess > this.capacity / 8) this.#drop(excess);
  }

  clear(): void {
    this.#drop(this.t.length);
    this.ended.clear();
    this.pools.clear();
  }

  #drop(count: number): void {
    for (const column of [this.t, this.events, this.lost]) column.splice(0, count);
    this.#eachColumn((column) => column.splice(0, count));
  }

  #eachColumn(visit: (column: Column) => void): void {
    for (const column of this.ended.values()) visit(column);
    for (const pool of this.pools.values()) {
      for (const name of POOL_COUNTERS) visit(pool[name]);
    }
  }
}

export type Column = (number | null)[];
export const POOL_COUNTERS = ['total', 'free', 'reserved', 'surplus'] as const;
export type PoolColumns = Record<(typeof POOL_COUNTERS)[number], Column>;

/** `vm 2048 -1` taken apart. A host's name may hold spaces; size and node come last. */
export function parsePoolKey(key: string): { host: string; sizeKb: number; node: number } {
  const words = key.split(' ');
  const node = Number(words.pop());
  const sizeKb = Number(words.pop());
  return { host: words.join(' '), sizeKb, node };
}

/** `vm hugetlbfs` taken apart; the file system comes last. */
export function parseEndedKey(key: string): { host: string; fs: string } {
  const at = key.lastIndexOf(' ');
  return { host: key.slice(0, Math.max(at, 0)), fs: key.slice(at + 1) };
}

function push<T>(column: T[], values: readonly T[]): void {
  for (const value of values) column.push(value);
}

function pad(column: Column, length: number): void {
  while (column.length < length) column.push(null);
}

function columnOf(columns: Map<string, Column>, key: string, length: number): Column {
  let column = columns.get(key);
  if (!column) {
    column = [];
    columns.set(key, column);
  }
  pad(column, length);
  return column;
}

function poolOf(pools: Map<string, PoolColumns>, key: string, length: number): PoolColumns {
  let columns = pools.get(key);
  if (!columns) {
    columns = { total: [], free: [], reserved: [], surplus: [] };
    pools.set(key, columns);
  }
  for (const name of POOL_COUNTERS) pad(columns[name], length);
  return columns;
}
