import { formatDuration, formatOffset } from '../format/duration.ts';
import { drawLane, laneHeight, type ToX } from './drawLane.ts';
import type { Target } from './hit.ts';
import type { TimelineLayout } from './layout.ts';
import { AXIS, FONT, fade, GUTTER, hatch, LABEL, MINIMAP, type Pen } from './pen.ts';
import { axisTicks } from './ticks.ts';
import { type Viewport, xOf } from './viewport.ts';
import { toU, type Warp } from './warp.ts';

export interface Scene {
  readonly layout: TimelineLayout;
  readonly warp: Warp;
  readonly view: Viewport;
  readonly bounds: Viewport;
  readonly width: number;
  /** Times with a line through all lanes: the pinned one and the one under the pointer. */
  readonly mark: number | null;
  readonly cursor: number | null;
}

/** Height of the whole picture in CSS pixels. */
export function sceneHeight(layout: TimelineLayout): number {
  const lanes = layout.lanes.reduce((sum, lane) => sum + laneHeight(lane) + GAP, 0);
  return MINIMAP + AXIS + lanes + (layout.outstanding.length > 0 ? OUTSTANDING + GAP : 0) + 4;
}

/** Draws everything and tells what can be pointed at. */
export function drawScene(pen: Pen, scene: Scene): Target[] {
  const { ctx } = pen;
  const { layout, warp, view, width } = scene;
  const height = sceneHeight(layout);
  const toX: ToX = (ns) => GUTTER + xOf(view, toU(warp, ns), width - GUTTER);
  ctx.clearRect(0, 0, width, height);
  ctx.font = FONT;
  ctx.direction = 'ltr';
  drawMinimap(pen, scene);
  drawAxis(pen, scene, height, toX);
  const targets: Target[] = [];
  let y = MINIMAP + AXIS;
  for (const lane of layout.lanes) {
    targets.push(...drawLane(pen, lane, y, width, toX));
    y += laneHeight(lane);
    ctx.fillStyle = pen.grid;
    ctx.fillRect(0, y, width, 1);
    y += GAP;
  }
  if (layout.outstanding.length > 0) drawOutstanding(pen, scene, y, toX);
  if (scene.mark !== null) drawCursor(pen, scene, toX, height, scene.mark, pen.accent);
  if (scene.cursor !== null) drawCursor(pen, scene, toX, height, scene.cursor, pen.dim);
  return targets;
}

const GAP = 1;
const OUTSTANDING = 46;
/** Width that a neighbouring label of the axis may take. */
const NEIGHBOUR = 62;

/** The whole life in one strip, with a frame around what is in sight. */
function drawMinimap(pen: Pen, scene: Scene): void {
  const { ctx } = pen;
  const { layout, warp, view, bounds, width } = scene;
  const room = width - GUTTER;
  const x = (u: number) => GUTTER + xOf(bounds, u, room);
  for (const lane of layout.lanes) {
    ctx.fillStyle = pen.context[lane.context];
    for (const slice of lane.slices) {
      if (slice.depth > 0) continue;
      const x0 = x(toU(warp, slice.from));
      const x1 = x(toU(warp, slice.to));
      if (slice.kind === 'wait') hatch(pen, x0, 4, x1 - x0, 6, pen.context.waiting);
      else ctx.fillRect(x0, 4, Math.max(x1 - x0, 1), 6);
    }
    for (const instant of lane.instants) ctx.fillRect(x(toU(warp, instant.ns)), 10, 1, 3);
  }
  ctx.fillStyle = fade(pen.accent, 0.12);
  ctx.strokeStyle = pen.accent;
  const x0 = x(view.from);
  const wide = Math.max(x(view.to) - x0, 3);
  ctx.fillRect(x0, 0, wide, MINIMAP - 1);
  ctx.strokeRect(x0 + 0.5, 0.5, wide - 1, MINIMAP - 2);
}

