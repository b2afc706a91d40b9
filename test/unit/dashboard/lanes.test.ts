/** The pure parts of the timeline of many inodes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layBands, rowBottom, rowTop } from '../../../dashboard/src/lanes/bands.ts';
import { LaneStore } from '../../../dashboard/src/lanes/laneStore.ts';
import { LanePacker } from '../../../dashboard/src/lanes/packer.ts';
import { Density } from '../../../dashboard/src/lanes/paint.ts';
import { neighbour, pick } from '../../../dashboard/src/lanes/pick.ts';
import { pixel, Raster } from '../../../dashboard/src/lanes/raster.ts';
import { lookAt, noParts, readParts } from '../../../dashboard/src/lanes/sight.ts';
import { timeTicks } from '../../../dashboard/src/lanes/timeTicks.ts';
import { LANE_STAGES, type LaneStage, type LanesBlock } from '../../../server/protocol/lanes.ts';

const lives = fc.array(
  fc.record({ begin: fc.nat(2000), length: fc.integer({ min: 1, max: 300 }) }),
  { maxLength: 300 },
);

describe('LanePacker', () => {
  it('never gives a lane twice at a time, and needs no more lanes than live at once', () => {
    fc.assert(
      fc.property(lives, (any) => {
        const sorted = any.toSorted((a, b) => a.begin - b.begin);
        const packer = new LanePacker();
        const taken: { begin: number; end: number; lane: number }[] = [];
        for (const { begin, length } of sorted) {
          const end = begin + length;
          const lane = packer.take(begin, end);
          for (const other of taken) {
            if (other.lane === lane) expect(other.end).toBeLessThanOrEqual(begin);
          }
          taken.push({ begin, end, lane });
        }
        const atOnce = Math.max(
          0,
          ...taken.map(
            ({ begin }) => taken.filter((o) => o.begin <= begin && begin < o.end).length,
          ),
        );
        expect(packer.lanes).toBe(atOnce);
      }),
    );
  });

  it('keeps a lane for whoever has not ended', () => {
    const packer = new LanePacker();
    expect(packer.take(0, Number.POSITIVE_INFINITY)).toBe(0);
    expect(packer.take(10, 20)).toBe(1);
    packer.ends(0, Number.POSITIVE_INFINITY, 30);
    expect([packer.take(25, 40), packer.take(30, 50)]).toEqual([1, 0]);
  });
});

/** Inodes that evict for `ran` and wait until `end`, ns. */
function blockOf(
  inodes: readonly { number: number; begin: number; ran: number; end: number | null }[],
  reset = false,
): LanesBlock {
  const column = <T>(value: T) => inodes.map(() => value);
  const stages = Object.fromEntries<number[]>(
    LANE_STAGES.map((stage) => [stage, column(-1)]),
  ) as Record<LaneStage, number[]>;
  Object.assign(stages, {
    evict_inode: column(1),
    destroy_inode: inodes.map(({ ran }) => ran),
    i_callback: inodes.map(({ begin, end }) => (end === null ? -1 : end - begin)),
  });
  const epoch = {
    ...{ epoch: 0, host: 'h', zero_ms: 1000, words: ['hugetlbfs', '0:1', 'task'] },
    number: inodes.map(({ number }) => number),
    ...{ fs: column(0), dev: column(1), comm: column(2), ino: column(7), pid: column(1) },
    state: inodes.map(({ end }) => (end === null ? 2 : 3)),
    ...{ context: column(1), doubtful: column(0), begin: inodes.map(({ begin }) => begin) },
    stages,
    ...{ pages: column(0), owed: column(0), backs: column(0), back: [], gone: [] },
  };
  return { reset, pending: 0, left_out: 0, epochs: [epoch] };
}

