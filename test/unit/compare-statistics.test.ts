/** The method: what it finds in nothing, what it finds in something, and that it is arithmetic. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ALPHA } from '../../server/model/compare/compare.ts';
import { ranker } from '../../server/model/compare/durations.ts';
import { latenciesOf, settleLatency } from '../../server/model/compare/latency.ts';
import { holm, permutationTest, smallestP } from '../../server/model/compare/permutation.ts';
import { quantile, quantileRatios } from '../../server/model/compare/quantiles.ts';
import { randomFrom } from '../../server/model/compare/random.ts';
import { groupsOf, type Run } from '../../server/model/compare/run.ts';
import { PAIRS, Sampler } from '../../server/model/compare/sampler.ts';
import { MIN_INODES, slicesOf } from '../../server/model/compare/slices.ts';
import { Tests } from '../../server/model/compare/tests.ts';
import { Incarnation } from '../../server/model/incarnation.ts';
import type { Address } from '../../server/protocol/units.ts';
import { part, runOfFile, simulatedRun } from '../fixtures/runs.ts';

/** Enough for alpha with the tests of one comparison, and quick. */
const FEW = 4999;

/** What one comparison says of durations: p before the correction, and whether any is a finding. */
function compared(a: Run, b: Run, seed: number): { ps: number[]; found: boolean; said: boolean } {
  const tests = new Tests(ALPHA, seed, FEW);
  const [groupsA, groupsB] = [groupsOf(a, () => ''), groupsOf(b, () => '')];
  const pending = [...groupsA].flatMap(([key, group]) => {
    const other = groupsB.get(key);
    return other === undefined ? [] : latenciesOf(group, other, tests, () => '');
  });
  const ps = pending.flatMap(({ typical, tail }) => [typical.p, tail.p]);
  tests.correct();
  const significant = pending.some((one) =>
    [one.typical, one.tail].some((t) => tests.significant(t)),
  );
  const results = pending.map((one) => settleLatency(one, tests, 0.1).result);
  return {
    ps: ps.filter((p) => p !== null),
    found: significant,
    said: results.some((result) => !['none', 'small', 'too few'].includes(result)),
  };
}

/** The most of `rounds` that happen by chance with probability `p`, but for one time in 10,000. */
function mostByChance(rounds: number, p: number): number {
  let term = (1 - p) ** rounds;
  let sum = term;
  let k = 0;
  while (sum < 0.9999) {
    term *= ((rounds - k) / (k + 1)) * (p / (1 - p));
    sum += term;
    k++;
  }
  return k;
}

