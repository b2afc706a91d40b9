/** Time between stages: what changed, how sure that is, and how much it is. */
import type { LatencyChange } from '../../protocol/compare.ts';
import {
  distributionOf,
  type GroupSlice,
  PairDurations,
  ranker,
  sliceGroups,
} from './durations.ts';
import { quantileRatios } from './quantiles.ts';
import type { Group } from './run.ts';
import { PAIRS } from './sampler.ts';
import { type TestResult, type Tests, tooFew } from './tests.ts';

/** What lies above it in both runs together is the tail. */
const TAIL = 0.9;

/** A change whose result waits until all tests are done. */
export interface PendingLatency {
  readonly change: LatencyChange;
  readonly typical: TestResult;
  readonly tail: TestResult;
  /** Share of B's inodes in the tail minus that of A's. */
  readonly tailShift: number;
}

/** Tests every pair of stages that both runs saw. `doubt`: why all of it is only suspected. */
export function latenciesOf(
  a: Group,
  b: Group,
  tests: Tests,
  doubtOf: (pair: string) => string,
): PendingLatency[] {
  const slices = sliceGroups(a, b);
  return PAIRS.flatMap((pair, index) => {
    const seen = (group: Group) => group.parts.some(({ samples }) => samples.counts[index]! > 0);
    if (!seen(a) || !seen(b)) return [];
    return [latencyOf(pair, index, [a, b], slices, tests, doubtOf(pair))];
  });
}

function latencyOf(
  pair: string,
  index: number,
  groups: readonly [Group, Group],
  slices: readonly [GroupSlice[], GroupSlice[]],
  tests: Tests,
  doubt: string,
): PendingLatency {
  const a = new PairDurations(groups[0], slices[0], index);
  const b = new PairDurations(groups[1], slices[1], index);
  const { host, fs } = groups[0];
  const name = `${host} ${fs} ${pair}`;
  const rank = ranker(a.sorted, b.sorted);
  const border = quantileOfBoth(a.sorted, b.sorted, TAIL);
  const isTail = (ns: number) => (ns > border ? 1 : 0);
  const ranks = [a.sums(rank), b.sums(rank)] as const;
  const tails = [a.sums(isTail), b.sums(isTail)] as const;
  const typical = tests.test(`${name} typical`, ...ranks);
  const tail = tests.test(`${name} tail`, ...tails);
  const few = tooFew(...ranks);
  const [p50, p90, p99] =
    few === null
      ? quantileRatios(a.bySlice, b.bySlice, [0.5, 0.9, 0.99], tests.randomOf(`${name} ratio`))
      : [];
  const change: LatencyChange = {
    host,
    fs,
    pair,
    result: few === null ? 'none' : 'too few',
    verdict: doubt === '' && a.inGaps + b.inGaps === 0 ? 'certain' : 'suspected',
    why: few ?? reasonOf(doubt, a.inGaps + b.inGaps),
    a: summaryOf(a),
    b: summaryOf(b),
    ratio: few === null ? { p50: p50!, p90: p90!, p99: p99! } : null,
    longer: few === null ? longerOf(ranks[1], a.sorted.length) : null,
    typical,
    tail,
    distribution: distributionOf(a.sorted, b.sorted),
  };
  return { change, typical, tail, tailShift: meanOf(tails[1]) - meanOf(tails[0]) };
}

/** The result, now that the tests are corrected. `atLeast`: 0.1 for 10 %. */
export function settleLatency(
  pending: PendingLatency,
  tests: Tests,
  atLeast: number,
): LatencyChange {
  const { change, typical, tail, tailShift } = pending;
  if (change.ratio === null) return change;
  if (typical.p === null && tail.p === null) {
    const why = `with so many tests, ${Math.min(change.a.slices, change.b.slices)} slices of time cannot show a change`;
    return { ...change, result: 'too few', why };
  }
  return { ...change, result: resultOf(change.ratio, atLeast) };

  function resultOf(
    { p50, p90, p99 }: NonNullable<LatencyChange['ratio']>,
    least: number,
  ): LatencyChange['result'] {
    const grew = (ratio: { value: number }) => ratio.value >= 1 + least;
    const fell = (ratio: { value: number }) => ratio.value <= 1 / (1 + least);
    if (tests.significant(typical)) {
      if (grew(p50)) return 'slower';
      if (fell(p50)) return 'faster';
    }
    if (tests.significant(tail)) {
      if (tailShift > 0 && (grew(p90) || grew(p99))) return 'tail longer';
      if (tailShift < 0 && (fell(p90) || fell(p99))) return 'tail shorter';
    }
    return tests.significant(typical) || tests.significant(tail) ? 'small' : 'none';
  }
}

function summaryOf(durations: PairDurations): LatencyChange['a'] {
  return {
    count: durations.count,
    p50_ns: durations.quantile(0.5),
    p90_ns: durations.quantile(0.9),
    p99_ns: durations.quantile(0.99),
    max_ns: durations.max,
    slices: durations.bySlice.filter((slice) => slice.length > 0).length,
    in_gaps: durations.inGaps,
  };
}

function reasonOf(doubt: string, inGaps: number): string {
  const reasons = doubt === '' ? [] : [doubt];
  if (inGaps > 0) reasons.unshift('events were lost while these inodes ended');
  return reasons.join('; ');
}

function meanOf(slices: readonly { count: number; sum: number }[]): number {
  const count = slices.reduce((sum, slice) => sum + slice.count, 0);
  return count === 0 ? 0 : slices.reduce((sum, slice) => sum + slice.sum, 0) / count;
}

/** From the mean rank of B's: the probability that one of B's is longer than one of A's. */
function longerOf(ranksOfB: readonly { count: number; sum: number }[], countA: number): number {
  const countB = ranksOfB.reduce((sum, slice) => sum + slice.count, 0);
  const probability = (meanOf(ranksOfB) - (countB + 1) / 2) / countA;
  return Math.min(1, Math.max(0, probability));
}

function quantileOfBoth(a: Float64Array, b: Float64Array, q: number): number {
  const all = new Float64Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  all.sort();
  return all.length === 0 ? 0 : all[Math.max(0, Math.ceil(q * all.length) - 1)]!;
}
