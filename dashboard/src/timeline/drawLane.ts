import { formatDuration } from '../format/duration.ts';
import { visibleText } from '../format/visible.ts';
import type { Target } from './hit.ts';
import type { Instant, Lane, Slice } from './layout.ts';
import { BAR, clipText, fade, GUTTER, hatch, LABEL, type Pen, TICKS } from './pen.ts';

/** Time to pixels of the canvas, gutter included. */
export type ToX = (ns: number) => number;

/** What a lane needs of height: its bars, a row of hugepage ticks, rows of labels. */
export function laneHeight(lane: Lane): number {
  const { bars, ticks, labels } = rowsOf(lane);
  return Math.max(bars * BAR + ticks * TICKS + labels * LABEL, 2 * LABEL) + PADDING * 2;
}

/** Draws one lane at `top` and tells what was drawn where. */
export function drawLane(pen: Pen, lane: Lane, top: number, right: number, toX: ToX): Target[] {
  const { bars, ticks } = rowsOf(lane);
  const targets: Target[] = [];
  drawTitle(pen, lane, top);
  const { ctx } = pen;
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER, top - 2, right - GUTTER, laneHeight(lane) + 4);
  ctx.clip();
  let y = top + PADDING;
  for (const slice of lane.slices) {
    targets.push(drawSlice(pen, lane, slice, y + slice.depth * BAR, right, toX));
  }
  y += bars * BAR;
  const hugepages = lane.instants.filter((instant) => instant.hugepage);
  for (const instant of hugepages) {
    targets.push(drawTick(pen, lane, instant, y + 1, toX(instant.ns)));
  }
  y += ticks * TICKS;
  const others = lane.instants.filter((instant) => !instant.hugepage);
  targets.push(...drawLabels(pen, lane, others, top + PADDING + bars * BAR, y, right, toX));
  ctx.restore();
  return targets;
}

const PADDING = 5;
const LABEL_ROWS = 5;

function rowsOf(lane: Lane): { bars: number; ticks: number; labels: number } {
  const bars = lane.slices.reduce((rows, slice) => Math.max(rows, slice.depth + 1), 0);
  const ticks = lane.instants.some((instant) => instant.hugepage) ? 1 : 0;
  const single = lane.instants.filter((instant) => !instant.hugepage).length;
  return { bars, ticks, labels: Math.min(single, LABEL_ROWS) };
}

function drawTitle(pen: Pen, lane: Lane, top: number): void {
  const { ctx } = pen;
  ctx.fillStyle = pen.context[lane.context];
  ctx.fillRect(0, top + PADDING, 3, laneHeight(lane) - PADDING * 2);
  ctx.textBaseline = 'top';
  ctx.fillStyle = pen.text;
  ctx.fillText(clipText(pen, lane.title, GUTTER - 16), 10, top + PADDING + 1);
  ctx.fillStyle = pen.dim;
  ctx.fillText(
    clipText(pen, visibleText(lane.subtitle), GUTTER - 16),
    10,
    top + PADDING + LABEL + 1,
  );
}

function drawSlice(pen: Pen, lane: Lane, slice: Slice, y: number, right: number, toX: ToX): Target {
  const { ctx } = pen;
  const x0 = toX(slice.from);
  const x1 = Math.max(toX(slice.to), x0 + 2);
  const colour = pen.context[lane.context];
  const left = Math.max(x0, GUTTER - 4);
  const width = Math.min(x1, right + 4) - left;
  const height = BAR - 3;
  if (width > 0) {
    ctx.fillStyle = fade(colour, slice.kind === 'wait' ? 0.08 : slice.depth === 0 ? 0.24 : 0.42);
    ctx.fillRect(left, y, width, height);
    if (slice.kind === 'wait') hatch(pen, left, y, width, height, colour);
    ctx.strokeStyle = colour;
    ctx.lineWidth = 1;
    if (slice.open) ctx.setLineDash([4, 3]);
    ctx.strokeRect(left + 0.5, y + 0.5, width - 1, height - 1);
    ctx.setLineDash([]);
  }
  const length = slice.open
    ? slice.to > slice.from
      ? `${formatDuration(slice.to - slice.from)}, not over`
      : 'end not seen'
    : formatDuration(slice.to - slice.from);
  labelSlice(pen, `${slice.name}  ${length}`, slice, { left, width, y, height, right });
  return { x0, x1, y0: y, y1: y + height, lane, slice, instant: null };
}

