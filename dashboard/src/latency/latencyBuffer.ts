import type { LatencySeries } from '../../../server/protocol/series.ts';

/** What a second had of one filesystem: percentiles in ns, and the cells of a heatmap. */
export interface LatencyColumns {
  readonly p50: (number | null)[];
  readonly p90: (number | null)[];
  readonly p99: (number | null)[];
  /** Cell and count by turns. */
  readonly cells: (readonly number[])[];
}

/** The latency of one pair of stages over time, a point each second. Bounded: the oldest go. */
export class LatencyBuffer {
  pair = '';
  readonly t: number[] = [];
  readonly by = new Map<string, LatencyColumns>();
  readonly #capacity: number;

  constructor(capacity = 3600) {
    this.#capacity = capacity;
  }

  append({ reset, pair, t, by }: LatencySeries): void {
    if (reset || pair !== this.pair) this.#drop(this.t.length);
    if (reset || pair !== this.pair) this.by.clear();
    this.pair = pair;
    const before = this.t.length;
    for (const ms of t) this.t.push(ms);
    for (const [key, columns] of Object.entries(by)) {
      const own = this.#columns(key, before);
      for (const name of PERCENTILES) own[name].push(...columns[name]);
      own.cells.push(...columns.cells);
    }
    for (const columns of this.by.values()) pad(columns, this.t.length);
    const excess = this.t.length - this.#capacity;
    // in blocks: to shift every array each second would be wasteful
    if (excess > this.#capacity / 8) this.#drop(excess);
  }

  #columns(key: string, length: number): LatencyColumns {
    let columns = this.by.get(key);
    if (columns === undefined) {
      columns = { p50: [], p90: [], p99: [], cells: [] };
      this.by.set(key, columns);
    }
    pad(columns, length);
    return columns;
  }

  #drop(count: number): void {
    this.t.splice(0, count);
    for (const { p50, p90, p99, cells } of this.by.values()) {
      for (const column of [p50, p90, p99, cells]) column.splice(0, count);
    }
  }
}

export const PERCENTILES = ['p50', 'p90', 'p99'] as const;

function pad(columns: LatencyColumns, length: number): void {
  while (columns.cells.length < length) {
    columns.cells.push([]);
    for (const name of PERCENTILES) columns[name].push(null);
  }
}
