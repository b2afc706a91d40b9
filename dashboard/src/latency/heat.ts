/** A heatmap's counts: seconds that share a column of pixels are added up. */
export interface Heat {
  readonly columns: number;
  /** The lowest cell that has anything. */
  readonly lowest: number;
  /** Cells from `lowest` on that there are. */
  readonly cells: number;
  /** By cell and column: `cell * columns + column`. */
  readonly counts: Float64Array;
  readonly most: number;
}

/** An empty one has the axis of milliseconds. */
const NONE: Heat = { columns: 0, lowest: 80, cells: 0, counts: new Float64Array(0), most: 0 };

/** `t`: ends of seconds, sorted; `cells`: of each, cell and count by turns. */
export function heatOf(
  t: readonly number[],
  cells: readonly (readonly number[])[],
  { from, to }: { readonly from: number; readonly to: number },
  width: number,
): Heat {
  const columns = Math.max(1, Math.min(width, Math.ceil((to - from) / 1000)));
  let lowest = Number.POSITIVE_INFINITY;
  let highest = -1;
  const shown: number[] = [];
  t.forEach((ms, i) => {
    const own = cells[i];
    if (own === undefined || own.length === 0 || ms <= from || ms - 1000 >= to) return;
    shown.push(i);
    lowest = Math.min(lowest, own[0]!);
    highest = Math.max(highest, own.at(-2)!);
  });
  if (shown.length === 0) return NONE;
  const rows = highest - lowest + 1;
  const counts = new Float64Array(rows * columns);
  for (const i of shown) {
    const middle = t[i]! - 500;
    const column = Math.floor(((middle - from) / (to - from)) * columns);
    const at = Math.min(columns - 1, Math.max(0, column));
    const own = cells[i]!;
    for (let k = 0; k < own.length; k += 2) {
      counts[(own[k]! - lowest) * columns + at]! += own[k + 1]!;
    }
  }
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  return { columns, lowest, cells: rows, counts, most };
}

/** Ends of an axis: around two durations, ns, and at least a power of ten apart. */
export function durationsAround(from: number, to: number): [from: number, to: number] {
  const least = 10 ** (Math.floor(Math.log10(from) * 2 + 1e-9) / 2);
  const most = 10 ** (Math.ceil(Math.log10(to) * 2 - 1e-9) / 2);
  if (most / least >= 9.99) return [least, most];
  return [least / 10 ** 0.5, least * 10 ** 0.5];
}