describe('LaneStore', () => {
  it('takes an inode that has changed in the place where it was', () => {
    const store = new LaneStore();
    store.apply(blockOf([{ number: 5, begin: 100, ran: 10, end: null }], true));
    expect(store.columns.end[0]).toBe(Number.POSITIVE_INFINITY);
    store.apply(blockOf([{ number: 5, begin: 100, ran: 10, end: 900 }]));
    expect([store.count, store.columns.end[0], store.indexOf('0.5')]).toEqual([1, 900, 0]);
    store.apply(blockOf([{ number: 9, begin: 200, ran: 10, end: 950 }], true));
    expect([store.count, store.indexOf('0.5'), store.indexOf('0.9')]).toEqual([1, -1, 0]);
  });

  it('stays bounded, forgets the oldest first and says how many', () => {
    const store = new LaneStore(100);
    for (let number = 1; number <= 1000; number++) {
      const begin = number * 1e9;
      store.apply(blockOf([{ number, begin, ran: 1000, end: begin + 2e6 }], number === 1));
    }
    expect(store.count).toBeLessThanOrEqual(100);
    expect(store.count + store.forgotten).toBe(1000);
    expect(store.indexOf('0.1000')).toBe(store.count - 1);
    expect(store.indexOf('0.1')).toBe(-1);
    // whoever has not ended is still known after that
    const last = { number: 1000, begin: 1000e9, ran: 1000, end: 1001e9 };
    store.apply(blockOf([last]));
    expect(store.columns.end[store.count - 1]).toBe(1001e9);
  });
});

const parts = noParts();

/** Many, in any order of time. */
const crowd = fc
  .array(
    fc.record({ begin: fc.nat(5000), ran: fc.integer({ min: 1, max: 40 }), waits: fc.nat(200) }),
    {
      minLength: 1,
      maxLength: 120,
    },
  )
  .map((any) => {
    const store = new LaneStore();
    const inodes = any.map(({ begin, ran, waits }, i) => {
      return { number: i + 1, begin, ran, end: begin + ran + waits };
    });
    store.apply(blockOf(inodes, true));
    return { store, inodes };
  });

describe('what is in sight', () => {
  it('has what was owed after the end: up to now, or until it came back', () => {
    const store = new LaneStore();
    const block = blockOf([{ number: 1, begin: 0, ran: 10, end: 100 }], true);
    const [epoch] = block.epochs;
    store.apply({ ...block, epochs: [{ ...epoch!, owed: [2] }] });
    readParts(store, 0, 5000, parts);
    expect([parts.freeTo, parts.tailFrom, parts.tailTo, parts.last]).toEqual([
      100, 100, 5000, 5000,
    ]);
    store.apply({ ...block, reset: false, epochs: [{ ...epoch!, backs: [2], back: [50, 900] }] });
    readParts(store, 0, 5000, parts);
    expect([parts.tailFrom, parts.tailTo, parts.last]).toEqual([100, 900, 900]);
    expect([...store.ticksOf(0)]).toEqual([50, 900]);
  });

  it('is what overlaps it', () => {
    fc.assert(
      fc.property(
        crowd,
        fc.nat(5000),
        fc.integer({ min: 1, max: 3000 }),
        ({ store, inodes }, from, span) => {
          const window = { from, to: from + span, now: 9000 };
          const sight = lookAt(store, window, 500);
          const wanted = inodes.filter((one) => one.begin <= window.to && one.end >= from);
          expect(sight.count).toBe(wanted.length);
          const density = new Density(500, sight.smallCounts[0]!);
          for (let k = 0; k < sight.large; k++) {
            readParts(store, sight.largeItems[k]!, window.now, parts);
            density.add(parts, window, 500 / span);
          }
          const most = density.finish();
          expect(most).toBeLessThanOrEqual(wanted.length);
          expect(most > 0).toBe(wanted.length > 0);
        },
      ),
    );
  });

  it.each([
    ['begins', 9, 12],
    ['ends', 2, 4],
  ])('has what %s at its edge', (_, begin, end) => {
    const store = new LaneStore();
    store.apply(blockOf([{ number: 1, begin, ran: 1, end }], true));
    const window = { from: 4, to: 9, now: 9000 };
    expect(lookAt(store, window, 500).count).toBe(1);
    const density = new Density(500, new Int32Array(500));
    readParts(store, 0, window.now, parts);
    density.add(parts, window, 500 / 5);
    expect(density.finish()).toBe(1);
  });

  it('is found again where it is drawn', () => {
    fc.assert(
      fc.property(crowd, ({ store }) => {
        const window = { from: -10, to: 6000, now: 9000 };
        const sight = lookAt(store, window, 500);
        const bands = layBands(sight.lanes, [0], 2400);
        const { begin, lane } = store.columns;
        for (let i = 0; i < store.count; i++) {
          const x = ((begin[i]! + 0.5 - window.from) / (window.to - window.from)) * 6010;
          const top = rowTop(bands[0]!, lane[i]!, 1);
          const found = pick({ store, sight, bands, window, width: 6010 }, x, top + 0.5);
          expect(lane[found]).toBe(lane[i]);
          expect(Math.abs(begin[found]! - begin[i]!)).toBeLessThanOrEqual(240);
        }
      }),
    );
  });

  it('is gone through by keys, each inode once, in the order of time', () => {
    fc.assert(
      fc.property(crowd, ({ store }) => {
        const { begin } = store.columns;
        let at = neighbour(store, -1, 1);
        for (
          let before = neighbour(store, at, -1);
          before >= 0;
          before = neighbour(store, at, -1)
        ) {
          expect(begin[before]!).toBeLessThanOrEqual(begin[at]!);
          at = before;
        }
        const seen = new Set([at]);
        for (let next = neighbour(store, at, 1); next >= 0; next = neighbour(store, next, 1)) {
          expect(seen.has(next)).toBe(false);
          seen.add(next);
        }
        expect(seen.size).toBe(store.count);
      }),
    );
  });
});

