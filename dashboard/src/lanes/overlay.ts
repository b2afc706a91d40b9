import { formatClockMs } from '../format/clock.ts';
import { formatCount } from '../format/number.ts';
import { visibleText } from '../format/visible.ts';
import { cssColour } from '../theme.ts';
import { FONT, fade } from '../timeline/pen.ts';
import { AXIS, type Band, HEAD, rowBottom, rowTop } from './bands.ts';
import type { LaneStore } from './laneStore.ts';
import { noParts, readParts, type Sight, type Window } from './sight.ts';
import { timeTicks } from './timeTicks.ts';

export interface Overlay {
  readonly store: LaneStore;
  readonly sight: Sight;
  readonly bands: readonly Band[];
  readonly window: Window;
  readonly width: number;
  readonly height: number;
  /** Places in the store; -1 without one. */
  readonly selected: number;
  readonly hovered: number;
  /** Where the pointer is; null without one. */
  readonly pointer: number | null;
}

/** Above the pixels: time, names, what is pinned and pointed at. CSS pixels. */
export function drawOverlay(ctx: CanvasRenderingContext2D, overlay: Overlay): void {
  ctx.font = FONT;
  ctx.textBaseline = 'middle';
  drawAxis(ctx, overlay);
  drawNow(ctx, overlay);
  for (const band of overlay.bands) drawHead(ctx, overlay, band);
  drawNames(ctx, overlay);
  outline(ctx, overlay, overlay.hovered, cssColour('--dim'));
  outline(ctx, overlay, overlay.selected, cssColour('--text'));
  drawPointer(ctx, overlay);
}

function xIn({ window, width }: Overlay): (ns: number) => number {
  const perNs = width / (window.to - window.from);
  return (ns) => (ns - window.from) * perNs;
}

function drawAxis(ctx: CanvasRenderingContext2D, overlay: Overlay): void {
  const { store, window, width, height } = overlay;
  const x = xIn(overlay);
  ctx.fillStyle = cssColour('--panel');
  ctx.fillRect(0, 0, width, AXIS);
  ctx.textAlign = 'left';
  for (const { ns, label } of timeTicks(window, store.baseMs, width, 130)) {
    const at = Math.round(x(ns));
    ctx.fillStyle = fade(cssColour('--dim'), 0.22);
    ctx.fillRect(at, 0, 1, height);
    ctx.fillStyle = cssColour('--dim');
    ctx.fillText(label, at + 4, AXIS / 2);
  }
  ctx.fillStyle = cssColour('--line');
  ctx.fillRect(0, AXIS - 1, width, 1);
}

/** Beyond it nothing is known. */
function drawNow(ctx: CanvasRenderingContext2D, overlay: Overlay): void {
  const { window, width, height } = overlay;
  const at = xIn(overlay)(window.now);
  if (at < 0 || at >= width) return;
  ctx.fillStyle = cssColour('--accent');
  ctx.fillRect(Math.round(at), 0, 1, height);
}

function drawHead(ctx: CanvasRenderingContext2D, overlay: Overlay, band: Band): void {
  const { store, sight, width } = overlay;
  const { host, fs } = store.groups[band.group]!;
  const many = new Set(store.groups.map((group) => group.host)).size > 1;
  const name = many ? `${visibleText(host)} ${visibleText(fs)}` : visibleText(fs);
  const count = `${formatCount(sight.counts[band.group]!)} in sight`;
  ctx.fillStyle = cssColour('--line');
  ctx.fillRect(0, band.top, width, 1);
  ctx.textAlign = 'left';
  ctx.fillStyle = cssColour('--text');
  backed(ctx, name, 6, band.top + HEAD / 2 + 1, '--text');
  const shared = band.laneHeight < 1 ? ', several in a pixel' : '';
  backed(ctx, count + shared, 14 + ctx.measureText(name).width, band.top + HEAD / 2 + 1, '--dim');
}

/** Text on a ground of its own: what lies below must not hide it. */
function backed(
  ctx: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  colour: string,
): void {
  ctx.fillStyle = fade(cssColour('--panel'), 0.85);
  ctx.fillRect(x - 2, y - 7, ctx.measureText(text).width + 4, 14);
  ctx.fillStyle = cssColour(colour);
  ctx.fillText(text, x, y);
}

/** Names are written where there is room for them, and not more than one can read. */
const MOST_NAMES = 300;

function drawNames(ctx: CanvasRenderingContext2D, overlay: Overlay): void {
  const { store, sight, bands, window, width } = overlay;
  const { group, lane, comm, ino } = store.columns;
  if ((bands[0]?.laneHeight ?? 0) < 12) return;
  const x = xIn(overlay);
  const digit = ctx.measureText('0').width;
  let written = 0;
  for (let k = 0; k < sight.count && written < MOST_NAMES; k++) {
    const i = sight.items[k]!;
    const band = bands.find((one) => one.group === group[i]);
    if (band === undefined) continue;
    readParts(store, i, window.now, parts);
    // what runs stays to be seen where there is room beside it
    const wide = x(parts.waitTo) - x(parts.waitFrom) > 80;
    const from = Math.max(2, x(wide ? parts.waitFrom : parts.evictFrom) + 6);
    const room = Math.min(width, x(parts.last)) - from;
    const name = visibleText(store.word(comm[i]!)) || `ino ${ino[i]}`;
    const text = name.slice(0, Math.max(0, Math.floor(room / digit)));
    if (text.length < Math.min(4, name.length)) continue;
    const top = rowTop(band, lane[i]!, 1);
    const middle = (top + rowBottom(band, lane[i]!, 1, top)) / 2;
    backed(ctx, text, from, middle + 0.5, '--text');
    written++;
  }
}

const parts = noParts();

function outline(ctx: CanvasRenderingContext2D, overlay: Overlay, i: number, colour: string): void {
  if (i < 0) return;
  const { store, bands, window, width } = overlay;
  const { group, lane } = store.columns;
  const band = bands.find((one) => one.group === group[i]);
  if (band === undefined || (band.rowOf !== null && !(band.rowOf[lane[i]!]! >= 0))) return;
  readParts(store, i, window.now, parts);
  const x = xIn(overlay);
  const from = Math.max(-4, x(parts.evictFrom) - 2);
  const to = Math.min(width + 4, x(parts.last) + 2);
  if (to < 0 || from > width) return;
  const top = rowTop(band, lane[i]!, 1);
  const bottom = rowBottom(band, lane[i]!, 1, top);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  ctx.strokeRect(from, top - 1.5, Math.max(5, to - from), bottom - top + 3);
}

/** The time under the pointer. */
function drawPointer(ctx: CanvasRenderingContext2D, overlay: Overlay): void {
  const { pointer, store, window, width, height } = overlay;
  if (pointer === null) return;
  const ns = window.from + (pointer / width) * (window.to - window.from);
  ctx.fillStyle = fade(cssColour('--dim'), 0.5);
  ctx.fillRect(Math.round(pointer), AXIS, 1, height);
  const text = formatClockMs(store.baseMs + ns / 1e6);
  const wide = ctx.measureText(text).width;
  ctx.textAlign = 'left';
  const at = Math.min(Math.max(2, pointer - wide / 2), width - wide - 2);
  backed(ctx, text, at, AXIS / 2, '--text');
}