describe('false alarms', () => {
  it('are at most alpha when a real run is divided at random, slice by slice of any length', () => {
    const run = runOfFile('samples/demo-6.12.lastref');
    const random = randomFrom(20261126);
    const rounds = 25;
    const ps: number[] = [];
    let alarms = 0;
    for (let round = 0; round < rounds; round++) {
      const length = 50e6 * (1 + random() * 20);
      const coin = new Map<number, boolean>();
      const side = (_: string, __: number, to: number) => {
        const slice = Math.floor(to / length);
        if (!coin.has(slice)) coin.set(slice, random() < 0.5);
        return coin.get(slice)!;
      };
      const a = part(run, side);
      const b = part(run, (...at) => !side(...at));
      const { ps: some, found } = compared(a, b, round);
      ps.push(...some);
      if (found) alarms++;
    }
    expect(ps.length).toBeGreaterThan(rounds * 15);
    expect(alarms).toBeLessThanOrEqual(mostByChance(rounds, ALPHA));
    // before the correction: one in twenty; the tests of one round are not independent
    expect(ps.filter((p) => p <= 0.05).length / ps.length).toBeLessThan(0.1);
  }, 60_000);

  it('are at most alpha between runs of the same simulated kernel', () => {
    const rounds = 5;
    let alarms = 0;
    let tests = 0;
    for (let round = 0; round < rounds; round++) {
      const { ps, found } = compared(
        simulatedRun(2 * round + 1),
        simulatedRun(2 * round + 2),
        round,
      );
      tests += ps.length;
      if (found) alarms++;
    }
    expect(tests).toBeGreaterThan(rounds);
    expect(alarms).toBeLessThanOrEqual(mostByChance(rounds, ALPHA));
  }, 60_000);

  /** Inodes that share a grace period have nearly the same latency: many inodes, few facts. */
  const bursts = (random: () => number, slower: number) =>
    Array.from({ length: 12 }, () => {
      const shared = (10 + 10 * random()) * slower;
      const seen = Array.from({ length: 200 }, () => (shared + random()) * 1e6);
      return Float64Array.from(seen);
    });
  const testOf = (a: readonly Float64Array[], b: readonly Float64Array[], seed: number) => {
    const all = (list: readonly Float64Array[]) =>
      Float64Array.from(list.flatMap((slice) => [...slice])).sort();
    const rank = ranker(all(a), all(b));
    const sums = (list: readonly Float64Array[]) =>
      list.map((slice) => ({
        count: slice.length,
        sum: slice.reduce((sum, ns) => sum + rank(ns), 0),
      }));
    return permutationTest(sums(a), sums(b), randomFrom(seed), 999);
  };

  it('do not come from inodes that are alike because they ended together', () => {
    const random = randomFrom(5);
    let alarms = 0;
    for (let round = 0; round < 200; round++) {
      if (testOf(bursts(random, 1), bursts(random, 1), round) <= 0.05) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(mostByChance(200, 0.05));
    // as independent durations, 2,400 on each side, these would nearly always differ
    expect(alarms).toBeGreaterThan(0);
  });

  it('are not bought with blindness: a change of half as much again is found', () => {
    const random = randomFrom(6);
    let found = 0;
    for (let round = 0; round < 50; round++) {
      if (testOf(bursts(random, 1), bursts(random, 1.5), round) <= 0.01) found++;
    }
    expect(found).toBeGreaterThan(45);
  });
});

describe('the arithmetic', () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 60 });

  it('Holm: never below p, in the order of p, and Bonferroni for the smallest', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }), (ps) => {
        const adjusted = holm(ps);
        const smallest = Math.min(...ps);
        expect(Math.min(...adjusted)).toBeCloseTo(Math.min(1, smallest * ps.length), 12);
        ps.forEach((p, i) => {
          expect(adjusted[i]).toBeGreaterThanOrEqual(p);
          expect(adjusted[i]).toBeLessThanOrEqual(1);
          ps.forEach((q, j) => {
            if (p < q) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j]!);
          });
        });
      }),
    );
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
  });

  it('ranks are those of a sort, ties in their middle', () => {
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const sort = (list: number[]) => Float64Array.from(list).sort();
        const rank = ranker(sort(a), sort(b));
        const all = [...a, ...b];
        for (const ns of all) {
          const below = all.filter((other) => other < ns).length;
          const ties = all.filter((other) => other === ns).length;
          expect(rank(ns)).toBe(below + (ties + 1) / 2);
        }
      }),
    );
  });

  it('a quantile is a value that was measured, as the report takes it', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2);
    expect(quantile([1, 2, 3, 4], 0.51)).toBe(3);
    expect(quantile([7], 0.99)).toBe(7);
    expect(quantile([], 0.5)).toBe(0);
  });

  it('an interval holds the ratio, and that of a run with itself holds 1', () => {
    const slices = fc.array(
      numbers.map((list) => Float64Array.from(list)),
      { minLength: 2, maxLength: 10 },
    );
    fc.assert(
      fc.property(slices, slices, (a, b) => {
        for (const { value, low, high } of quantileRatios(a, b, [0.5, 0.9], randomFrom(1))) {
          expect(low).toBeLessThanOrEqual(value);
          expect(high).toBeGreaterThanOrEqual(value);
        }
        for (const { value } of quantileRatios(a, a, [0.5], randomFrom(1))) expect(value).toBe(1);
      }),
      { numRuns: 20 },
    );
  });

  it('slices hold every inode once, in order, and are as long as asked', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1e9 }), { maxLength: 300 }),
        fc.integer({ min: 0, max: 1e9 }),
        (gaps, length) => {
          let now = 0;
          const at = gaps.map((gap) => (now += gap));
          const slices = slicesOf(at, length);
          expect(slices.length === 0).toBe(at.length === 0);
          if (at.length === 0) return;
          expect(slices[0]!.from).toBe(0);
          expect(slices.at(-1)!.to).toBe(at.length);
          for (const [i, { from, to }] of slices.entries()) {
            if (i > 0) expect(from).toBe(slices[i - 1]!.to);
            if (slices.length === 1) continue; // all there is
            expect(at[to - 1]! - at[from]!).toBeGreaterThanOrEqual(length);
          }
        },
      ),
    );
  });

  it('p is one in all divisions at least', () => {
    const slices = (sum: number) => Array.from({ length: 8 }, () => ({ count: 10, sum }));
    const p = permutationTest(slices(0), slices(10), randomFrom(1));
    expect(p).toBeGreaterThan(0);
    expect(p).toBeLessThan(0.001);
    expect(smallestP(8, 8)).toBeCloseTo(2 / 12870, 8);
    expect(permutationTest(slices(3), slices(3), randomFrom(1))).toBe(1);
  });
});

describe('the sampler', () => {
  const ended = (number: number, evict: number, took: number, end = true) => {
    const inode = new Incarnation(number, 'tmpfs', 1, 8 as Address, number, evict);
    inode.reach('evict', evict);
    inode.reach('evict_end', evict + took);
    if (end) inode.state = 'ended';
    return inode;
  };

  it('keeps what ended, not what was lost and not the canary', () => {
    const sampler = new Sampler();
    const canary = ended(3, 0, 5);
    sampler.ended(ended(1, 0, 5));
    sampler.ended(ended(2, 0, 5, false));
    sampler.ended(canary);
    canary.canary = true; // said after its end
    expect(sampler.finish().map(({ ended: count }) => count)).toEqual([1]);
  });

  it('takes stages that come after the end, and counts no inode twice', () => {
    const sampler = new Sampler();
    const inode = ended(1, 0, 5);
    sampler.ended(inode);
    inode.reach('free_inode', 9);
    sampler.ended(inode);
    const [samples] = sampler.finish();
    expect(samples!.orders).toEqual(['evict evict_end free_inode']);
    expect(samples!.order).toEqual([0]);
  });

  it('keeps a random part of very many, in order, and counts all', () => {
    const sampler = new Sampler(1000);
    for (let i = 0; i < 20_000; i++) sampler.ended(ended(i, i * 100, i + 1));
    const [samples] = sampler.finish();
    const pair = PAIRS.indexOf('evict..evict_end');
    const kept = samples!.ns[pair]!;
    expect(kept.length).toBeLessThanOrEqual(1000);
    expect(kept.length).toBeGreaterThan(MIN_INODES);
    expect(kept).toEqual([...kept].sort((a, b) => a - b));
    expect([samples!.ended, samples!.counts[pair], samples!.max[pair]]).toEqual([
      20_000, 20_000, 20_000,
    ]);
    const mean = kept.reduce((a, b) => a + b) / kept.length;
    expect(mean).toBeGreaterThan(9000);
    expect(mean).toBeLessThan(11_000);
  });
});
