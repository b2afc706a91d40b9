import { cssColour } from '../theme.ts';
import { fade } from '../timeline/pen.ts';
import type { Heat } from './heat.ts';

export interface HeatArea {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Pixel of a duration in ns. */
  readonly y: (ns: number) => number;
}

/** Cells in shades of one colour. A single inode is still seen beside ten thousand. */
export function paintHeat(
  ctx: CanvasRenderingContext2D,
  { columns, lowest, cells, counts, most }: Heat,
  { left, right, top, bottom, y }: HeatArea,
  edge: (cell: number) => number,
): void {
  if (most === 0) return;
  const colour = cssColour('--task');
  const shades = Array.from({ length: SHADES }, (_, i) => fade(colour, 0.14 + (0.6 * i) / SHADES));
  const wide = (right - left) / columns;
  for (let cell = 0; cell < cells; cell++) {
    const from = Math.min(bottom, y(edge(lowest + cell)));
    const to = Math.max(top, y(edge(lowest + cell + 1)));
    for (let column = 0; column < columns; column++) {
      const count = counts[cell * columns + column]!;
      if (count === 0) continue;
      const shade = Math.floor(Math.sqrt(count / most) * (SHADES - 1));
      ctx.fillStyle = shades[shade]!;
      const x = Math.floor(left + column * wide);
      ctx.fillRect(x, to, Math.max(1, Math.ceil(left + (column + 1) * wide) - x), from - to);
    }
  }
}

const SHADES = 16;
