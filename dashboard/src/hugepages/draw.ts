import { cssColour } from '../theme.ts';
import { CELL_STATES, type CellState, type PoolCells } from './cells.ts';
import { cornerOf, type Grid } from './grid.ts';

/** The style sheet's colour of each state; its pattern repeats it for those who do not see colours. */
const COLOUR: Record<CellState, string> = {
  leaked: '--bad',
  lost: '--bad',
  owed: '--warn',
  held: '--thread',
  cached: '--task',
  private: '--line-4',
  unseen: '--waiting',
  reserved: '--dim',
  free: '--cell-free',
};

export interface Look {
  /** Cells that are not of interest are faint; null: all are. */
  readonly faint: ((cell: number) => boolean) | null;
  readonly fromRow: number;
  readonly toRow: number;
}

/** Draws the rows in sight, row `fromRow` at the top. */
export function drawCells(
  ctx: CanvasRenderingContext2D,
  grid: Grid,
  { states }: PoolCells,
  look: Look,
): void {
  const { columns, count, pitch } = grid;
  const first = look.fromRow * columns;
  const last = Math.min(count, look.toRow * columns);
  const top = look.fromRow * pitch;
  CELL_STATES.forEach((state, code) => {
    const pen = penOf(ctx, grid, state);
    for (const faint of [false, true]) {
      ctx.globalAlpha = faint ? 0.22 : 1;
      for (let cell = first; cell < last; cell++) {
        if (states[cell] !== code || (look.faint?.(cell) ?? false) !== faint) continue;
        const { x, y } = cornerOf(grid, cell);
        pen(x, y - top);
      }
    }
  });
  ctx.globalAlpha = 1;
}

/** Thin outlines, above the cells; `top` as in drawCells, with `edge` pixels of room around. */
export function drawOutlines(
  ctx: CanvasRenderingContext2D,
  grid: Grid,
  cells: Iterable<number>,
  { top, edge }: { top: number; edge: number },
): void {
  const side = grid.pitch - grid.gap;
  ctx.strokeStyle = cssColour('--text');
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (const cell of cells) {
    const { x, y } = cornerOf(grid, cell);
    ctx.rect(x + edge - 0.5, y - top + edge - 0.5, side + 1, side + 1);
  }
  ctx.stroke();
}

type Pen = (x: number, y: number) => void;

function penOf(ctx: CanvasRenderingContext2D, grid: Grid, state: CellState): Pen {
  const colour = cssColour(COLOUR[state]);
  const back = cssColour('--panel');
  const side = grid.pitch - grid.gap;
  const fill: Pen = (x, y) => {
    ctx.fillStyle = colour;
    ctx.fillRect(x, y, side, side);
  };
  const mark = (draw: Pen): Pen => {
    return (x, y) => {
      fill(x, y);
      ctx.fillStyle = back;
      ctx.strokeStyle = back;
      draw(x, y);
    };
  };
  const inner = Math.max(2, Math.round(side / 3));
  const at = (side - inner) / 2;
  switch (state) {
    case 'leaked':
      // a cross from corner to corner
      return mark((x, y) => {
        ctx.lineWidth = Math.max(1, side / 9);
        ctx.beginPath();
        ctx.moveTo(x + 1, y + 1);
        ctx.lineTo(x + side - 1, y + side - 1);
        ctx.moveTo(x + side - 1, y + 1);
        ctx.lineTo(x + 1, y + side - 1);
        ctx.stroke();
      });
    case 'owed':
      // one stroke from corner to corner
      return mark((x, y) => {
        ctx.lineWidth = Math.max(1, side / 7);
        ctx.beginPath();
        ctx.moveTo(x + side, y);
        ctx.lineTo(x, y + side);
        ctx.stroke();
      });
    case 'held':
      return mark((x, y) => ctx.fillRect(x + 1, y + at, side - 2, inner));
    case 'private':
      return mark((x, y) => ctx.fillRect(x + at, y + at, inner, inner));
    case 'lost':
    case 'reserved':
      return (x, y) => {
        ctx.strokeStyle = colour;
        ctx.lineWidth = state === 'lost' ? 1.5 : 1;
        ctx.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
        ctx.beginPath();
        for (let step = 3; step < 2 * side; step += Math.max(3, side / 4)) {
          ctx.moveTo(x + Math.max(0, step - side), y + Math.min(side, step));
          ctx.lineTo(x + Math.min(side, step), y + Math.max(0, step - side));
        }
        ctx.stroke();
      };
    case 'free':
      return (x, y) => {
        ctx.strokeStyle = colour;
        ctx.lineWidth = 1;
        ctx.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
      };
    default:
      return fill;
  }
}

/** One cell alone, for the legend. */
export function drawSwatch(canvas: HTMLCanvasElement, state: CellState): void {
  const side = 14;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(side * ratio);
  canvas.height = Math.round(side * ratio);
  const ctx = canvas.getContext('2d');
  if (ctx === null) return;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  penOf(ctx, { pitch: side, gap: 0, columns: 1, rows: 1, count: 1 }, state)(0, 0);
}
