/** What the charts are made of: a point each second. */
/**
 * Points of one second each, appended. `t` is the wall clock in ms. All arrays
 * of one message have the length of `t`. `reset` means: forget earlier points.
 */
export interface Series {
  readonly reset: boolean;
  readonly t: readonly number[];
  /** Inodes ended in that second, by `host fs`; of all hosts together where they are many: ` fs`. */
  readonly ended: Readonly<Record<string, readonly number[]>>;
  /** Pools, by `host size_kb node` (node -1: all nodes); together: ` size_kb node`. */
  readonly pools: Readonly<Record<string, PoolSeries>>;
  /** Events decoded, and losses of every place, in that second. */
  readonly events: readonly number[];
  readonly lost: readonly number[];
}

/** Hugepages; null where the counter does not exist (reserved is global only). */
export interface PoolSeries {
  readonly total: readonly (number | null)[];
  readonly free: readonly (number | null)[];
  readonly reserved: readonly (number | null)[];
  readonly surplus: readonly (number | null)[];
}

/** Latency between two stages, over the session, nanoseconds. */
export interface StageLatency {
  /** For instance `evict..evict_end`. */
  readonly pair: string;
  readonly fs: string;
  readonly count: number;
  readonly p50_ns: number;
  readonly p90_ns: number;
  readonly p99_ns: number;
  readonly max_ns: number;
}

/**
 * Latency of one pair of stages over time, by `host fs`: points of one second each, appended
 * as those of Series. All arrays of one message have the length of `t`.
 */
export interface LatencySeries {
  readonly reset: boolean;
  readonly pair: string;
  readonly t: readonly number[];
  readonly by: Readonly<Record<string, LatencyColumns>>;
}

export interface LatencyColumns {
  /** Null in a second in which nothing ended. */
  readonly p50: readonly (number | null)[];
  readonly p90: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
  /** Of each second, cell and count by turns; see `cellEdge`. */
  readonly cells: readonly (readonly number[])[];
}

/** Four cells for each power of two. */
export const CELLS_PER_OCTAVE = 4;

/** Where a cell of a heatmap begins, ns. */
export function cellEdge(cell: number): number {
  const octave = Math.floor(cell / CELLS_PER_OCTAVE);
  return 2 ** octave * (1 + (cell - octave * CELLS_PER_OCTAVE) / CELLS_PER_OCTAVE);
}
