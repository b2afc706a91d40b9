/** Height of every row in CSS pixels; the style sheet has the same number. */
export const ROW = 22;

/** Browsers stop drawing far below 2^25 pixels; beyond this the scrollbar is scaled instead. */
const TALLEST = 8_000_000;

/** Height of the scrolled area for so many rows. */
export function scrollHeight(rows: number, viewport: number): number {
  return Math.max(viewport, Math.min(rows * ROW, TALLEST));
}

/** First row in sight (with its fraction) at a scroll position. */
export function rowAt(scrollTop: number, rows: number, viewport: number): number {
  const real = rows * ROW - viewport;
  if (real <= 0) return 0;
  const scrollable = scrollHeight(rows, viewport) - viewport;
  return (Math.min(Math.max(scrollTop, 0), scrollable) / scrollable) * (real / ROW);
}

/** Scroll position that puts a row at the top. */
export function scrollFor(row: number, rows: number, viewport: number): number {
  const real = rows * ROW - viewport;
  if (real <= 0) return 0;
  const scrollable = scrollHeight(rows, viewport) - viewport;
  return Math.min(Math.max((row * ROW) / real, 0), 1) * scrollable;
}

/**
 * First row that has an element, and how many have: those in sight and some beyond both ends,
 * which are there before the browser has scrolled to them. An even number, so that an element
 * stays odd or even when it goes round.
 */
export function ringRows(start: number, visible: number, rows: number): [number, number] {
  const count = visible + 2 * BEYOND + (visible % 2);
  if (rows <= count) return [0, rows];
  return [Math.min(Math.max(0, start - BEYOND), rows - count), count];
}

const BEYOND = 4;

export interface RowWindow {
  readonly offset: number;
  readonly limit: number;
}

/**
 * Which rows to ask the server for, given what is in sight. The window reaches a
 * screen beyond both ends and stays until the sight comes near its edge, so that
 * scrolling does not ask at every step.
 */
export function nextWindow(
  current: RowWindow,
  first: number,
  visible: number,
  rows: number,
): RowWindow {
  const start = Math.floor(first);
  const margin = Math.ceil(visible / 3);
  const near = start - margin < current.offset && current.offset > 0;
  const far = start + visible + margin > current.offset + current.limit;
  const more = current.offset + current.limit < Math.max(rows, visible);
  const wide = current.limit < Math.min(visible * 2, MOST);
  if (!near && !(far && more) && !wide) return current;
  const offset = Math.max(0, Math.floor((start - visible) / STEP) * STEP);
  const limit = Math.min(Math.ceil((visible * 3 + STEP) / STEP) * STEP, MOST);
  return { offset, limit };
}

/** The protocol's limit, and a grain for offsets. */
const MOST = 500;
const STEP = 20;
