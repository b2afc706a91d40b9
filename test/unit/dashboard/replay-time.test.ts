import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  busyAfter,
  formatElapsed,
  linkTime,
  partOf,
  timeAt,
  timeOfLink,
} from '../../../dashboard/src/replay/time.ts';
import { parseRoute } from '../../../dashboard/src/route.ts';

const BEGIN = 1_795_416_982_462;

describe('the time of a replay', () => {
  it('is in a link to the microsecond, and not before what is shown', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (ms) => {
        const at_ms = BEGIN + ms;
        const t = linkTime({ at_ms, begin_ms: BEGIN });
        expect(parseRoute(`#/inodes?t=${t}`).t).toBe(t);
        const opened = timeOfLink(t, { begin_ms: BEGIN })!;
        expect(opened).toBeGreaterThanOrEqual(at_ms);
        // a double of milliseconds since 1970 is exact to a quarter of a microsecond
        expect(opened - at_ms).toBeLessThanOrEqual(0.0026);
      }),
    );
    expect(linkTime({ at_ms: BEGIN, begin_ms: BEGIN })).toBe('0');
    expect(linkTime({ at_ms: BEGIN + 32_500, begin_ms: BEGIN })).toBe('32.5');
    expect(linkTime({ at_ms: BEGIN + 100_000, begin_ms: BEGIN })).toBe('100');
    expect(timeOfLink('', { begin_ms: BEGIN })).toBeNull();
  });

  it('is that of the next events, where any are known to come', () => {
    const span = { begin_ms: BEGIN, end_ms: BEGIN + 1000 };
    const from = (ms: number, rate: number[]) => {
      const next = busyAfter(rate, { ...span, at_ms: BEGIN + ms });
      return next === null ? null : next - BEGIN;
    };
    const rate = [0, 5, 0, 0, 7, 0, 0, 0, 0, 1];
    expect([0, 99, 100, 399, 450, 900].map((ms) => from(ms, rate))).toEqual([
      200,
      200,
      500,
      500,
      1000,
      null,
    ]);
    expect(from(1000, rate)).toBeNull();
    expect(from(0, [])).toBeNull();
    expect(from(0, [9, 0, 0])).toBeNull();
  });

  it('is a part of the whole and back, and never outside it', () => {
    const span = { begin_ms: BEGIN, end_ms: BEGIN + 60_000 };
    expect(partOf(BEGIN + 15_000, span)).toBe(0.25);
    expect(timeAt(0.25, span)).toBe(BEGIN + 15_000);
    expect([partOf(0, span), partOf(BEGIN * 2, span)]).toEqual([0, 1]);
    expect([timeAt(-1, span), timeAt(2, span)]).toEqual([span.begin_ms, span.end_ms]);
    expect(partOf(BEGIN, { begin_ms: BEGIN, end_ms: BEGIN })).toBe(0);
  });

  it.each([
    [0, '0:00.0'],
    [-5, '0:00.0'],
    [61_250, '1:01.2'],
    [3_599_999, '59:59.9'],
    [3_600_000, '1:00:00.0'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatElapsed(ms)).toBe(text);
  });
});
