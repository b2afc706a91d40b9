import { formatClock } from '../format/clock.ts';
import { niceStep } from '../timeline/ticks.ts';

export interface TimeTick {
  readonly ns: number;
  readonly label: string;
}

/** Marks at round times of the wall clock, `room` pixels apart at least. ns since `baseMs`. */
export function timeTicks(
  { from, to }: { readonly from: number; readonly to: number },
  baseMs: number,
  width: number,
  room: number,
): TimeTick[] {
  const step = stepFor(((to - from) / width) * room);
  // counted from the midnight before, where the reader is: every round time is a multiple of it
  const zone = new Date(baseMs).getTimezoneOffset() * 60;
  const second = Math.floor((baseMs / 1000 - zone) / 86_400) * 86_400 + zone;
  const offset = Math.round((baseMs - second * 1000) * 1e6);
  const ticks: TimeTick[] = [];
  for (let n = Math.ceil((from + offset) / step); n * step - offset <= to; n++) {
    const sinceSecond = n * step;
    ticks.push({ ns: sinceSecond - offset, label: label(second, sinceSecond, step) });
    if (ticks.length > 200) break;
  }
  return ticks;
}

/** Nice in seconds and below; above, as clocks have it. */
function stepFor(least: number): number {
  if (least <= 5e9) return niceStep(least);
  const steps = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400];
  return (steps.find((seconds) => seconds * 1e9 >= least) ?? 86_400) * 1e9;
}

/** `06:57:12.340`, with as many digits as the step needs. */
function label(second: number, ns: number, step: number): string {
  const whole = Math.floor(ns / 1e9);
  const clock = formatClock((second + whole) * 1000);
  if (step >= 1e9) return clock;
  const digits = Math.min(9, Math.ceil(-Math.log10(step / 1e9)));
  const part = Math.round(ns - whole * 1e9);
  return `${clock}.${String(part).padStart(9, '0').slice(0, digits)}`;
}
