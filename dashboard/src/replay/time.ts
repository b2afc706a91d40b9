import type { ReplayStatus } from '../../../server/protocol/replay.ts';

type Span = Pick<ReplayStatus, 'begin_ms' | 'end_ms'>;

/** Where a time lies between beginning and end, 0 to 1. */
export function partOf(ms: number, { begin_ms, end_ms }: Span): number {
  if (end_ms <= begin_ms) return 0;
  return Math.min(1, Math.max(0, (ms - begin_ms) / (end_ms - begin_ms)));
}

export function timeAt(part: number, { begin_ms, end_ms }: Span): number {
  return begin_ms + Math.min(1, Math.max(0, part)) * (end_ms - begin_ms);
}

/** When the next events come, as far as the recording was looked through; null: none that are known. */
export function busyAfter(
  rate: readonly number[],
  status: Pick<ReplayStatus, 'at_ms' | 'begin_ms' | 'end_ms'>,
): number | null {
  const from = Math.floor(partOf(status.at_ms, status) * rate.length) + 1;
  const at = rate.findIndex((events, i) => i >= from && events > 0);
  // to the end of that part, where they have come
  return at < 0 ? null : timeAt((at + 1) / rate.length, status);
}

/**
 * For the address: seconds since the beginning, to the microsecond and not before the
 * time, so that the line that was stepped to is shown again.
 */
export function linkTime({ at_ms, begin_ms }: Pick<ReplayStatus, 'at_ms' | 'begin_ms'>): string {
  let us = Math.ceil((at_ms - begin_ms) * 1000 - 1e-3);
  while (timeOfLink(asSeconds(us), { begin_ms })! < at_ms) us++;
  return asSeconds(us);
}

function asSeconds(us: number): string {
  return (us / 1e6).toFixed(6).replace(/\.?0+$/, '');
}

/** Null: the link names no time. */
export function timeOfLink(t: string, { begin_ms }: Pick<ReplayStatus, 'begin_ms'>): number | null {
  return t === '' ? null : begin_ms + Number(t) * 1000;
}

/** `1:02.3` of a recording; hours where there are any. */
export function formatElapsed(ms: number): string {
  const tenths = Math.floor(Math.max(0, ms) / 100);
  const two = (value: number) => String(value).padStart(2, '0');
  const seconds = Math.floor(tenths / 10);
  const minutes = Math.floor(seconds / 60);
  const rest = `${two(seconds % 60)}.${tenths % 10}`;
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}
