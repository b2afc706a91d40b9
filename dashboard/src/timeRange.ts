/** A stretch of wall clock, ms: of this time are the charts, the timeline and the table. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

/** As an address has it; null without one, or with one that ends before it begins. */
export function rangeOf({ from, to }: { from: string; to: string }): TimeRange | null {
  if (from === '' || to === '') return null;
  const [a, b] = [Number(from), Number(to)];
  return a < b ? { from: a, to: b } : null;
}

/** For an address. To the tenth of a microsecond: a double holds no more of a wall clock. */
export function rangeText(range: TimeRange | null): { from: string; to: string } {
  if (range === null) return { from: '', to: '' };
  return { from: msText(range.from), to: msText(range.to) };
}

function msText(ms: number): string {
  return Math.max(0, ms)
    .toFixed(4)
    .replace(/\.?0+$/, '');
}

/** With as much again on both sides, and the same for all that lie near: not each step asks anew. */
export function widened(range: TimeRange | null): Partial<TimeRange> {
  if (range === null) return {};
  const step = 2 ** Math.ceil(Math.log2(range.to - range.from));
  return {
    from: (Math.floor(range.from / step) - 1) * step,
    to: (Math.ceil(range.to / step) + 1) * step,
  };
}
