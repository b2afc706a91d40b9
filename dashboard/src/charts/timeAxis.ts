/** Round times for an axis of local wall clock: at most `most` marks between two moments, ms. */
export function clockTicks(from: number, to: number, most: number): number[] {
  const step = STEPS.find((candidate) => (to - from) / candidate <= most) ?? STEPS.at(-1)!;
  // Round in the reader's time zone: five-minute marks belong on five minutes there too.
  const zone = new Date(to).getTimezoneOffset() * 60_000;
  const ticks: number[] = [];
  for (let t = Math.ceil((from - zone) / step) * step + zone; t <= to; t += step) ticks.push(t);
  return ticks;
}

/** Index of the first time not before `ms`; times are sorted. */
export function firstAtOrAfter(times: readonly number[], ms: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the time nearest to `ms` within `reach`; -1 without one. */
export function nearest(times: readonly number[], ms: number, reach: number): number {
  const after = firstAtOrAfter(times, ms);
  const candidates = [after - 1, after].filter((index) => index >= 0 && index < times.length);
  let best = -1;
  for (const index of candidates) {
    const distance = Math.abs(times[index]! - ms);
    if (distance <= reach && (best === -1 || distance < Math.abs(times[best]! - ms))) best = index;
  }
  return best;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 6, 12, 24].map((count) => count * 60 * MINUTE),
];
