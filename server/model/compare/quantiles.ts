/** Quantiles of durations, and how sure their ratio between two runs is. */
import { below, type Random } from './random.ts';

const RESAMPLES = 999;
/** Percent of resamples inside the interval. */
export const CONFIDENCE = 95;
/** Steps of the ladder on which resampled quantiles are looked up. */
const MAX_STEPS = 1024;

/** Of ascending numbers; the smallest that at least the share `q` does not exceed. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const { length } = sorted;
  return length === 0 ? 0 : sorted[Math.max(0, Math.ceil(q * length) - 1)]!;
}

export interface Ratio {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * For each quantile, B's divided by A's, with the percentile interval of a block
 * bootstrap: slices are drawn again, with replacement, within each run.
 *
 * @param a, b the durations of each slice, ns
 */
export function quantileRatios(
  a: readonly Float64Array[],
  b: readonly Float64Array[],
  qs: readonly number[],
  random: Random,
): Ratio[] {
  const sortedA = sorted(a);
  const sortedB = sorted(b);
  const ladder = ladderOf(sorted([sortedA, sortedB]));
  const stepsA = a.map((slice) => countSteps(slice, ladder));
  const stepsB = b.map((slice) => countSteps(slice, ladder));
  const resampled = qs.map(() => new Float64Array(RESAMPLES));
  for (let n = 0; n < RESAMPLES; n++) {
    const drawnA = quantilesOf(draw(stepsA, random), ladder, qs);
    const drawnB = quantilesOf(draw(stepsB, random), ladder, qs);
    qs.forEach((_, i) => {
      resampled[i]![n] = divide(drawnB[i]!, drawnA[i]!);
    });
  }
  const outside = (100 - CONFIDENCE) / 200;
  return qs.map((q, i) => {
    const value = divide(quantile(sortedB, q), quantile(sortedA, q));
    const ratios = resampled[i]!.sort();
    // the ladder is coarser than the value itself
    const low = Math.min(value, quantile(ratios, outside));
    const high = Math.max(value, quantile(ratios, 1 - outside));
    return { value, low, high };
  });
}

/** A duration of 0 ns is below what the clock can tell. */
function divide(b: number, a: number): number {
  return Math.max(b, 1) / Math.max(a, 1);
}

function sorted(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

/** At most MAX_STEPS values that cut all durations into parts of the same number. */
function ladderOf(all: Float64Array): Float64Array {
  const steps = Math.min(MAX_STEPS, all.length);
  const values = new Set<number>();
  for (let i = 1; i <= steps; i++) values.add(quantile(all, i / steps));
  return Float64Array.from(values);
}

/** How many of a slice fall on each step. */
function countSteps(slice: Float64Array, ladder: Float64Array): Float64Array {
  const counts = new Float64Array(ladder.length);
  for (const ns of slice) {
    let low = 0;
    let high = ladder.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ladder[middle]! < ns) low = middle + 1;
      else high = middle;
    }
    counts[low]!++;
  }
  return counts;
}

function draw(slices: readonly Float64Array[], random: Random): Float64Array {
  const counts = new Float64Array(slices[0]!.length);
  for (let n = 0; n < slices.length; n++) {
    const slice = slices[below(random, slices.length)]!;
    for (let i = 0; i < counts.length; i++) counts[i]! += slice[i]!;
  }
  return counts;
}

function quantilesOf(counts: Float64Array, ladder: Float64Array, qs: readonly number[]): number[] {
  const total = counts.reduce((x, y) => x + y, 0);
  return qs.map((q) => {
    let left = Math.max(1, Math.ceil(q * total));
    for (let i = 0; i < counts.length; i++) {
      left -= counts[i]!;
      if (left <= 0) return ladder[i]!;
    }
    return ladder.at(-1)!;
  });
}
