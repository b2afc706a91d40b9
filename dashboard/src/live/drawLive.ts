import { gapsOf } from '../charts/points.ts';
import type { SeriesBuffer } from '../series.ts';
import { cssColour } from '../theme.ts';
import { fade } from '../timeline/pen.ts';
import type { TimeRange } from '../timeRange.ts';
import { xAt } from './selection.ts';

/** CSS pixels. */
export const HEIGHT = 34;

/** The silhouette of the events, gaps, and what is chosen. */
export function drawLive(
  canvas: HTMLCanvasElement,
  series: SeriesBuffer,
  kept: TimeRange,
  chosen: TimeRange | null,
): void {
  const width = canvas.parentElement?.clientWidth ?? 0;
  const ctx = canvas.getContext('2d');
  if (ctx === null || width === 0) return;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(HEIGHT * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${HEIGHT}px`;
  }
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, width, HEIGHT);
  const x = (ms: number) => xAt(ms, { ...kept, width });
  for (const [from, to] of gapsOf(series.t, series.lost, kept.from)) {
    ctx.fillStyle = fade(cssColour('--bad'), 0.25);
    ctx.fillRect(x(from), 0, Math.max(2, x(to) - x(from)), HEIGHT);
  }
  drawRate(ctx, series, x, width);
  ctx.fillStyle = cssColour('--line');
  ctx.fillRect(0, HEIGHT - 1, width, 1);
  if (chosen === null) {
    ctx.fillStyle = cssColour('--good');
    ctx.fillRect(width - 2, 0, 2, HEIGHT);
    return;
  }
  const [from, to] = [x(chosen.from), Math.max(x(chosen.from) + 2, x(chosen.to))];
  ctx.fillStyle = fade(cssColour('--bg'), 0.65);
  ctx.fillRect(0, 0, from, HEIGHT);
  ctx.fillRect(to, 0, width - to, HEIGHT);
  ctx.fillStyle = cssColour('--text');
  ctx.fillRect(from, 0, 1.5, HEIGHT);
  ctx.fillRect(to - 1.5, 0, 1.5, HEIGHT);
}

/** The busiest second of each pixel. One with few events beside one with many is still seen. */
function drawRate(
  ctx: CanvasRenderingContext2D,
  { t, events }: SeriesBuffer,
  x: (ms: number) => number,
  width: number,
): void {
  const columns = new Float64Array(Math.ceil(width));
  t.forEach((ms, i) => {
    // a point is of the second before it
    const from = Math.max(0, Math.floor(x(ms - 1000)));
    const to = Math.min(columns.length, Math.max(from + 1, Math.floor(x(ms))));
    for (let at = from; at < to; at++) columns[at] = Math.max(columns[at]!, events[i]!);
  });
  const most = Math.sqrt(columns.reduce((a, b) => Math.max(a, b), 1));
  ctx.fillStyle = cssColour('--accent');
  columns.forEach((rate, at) => {
    if (rate === 0) return;
    const high = Math.max(1, (Math.sqrt(rate) / most) * (HEIGHT - 4));
    ctx.fillRect(at, HEIGHT - 1 - high, 1, high);
  });
}
