/** The durations of one pair of stages in one group, slice by slice. */
import type { SliceSum } from './permutation.ts';
import { quantile } from './quantiles.ts';
import type { Group } from './run.ts';
import { minSliceNs, type Slice, slicesOf } from './slices.ts';

/** A slice of one epoch of a group. */
export interface GroupSlice extends Slice {
  readonly part: Group['parts'][number];
}

/** Slices of both runs have the same rule: the usual life is that of both together. */
export function sliceGroups(a: Group, b: Group): [GroupSlice[], GroupSlice[]] {
  const lives = [a, b].flatMap(({ parts }) =>
    parts.map(({ samples }) => Float64Array.from(samples.to, (to, i) => to - samples.from[i]!)),
  );
  const length = minSliceNs(Math.max(...lives.map((list) => quantile(list.sort(), 0.5))));
  const cut = ({ parts }: Group) =>
    parts.flatMap((part) => slicesOf(part.samples.to, length).map((slice) => ({ ...slice, part })));
  return [cut(a), cut(b)];
}

export class PairDurations {
  readonly bySlice: readonly Float64Array[];
  readonly sorted: Float64Array;
  /** Of all inodes, also of those of which no sample is kept. */
  readonly count: number;
  readonly max: number;
  /** Of the samples, those in whose time something was lost; scaled to all inodes. */
  readonly inGaps: number;

  constructor(group: Group, slices: readonly GroupSlice[], pair: number) {
    let inGaps = 0;
    this.bySlice = slices.map(({ from, to, part }) => {
      const { samples, epoch } = part;
      const seen: number[] = [];
      for (let row = from; row < to; row++) {
        const ns = samples.ns[pair]![row]!;
        if (Number.isNaN(ns)) continue;
        seen.push(ns);
        if (epoch.inGap(samples.from[row]!, samples.to[row]!)) inGaps++;
      }
      return Float64Array.from(seen);
    });
    this.sorted = Float64Array.from(this.bySlice.flatMap((slice) => [...slice])).sort();
    this.count = group.parts.reduce((sum, { samples }) => sum + samples.counts[pair]!, 0);
    this.max = Math.max(...group.parts.map(({ samples }) => samples.max[pair]!));
    const kept = this.sorted.length;
    this.inGaps = kept === 0 ? 0 : Math.round((inGaps / kept) * this.count);
  }

  quantile(q: number): number {
    return quantile(this.sorted, q);
  }

  /** By slice, the sum of what is measured on each duration. */
  sums(measure: (ns: number) => number): SliceSum[] {
    return this.bySlice.map((slice) => ({
      count: slice.length,
      sum: slice.reduce((sum, ns) => sum + measure(ns), 0),
    }));
  }
}

/**
 * The rank of a duration among those of both runs, the middle one of its ties; from the
 * mean rank follows the probability that one of B is longer than one of A.
 */
export function ranker(a: Float64Array, b: Float64Array): (ns: number) => number {
  const before = (list: Float64Array, ns: number, orEqual: boolean): number => {
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle]! < ns || (orEqual && list[middle] === ns)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return (ns) =>
    (before(a, ns, false) + before(b, ns, false) + before(a, ns, true) + before(b, ns, true) + 1) /
    2;
}

/** Steps of the distribution in a factor of ten. */
const STEPS = 12;

/** Inodes by duration, on a logarithmic scale with the same steps for both. */
export function distributionOf(
  a: Float64Array,
  b: Float64Array,
): { edges_ns: number[]; a: number[]; b: number[] } {
  const step = (ns: number) => Math.floor(Math.log10(Math.max(ns, 1)) * STEPS);
  const first = step(Math.min(a[0] ?? Number.POSITIVE_INFINITY, b[0] ?? Number.POSITIVE_INFINITY));
  const last = step(Math.max(a.at(-1) ?? 1, b.at(-1) ?? 1));
  const edges_ns = [];
  for (let i = first; i <= last + 1; i++) edges_ns.push(Math.round(10 ** (i / STEPS)));
  const countsOf = (list: Float64Array) => {
    const counts = new Array<number>(last - first + 1).fill(0);
    for (const ns of list) counts[step(ns) - first]!++;
    return counts;
  };
  return { edges_ns, a: countsOf(a), b: countsOf(b) };
}
