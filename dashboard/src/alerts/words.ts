import type {
  FiringSummary,
  SessionAlert,
  Silence,
  SinkStatus,
} from '../../../server/protocol/alerts.ts';
import { formatClock, formatDate } from '../format/clock.ts';
import { formatAge } from '../format/duration.ts';
import { formatBytes, plural } from '../format/number.ts';

/** Names an alert in this page and in its address. */
export function keyOf(alert: SessionAlert): string {
  return `${alert.fingerprint}-${alert.active_ms}`;
}

/** A link may name the fingerprint alone. */
export function isChosen(alert: SessionAlert, chosen: string): boolean {
  return chosen !== '' && (chosen === keyOf(alert) || chosen === alert.fingerprint);
}

/** `2 hugepages, 4 MiB`; nothing where none are held. */
export function pagesText({ pages, bytes }: SessionAlert['leak']): string {
  return pages === 0 ? '–' : `${plural(pages, 'hugepage')}, ${formatBytes(bytes)}`;
}

/** How long a silence lasts from now. */
export function silenceEnd(silence: Silence, nowMs: number): string {
  if (silence.until_resolved) return 'until resolved';
  if (silence.until_ms === null) return 'for good';
  const left = silence.until_ms - nowMs;
  return left < 86_400_000
    ? `until ${formatClock(silence.until_ms)} (${formatAge(left)})`
    : `until ${formatDate(silence.until_ms)}`;
}

/** Labels as Prometheus writes them, the ones that people look for first. */
export function labelPairs(labels: Readonly<Record<string, string>>): [string, string][] {
  const place = (name: string) => (ORDER.indexOf(name) + ORDER.length + 1) % (ORDER.length + 1);
  return Object.entries(labels).sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1));
}
const ORDER = ['alertname', 'severity', 'host', 'kind', 'fs', 's_dev', 'ino', 'subject', 'boot_id'];

/** One sink's state in a few words. */
export function sinkWord(sink: SinkStatus): { word: string; tone: 'good' | 'warn' | 'bad' } {
  if (sink.error !== '') return { word: sink.error, tone: 'bad' };
  if (sink.dropped + sink.refused > 0) return { word: 'some were not delivered', tone: 'warn' };
  return { word: sink.sent > 0 ? 'takes notifications' : 'nothing to tell yet', tone: 'good' };
}

/** Those that have come since the page was opened or last looked. The first look is no news. */
export function newsOf(
  known: ReadonlySet<string> | null,
  newest: FiringSummary['newest'],
): FiringSummary['newest'] {
  return known === null ? [] : newest.filter(({ key }) => !known.has(key));
}
