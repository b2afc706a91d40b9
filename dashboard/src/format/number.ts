/** Counts with a thin group separator that survives copying: 1,234,567. */
export function formatCount(value: number | null): string {
  return value === null ? '–' : COUNT.format(value);
}

/** Rates and axis labels, short: 950, 12.3 k, 1.25 M. */
export function formatShort(value: number): string {
  const size = Math.abs(value);
  if (size < 1000)
    return Number.isInteger(value) ? String(value) : value.toFixed(size < 10 ? 1 : 0);
  if (size < 999_500) return `${digits(value / 1e3)} k`;
  if (size < 999_500_000) return `${digits(value / 1e6)} M`;
  return `${digits(value / 1e9)} G`;
}

/** Bytes in binary units, exact where the unit divides them: 8 MiB, 1.5 GiB, 37 B. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : digits(value)} ${BYTE_UNITS[unit]}`;
}

/** A hugepage size as kernels name it: 2 MiB, 1 GiB. */
export function formatPageSize(kb: number): string {
  return formatBytes(kb * 1024);
}

/** `1 hugepage`, `4 hugepages`. */
export function plural(count: number, word: string, words = `${word}s`): string {
  return `${formatCount(count)} ${count === 1 ? word : words}`;
}

const COUNT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}
