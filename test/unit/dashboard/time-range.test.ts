/** A stretch of time: in an address, on the time bar, and what of the charts is in it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { durationsAround, heatOf } from '../../../dashboard/src/latency/heat.ts';
import { LatencyBuffer } from '../../../dashboard/src/latency/latencyBuffer.ts';
import { around, dragged, moved, msAt, xAt } from '../../../dashboard/src/live/selection.ts';
import { rangeOf, rangeText, widened } from '../../../dashboard/src/timeRange.ts';
import { cellEdge } from '../../../server/protocol/series.ts';

const range = fc
  .record({
    from: fc.integer({ min: 1.7e12, max: 1.9e12 }),
    width: fc.integer({ min: 1, max: 1e7 }),
  })
  .map(({ from, width }) => ({ from, to: from + width }));

describe('a stretch of time', () => {
  it('comes back the same through the address', () => {
    fc.assert(
      fc.property(range, (any) => {
        expect(rangeOf(rangeText(any))).toEqual(any);
      }),
    );
    expect(rangeOf(rangeText(null))).toBeNull();
    expect(rangeOf({ from: '5', to: '4' })).toBeNull();
    const fine = { from: 1_795_417_038_275.3489, to: 1_795_417_038_275.4 };
    expect(rangeOf(rangeText(fine))!.from).toBeCloseTo(fine.from, 3);
  });

  it('is asked for with room around it, the same for neighbours', () => {
    fc.assert(
      fc.property(range, (any) => {
        const wide = widened(any);
        expect(wide.from!).toBeLessThanOrEqual(any.from);
        expect(wide.to!).toBeGreaterThanOrEqual(any.to);
        expect(wide.to! - wide.from!).toBeLessThanOrEqual(8 * (any.to - any.from));
      }),
    );
    expect(widened(null)).toEqual({});
  });
});

describe('the time bar', () => {
  const strip = { from: 1000, to: 61_000, width: 600 };

  it('has a time at each place, and a place for each time', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 600, noNaN: true }), (x) => {
        expect(xAt(msAt(x, strip), strip)).toBeCloseTo(x, 6);
      }),
    );
    expect([msAt(-9, strip), msAt(999, strip)]).toEqual([1000, 61_000]);
  });

  it('takes a drag either way, and a click for none', () => {
    expect(dragged(100, 200, strip)).toEqual({ from: 11_000, to: 21_000 });
    expect(dragged(200, 100, strip)).toEqual({ from: 11_000, to: 21_000 });
    expect(dragged(100, 102, strip)).toBeNull();
  });

  it('moves inside of what is kept, and joins the present at its end', () => {
    const kept = { from: 0, to: 100_000 };
    fc.assert(
      fc.property(
        fc.nat(90_000),
        fc.integer({ min: 1, max: 9000 }),
        fc.integer({ min: -2e5, max: 2e5 }),
        (from, width, by) => {
          const next = moved({ from, to: from + width }, by, kept);
          if (next === null) {
            expect(from + width + by).toBeGreaterThanOrEqual(kept.to);
            return;
          }
          expect(next.to - next.from).toBeCloseTo(width, 6);
          expect(next.from).toBeGreaterThanOrEqual(kept.from);
          expect(next.to).toBeLessThanOrEqual(kept.to);
        },
      ),
    );
    expect(around(99_000, 20_000, kept)).toEqual({ from: 80_000, to: 100_000 });
    expect(around(50, 1e9, kept)).toEqual(kept);
  });
});

describe('the heatmap', () => {
  it('counts everything that is in sight, wherever it falls', () => {
    const second = fc.array(fc.tuple(fc.nat(120), fc.integer({ min: 1, max: 50 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        fc.array(second, { minLength: 1, maxLength: 100 }),
        fc.integer({ min: 1, max: 300 }),
        (any, width) => {
          const cells = any.map((pairs) => [...new Map(pairs)].sort((a, b) => a[0] - b[0]).flat());
          const t = cells.map((_, i) => (i + 1) * 1000);
          const heat = heatOf(t, cells, { from: 0, to: t.length * 1000 }, width);
          const all = cells.flat().filter((_, i) => i % 2 === 1);
          expect(heat.counts.reduce((a, b) => a + b, 0)).toBe(all.reduce((a, b) => a + b, 0));
          expect(heat.columns).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it('has edges that grow, and an axis around them', () => {
    for (let cell = 0; cell < 160; cell++)
      expect(cellEdge(cell + 1)).toBeGreaterThan(cellEdge(cell));
    expect([cellEdge(0), cellEdge(4), cellEdge(6)]).toEqual([1, 2, 3]);
    fc.assert(
      fc.property(fc.nat(150), fc.integer({ min: 1, max: 40 }), (cell, more) => {
        const [from, to] = [cellEdge(cell), cellEdge(cell + more)];
        const [least, most] = durationsAround(from, to);
        expect(least).toBeLessThanOrEqual(from * 1.0001);
        expect(most).toBeGreaterThanOrEqual(to * 0.9999);
        expect(most / least).toBeGreaterThan(9.9);
      }),
    );
  });

  it('has a value, or none, for each second', () => {
    const buffer = new LatencyBuffer(8);
    const message = (t: number[], by = {}) => ({ reset: false, pair: 'a..b', t, by });
    const one = { p50: [1], p90: [2], p99: [3], cells: [[4, 1]] };
    buffer.append(message([1], { 'h tmpfs': one }));
    buffer.append(message([2]));
    buffer.append(message([3], { 'h hugetlbfs': one }));
    expect(buffer.by.get('h tmpfs')!.p50).toEqual([1, null, null]);
    expect(buffer.by.get('h hugetlbfs')!.cells).toEqual([[], [], [4, 1]]);
    for (let t = 4; t < 40; t++) buffer.append(message([t], { 'h tmpfs': one }));
    expect(buffer.t.length).toBeLessThanOrEqual(9);
    expect(buffer.by.get('h tmpfs')!.p99).toHaveLength(buffer.t.length);
    buffer.append({ reset: true, pair: 'c..d', t: [50], by: {} });
    expect([buffer.t, buffer.by.size]).toEqual([[50], 0]);
  });
});
