import { chartRange } from '../charts/chartRange.ts';
import { range, setRange } from '../range.ts';
import { store } from '../session.ts';
import type { TimeRange } from '../timeRange.ts';
import { moved } from './selection.ts';

/** What can be looked back at; `from` is 0 before anything was told. */
export function kept(): TimeRange {
  void store.seriesVersion.value;
  const { t } = store.series;
  return { from: t[0] ?? 0, to: Math.max(store.shownAt.value, t.at(-1) ?? 0) };
}

export function backToNow(): void {
  setRange(null);
  store.setPaused(false);
}

/** By a share of its own width; without one, from what the charts show. */
export function moveRange(share: number): void {
  const all = kept();
  if (all.from === 0) return;
  const now = range.peek() ?? { from: all.to - chartRange.peek(), to: all.to };
  if (range.peek() === null && share > 0) return;
  setRange(moved(now, (now.to - now.from) * share, all));
}
