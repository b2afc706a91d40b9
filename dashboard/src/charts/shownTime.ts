import { range } from '../range.ts';
import { store } from '../session.ts';
import type { TimeRange } from '../timeRange.ts';
import { chartRange } from './chartRange.ts';

const SHORTEST_MS = 30_000;

/** What the charts show: the stretch that is chosen, else the newest. `t`: of their points. */
export function shownTime(t: readonly number[]): TimeRange {
  const chosen = range.peek();
  if (chosen !== null) return chosen;
  // while paused the picture ends where the pause began
  const to = Math.max(store.serverNow(), store.paused.peek() ? 0 : (t.at(-1) ?? 0));
  // a session younger than the range fills the chart all the same
  const from = Math.max(to - chartRange.peek(), Math.min(t[0] ?? to, to - SHORTEST_MS));
  return { from, to };
}
