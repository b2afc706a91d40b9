/** Where the cells of a map lie: rows of squares, as large as the room allows. Pure. */
export interface Grid {
  /** Side of a cell with the gap after it, CSS pixels. */
  readonly pitch: number;
  readonly gap: number;
  readonly columns: number;
  readonly rows: number;
  readonly count: number;
}

const PITCHES = [26, 22, 18, 15, 13, 11, 9, 8, 7];
/** Below this a cell cannot be told from its neighbour: then the map scrolls. */
const LEAST = 7;

/** `width`, `height`: of the room, CSS pixels; `ratio`: device pixels in one, which cells begin at. */
export function gridOf(count: number, width: number, height: number, ratio = 1): Grid {
  const snap = (pixels: number) => Math.max(1, Math.round(pixels * ratio)) / ratio;
  const columnsAt = (pitch: number) => Math.max(1, Math.floor(width / pitch));
  const fits = (size: number) => Math.ceil(count / columnsAt(size)) * size <= height;
  const pitch = PITCHES.map(snap).find(fits) ?? snap(LEAST);
  const columns = columnsAt(pitch);
  return {
    pitch,
    gap: snap(pitch >= 13 ? 2 : 1),
    columns,
    rows: Math.ceil(count / columns),
    count,
  };
}

/** Left upper corner. */
export function cornerOf(grid: Grid, cell: number): { x: number; y: number } {
  return {
    x: (cell % grid.columns) * grid.pitch,
    y: Math.floor(cell / grid.columns) * grid.pitch,
  };
}

/** The cell at a point; -1 for none. The gap after a cell is its own. */
export function cellAt(grid: Grid, x: number, y: number): number {
  const column = Math.floor(x / grid.pitch);
  const row = Math.floor(y / grid.pitch);
  if (column < 0 || row < 0 || column >= grid.columns) return -1;
  const cell = row * grid.columns + column;
  return cell < grid.count ? cell : -1;
}

/** The cell that a key leads to; null for a key that does not move. From none, to the first. */
export function moveBy(grid: Grid, from: number, key: string): number | null {
  const step = stepOf(grid, from, key);
  if (step === null || grid.count === 0) return null;
  if (from < 0) return key === 'End' ? grid.count - 1 : 0;
  const to = from + step;
  // up and down stay in their column
  if (Math.abs(step) === grid.columns && (to < 0 || to >= grid.count)) return from;
  return Math.min(Math.max(to, 0), grid.count - 1);
}

function stepOf({ columns, count }: Grid, from: number, key: string): number | null {
  switch (key) {
    case 'ArrowLeft':
      return -1;
    case 'ArrowRight':
      return 1;
    case 'ArrowUp':
      return -columns;
    case 'ArrowDown':
      return columns;
    case 'Home':
      return -from;
    case 'End':
      return count - 1 - from;
    default:
      return null;
  }
}
