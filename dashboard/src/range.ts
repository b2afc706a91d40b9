import { computed } from '@preact/signals';
import { go, route } from './session.ts';
import { rangeOf, rangeText, type TimeRange } from './timeRange.ts';

/** The stretch of time that is chosen, as the address has it; null: up to now, or all of a replay. */
export const range = computed<TimeRange | null>(() => rangeOf(route.value));

export function setRange(wanted: TimeRange | null): void {
  const { follow } = route.peek();
  go({ ...rangeText(wanted), follow: wanted === null && follow });
}
