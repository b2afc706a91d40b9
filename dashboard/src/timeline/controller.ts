import { signal } from '@preact/signals';
import { cancelDraw, requestDraw } from '../frame.ts';
import { drawScene, sceneHeight } from './draw.ts';
import { findTarget, type Target } from './hit.ts';
import { longWait, type TimelineLayout } from './layout.ts';
import { GUTTER, MINIMAP, takePen } from './pen.ts';
import { fitAll, keepInside, pan, uOf, type Viewport, zoomAt } from './viewport.ts';
import { linearWarp, squeezedWarp, toNs, toU, type Warp } from './warp.ts';

/**
 * Owns the canvas of one timeline: what is in sight, what the pointer is over.
 * Everything that moves goes from here straight to the canvas in one animation frame.
 */
export class TimelineController {
  /** What the pointer (or the arrow keys) rest on, for the tooltip and the lists. */
  readonly hovered = signal<{ target: Target; x: number; y: number } | null>(null);
  readonly squeeze = signal(true);
  #canvas: HTMLCanvasElement | null = null;
  #layout: TimelineLayout | null = null;
  #warp: Warp = linearWarp(0, 1);
  #bounds: Viewport = { from: 0, to: 1 };
  /** What is shown first: the end of the inode, without how it was born. */
  #home: Viewport = { from: 0, to: 1 };
  /** A fixed window, or one that moves along while the inode's end is not over. */
  #view: Viewport | 'end' | 'whole' = 'end';
  #targets: Target[] = [];
  #mark: number | null = null;
  #cursor: number | null = null;
  #width = 600;
  readonly #draw = () => this.#drawNow();

  attach(canvas: HTMLCanvasElement): () => void {
    this.#canvas = canvas;
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(canvas.parentElement ?? canvas);
    return () => {
      observer.disconnect();
      cancelDraw(this.#draw);
      this.#canvas = null;
    };
  }

  /** New evidence of the same inode keeps what is in sight; `fresh` starts at its end. */
  setLayout(layout: TimelineLayout, fresh: boolean): void {
    if (fresh) {
      this.#view = 'end';
      this.#mark = null;
      this.leave();
    }
    const times = typeof this.#view === 'string' ? null : this.#visibleTimes(this.#view);
    this.#layout = layout;
    this.#rebuild();
    if (times) this.#view = { from: toU(this.#warp, times[0]), to: toU(this.#warp, times[1]) };
    this.redraw();
  }

  setSqueeze(squeeze: boolean): void {
    this.squeeze.value = squeeze;
    this.#rebuild();
    this.#view = 'end';
    this.redraw();
  }

  /** From evict to the last event. */
  showEnd(): void {
    this.#view = 'end';
    this.redraw();
  }

  showWholeLife(): void {
    this.#view = 'whole';
    this.redraw();
  }

  /** Shows the time between two moments. */
  show(from: number, to: number): void {
    const wanted = fitAll(toU(this.#warp, from), toU(this.#warp, to));
    this.#view = zoomAt(wanted, 1, (wanted.from + wanted.to) / 2, this.#bounds);
    this.redraw();
  }

  zoom(factor: number, x?: number): void {
    const view = this.#sight();
    const room = this.#width - GUTTER;
    const at = x === undefined ? this.#middle(view) : uOf(view, Math.max(0, x - GUTTER), room);
    this.#view = zoomAt(view, factor, at, this.#bounds);
    this.redraw();
  }

  /** Moves by a share of what is in sight. */
  move(share: number): void {
    const view = this.#sight();
    this.#view = pan(view, (view.to - view.from) * share, this.#bounds);
    this.redraw();
  }

  drag(pixels: number, inMinimap: boolean): void {
    const share = pixels / (this.#width - GUTTER);
    const view = this.#sight();
    const whole = this.#bounds.to - this.#bounds.from;
    this.move(inMinimap ? (share * whole) / (view.to - view.from) : -share);
  }

  isMinimap(y: number): boolean {
    return y < MINIMAP;
  }

  point(x: number, y: number): void {
    const target = findTarget(this.#targets, x, y);
    const inside = x >= GUTTER && y >= MINIMAP;
    // The line sticks to an event under the pointer, so that differences are exact.
    this.#cursor = !inside ? null : (target?.instant?.ns ?? this.#timeAt(x));
    this.hovered.value = target && inside ? { target, x, y } : null;
    this.redraw();
  }

  leave(): void {
    this.#cursor = null;
    this.hovered.value = null;
    this.redraw();
  }

  /** Pins the line at the pointer: from then on the pointer shows the distance to it. */
  pin(x: number, y: number): void {
    if (x < GUTTER || y < MINIMAP) return;
    const at = findTarget(this.#targets, x, y)?.instant?.ns ?? this.#timeAt(x);
    this.#mark = this.#mark === null ? at : null;
    this.redraw();
  }

  /** A line at a moment, from the lists beside the picture. */
  highlight(ns: number | null): void {
    this.#cursor = ns;
    this.redraw();
  }

  redraw(): void {
    requestDraw(this.#draw);
  }

  #drawNow(): void {
    const canvas = this.#canvas;
    const layout = this.#layout;
    if (!canvas || !layout) return;
    const width = Math.max(320, canvas.parentElement?.clientWidth ?? 600);
    const height = sceneHeight(layout);
    const ratio = devicePixelRatio || 1;
    this.#width = width;
    if (
      canvas.width !== Math.round(width * ratio) ||
      canvas.height !== Math.round(height * ratio)
    ) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const ctx = canvas.getContext('2d');
    if (!ctx) return;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#targets = drawScene(takePen(ctx), {
      layout,
      warp: this.#warp,
      view: this.#sight(),
      bounds: this.#bounds,
      width,
      mark: this.#mark,
      cursor: this.#cursor,
    });
  }

  #rebuild(): void {
    const layout = this.#layout;
    if (!layout) return;
    this.#warp = this.squeeze.value
      ? squeezedWarp(layout.times, longWait(layout), layout.evict)
      : linearWarp(layout.from, layout.to);
    const end = toU(this.#warp, layout.to);
    this.#bounds = fitAll(toU(this.#warp, layout.from), end);
    this.#home = keepInside(fitAll(toU(this.#warp, layout.endFrom), end), this.#bounds);
  }

  #sight(): Viewport {
    if (this.#view === 'end') return this.#home;
    return this.#view === 'whole' ? this.#bounds : this.#view;
  }

  #visibleTimes(view: Viewport): [from: number, to: number] {
    return [toNs(this.#warp, view.from), toNs(this.#warp, view.to)];
  }

  #middle(view: Viewport): number {
    return this.#cursor === null ? (view.from + view.to) / 2 : toU(this.#warp, this.#cursor);
  }

  #timeAt(x: number): number {
    return toNs(this.#warp, uOf(this.#sight(), x - GUTTER, this.#width - GUTTER));
  }
}
