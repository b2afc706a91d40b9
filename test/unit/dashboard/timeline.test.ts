import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inodeAsText } from '../../../dashboard/src/inode/asText.ts';
import { stageRows } from '../../../dashboard/src/inode/stageRows.ts';
import { findTarget, type Target } from '../../../dashboard/src/timeline/hit.ts';
import { layoutTimeline, longWait } from '../../../dashboard/src/timeline/layout.ts';
import { axisTicks, niceStep } from '../../../dashboard/src/timeline/ticks.ts';
import { fitAll, pan, zoomAt } from '../../../dashboard/src/timeline/viewport.ts';
import { linearWarp, squeezedWarp, toNs, toU } from '../../../dashboard/src/timeline/warp.ts';
import { memfd } from './inode-fixture.ts';

describe('warp', () => {
  const times = fc.array(fc.integer({ min: -1_000_000_000, max: 20_000_000_000 }), {
    minLength: 2,
    maxLength: 40,
  });

  it('keeps the order of time and finds its way back', () => {
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 1_000_000 }), (given, long) => {
        const warp = squeezedWarp(given, long);
        const sorted = [...given].sort((a, b) => a - b);
        let before = Number.NEGATIVE_INFINITY;
        for (const ns of sorted) {
          const u = toU(warp, ns);
          expect(u).toBeGreaterThanOrEqual(before);
          expect(Math.abs(toNs(warp, u) - ns)).toBeLessThan(1 + Math.abs(ns) * 1e-9);
          before = u;
        }
      }),
    );
  });

  it('squeezes only what is much longer than a long wait', () => {
    const warp = squeezedWarp([0, 100, 200, 30_000_000], 50);
    expect(warp.pieces.map((piece) => piece.squeezed)).toEqual([false, true]);
    expect(toU(warp, 200)).toBe(200);
    expect(toU(warp, 30_000_000)).toBeLessThan(700);
  });

  it('leaves evict itself to scale, however long it waits inside', () => {
    const warp = squeezedWarp([0, 10, 9000, 9010, 5_000_000], 50, { from: 0, to: 9010 });
    expect(toU(warp, 9010)).toBe(9010);
    expect(warp.pieces.at(-1)?.squeezed).toBe(true);
  });

  it('is time itself without squeezing, beyond its ends too', () => {
    const warp = linearWarp(0, 100);
    for (const ns of [-50, 0, 33, 100, 150]) expect(toU(warp, ns)).toBe(ns);
  });
});

describe('viewport', () => {
  const bounds = fitAll(0, 1000);

  it('keeps the point under the pointer while zooming', () => {
    const view = zoomAt(bounds, 0.25, 400, bounds);
    expect((400 - view.from) / (view.to - view.from)).toBeCloseTo(
      (400 - bounds.from) / (bounds.to - bounds.from),
    );
  });

  it('never leaves the bounds', () => {
    expect(pan(zoomAt(bounds, 0.1, 500, bounds), 1e9, bounds).to).toBeCloseTo(bounds.to);
    expect(zoomAt(bounds, 100, 500, bounds)).toEqual(bounds);
  });
});

describe('axis', () => {
  it('steps are 1, 2 or 5 times a power of ten', () => {
    expect([3, 11, 40, 51, 99].map(niceStep)).toEqual([5, 20, 50, 100, 100]);
  });
  it('marks round times with room between them', () => {
    const warp = linearWarp(0, 100_000);
    const ticks = axisTicks(warp, { from: 0, to: 100_000 }, 900, 90);
    expect(ticks.map((tick) => tick.label).slice(0, 3)).toEqual(['0', '+10.0 µs', '+20.0 µs']);
    for (let index = 1; index < ticks.length; index++) {
      expect(ticks[index]!.x - ticks[index - 1]!.x).toBeGreaterThan(60);
    }
  });
});

