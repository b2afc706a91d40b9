/** Wall clock of this reader's time zone, as HH:MM:SS. */
export function formatClock(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** HH:MM:SS.mmm, for rows that follow each other closely. */
export function formatClockMs(ms: number): string {
  return `${formatClock(ms)}.${String(Math.floor(ms % 1000)).padStart(3, '0')}`;
}

/** 2026-11-23 04:51:07 +0100: for text that leaves the page. */
export function formatDate(ms: number): string {
  const date = new Date(ms);
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${formatClock(ms)} ${zone}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
