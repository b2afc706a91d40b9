/** Labels, annotations and the fingerprint of an alert. */
import { type AlertRule, PLACEHOLDER, type Placeholder } from '../protocol/config.ts';
import type { Leak, Suspect } from '../protocol/leaks.ts';
import { plain } from '../protocol/plain.ts';

/**
 * What tells one alert from another. Nothing that changes while a leak is one: the
 * verdict, the pages and the suspects are annotations. A label without a value is none,
 * as in Prometheus.
 */
export function labelsOf(rule: AlertRule, leak: Leak): Record<string, string> {
  const own = leak.ino !== 0 || leak.inode !== null;
  const labels: Record<string, string> = {
    ...render(rule.labels, leak),
    alertname: rule.alert,
    severity: rule.severity,
    host: leak.host,
    boot_id: leak.epoch,
    kind: leak.kind,
    fs: leak.fs,
    s_dev: leak.s_dev,
    ino: own ? String(leak.ino) : '',
    subject: own ? '' : subjectOf(leak),
  };
  const given = Object.entries(labels).filter(([, value]) => value !== '');
  return Object.fromEntries(given.map(([name, value]) => [name, plain(value)]));
}

/**
 * What tells leaks without an inode apart. Of a pool there is one of each kind, also after
 * lastref was started anew; a reservation is seen when it is lost and never found again.
 */
function subjectOf(leak: Leak): string {
  if (leak.kind === 'reservation') return `at ${(leak.since_ns / 1e9).toFixed(9)} s`;
  return leak.pages === 0 ? '' : `${bytesText(leak.bytes / leak.pages)} pages`;
}

export function annotationsOf(rule: AlertRule, leak: Leak, now: number): Record<string, string> {
  return render(rule.annotations, leak, now);
}

function render(
  templates: Readonly<Record<string, string>>,
  leak: Leak,
  now = leak.fired_ns,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(templates).map(([name, template]) => [
      name,
      template
        // a recording of another lastref may have placeholders that are not known here
        .replace(PLACEHOLDER, (all, field: string) =>
          Object.hasOwn(VALUES, field) ? plain(VALUES[field as Placeholder](leak, now)) : all,
        )
        .trim(),
    ]),
  );
}

const VALUES: Record<Placeholder, (leak: Leak, now: number) => string> = {
  kind: (leak) => leak.kind,
  verdict: (leak) => leak.verdict,
  host: (leak) => leak.host,
  fs: (leak) => leak.fs,
  s_dev: (leak) => leak.s_dev,
  ino: (leak) => String(leak.ino),
  inode: (leak) => (leak.ino === 0 && leak.inode === null ? '' : `of ${leak.fs} inode ${leak.ino}`),
  pages: (leak) => String(leak.pages),
  hugepages: (leak) => (leak.pages === 1 ? '1 hugepage' : `${leak.pages} hugepages`),
  bytes: (leak) => String(leak.bytes),
  size: (leak) => bytesText(leak.bytes),
  text: (leak) => leak.text,
  suspect: (leak) => (leak.suspects[0] === undefined ? 'nobody' : suspectText(leak.suspects[0])),
  suspects: (leak) => leak.suspects.map(suspectText).join('; ') || 'nobody is suspected',
  lasted: (leak, now) => secondsText(((leak.until_ns ?? now) - leak.since_ns) / 1e9),
};

/** `qemu (pid 391): mapping`; a comm may not be known. */
export function suspectText({ pid, comm, how }: Suspect): string {
  return comm === '' ? `pid ${pid}: ${how}` : `${comm} (pid ${pid}): ${how}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** `0.412 s`, `75.0 s`, `3 min 20 s`, `2 h 5 min`. */
export function secondsText(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(3)} s`;
  if (s < 120) return `${s.toFixed(1)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

const OFFSET = 0xcbf29ce484222325n;
const PRIME = 0x100000001b3n;
const SEPARATOR = 0xff;

/**
 * FNV-1a over names and values in the order of the names: Alertmanager's own fingerprint
 * (labelSetToFingerprint(), prometheus/common), so that both can be looked up by it.
 */
export function fingerprintOf(labels: Readonly<Record<string, string>>): string {
  let hash = OFFSET;
  const add = (byte: number) => {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME);
  };
  for (const name of Object.keys(labels).sort()) {
    for (const text of [name, labels[name]!]) {
      for (const byte of Buffer.from(text)) add(byte);
      add(SEPARATOR);
    }
  }
  return hash.toString(16).padStart(16, '0');
}