function drawAxis(pen: Pen, scene: Scene, height: number, toX: ToX): void {
  const { ctx } = pen;
  const { warp, view, width } = scene;
  ctx.textBaseline = 'middle';
  ctx.fillStyle = pen.dim;
  ctx.fillText(
    scene.layout.endFrom < 0 || !scene.layout.lanes.some((lane) => lane.slices.length > 0)
      ? 'since first seen'
      : 'since evict',
    10,
    MINIMAP + AXIS / 2,
  );
  for (const tick of axisTicks(warp, view, width - GUTTER, 90)) {
    const x = Math.round(GUTTER + tick.x);
    ctx.fillStyle = pen.grid;
    ctx.fillRect(x, MINIMAP + AXIS - 5, 1, height);
    ctx.fillStyle = pen.dim;
    const wide = ctx.measureText(tick.label).width;
    ctx.fillText(tick.label, x + 3 + wide > width ? x - 3 - wide : x + 3, MINIMAP + AXIS / 2);
  }
  for (const piece of warp.pieces) {
    if (!piece.squeezed) continue;
    const x0 = Math.max(toX(piece.from), GUTTER);
    const x1 = Math.min(toX(piece.to), width);
    if (x1 - x0 < 8) continue;
    drawBreak(pen, x0, x1, MINIMAP + AXIS - 4);
    const length = formatDuration(piece.to - piece.from);
    // The label of a mark just before the break reaches into it.
    const room = x1 - x0 - 2 * NEIGHBOUR;
    const label = [`${length}, not to scale`, length].find(
      (text) => ctx.measureText(text).width < room,
    );
    if (label) {
      ctx.fillStyle = pen.dim;
      ctx.fillText(label, (x0 + x1 - ctx.measureText(label).width) / 2, MINIMAP + AXIS / 2);
    }
  }
}

/** A zigzag on the axis says: this stretch is shortened. */
function drawBreak(pen: Pen, x0: number, x1: number, y: number): void {
  const { ctx } = pen;
  ctx.strokeStyle = pen.dim;
  ctx.beginPath();
  ctx.moveTo(x0, y);
  for (let x = x0, up = true; x < x1; x += 5, up = !up) ctx.lineTo(x, up ? y - 2 : y + 2);
  ctx.stroke();
}

/** How many hugepages were out of the page cache and not free; what is left at the end is red. */
function drawOutstanding(pen: Pen, scene: Scene, top: number, toX: ToX): void {
  const { ctx } = pen;
  const { layout, width } = scene;
  const most = layout.outstanding.reduce((peak, step) => Math.max(peak, step.count), 1);
  const base = top + OUTSTANDING - 6;
  // A single page owed of many must still be seen.
  const y = (count: number) => base - Math.max((count / most) * (OUTSTANDING - 22), 4);
  ctx.textBaseline = 'top';
  ctx.fillStyle = pen.text;
  ctx.fillText('hugepages out', 10, top + 6);
  ctx.fillStyle = (layout.owed ?? 0) > 0 ? pen.bad : pen.dim;
  ctx.fillText(
    (layout.owed ?? 0) > 0 ? `${layout.owed} still owed` : 'all came back',
    10,
    top + 6 + LABEL,
  );
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER, top, width - GUTTER, OUTSTANDING);
  ctx.clip();
  layout.outstanding.forEach((step, index) => {
    if (step.count === 0) return;
    const next = layout.outstanding[index + 1];
    const x0 = toX(step.ns);
    const x1 = Math.max(next ? toX(next.ns) : toX(layout.to), x0 + 1);
    const colour = next ? pen.context.task : pen.bad;
    ctx.fillStyle = fade(colour, 0.3);
    ctx.fillRect(x0, y(step.count), x1 - x0, base - y(step.count));
    ctx.fillStyle = colour;
    ctx.fillRect(x0, y(step.count), x1 - x0, 1.5);
    if (!next) hatch(pen, x0, y(step.count), x1 - x0, base - y(step.count), pen.bad);
  });
  const peak = layout.outstanding.find((step) => step.count === most);
  if (peak) {
    ctx.fillStyle = pen.dim;
    ctx.fillText(String(most), Math.max(toX(peak.ns), GUTTER) + 3, y(most) - 12);
  }
  ctx.restore();
  ctx.fillStyle = pen.line;
  ctx.fillRect(GUTTER, base, width - GUTTER, 1);
}

function drawCursor(
  pen: Pen,
  scene: Scene,
  toX: ToX,
  height: number,
  ns: number,
  colour: string,
): void {
  const { ctx } = pen;
  const x = Math.round(toX(ns));
  if (x < GUTTER || x > scene.width) return;
  ctx.fillStyle = colour;
  ctx.fillRect(x, MINIMAP, 1, height - MINIMAP);
  const between = scene.mark !== null && scene.cursor === ns;
  const label = between ? `Δ ${formatDuration(Math.abs(ns - scene.mark!))}` : formatOffset(ns);
  const wide = ctx.measureText(label).width + 8;
  const left = Math.min(x, scene.width - wide);
  ctx.fillRect(left, MINIMAP + 2, wide, AXIS - 8);
  ctx.textBaseline = 'middle';
  ctx.fillStyle = pen.panel;
  ctx.fillText(label, left + 4, MINIMAP + AXIS / 2);
}