describe('layoutTimeline', () => {
  it('has a lane for each context, and one for the wait between them', () => {
    const layout = layoutTimeline(memfd(), 0);
    expect(layout.lanes.map((lane) => [lane.context, lane.title])).toEqual([
      ['task', 'task 1309'],
      ['waiting', 'grace period'],
      ['softirq', 'softirq'],
    ]);
    expect(layout.evict).toEqual({ from: 0, to: 227_000 });
    expect(layout.endFrom).toBe(0);
  });

  it('nests evict_inode in evict and keeps single events apart', () => {
    const [task] = layoutTimeline(memfd(), 0).lanes;
    expect(task?.slices.map((slice) => [slice.name, slice.depth, slice.open])).toEqual([
      ['evict', 0, false],
      ['evict_inode', 1, false],
    ]);
    expect(task?.instants.map((instant) => instant.what)).toContain('clear_inode');
    expect(task?.instants.map((instant) => instant.what)).not.toContain('evict');
  });

  it('counts hugepages that are out and not free', () => {
    const layout = layoutTimeline(memfd(), 0);
    expect(layout.outstanding.map((step) => step.count)).toEqual([1, 2, 1]);
    expect(layout.owed).toBe(1);
  });

  it('draws no such count where frees cannot be seen', () => {
    const detail = memfd();
    const blind = { ...detail, row: { ...detail.row, owed: null, freed: null } };
    expect(layoutTimeline(blind, 0).outstanding).toEqual([]);
  });

  it('goes on to the present while something is owed', () => {
    expect(layoutTimeline(memfd(), 5e9).to).toBe(5e9);
  });

  it('shows an open grace period', () => {
    const detail = memfd();
    const timeline = detail.timeline.filter((entry) => entry.context === 'task');
    const stages = detail.stages.map((stage) =>
      stage.context === 'task' ? stage : { ...stage, ns: null, why: 'not reached' },
    );
    const waiting = {
      ...detail,
      timeline,
      stages,
      row: { ...detail.row, state: 'grace' as const },
    };
    const wait = layoutTimeline(waiting, 9e6).lanes.at(-1)?.slices[0];
    expect(wait).toMatchObject({ kind: 'wait', open: true, to: 9e6 });
  });

  it('says that an end was not seen instead of drawing it as running', () => {
    const detail = memfd();
    const cut = {
      ...detail,
      timeline: detail.timeline.filter((entry) => entry.what !== 'evict_end'),
      stages: detail.stages.map((stage) =>
        stage.stage === 'evict_end' ? { ...stage, ns: null, why: 'lost' } : stage,
      ),
    };
    const evict = layoutTimeline(cut, 0).lanes[0]?.slices[0];
    expect(evict).toMatchObject({ name: 'evict', open: true, from: 0, to: 0 });
  });

  it('takes a stage without a line of evidence from the stage list', () => {
    const detail = memfd();
    const layout = layoutTimeline({ ...detail, timeline: [] }, 0);
    expect(layout.lanes.length).toBe(3);
    expect(longWait(layout)).toBeCloseTo(227_000 / 12);
  });
});

describe('findTarget', () => {
  const lane = layoutTimeline(memfd(), 0).lanes[0]!;
  const slice = (x0: number, x1: number): Target => ({
    x0,
    x1,
    y0: 0,
    y1: 10,
    lane,
    slice: lane.slices[0]!,
    instant: null,
  });
  const event = (x: number): Target => ({
    x0: x,
    x1: x + 1,
    y0: 0,
    y1: 10,
    lane,
    slice: null,
    instant: lane.instants[0]!,
  });

  it('prefers the nearest event within reach to the slice below it', () => {
    const targets = [slice(0, 100), event(40), event(44)];
    expect(findTarget(targets, 45, 5)).toBe(targets[2]);
    expect(findTarget(targets, 80, 5)).toBe(targets[0]);
    expect(findTarget(targets, 80, 50)).toBeNull();
  });
  it('takes the innermost slice', () => {
    const targets = [slice(0, 100), slice(20, 60)];
    expect(findTarget(targets, 30, 5)).toBe(targets[1]);
  });
});

describe('stageRows', () => {
  it('orders by time and puts what was not seen where it belongs', () => {
    const rows = stageRows(memfd());
    expect(rows.map((row) => row.stage)).toEqual([
      'evict',
      'evict_inode',
      'clear_inode',
      'evict_inode_end',
      'destroy_inode',
      'destroy_op',
      'evict_end',
      'i_callback',
      'free_inode',
    ]);
    expect(rows[1]?.delta).toBe(28_000);
    expect(rows.find((row) => row.stage === 'destroy_op')?.why).toContain('not called');
  });
});

describe('inodeAsText', () => {
  it('fits 80 columns and says what is missing', () => {
    const text = inodeAsText(memfd(), '6.12.117+deb13-cloud-amd64');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text).toContain('2 held, 1 back, 1 owed');
    expect(text).toContain('not called: s_op->destroy_inode');
    expect(text).toContain('evil\\nname');
    expect(text).not.toContain('\t');
  });

  it('lists what is owed and sums up many others', () => {
    const detail = memfd();
    const [back, owed] = detail.hugepages;
    const hugepages = [
      owed!,
      ...Array.from({ length: 63 }, (_, index) => ({ ...back!, index: index + 2 })),
    ];
    const text = inodeAsText({ ...detail, hugepages }, '');
    expect(text).toContain('out of cache, not free, extra refs +1');
    expect(text).toContain('the others: 63 back in pool; the slowest after 48.0 µs');
  });
});
