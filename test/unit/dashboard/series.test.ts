import { describe, expect, it } from 'vitest';
import { gapsOf, pointsOf } from '../../../dashboard/src/charts/points.ts';
import { clockTicks, firstAtOrAfter, nearest } from '../../../dashboard/src/charts/timeAxis.ts';
import { poolsToShow } from '../../../dashboard/src/overview/pools.ts';
import { parseEndedKey, parsePoolKey, SeriesBuffer } from '../../../dashboard/src/series.ts';
import type { Series } from '../../../server/protocol/series.ts';

function message(t: number[], change: Partial<Series> = {}): Series {
  const events = t.map(() => 1);
  return { reset: false, t, ended: {}, pools: {}, events, lost: t.map(() => 0), ...change };
}

describe('SeriesBuffer', () => {
  it('pads columns that come late or stay away', () => {
    const buffer = new SeriesBuffer();
    buffer.append(message([1, 2], { ended: { 'vm tmpfs': [3, 4] } }));
    buffer.append(message([3], { ended: { 'vm hugetlbfs': [9] } }));
    expect(buffer.ended.get('vm tmpfs')).toEqual([3, 4, null]);
    expect(buffer.ended.get('vm hugetlbfs')).toEqual([null, null, 9]);
  });

  it('forgets at a reset', () => {
    const buffer = new SeriesBuffer();
    buffer.append(message([1, 2], { ended: { 'vm tmpfs': [3, 4] } }));
    buffer.append(message([7], { reset: true }));
    expect(buffer.t).toEqual([7]);
    expect(buffer.ended.size).toBe(0);
  });

  it('stays bounded, all columns alike', () => {
    const buffer = new SeriesBuffer(80);
    const one = { total: [8], free: [1], reserved: [null], surplus: [0] };
    for (let t = 0; t < 1000; t++) {
      buffer.append(message([t], { ended: { 'vm tmpfs': [t] }, pools: { 'vm 2048 -1': one } }));
    }
    expect(buffer.t.length).toBeLessThanOrEqual(90);
    expect(buffer.t.at(-1)).toBe(999);
    expect(buffer.ended.get('vm tmpfs')).toHaveLength(buffer.t.length);
    expect(buffer.pools.get('vm 2048 -1')?.free).toHaveLength(buffer.t.length);
    expect(buffer.lost).toHaveLength(buffer.t.length);
  });

  it('takes keys apart from their end, so that hosts may hold blanks', () => {
    expect(parsePoolKey('my box 2048 -1')).toEqual({ host: 'my box', sizeKb: 2048, node: -1 });
    expect(parseEndedKey('my box tmpfs')).toEqual({ host: 'my box', fs: 'tmpfs' });
  });
});

describe('points', () => {
  it('break where a value is not known and where time has a hole', () => {
    const points = pointsOf([1000, 2000, 9000], [1, null, 3], 0);
    expect(points.map((point) => point.y)).toEqual([1, Number.NaN, Number.NaN, 3]);
    expect(points.map((point) => point.x)).toEqual([1000, 2000, 2001, 9000]);
  });
  it('start one before the edge', () => {
    expect(pointsOf([1000, 2000, 3000], [1, 2, 3], 2500)).toHaveLength(2);
  });
  it('make gaps of seconds with losses and of holes, joined', () => {
    expect(gapsOf([1000, 2000, 3000, 9000], [0, 5, 2, 0], 0)).toEqual([[1000, 9000]]);
    expect(gapsOf([1000, 2000, 3000], [0, 0, 0], 0)).toEqual([]);
  });
});

describe('clock axis', () => {
  it('has round marks and not too many', () => {
    const from = Date.UTC(2026, 10, 23, 4, 51, 7);
    const ticks = clockTicks(from, from + 300_000, 5);
    expect(ticks.length).toBeGreaterThan(1);
    expect(ticks.length).toBeLessThanOrEqual(5);
    for (const tick of ticks) expect(tick % 60_000).toBe(0);
  });
  it('finds times', () => {
    expect(firstAtOrAfter([1, 3, 5], 4)).toBe(2);
    expect(firstAtOrAfter([1, 3, 5], 9)).toBe(3);
    expect(nearest([1000, 2000], 1600, 1500)).toBe(1);
    expect(nearest([1000, 2000], 9000, 1500)).toBe(-1);
  });
});

describe('poolsToShow', () => {
  const pool = (total: number, free: number) => ({
    total: [total],
    free: [free],
    reserved: [null],
    surplus: [0],
  });
  it('leaves out the row of a single node and puts empty pools last', () => {
    const pools = new Map([
      ['vm 1048576 -1', pool(0, 0)],
      ['vm 2048 -1', pool(16, 12)],
      ['vm 2048 0', pool(16, 12)],
      ['lab 2048 -1', pool(8, 8)],
      ['lab 2048 0', pool(4, 4)],
      ['lab 2048 1', pool(4, 4)],
    ]);
    expect(poolsToShow(pools).map((row) => [row.key, row.used])).toEqual([
      ['vm 2048 -1', 4],
      ['lab 2048 -1', 0],
      ['lab 2048 0', 0],
      ['lab 2048 1', 0],
      ['vm 1048576 -1', 0],
    ]);
  });
});
