/** Silences: which alerts nobody is told of for now. Time is given, in milliseconds since 1970. */
import type { Silence } from '../protocol/alerts.ts';
import { wildcard } from '../protocol/filter.ts';

/** Every label named must be there and match; `*` stands for anything. */
export function silences(silence: Silence, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(silence.match).every(([name, pattern]) =>
    wildcard(pattern)(labels[name] ?? ''),
  );
}

/** The first silence that is in force and matches; null: none. */
export function silenceOf(
  all: readonly Silence[],
  labels: Readonly<Record<string, string>>,
  nowMs: number,
): Silence | null {
  return all.find((silence) => inForce(silence, nowMs) && silences(silence, labels)) ?? null;
}

export function inForce(silence: Silence, nowMs: number): boolean {
  return silence.until_ms === null || nowMs < silence.until_ms;
}
