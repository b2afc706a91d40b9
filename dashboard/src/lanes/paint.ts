import { LANE_CONTEXTS } from '../../../server/protocol/lanes.ts';
import { type Band, DENSITY, HEAD, rowBottom, rowTop } from './bands.ts';
import type { LaneStore } from './laneStore.ts';
import { pixel, type Raster } from './raster.ts';
import { noParts, type Parts, readParts, type Sight, type Window } from './sight.ts';

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

/** All that is no text: gaps, the lanes, and how many there are over time. */
export function paint(raster: Raster, picture: Picture): void {
  const { palette, gaps, window, bands } = picture;
  const { width, height } = raster;
  const perNs = width / (window.to - window.from);
  raster.clear(palette.ground);
  for (const [from, to] of gaps) {
    raster.fill((from - window.from) * perNs, (to - window.from) * perNs, 0, height, palette.gap);
  }
  const densities = paintLanes(raster, picture);
  for (const band of bands) paintDensity(raster, picture, band, densities[band.group]!);
}

const parts = noParts();

/**
 * Each inode once. What is owed comes last: where several inodes share a pixel, the worst of
 * them is seen.
 */
function paintLanes(raster: Raster, picture: Picture): Density[] {
  const { store, sight, window, bands, scale, palette } = picture;
  const { group, lane, begin } = store.columns;
  const { width } = raster;
  const perNs = width / (window.to - window.from);
  const bandOf: (Band | undefined)[] = [];
  for (const band of bands) bandOf[band.group] = band;
  const densities = store.groups.map((_, of) => new Density(width, sight.smallCounts[of]!));
  for (let k = 0; k < sight.small; k++) {
    const i = sight.smallItems[k]!;
    const band = bandOf[group[i]!];
    if (band === undefined) continue;
    const x = Math.floor((begin[i]! - window.from) * perNs);
    const top = rowTop(band, lane[i]!, scale);
    raster.column(x, top, rowBottom(band, lane[i]!, scale, top), palette.wait[1]);
  }
  const owing: number[] = [];
  for (let k = 0; k < sight.large; k++) {
    const i = sight.largeItems[k]!;
    const band = bandOf[group[i]!];
    if (band === undefined) continue;
    readParts(store, i, window.now, parts);
    const top = rowTop(band, lane[i]!, scale);
    const bottom = rowBottom(band, lane[i]!, scale, top);
    paintOne(raster, picture, i, perNs, top, bottom);
    densities[group[i]!]!.add(parts, window, perNs);
    if (parts.tailFrom <= window.now) owing.push(parts.tailFrom, parts.tailTo, top, bottom);
  }
  for (let k = 0; k < owing.length; k += 4) {
    const from = (owing[k]! - window.from) * perNs;
    const to = (owing[k + 1]! - window.from) * perNs;
    raster.fill(from, to, owing[k + 2]!, owing[k + 3]!, palette.owed);
  }
  return densities;
}

/** What `parts` are of. */
function paintOne(
  raster: Raster,
  { store, window, palette, scale }: Picture,
  i: number,
  perNs: number,
  top: number,
  bottom: number,
): void {
  const { from } = window;
  const began = (parts.evictFrom - from) * perNs;
  if (parts.open) {
    const middle = (top + bottom) >> 1;
    return raster.fill(began, (window.now - from) * perNs, middle, middle + 1, palette.open);
  }
  const returned = (parts.evictTo - from) * perNs;
  const waited = (parts.waitTo - from) * perNs;
  if (waited > returned) {
    raster.hatch(returned, waited, top, bottom, palette.wait, Math.round(6 * scale));
  }
  raster.fill(began, returned, top, bottom, palette.evict);
  const inner = (parts.innerFrom - from) * perNs;
  const innerTo = (parts.innerTo - from) * perNs;
  if (innerTo - inner >= 1) raster.fill(inner, innerTo, top, bottom, palette.inner);
  if (parts.freeTo >= parts.freeFrom) {
    const at = (parts.freeFrom - from) * perNs;
    const to = Math.max((parts.freeTo - from) * perNs, at + 2 * scale);
    raster.fill(at, to, top, bottom, palette.free[store.columns.context[i]!]!);
  }
  if (store.columns.tickCount[i] === 0) return;
  const half = Math.max(top, bottom - Math.max(1, Math.round((bottom - top) * 0.55)));
  for (const tick of store.ticksOf(i)) {
    const ns = parts.evictFrom + tick;
    const x = (ns - from) * perNs;
    if (ns <= window.now) raster.fill(x, x + scale, half, bottom, palette.tick);
  }
}

/** How many inodes touch each column of pixels: those that run, wait, owe. */
function paintDensity(raster: Raster, { palette, scale }: Picture, band: Band, of: Density): void {
  const most = of.finish();
  if (most === 0) return;
  const bottom = Math.round((band.top + HEAD + DENSITY - 2) * scale);
  const room = (DENSITY - 4) * scale;
  for (let x = 0; x < raster.width; x++) {
    let y = bottom;
    y = stack(raster, x, y, (of.running[x]! / most) * room, palette.inner);
    y = stack(raster, x, y, (of.waiting[x]! / most) * room, palette.wait[1]);
    stack(raster, x, y, (of.owing[x]! / most) * room, palette.owed);
  }
}

/** Gives where the next one stands. */
function stack(raster: Raster, x: number, bottom: number, high: number, colour: number): number {
  if (high === 0) return bottom;
  const top = bottom - Math.max(1, Math.round(high));
  raster.column(x, top, bottom, colour);
  return top;
}

/** Each inode is in a column once, with the worst of what it does there. */
export class Density {
  readonly running: Int32Array;
  readonly waiting: Int32Array;
  readonly owing: Int32Array;
  readonly #small: Int32Array;
  readonly #width: number;

  /** `small`: by column, those that are narrower than one. */
  constructor(width: number, small: Int32Array) {
    this.#width = width;
    this.#small = small;
    this.running = new Int32Array(width + 1);
    this.waiting = new Int32Array(width + 1);
    this.owing = new Int32Array(width + 1);
  }

  /** Counted where it begins and, with minus, after its end; `finish` adds up. */
  add(of: Parts, { from, now }: Window, perNs: number): void {
    if (of.open || of.last < from) return;
    const width = this.#width;
    const column = (ns: number) => Math.min(width, Math.max(0, Math.floor((ns - from) * perNs)));
    const end = Math.min(width, column(of.last) + 1);
    const tail = of.tailFrom <= now ? column(of.tailFrom) : end;
    // one that begins at the very end is in the last column
    const first = Math.min(width - 1, column(of.evictFrom));
    const wait = of.waitTo > of.waitFrom ? column(of.waitFrom) : tail;
    const mostlyWaits = wait === first && tail - first > 1;
    const ran = mostlyWaits ? first : Math.min(tail, Math.max(wait, first + 1));
    count(this.running, first, ran);
    count(this.waiting, ran, tail);
    count(this.owing, tail, end);
  }

  /** The most of any column. */
  finish(): number {
    let most = 0;
    const { running, waiting, owing } = this;
    for (let at = 1; at < this.#width; at++) {
      running[at]! += running[at - 1]!;
      waiting[at]! += waiting[at - 1]!;
      owing[at]! += owing[at - 1]!;
    }
    for (let at = 0; at < this.#width; at++) {
      waiting[at]! += this.#small[at]!;
      most = Math.max(most, running[at]! + waiting[at]! + owing[at]!);
    }
    return most;
  }
}

/** From one column up to before another. */
function count(columns: Int32Array, from: number, to: number): void {
  if (to <= from) return;
  columns[from]!++;
  columns[to]!--;
}
