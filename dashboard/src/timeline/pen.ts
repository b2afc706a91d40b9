import type { Context } from '../../../server/protocol/stages.ts';
import { cssColour } from '../theme.ts';

/** What the canvas is drawn with: colours of the theme in force, fonts, measures. */
export interface Pen {
  readonly ctx: CanvasRenderingContext2D;
  readonly text: string;
  readonly dim: string;
  readonly line: string;
  readonly grid: string;
  readonly panel: string;
  readonly bad: string;
  readonly accent: string;
  readonly context: Record<Context | 'waiting', string>;
}

export const FONT = '11px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';
/** Left column of lane titles, in CSS pixels. */
export const GUTTER = 158;
export const MINIMAP = 16;
export const AXIS = 22;
export const BAR = 20;
export const TICKS = 14;
export const LABEL = 14;

export function takePen(ctx: CanvasRenderingContext2D): Pen {
  return {
    ctx,
    text: cssColour('--text'),
    dim: cssColour('--dim'),
    line: cssColour('--line'),
    grid: cssColour('--grid'),
    panel: cssColour('--panel'),
    bad: cssColour('--bad'),
    accent: cssColour('--accent'),
    context: {
      task: cssColour('--task'),
      softirq: cssColour('--softirq'),
      ksoftirqd: cssColour('--softirq'),
      'rcu-thread': cssColour('--thread'),
      unknown: cssColour('--dim'),
      waiting: cssColour('--waiting'),
    },
  };
}

/** A colour made see-through; `colour` is `#rrggbb`. */
export function fade(colour: string, alpha: number): string {
  return `${colour}${Math.round(alpha * 255)
    .toString(16)
    .padStart(2, '0')}`;
}

/** Diagonal lines: nobody is running here. */
export function hatch(
  pen: Pen,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
) {
  const { ctx } = pen;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.strokeStyle = fade(colour, 0.55);
  ctx.lineWidth = 1;
  ctx.beginPath();
  // Lines start at multiples of the spacing of the canvas, so that they stand still while panning.
  for (let at = Math.floor((x - height) / 7) * 7; at < x + width; at += 7) {
    ctx.moveTo(at, y + height);
    ctx.lineTo(at + height, y);
  }
  ctx.stroke();
  ctx.restore();
}

/** As much of a text as fits, with an ellipsis; empty when not even that fits. */
export function clipText(pen: Pen, text: string, room: number): string {
  const width = pen.ctx.measureText('0').width;
  const fitting = Math.floor(room / width);
  if (text.length <= fitting) return text;
  return fitting >= 4 ? `${text.slice(0, fitting - 1)}…` : '';
}
