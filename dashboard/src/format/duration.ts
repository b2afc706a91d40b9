/**
 * Durations in nanoseconds as a person reads them: three significant digits
 * and a unit, `-` never hidden. Null (not seen) is a dash.
 */
export function formatDuration(ns: number | null): string {
  if (ns === null || Number.isNaN(ns)) return '–';
  const [value, unit] = durationParts(ns);
  return `${value} ${unit}`;
}

/** Number and unit apart, so that a table can align both. */
export function durationParts(ns: number): [value: string, unit: string] {
  const size = Math.abs(ns);
  for (const [unit, scale] of UNITS) {
    // 999.5 of a unit would print as 1000: take the next one.
    if (size < scale * 999.5 || unit === 's') {
      if (unit === 's' && size >= 600e9) break;
      return [unit === 'ns' ? String(Math.round(ns)) : threeDigits(ns / scale), unit];
    }
  }
  const sign = ns < 0 ? '-' : '';
  const seconds = Math.round(size / 1e9);
  if (seconds < 7200) return [`${sign}${Math.floor(seconds / 60)}:${two(seconds % 60)}`, 'min'];
  const minutes = Math.round(seconds / 60);
  return [`${sign}${Math.floor(minutes / 60)}:${two(minutes % 60)}`, 'h'];
}

/** A time relative to evict: always signed, `0` alone for evict itself. */
export function formatOffset(ns: number | null): string {
  if (ns === null) return '–';
  if (ns === 0) return '0';
  return ns > 0 ? `+${formatDuration(ns)}` : formatDuration(ns);
}

/** Whole seconds for `12 s ago`. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

const UNITS = [
  ['ns', 1],
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
] as const;

function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
