import { gapsOf } from '../charts/points.ts';
import { STRIP_HEIGHT, stripOf } from '../parts/strip.tsx';
import type { SeriesBuffer } from '../series.ts';
import { cssColour } from '../theme.ts';
import { fade } from '../timeline/pen.ts';
import type { TimeRange } from '../timeRange.ts';
import { xAt } from './selection.ts';

/** The silhouette of the events, gaps, and what is chosen. */
export function drawLive(
  canvas: HTMLCanvasElement,
  series: SeriesBuffer,
  kept: TimeRange,
  chosen: TimeRange | null,
): void {
  const strip = stripOf(canvas);
  if (strip === null) return;
  const { ctx, width } = strip;
  const x = (ms: number) => xAt(ms, { ...kept, width });
  for (const [from, to] of gapsOf(series.t, series.lost, kept.from)) {
    ctx.fillStyle = fade(cssColour('--bad'), 0.25);
    ctx.fillRect(x(from), 0, Math.max(2, x(to) - x(from)), STRIP_HEIGHT);
  }
  drawRate(ctx, series, x, width);
  ctx.fillStyle = cssColour('--line');
  ctx.fillRect(0, STRIP_HEIGHT - 1, width, 1);
  if (chosen === null) {
    ctx.fillStyle = cssColour('--good');
    ctx.fillRect(width - 2, 0, 2, STRIP_HEIGHT);
    return;
  }
  const [from, to] = [x(chosen.from), Math.max(x(chosen.from) + 2, x(chosen.to))];
  ctx.fillStyle = fade(cssColour('--bg'), 0.65);
  ctx.fillRect(0, 0, from, STRIP_HEIGHT);
  ctx.fillRect(to, 0, width - to, STRIP_HEIGHT);
  ctx.fillStyle = cssColour('--text');
  ctx.fillRect(from, 0, 1.5, STRIP_HEIGHT);
  ctx.fillRect(to - 1.5, 0, 1.5, STRIP_HEIGHT);
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
    const high = Math.max(1, (Math.sqrt(rate) / most) * (STRIP_HEIGHT - 4));
    ctx.fillRect(at, STRIP_HEIGHT - 1 - high, 1, high);
  });
}
