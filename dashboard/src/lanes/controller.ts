import { signal } from '@preact/signals';
import { cancelDraw, requestDraw } from '../frame.ts';
import { cssColour } from '../theme.ts';
import { keepInside, pan, uOf, type Viewport, zoomAt } from '../timeline/viewport.ts';
import { type Band, layBands } from './bands.ts';
import type { LaneStore } from './laneStore.ts';
import { drawOverlay } from './overlay.ts';
import { type Palette, paint, paletteOf } from './paint.ts';
import { neighbour, pick } from './pick.ts';
import { Raster } from './raster.ts';
import { lookAt, noParts, readParts, type Sight } from './sight.ts';

/** What the picture is made of beside the inodes. Wall clock in ms. */
export interface Around {
  readonly now: number;
  /** The whole time there is. */
  readonly begin: number;
  readonly end: number;
  readonly gaps: readonly (readonly [number, number])[];
  /** In a live session the newest are followed; a replay is shown whole. */
  readonly live: boolean;
}

export interface LanesEvents {
  /** What is in sight was chosen, wall clock in ms; null: it follows what comes. */
  readonly onRange: (range: { from: number; to: number } | null) => void;
  readonly onSelect: (id: string) => void;
  readonly onOpen: (id: string) => void;
}

const NONE = new Int32Array(0);
const EMPTY: Sight = {
  ...{ count: 0, items: NONE, large: 0, largeItems: NONE, small: 0, smallItems: NONE },
  ...{ smallCounts: [], lanes: [], counts: [] },
};
const FOLLOWED_NS = 10e9;

/**
 * Owns the canvas of the timeline: what is in sight, what is pointed at. The wheel and the
 * data go from here straight to pixels, once in an animation frame.
 */
export class LanesController {
  /** The inode under the pointer and where it is; null without one. */
  readonly hovered = signal<{ index: number; x: number; y: number } | null>(null);
  /** How many are in sight. */
  readonly inSight = signal(0);
  readonly following = signal(true);
  #canvas: HTMLCanvasElement | null = null;
  #view: Viewport | null = null;
  #followed = FOLLOWED_NS;
  #selected = '';
  #pointer: number | null = null;
  #sight = EMPTY;
  #bands: readonly Band[] = [];
  #raster: Raster | null = null;
  #palette: Palette | null = null;
  #width = 600;
  #stale = true;
  #around: Around = { now: 0, begin: 0, end: 0, gaps: [], live: true };
  readonly #store: LaneStore;
  readonly #events: LanesEvents;
  readonly #readAround: () => Around;
  readonly #draw = () => this.#drawNow();

  constructor(store: LaneStore, readAround: () => Around, events: LanesEvents) {
    this.#store = store;
    this.#events = events;
    this.#readAround = readAround;
  }

