/** Leaks with their suspects, and what breaks the contract with the lines that show it. */
import type { TimelineEntry } from '../protocol/messages.ts';
import type { Report } from '../protocol/report.ts';
import { duration, hang, name, plural, seconds, sentence } from './text.ts';

const MAX_LEAKS = 20;
/** Findings of a rule, and lines of a finding. */
const MAX_FINDINGS = 3;
const MAX_LINES = 12;

/** Those that last, certain ones first; then those that ended. Refuted ones were none. */
export function leakText({ leaks }: Report): string[] {
  const told = leaks.filter(({ state }) => state !== 'refuted');
  if (told.length === 0) return [];
  const rank = ({ state, verdict }: Report['leaks'][number]) =>
    (state === 'firing' ? 0 : 2) + (verdict === 'certain' ? 0 : 1);
  const sorted = [...told].sort((a, b) => rank(a) - rank(b) || a.since_ns - b.since_ns);
  const out = ['leaks'];
  for (const leak of sorted.slice(0, MAX_LEAKS)) out.push(...oneLeak(leak));
  if (told.length > MAX_LEAKS) out.push(`  and ${told.length - MAX_LEAKS} more`);
  return out;
}

export function oneLeak(leak: Report['leaks'][number]): string[] {
  const { kind, verdict, fs, s_dev, ino, pages, bytes, host, since_ns, until_ns } = leak;
  const inode = ino === 0 ? '' : ` inode ${ino}`;
  const where = `${name(fs, 24)}${s_dev === '' ? '' : ` ${name(s_dev, 12)}`}${inode}`;
  const size = pages === 0 ? '' : `${plural(pages, 'hugepage')} (${bytesText(bytes)}), `;
  const end = until_ns === null ? '' : `, back after ${duration(until_ns - since_ns)}`;
  const out = [
    ...hang('  ', `${kind}, ${verdict}: ${size}${where.trim()}, on ${name(host, 24)}`),
    ...hang('    ', `since ${seconds(since_ns)}${end}`),
    ...hang('    ', sentence(leak.text)),
  ];
  for (const { pid, comm, how, evidence } of leak.suspects) {
    const who = `${comm === '' ? '' : `${name(comm, 32)} `}(pid ${pid})`;
    out.push(...hang('    suspect: ', `${who} ${sentence(how)}: ${sentence(evidence)}`));
  }
  if (leak.suspects.length === 0) out.push('    suspect: nobody was seen who could hold it');
  return out;
}

function bytesText(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib >= 1024 && Number.isInteger(mib / 1024) ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** Each rule that is broken or seems so, by rule, its findings in the order of time. */
export function contractText(
  { contract, findings }: Report,
  evidence: readonly (readonly TimelineEntry[])[],
): string[] {
  const out: string[] = [];
  for (const { rule, name: what, checked, broken, suspected } of contract) {
    if (broken === 0 && suspected === 0) continue;
    const counts = `${broken} ${broken > 0 ? 'BROKEN' : 'broken'}, ${suspected} suspected of ${checked}`;
    out.push(...hang(`  ${rule.padEnd(4)} `, `${what}: ${counts}`));
    const own = findings
      .map((finding, i) => ({ finding, lines: evidence[i] ?? [] }))
      .filter(({ finding }) => finding.rule === rule)
      .sort(
        (a, b) =>
          Number(b.finding.verdict === 'certain') - Number(a.finding.verdict === 'certain') ||
          a.finding.ts_ns - b.finding.ts_ns,
      );
    for (const { finding, lines } of own.slice(0, MAX_FINDINGS)) {
      out.push(...oneFinding(finding, lines));
    }
    const more = broken + suspected - Math.min(own.length, MAX_FINDINGS);
    if (more > 0) out.push(`       and ${more} more`);
  }
  const suspected = contract.some((rule) => rule.suspected > 0);
  if (suspected) {
    out.push('  suspected: a loss, or only the time that passed, could explain it');
  }
  const cannot = contract.filter((rule) => rule.not_checkable !== undefined);
  if (cannot.length > 0) {
    out.push(...hang('  not checkable here: ', cannot.map(({ rule }) => rule).join(', ')));
  }
  return out.length === 0 ? [] : ['contract', ...out];
}

export function oneFinding(
  { verdict, ts_ns, fs, s_dev, ino, what, sentence: said }: Report['findings'][number],
  lines: readonly TimelineEntry[],
): string[] {
  const inode = ino === null ? '' : `${name(fs, 24)} ${name(s_dev, 12)} inode ${ino}`;
  const who = [inode, sentence(what)].filter(Boolean).join(', ');
  const out = [
    ...hang('       ', `${verdict}, ${seconds(ts_ns)}${who === '' ? '' : `, ${who}`}`),
    ...hang('       ', sentence(said)),
  ];
  for (const line of lines.slice(0, MAX_LINES)) out.push(...oneLine(line));
  if (lines.length > MAX_LINES) {
    out.push(`       and ${plural(lines.length - MAX_LINES, 'more line', 'more lines')}`);
  }
  return out;
}

/** `+12.3us hugepage_remove   cpu 1 perl/391  refcount 514`, time since the first of them. */
function oneLine({ ns, what, cpu, comm, pid, context, detail }: TimelineEntry): string[] {
  const task = comm === '' ? `pid ${pid}` : `${name(comm, 16)}/${pid}`;
  const who = context === 'task' || context === 'unknown' ? task : context;
  const at = ns === 0 ? '0' : `${ns < 0 ? '-' : '+'}${duration(Math.abs(ns))}`;
  const first = `       ${at.padStart(8)} ${name(what, 16).padEnd(16)} `;
  return hang(first, `cpu ${cpu} ${who} ${sentence(detail)}`.trimEnd());
}