interface Box {
  readonly left: number;
  readonly width: number;
  readonly y: number;
  readonly height: number;
  /** Right edge of the canvas. */
  readonly right: number;
}

function labelSlice(pen: Pen, label: string, slice: Slice, box: Box): void {
  const { ctx } = pen;
  const { left, width, y, height, right } = box;
  ctx.textBaseline = 'middle';
  const start = Math.max(left, GUTTER) + 6;
  const room = left + width - start - 4;
  const wide = ctx.measureText(label).width;
  // Beside a bar that is too small for its name, where nothing else stands.
  const beside = room < wide && slice.depth === 0 && width < 60;
  const shown = beside ? label : clipText(pen, label, room);
  if (!shown) return;
  const after = left + width + 5;
  // At the right edge there is room on the left side only.
  const x = !beside ? start : after + wide < right ? after : left - wide - 5;
  if (slice.kind === 'wait' && !beside) {
    ctx.fillStyle = pen.panel;
    ctx.fillRect(x - 3, y + 2, ctx.measureText(shown).width + 6, height - 4);
  }
  ctx.fillStyle = pen.text;
  ctx.fillText(shown, x, y + height / 2 + 1);
}

/** A hugepage: down and hollow when it leaves the cache, full when it is free, a cross when it came in. */
function drawTick(pen: Pen, lane: Lane, instant: Instant, y: number, x: number): Target {
  const { ctx } = pen;
  const height = TICKS - 4;
  const colour = pen.context[lane.context];
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = 1;
  if (instant.what === 'hugepage_free') ctx.fillRect(Math.round(x) - 1, y, 3, height);
  else if (instant.what === 'hugepage_remove')
    ctx.strokeRect(Math.round(x) - 1.5, y + 0.5, 3, height - 1);
  else ctx.fillRect(Math.round(x), y + height / 2, 1, height / 2);
  return { x0: x - 1, x1: x + 2, y0: y - 2, y1: y + height + 2, lane, slice: null, instant };
}

/**
 * Names of single events under the bars, each in the first row where it has room; a line
 * leads up to the bars. All lines come before all names, so that names stay readable.
 */
function drawLabels(
  pen: Pen,
  lane: Lane,
  instants: readonly Instant[],
  lineTop: number,
  top: number,
  right: number,
  toX: ToX,
): Target[] {
  const { ctx } = pen;
  const placed = placeLabels(pen, instants, right, toX);
  ctx.fillStyle = pen.context[lane.context];
  const targets = placed.map(({ instant, x, row }): Target => {
    const bottom = top + (row < 0 ? 0 : row * LABEL + LABEL - 3);
    ctx.fillRect(Math.round(x), lineTop, 1, bottom - lineTop);
    return { x0: x, x1: x + 1, y0: lineTop, y1: bottom, lane, slice: null, instant };
  });
  ctx.textBaseline = 'top';
  for (const { instant, left, width, row } of placed) {
    if (row < 0) continue;
    const y0 = top + row * LABEL;
    ctx.fillStyle = pen.panel;
    ctx.fillRect(left + 3, y0 + 1, width - 6, LABEL - 2);
    ctx.fillStyle = pen.dim;
    ctx.fillText(instant.what, left + 4, y0 + 2);
    targets.push({ x0: left, x1: left + width, y0, y1: y0 + LABEL, lane, slice: null, instant });
  }
  return targets;
}

interface Placed {
  readonly instant: Instant;
  readonly x: number;
  readonly left: number;
  readonly width: number;
  /** -1: there is no room for its name. */
  readonly row: number;
}

function placeLabels(pen: Pen, instants: readonly Instant[], right: number, toX: ToX): Placed[] {
  const taken: number[] = Array(LABEL_ROWS).fill(Number.NEGATIVE_INFINITY);
  const placed: Placed[] = [];
  for (const instant of instants) {
    const x = toX(instant.ns);
    if (x < GUTTER || x > right) continue;
    const width = pen.ctx.measureText(instant.what).width + 8;
    // At the right edge the name stands to the left of its line.
    const left = x + width > right ? x - width : x;
    const row = taken.findIndex((end) => end <= left);
    if (row >= 0) taken[row] = left + width;
    placed.push({ instant, x, left, width, row });
  }
  return placed;
}
