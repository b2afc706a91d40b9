import { LANE_CONTEXTS } from '../../../server/protocol/lanes.ts';
import { type Band, DENSITY, HEAD, rowBottom, rowTop } from './bands.ts';
import type { LaneStore } from './laneStore.ts';
import { pixel, type Raster } from './raster.ts';
import { noParts, readParts, type Sight, type Window } from './sight.ts';

/** Pixels of each colour, made once for a theme. */
export interface Palette {
  readonly ground: number;
  readonly evict: number;
  readonly inner: number;
  readonly wait: readonly [ground: number, line: number];
  /** By place in LANE_CONTEXTS. */
  readonly free: readonly number[];
  readonly open: number;
  readonly tick: number;
  readonly owed: number;
  readonly lost: number;
  readonly gap: number;
}

/** `colour`: of the style sheet, `#rrggbb`. */
export function paletteOf(colour: (name: string) => string): Palette {
  const ground = colour('--panel');
  const mix = (name: string, alpha: number) => pixel(colour(name), alpha, ground);
  const free: Record<string, string> = {
    softirq: '--softirq',
    ksoftirqd: '--softirq',
    'rcu-thread': '--thread',
    task: '--task',
  };
  return {
    ground: pixel(ground),
    evict: mix('--task', 0.55),
    inner: mix('--task', 0.95),
    wait: [mix('--waiting', 0.16), mix('--waiting', 0.6)],
    free: LANE_CONTEXTS.map((context) => mix(free[context] ?? '--dim', 1)),
    open: mix('--dim', 0.7),
    tick: mix('--good', 1),
    owed: mix('--bad', 0.9),
    lost: mix('--dim', 0.35),
    gap: mix('--bad', 0.13),
  };
}

export interface Picture {
  readonly store: LaneStore;
  readonly sight: Sight;
  readonly bands: readonly Band[];
  readonly window: Window;
  /** Stretches with losses, ns since the store's zero. */
  readonly gaps: readonly (readonly [number, number])[];
  /** Device pixels of a CSS pixel. */
  readonly scale: number;
  readonly palette: Palette;
}

/** All that is no text: gaps, how many there are over time, and the lanes. */
export function paint(raster: Raster, picture: Picture): void {
  const { palette, gaps, window } = picture;
  const { width, height } = raster;
  const x = toX(window, width);
  raster.clear(palette.ground);
  for (const [from, to] of gaps) raster.fill(x(from), x(to), 0, height, palette.gap);
  paintLanes(raster, picture);
  paintDensity(raster, picture);
}

function toX({ from, to }: Window, width: number): (ns: number) => number {
  const perNs = width / (to - from);
  return (ns) => (ns - from) * perNs;
}

/**
 * What waits is drawn first, then what runs, then what is owed: where several inodes share
 * a pixel, the worst of them is seen.
 */
function paintLanes(raster: Raster, picture: Picture): void {
  const { store, sight, window, bands, scale } = picture;
  const { group, lane } = store.columns;
  const bandOf: (Band | undefined)[] = [];
  for (const band of bands) bandOf[band.group] = band;
  const x = toX(window, raster.width);
  for (const pass of [paintWaiting, paintRunning, paintOwed]) {
    for (let k = 0; k < sight.count; k++) {
      const i = sight.items[k]!;
      const band = bandOf[group[i]!];
      if (band === undefined) continue;
      readParts(store, i, window.now, parts);
      const top = rowTop(band, lane[i]!, scale);
      pass(raster, picture, i, x, top, rowBottom(band, lane[i]!, scale, top));
    }
  }
}

type Pass = (
  raster: Raster,
  picture: Picture,
  i: number,
  x: (ns: number) => number,
  top: number,
  bottom: number,
) => void;

const parts = noParts();

const paintWaiting: Pass = (raster, { window, palette, scale }, _i, x, top, bottom) => {
  if (parts.open) {
    const middle = (top + bottom) >> 1;
    raster.fill(x(parts.evictFrom), x(window.now), middle, middle + 1, palette.open);
  } else if (parts.waitTo > parts.waitFrom) {
    const pitch = Math.round(6 * scale);
    raster.hatch(x(parts.waitFrom), x(parts.waitTo), top, bottom, palette.wait, pitch);
  }
};