  attach(canvas: HTMLCanvasElement): () => void {
    this.#canvas = canvas;
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(canvas.parentElement!);
    return () => {
      observer.disconnect();
      cancelDraw(this.#draw);
      this.#canvas = null;
    };
  }

  /** Data, time or colours are others. */
  redraw(): void {
    this.#stale = true;
    requestDraw(this.#draw);
  }

  recolour(): void {
    this.#palette = null;
    this.redraw();
  }

  select(id: string): void {
    this.#selected = id;
    requestDraw(this.#draw);
  }

  /** From the address; null: follow. */
  showRange(range: { from: number; to: number } | null): void {
    this.following.value = range === null;
    this.#view = range === null ? null : { from: this.#ns(range.from), to: this.#ns(range.to) };
    this.#wanted = range;
    this.redraw();
  }

  follow(): void {
    this.#events.onRange(null);
    this.showRange(null);
  }

  /** All there is. */
  fit(): void {
    const { from, to } = this.#bounds();
    if (this.#around.live) this.#show({ from, to });
    else this.follow();
  }

  /** Closer with a factor below 1, at `x` or the middle; what is followed stays followed. */
  zoom(factor: number, x?: number): void {
    if (x === undefined && this.following.peek() && this.#around.live) {
      const most = this.#around.end - this.#around.begin;
      this.#followed = Math.min(Math.max(this.#followed * factor, 1e6), Math.max(1e9, most * 1e6));
      return this.redraw();
    }
    const view = this.#sightWindow();
    const at = x === undefined ? (view.from + view.to) / 2 : uOf(view, x, this.#width);
    this.#show(zoomAt(view, factor, at, this.#bounds()));
  }

  /** Moves by a share of what is in sight. */
  move(share: number): void {
    const view = this.#sightWindow();
    this.#show(pan(view, (view.to - view.from) * share, this.#bounds()));
  }

  drag(pixels: number): void {
    this.move(-pixels / this.#width);
  }

  point(x: number, y: number): void {
    this.#pointer = x;
    const index = this.#pick(x, y);
    const before = this.hovered.peek();
    this.hovered.value = index < 0 ? null : { index, x, y };
    if (index >= 0 || before !== null || y >= 0) requestDraw(this.#draw);
  }

  leave(): void {
    this.#pointer = null;
    this.hovered.value = null;
    requestDraw(this.#draw);
  }

  /** Pins what is there, or takes the pin away. */
  click(x: number, y: number): void {
    const index = this.#pick(x, y);
    this.#events.onSelect(index < 0 ? '' : this.#store.idOf(index));
  }

  doubleClick(x: number, y: number): void {
    const index = this.#pick(x, y);
    if (index >= 0) this.#events.onOpen(this.#store.idOf(index));
  }

  /** To the inode that began next, or before; brought into sight. */
  step(by: 1 | -1): void {
    const from = this.#selected === '' ? -1 : this.#store.indexOf(this.#selected);
    const index = neighbour(this.#store, from, by);
    if (index < 0) return;
    this.#events.onSelect(this.#store.idOf(index));
    const view = this.#sightWindow();
    const begin = this.#store.columns.begin[index]!;
    if (begin >= view.from && begin <= view.to) return;
    const half = (view.to - view.from) / 2;
    this.#show(keepInside({ from: begin - half, to: begin + half }, this.#bounds()));
  }

  /** The selected one, as wide as the canvas. */
  zoomToSelected(): void {
    const index = this.#selected === '' ? -1 : this.#store.indexOf(this.#selected);
    if (index < 0) return;
    readParts(this.#store, index, this.#ns(this.#around.now), parts);
    const air = Math.max(1000, parts.last - parts.evictFrom) * 0.2;
    this.#show({ from: parts.evictFrom - air, to: parts.last + air });
  }

  /** The selected inode, else -1. */
  get selectedIndex(): number {
    return this.#selected === '' ? -1 : this.#store.indexOf(this.#selected);
  }

  /** Those in sight, the oldest first. */
  inSightNow(): number[] {
    const { begin } = this.#store.columns;
    return [...this.#sight.items.subarray(0, this.#sight.count)].sort(
      (a, b) => begin[a]! - begin[b]!,
    );
  }

  /** What is in sight, wall clock in ms. */
  rangeInSight(): { from: number; to: number } {
    const { from, to } = this.#sightWindow();
    return { from: this.#ms(from), to: this.#ms(to) };
  }

  #wanted: { from: number; to: number } | null = null;

  #show(view: Viewport): void {
    this.#view = view;
    this.following.value = false;
    this.#wanted = null;
    this.#events.onRange({ from: this.#ms(view.from), to: this.#ms(view.to) });
    this.redraw();
  }

  #pick(x: number, y: number): number {
    const window = { ...this.#sightWindow(), now: this.#ns(this.#around.now) };
    const from = { store: this.#store, sight: this.#sight, bands: this.#bands, window };
    return pick({ ...from, width: this.#width }, x, y);
  }

  #sightWindow(): Viewport {
    // the zero of the store is known only when the first inode has come
    if (this.#wanted !== null) {
      return { from: this.#ns(this.#wanted.from), to: this.#ns(this.#wanted.to) };
    }
    if (this.#view !== null) return this.#view;
    if (!this.#around.live) return this.#bounds();
    const now = this.#ns(this.#around.now);
    return { from: now - this.#followed, to: now + this.#followed * 0.02 };
  }

  #bounds(): Viewport {
    const from = this.#ns(this.#around.begin);
    const to = Math.max(this.#ns(this.#around.end), from + 1e6);
    const air = (to - from) * 0.01;
    return { from: from - air, to: to + air };
  }

  #ns(ms: number): number {
    return (ms - this.#store.baseMs) * 1e6;
  }

  #ms(ns: number): number {
    return this.#store.baseMs + ns / 1e6;
  }

  #drawNow(): void {
    const canvas = this.#canvas;
    const ctx = canvas?.getContext('2d');
    if (!canvas || !ctx) return;
    const room = canvas.parentElement!;
    const [width, height] = [Math.max(200, room.clientWidth), Math.max(120, room.clientHeight)];
    const scale = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== high || this.#raster === null) {
      canvas.width = wide;
      canvas.height = high;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      this.#raster = new Raster(wide, high);
      this.#stale = true;
    }
    this.#width = width;
    if (this.#stale) this.#paint(this.#raster, height, scale);
    const { raster, store, sight, bands, window } = { ...this.#picture(), raster: this.#raster };
    const { buffer } = raster.pixels;
    ctx.putImageData(new ImageData(new Uint8ClampedArray(buffer), wide, high), 0, 0);
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    drawOverlay(ctx, {
      store,
      sight,
      bands,
      window,
      width,
      height,
      selected: this.selectedIndex,
      hovered: this.hovered.peek()?.index ?? -1,
      pointer: this.#pointer,
    });
  }

  #paint(raster: Raster, height: number, scale: number): void {
    this.#stale = false;
    this.#around = this.#readAround();
    this.#palette ??= paletteOf(cssColour);
    const { window, store } = this.#picture();
    this.#sight = lookAt(store, window, raster.width);
    this.#bands = layBands(this.#sight.lanes, orderOf(store), height);
    const gaps = this.#around.gaps.map(([a, b]) => [this.#ns(a), this.#ns(b)] as const);
    paint(raster, { ...this.#picture(), gaps, scale, palette: this.#palette });
    if (this.inSight.peek() !== this.#sight.count) this.inSight.value = this.#sight.count;
  }

  #picture() {
    const window = { ...this.#sightWindow(), now: this.#ns(this.#around.now) };
    return { store: this.#store, sight: this.#sight, bands: this.#bands, window };
  }
}

const parts = noParts();

/** The filesystems this is about come first. */
function orderOf(store: LaneStore): number[] {
  const rank = (fs: string) => {
    const at = ['hugetlbfs', 'guest_memfd'].indexOf(fs);
    return at < 0 ? 9 : at;
  };
  const { groups } = store;
  return groups
    .map((_, i) => i)
    .sort((a, b) => {
      const [one, other] = [groups[a]!, groups[b]!];
      const byFs = rank(one.fs) - rank(other.fs) || one.fs.localeCompare(other.fs);
      return one.host.localeCompare(other.host) || byFs;
    });
}
