/** Do two runs differ by more than their own slices differ from one another? */
import { below, type Random } from './random.ts';

/** Random divisions of the slices; the smallest p is one in so many. */
export const PERMUTATIONS = 19_999;

/** Inodes of one slice, and the sum of what is measured on them (ranks; 1 or 0). */
export interface SliceSum {
  readonly count: number;
  readonly sum: number;
}

/**
 * Block permutation test, two-sided. The statistic is the mean over B's inodes minus
 * the mean over A's. It is computed again for random divisions of all slices into as
 * many as A has and as many as B has; p is the share of divisions in which it lies at
 * least as far from zero as the real one (which counts as one of them, so p > 0).
 *
 * Ranks in, it is the Mann-Whitney test for samples that are dependent within slices.
 */
export function permutationTest(
  a: readonly SliceSum[],
  b: readonly SliceSum[],
  random: Random,
  permutations = PERMUTATIONS,
): number {
  const slices = [...a, ...b].filter((slice) => slice.count > 0);
  const inA = a.filter((slice) => slice.count > 0).length;
  if (inA === 0 || inA === slices.length) return 1;
  const counts = Float64Array.from(slices, (slice) => slice.count);
  const sums = Float64Array.from(slices, (slice) => slice.sum);
  const count = counts.reduce((x, y) => x + y, 0);
  const sum = sums.reduce((x, y) => x + y, 0);
  const place = Int32Array.from(slices, (_, i) => i);
  const distance = () => {
    let countA = 0;
    let sumA = 0;
    for (let i = 0; i < inA; i++) {
      countA += counts[place[i]!]!;
      sumA += sums[place[i]!]!;
    }
    return Math.abs((sum - sumA) / (count - countA) - sumA / countA);
  };
  // sums of the same numbers in another order differ in the last bits
  const real = distance() * (1 - 1e-9);
  let asFar = 1;
  for (let n = 0; n < permutations; n++) {
    for (let i = 0; i < inA; i++) {
      const j = i + below(random, slices.length - i);
      const other = place[j]!;
      place[j] = place[i]!;
      place[i] = other;
    }
    if (distance() >= real) asFar++;
  }
  return asFar / (permutations + 1);
}

/** The smallest p that any outcome could have with so many slices on each side. */
export function smallestP(slicesA: number, slicesB: number, permutations = PERMUTATIONS): number {
  let divisions = 1;
  for (let i = 1; i <= slicesA; i++) divisions *= (slicesB + i) / i;
  // with as many slices on both sides, a division and its mirror image lie equally far
  return Math.max((slicesA === slicesB ? 2 : 1) / divisions, 1 / (permutations + 1));
}

/** Holm's correction: the probability of even one false alarm in all tests stays below alpha. */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, i) => i).sort((x, y) => ps[x]! - ps[y]!);
  const adjusted = new Array<number>(ps.length);
  let least = 0;
  order.forEach((test, rank) => {
    least = Math.max(least, Math.min(1, ps[test]! * (ps.length - rank)));
    adjusted[test] = least;
  });
  return adjusted;
}
