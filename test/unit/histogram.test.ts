import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../server/model/histogram.ts';

/** Durations as they come: most are short, some are seconds; powers of two are the edges. */
const duration = fc.oneof(
  fc.integer({ min: 0, max: 1000 }),
  fc.integer({ min: 0, max: 60_000_000_000 }),
  fc.nat(52).map((n) => 2 ** n),
  fc.integer({ min: 1, max: 52 }).map((n) => 2 ** n - 1),
);

const filled = (values: readonly number[]) => {
  const histogram = new Histogram();
  for (const value of values) histogram.add(value);
  return histogram;
};

describe('histogram', () => {
  it('tells what was added since a copy, cell by cell', () => {
    fc.assert(
      fc.property(fc.array(duration), fc.array(duration), (before, after) => {
        const histogram = filled(before);
        const copy = histogram.copy();
        for (const value of after) histogram.add(value);
        const more = histogram.since(copy);
        const alone = filled(after);
        expect(more.count).toBe(after.length);
        expect(more.cells(4)).toEqual(alone.cells(4));
        const counted = more.cells(4).filter((_, i) => i % 2 === 1);
        expect(counted.reduce((a, b) => a + b, 0)).toBe(after.length);
        for (const q of [0.5, 0.9]) {
          expect(more.quantile(q)).toBeLessThanOrEqual(
            Math.max(1, alone.quantile(q)) * (1 + 1 / 32) + 1,
          );
          expect(more.quantile(q)).toBeGreaterThanOrEqual(alone.quantile(q) - 1);
        }
      }),
    );
  });

  it('gives every quantile at most 1/32 too high and never too low', () => {
    fc.assert(
      fc.property(
        fc.array(duration, { minLength: 1, maxLength: 200 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const sorted = [...values].sort((a, b) => a - b);
          const exact = sorted[Math.max(1, Math.ceil(q * values.length)) - 1]!;
          const given = filled(values).quantile(q);
          // half a nanosecond is lost to rounding
          expect(given).toBeGreaterThanOrEqual(exact - 0.5);
          expect(given).toBeLessThanOrEqual(exact * (1 + 1 / 32) + 1);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('merges as if all had been added to one', () => {
    fc.assert(
      fc.property(fc.array(duration), fc.array(duration), (a, b) => {
        const merged = filled(a);
        merged.merge(filled(b));
        const all = filled([...a, ...b]);
        // beyond 2 ** 53 it depends on the order of the additions
        expect(Math.abs(merged.sum - all.sum)).toBeLessThanOrEqual(all.sum * 1e-12);
        merged.sum = all.sum;
        expect(merged).toEqual(all);
      }),
    );
  });

  it('knows its count and maximum exactly, and nothing when empty', () => {
    const histogram = filled([16_600_000, 3, 3_600_000_000]);
    expect(histogram.count).toBe(3);
    expect(histogram.max).toBe(3_600_000_000);
    expect(histogram.quantile(1)).toBe(3_600_000_000);
    expect(new Histogram().quantile(0.99)).toBe(0);
  });

  it('takes what is longer than any trace', () => {
    expect(filled([2 ** 60]).quantile(0.5)).toBe(Math.min(2 ** 60, 2 ** 54));
  });
});

describe('what is below a power of two', () => {
  it('is counted exactly', () => {
    const exponents = [0, 1, 10, 20, 36, 52];
    fc.assert(
      fc.property(fc.array(duration), (values) => {
        const below = exponents.map(
          (exponent) => values.filter((value) => Math.max(1, value) < 2 ** exponent).length,
        );
        expect(filled(values).below(exponents)).toEqual(below);
        expect(filled(values).sum).toBe(values.reduce((a, b) => a + b, 0));
      }),
    );
  });
});
