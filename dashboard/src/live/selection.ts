import type { TimeRange } from '../timeRange.ts';

/** Narrower than this, a press was a click and no selection. */
export const CLICK_PIXELS = 4;

/** What is kept, and where it is drawn. */
export interface Strip extends TimeRange {
  /** CSS pixels. */
  readonly width: number;
}

export function msAt(x: number, { from, to, width }: Strip): number {
  const part = Math.min(1, Math.max(0, x / Math.max(1, width)));
  return from + part * (to - from);
}

export function xAt(ms: number, { from, to, width }: Strip): number {
  return to <= from ? 0 : ((ms - from) / (to - from)) * width;
}

/** Between two places of the strip; null: it was a click. */
export function dragged(a: number, b: number, strip: Strip): TimeRange | null {
  if (Math.abs(a - b) < CLICK_PIXELS) return null;
  return { from: msAt(Math.min(a, b), strip), to: msAt(Math.max(a, b), strip) };
}

/** So much time around a moment, inside of what is kept. */
export function around(ms: number, width: number, kept: TimeRange): TimeRange {
  return inside({ from: ms - width / 2, to: ms + width / 2 }, kept);
}

/** Moved by ms; null: it came to the present, and goes on with it. */
export function moved(range: TimeRange, by: number, kept: TimeRange): TimeRange | null {
  if (by > 0 && range.to + by >= kept.to) return null;
  return inside({ from: range.from + by, to: range.to + by }, kept);
}

/** As wide as it was, where there is room for it. */
function inside({ from, to }: TimeRange, kept: TimeRange): TimeRange {
  const width = Math.min(to - from, kept.to - kept.from);
  const begin = Math.min(Math.max(from, kept.from), kept.to - width);
  return { from: begin, to: begin + width };
}