describe('bands', () => {
  it('fit into the height and share pixels when they must', () => {
    const lanes = [new Uint8Array(30_000).fill(1), new Uint8Array(3).fill(1)];
    const bands = layBands(lanes, [0, 1], 500);
    const last = bands.at(-1)!;
    expect(last.lanesTop + last.rows * last.laneHeight).toBeLessThanOrEqual(500);
    const top = rowTop(bands[0]!, 29_999, 2);
    expect(rowBottom(bands[0]!, 29_999, 2, top)).toBe(top + 1);
  });

  it('give room only to lanes that have something in sight, where it is scarce', () => {
    const lanes = new Uint8Array(30_000);
    lanes[29_000] = 1;
    const [band] = layBands([lanes], [0], 500);
    expect([band!.rows, band!.laneHeight, band!.rowOf![29_000]]).toEqual([1, 17, 0]);
  });
});

describe('Raster', () => {
  it('draws nothing outside, and at least a pixel inside', () => {
    const raster = new Raster(10, 4);
    const red = pixel('#ff0000');
    raster.fill(-5, -2, 0, 4, red);
    raster.fill(12, 15, 0, 4, red);
    expect(raster.pixels.some((one) => one === red)).toBe(false);
    raster.fill(3.2, 3.3, 1, 2, red);
    expect(
      [...raster.pixels].map((one, at) => (one === red ? at : -1)).filter((at) => at >= 0),
    ).toEqual([13]);
    raster.hatch(-3, 99, -1, 99, [red, red], 6);
    expect(raster.pixels.every((one) => one === red)).toBe(true);
  });

  it('mixes colours as ImageData has them', () => {
    expect(pixel('#102030')).toBe(0xff302010);
    expect(pixel('#ffffff', 0.5, '#000000')).toBe(0xff808080);
  });
});

describe('timeTicks', () => {
  it('marks round times of the clock, in order, none twice', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1.6e12, max: 1.9e12 }),
        fc.double({ min: 0, max: 1e12, noNaN: true }),
        fc.double({ min: 2, max: 12, noNaN: true }),
        (baseMs, from, power) => {
          const to = from + 10 ** power;
          const ticks = timeTicks({ from, to }, baseMs, 1200, 120);
          expect(ticks.length).toBeLessThanOrEqual(12);
          expect(ticks.length).toBeGreaterThan(0);
          expect(new Set(ticks.map(({ label }) => label)).size).toBe(ticks.length);
          for (const { ns } of ticks) {
            expect(ns).toBeGreaterThanOrEqual(from - 1);
            expect(ns).toBeLessThanOrEqual(to + 1);
          }
        },
      ),
    );
  });

  it('says no more digits than it needs', () => {
    const labels = (span: number) =>
      timeTicks({ from: 0, to: span }, Date.UTC(2026, 0, 1, 10, 0, 0), 600, 200).map(
        ({ label }) => label,
      );
    expect(labels(30e9)).toEqual(['10:00:00', '10:00:10', '10:00:20', '10:00:30']);
    expect(labels(3e6)).toEqual(['10:00:00.000', '10:00:00.001', '10:00:00.002', '10:00:00.003']);
  });
});
