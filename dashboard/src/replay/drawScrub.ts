import type { ReplayMarks, ReplayStatus } from '../../../server/protocol/replay.ts';
import { STRIP_HEIGHT, stripOf } from '../parts/strip.tsx';
import { cssColour } from '../theme.ts';
import { fade } from '../timeline/pen.ts';
import { partOf } from './time.ts';

/** Above the silhouette: the ticks of the alerts. */
const TICK = 7;

/** The silhouette of the events, gaps, alerts, and where it is. */
export function drawScrub(
  canvas: HTMLCanvasElement,
  status: ReplayStatus | null,
  marks: ReplayMarks | null,
): void {
  const strip = stripOf(canvas);
  if (strip === null || status === null) return;
  const { ctx, width } = strip;
  const x = (ms: number) => partOf(ms, status) * width;
  if (marks !== null) {
    drawGaps(ctx, marks, x);
    drawRate(ctx, marks.rate, width, x(status.at_ms));
    drawAlerts(ctx, marks, x);
  }
  ctx.fillStyle = cssColour('--line');
  ctx.fillRect(0, STRIP_HEIGHT - 1, width, 1);
  drawUnknown(ctx, x(status.scanned_ms), width);
  drawHere(ctx, Math.min(width - 1, x(status.at_ms)));
}

/** What was played is darker. A second with few events beside one with many is still seen. */
function drawRate(
  ctx: CanvasRenderingContext2D,
  rate: readonly number[],
  width: number,
  played: number,
): void {
  const most = Math.sqrt(Math.max(1, ...rate));
  const room = STRIP_HEIGHT - TICK - 2;
  const [done, ahead] = [cssColour('--accent'), fade(cssColour('--accent'), 0.42)];
  rate.forEach((events, i) => {
    if (events === 0) return;
    const from = (i * width) / rate.length;
    const to = ((i + 1) * width) / rate.length;
    const height = Math.max(1, (Math.sqrt(events) / most) * room);
    ctx.fillStyle = to <= played ? done : ahead;
    ctx.fillRect(from, STRIP_HEIGHT - 1 - height, Math.max(1, to - from), height);
  });
}

function drawGaps(
  ctx: CanvasRenderingContext2D,
  { gaps }: ReplayMarks,
  x: (ms: number) => number,
): void {
  for (const { from_ms, to_ms } of gaps) {
    const from = x(from_ms);
    const width = Math.max(2, x(to_ms) - from);
    ctx.fillStyle = fade(cssColour('--bad'), 0.2);
    ctx.fillRect(from, 0, width, STRIP_HEIGHT);
    ctx.fillStyle = fade(cssColour('--bad'), 0.7);
    ctx.fillRect(from, STRIP_HEIGHT - 3, width, 2);
  }
}

/** A wedge each: certain ones filled, suspected ones hollow. */
function drawAlerts(
  ctx: CanvasRenderingContext2D,
  { alerts }: ReplayMarks,
  x: (ms: number) => number,
): void {
  for (const { at_ms, certain } of alerts) {
    const at = x(at_ms);
    ctx.beginPath();
    ctx.moveTo(at - 4, 0.5);
    ctx.lineTo(at + 4, 0.5);
    ctx.lineTo(at, TICK);
    ctx.closePath();
    ctx.lineWidth = 1;
    ctx.fillStyle = ctx.strokeStyle = cssColour(certain ? '--bad' : '--warn');
    if (certain) ctx.fill();
    ctx.stroke();
    ctx.fillStyle = fade(cssColour(certain ? '--bad' : '--warn'), 0.5);
    ctx.fillRect(at - 0.5, TICK, 1, STRIP_HEIGHT - TICK);
  }
}

/** Not looked through yet: what is marked there is not known. */
function drawUnknown(ctx: CanvasRenderingContext2D, from: number, width: number): void {
  if (width - from < 1) return;
  ctx.fillStyle = fade(cssColour('--dim'), 0.12);
  ctx.fillRect(from, 0, width - from, STRIP_HEIGHT);
}

function drawHere(ctx: CanvasRenderingContext2D, at: number): void {
  ctx.fillStyle = cssColour('--text');
  ctx.fillRect(at - 0.75, 0, 1.5, STRIP_HEIGHT);
  ctx.beginPath();
  ctx.moveTo(at - 5, STRIP_HEIGHT);
  ctx.lineTo(at + 5, STRIP_HEIGHT);
  ctx.lineTo(at, STRIP_HEIGHT - 6);
  ctx.closePath();
  ctx.fill();
}