const paintRunning: Pass = (raster, { store, palette, scale }, i, x, top, bottom) => {
  if (parts.open) return;
  const from = x(parts.evictFrom);
  const to = x(parts.evictTo);
  const waits = parts.waitTo - parts.waitFrom;
  // of what is smaller than two pixels, what it mostly does
  if (x(parts.waitTo) - from < 2 && waits > parts.evictTo - parts.evictFrom) {
    raster.fill(from, from + 1, top, bottom, palette.wait[1]);
    return;
  }
  raster.fill(from, to, top, bottom, palette.evict);
  const inner = x(parts.innerFrom);
  if (x(parts.innerTo) - inner >= 1) {
    raster.fill(inner, x(parts.innerTo), top, bottom, palette.inner);
  }
  if (parts.freeTo >= parts.freeFrom) {
    const at = x(parts.freeFrom);
    const wide = Math.max(x(parts.freeTo), at + 2 * scale);
    raster.fill(at, wide, top, bottom, palette.free[store.columns.context[i]!]!);
  }
};

const paintOwed: Pass = (raster, { store, window, palette, scale }, i, x, top, bottom) => {
  const { begin, tickCount } = store.columns;
  if (parts.tailFrom <= window.now) {
    raster.fill(x(parts.tailFrom), x(window.now), top, bottom, palette.owed);
  }
  if (tickCount[i] === 0) return;
  const half = Math.max(top, bottom - Math.max(1, Math.round((bottom - top) * 0.55)));
  for (const tick of store.ticksOf(i)) {
    const at = begin[i]! + tick;
    if (at <= window.now) raster.fill(x(at), x(at) + scale, half, bottom, palette.tick);
  }
};

/** How many inodes touch each column of pixels: those that run, wait, owe. */
function paintDensity(raster: Raster, picture: Picture): void {
  const { bands, palette, scale } = picture;
  for (const band of bands) {
    const { running, waiting, owing, most } = densityOf(picture, band.group, raster.width);
    if (most === 0) continue;
    const bottom = Math.round((band.top + HEAD + DENSITY - 2) * scale);
    const room = (DENSITY - 4) * scale;
    for (let x = 0; x < raster.width; x++) {
      let y = bottom;
      for (const [counts, colour] of [
        [running, palette.inner],
        [waiting, palette.wait[1]],
        [owing, palette.owed],
      ] as const) {
        if (counts[x] === 0) continue;
        const high = Math.max(1, Math.round((counts[x]! / most) * room));
        raster.fill(x, x + 1, y - high, y, colour);
        y -= high;
      }
    }
  }
}

export interface Density {
  readonly running: Int32Array;
  readonly waiting: Int32Array;
  readonly owing: Int32Array;
  /** Of any column. */
  readonly most: number;
}

/** Each inode is in a column once, with the worst of what it does there. */
export function densityOf(
  { store, sight, window }: Pick<Picture, 'store' | 'sight' | 'window'>,
  group: number,
  width: number,
): Density {
  const [running, waiting, owing] = [0, 0, 0].map(() => new Int32Array(width + 1)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const x = toX(window, width);
  const column = (ns: number) => Math.min(width, Math.max(0, Math.floor(x(ns))));
  /** From one column up to before another. */
  const count = (columns: Int32Array, from: number, to: number) => {
    if (to <= from) return;
    columns[from]!++;
    columns[to]!--;
  };
  for (let k = 0; k < sight.count; k++) {
    const i = sight.items[k]!;
    if (store.columns.group[i] !== group) continue;
    readParts(store, i, window.now, parts);
    if (parts.open || parts.last < window.from) continue;
    const end = Math.min(width, column(parts.last) + 1);
    const tail = parts.tailFrom <= window.now ? column(parts.tailFrom) : end;
    const from = column(parts.evictFrom);
    const wait = parts.waitTo > parts.waitFrom ? column(parts.waitFrom) : tail;
    const mostlyWaits = wait === from && tail - from > 1;
    const ran = mostlyWaits ? from : Math.min(tail, Math.max(wait, from + 1));
    count(running, from, ran);
    count(waiting, ran, tail);
    count(owing, tail, end);
  }
  let most = 0;
  for (const columns of [running, waiting, owing]) {
    for (let at = 1; at < width; at++) columns[at]! += columns[at - 1]!;
  }
  for (let at = 0; at < width; at++) {
    most = Math.max(most, running[at]! + waiting[at]! + owing[at]!);
  }
  return { running, waiting, owing, most };
}
