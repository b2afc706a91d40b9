import { computed } from '@preact/signals';
import { go, route, store } from './session.ts';
import { rangeOf, rangeText, type TimeRange } from './timeRange.ts';

/** The stretch of time that is chosen, as the address has it; null: up to now, or all of a replay. */
export const range = computed<TimeRange | null>(() => rangeOf(route.value));

export function setRange(wanted: TimeRange | null): void {
  const { follow } = route.peek();
  go({ ...rangeText(wanted), follow: wanted === null && follow });
}

/** Since when there is something to look back at, wall clock in ms; 0 while that is not known. */
export function reachesBackTo(): number {
  const status = store.replay.value;
  if (status !== null) return status.begin_ms;
  void store.seriesVersion.value;
  return store.series.t[0] ?? 0;
}
