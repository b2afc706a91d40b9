import { describe, expect, it } from 'vitest';
import { formatAge, formatDuration, formatOffset } from '../../../dashboard/src/format/duration.ts';
import { formatBytes, formatCount, formatShort } from '../../../dashboard/src/format/number.ts';

describe('formatDuration', () => {
  const cases: [number | null, string][] = [
    [null, '–'],
    [0, '0 ns'],
    [7, '7 ns'],
    [999, '999 ns'],
    [1000, '1.00 µs'],
    [31_200, '31.2 µs'],
    [99_960, '100 µs'],
    [999_499, '999 µs'],
    [999_500, '1.00 ms'],
    [12_700_000, '12.7 ms'],
    [3_610_000_000, '3.61 s'],
    [599_000_000_000, '599 s'],
    [600_000_000_000, '10:00 min'],
    [3_723_000_000_000, '62:03 min'],
    [7_200_000_000_000, '2:00 h'],
    [-1500, '-1.50 µs'],
  ];
  for (const [ns, text] of cases) {
    it(`${ns} ns is ${text}`, () => expect(formatDuration(ns)).toBe(text));
  }

  it('never shows four digits before the unit changes', () => {
    for (let ns = 1; ns < 1e12; ns = Math.ceil(ns * 1.013)) {
      expect(formatDuration(ns)).toMatch(/^(\d{1,3}|\d\.\d\d|\d\d\.\d) (ns|µs|ms|s)$|min$/);
    }
  });
});

describe('formatOffset', () => {
  it('shows the sign of both directions', () => {
    expect(formatOffset(1000)).toBe('+1.00 µs');
    expect(formatOffset(-1000)).toBe('-1.00 µs');
    expect(formatOffset(0)).toBe('0');
    expect(formatOffset(null)).toBe('–');
  });
});

describe('counts and bytes', () => {
  it('groups counts', () => {
    expect(formatCount(1_234_567)).toBe('1,234,567');
    expect(formatCount(null)).toBe('–');
  });
  it('shortens rates', () => {
    expect(formatShort(950)).toBe('950');
    expect(formatShort(12_345)).toBe('12.3 k');
    expect(formatShort(1_250_000)).toBe('1.25 M');
  });
  it('keeps whole binary units whole', () => {
    expect(formatBytes(8 * 2 ** 20)).toBe('8 MiB');
    expect(formatBytes(1536)).toBe('1.50 KiB');
    expect(formatBytes(37)).toBe('37 B');
    expect(formatBytes(0)).toBe('0 B');
  });
  it('tells an age in the largest fitting unit', () => {
    expect(formatAge(12_300)).toBe('12 s');
    expect(formatAge(-5)).toBe('0 s');
    expect(formatAge(300_000)).toBe('5 min');
    expect(formatAge(3 * 86_400_000)).toBe('3 days');
  });
});
