/** What a run is judged by: the workload, the account of the events, each kind of leak, each rule. */
import type { ExitStatus } from '../host/host.ts';
import { RULES } from '../model/contract/rules.ts';
import { LEAK_KINDS, LEAK_TEXT, type LeakKind } from '../protocol/leaks.ts';
import type { TimelineEntry } from '../protocol/messages.ts';
import type { Report } from '../protocol/report.ts';
import type { Stage } from '../protocol/stages.ts';
import { isKnown, type KnownFinding, leakFinding, ruleFinding } from './check-baseline.ts';
import { oneFinding, oneLeak } from './report-findings.ts';
import { plural } from './text.ts';

/** KSFT_SKIP (tools/testing/selftests/kselftest.h). */
const KSFT_SKIP = 4;
/** Findings told with one test. */
const MAX_TOLD = 5;

export interface Judged {
  /** `workload`, `ledger`, `leak pinned`, `contract R1 evict order`. */
  readonly name: string;
  /** What it is about, in words. */
  readonly title: string;
  /** allowed: it would fail, and is known; skip: nothing can be said, and `why` says why. */
  readonly outcome: 'pass' | 'fail' | 'skip' | 'allowed';
  readonly why: string;
  /** At most 80 columns each. */
  readonly evidence: readonly string[];
}

export interface Seen {
  readonly report: Report;
  /** Lines of each finding, in the order of the report's findings. */
  readonly evidence: readonly (readonly TimelineEntry[])[];
  /** How the workload ended. */
  readonly ended: ExitStatus;
  /** By host: when the workload began, ns of the epoch. What is older is not its doing. */
  readonly began: ReadonlyMap<string, number>;
}

export interface Allowed {
  /** Rules and kinds of leak that may be broken. */
  readonly names: ReadonlySet<string>;
  readonly known: readonly KnownFinding[];
}

/** Without one of these a kind of leak cannot be seen. */
const NEEDS: Partial<Record<LeakKind, readonly Stage[]>> = {
  pinned: ['hugepage_remove', 'hugepage_free'],
  'pool drift': ['hugepage_alloc', 'hugepage_free'],
  stuck: ['i_callback'],
};

/** Names of all tests, in their order. */
export const CHECKS: readonly string[] = [
  'workload',
  'ledger',
  ...LEAK_KINDS.map((kind) => `leak ${kind}`),
  ...RULES.map(({ id, name }) => `contract ${id} ${name}`),
];

/** The judgement on each of CHECKS, in their order. */
export function judge(seen: Seen, allowed: Allowed): Judged[] {
  return [
    judgeWorkload(seen.ended),
    judgeLedger(seen.report),
    ...LEAK_KINDS.map((kind) => judgeLeaks(kind, seen, allowed)),
    ...seen.report.contract.map((rule) => judgeRule(rule, seen, allowed)),
  ];
}

export function judgeWorkload({ code, signal }: ExitStatus): Judged {
  const title = 'the workload itself';
  const base = { name: 'workload', title, evidence: [] };
  if (code === 0) return { ...base, outcome: 'pass', why: '' };
  if (code === KSFT_SKIP) return { ...base, outcome: 'skip', why: 'the workload skipped itself' };
  const why = code === null ? `it was killed by ${signal}` : `it ended with status ${code}`;
  return { ...base, outcome: 'fail', why };
}

function judgeLedger({ losses, events }: Report): Judged {
  const { balanced, not_run, map_full, ring_buffer, rejected } = losses;
  const title = 'the account of the events';
  const lost = [
    [not_run ?? 0, 'probes that did not run'],
    [map_full, 'inodes without room in a map'],
    [ring_buffer, 'events without room in the buffer'],
    [rejected, 'lines that could not be read'],
  ] as const;
  const evidence = [`${events.decoded} events decoded`];
  for (const [count, what] of lost) if (count > 0) evidence.push(`lost: ${count} ${what}`);
  const base = { name: 'ledger', title, evidence };
  if (balanced === null) {
    const why = 'this host does not tell how many there were';
    return { ...base, outcome: 'skip', why };
  }
  if (balanced) return { ...base, outcome: 'pass', why: '' };
  return { ...base, outcome: 'fail', why: 'some are neither: what follows may be wrong' };
}

function judgeLeaks(kind: LeakKind, seen: Seen, allowed: Allowed): Judged {
  const { report, began } = seen;
  const base = { name: `leak ${kind}`, title: LEAK_TEXT[kind] };
  const ours = report.leaks.filter(
    (leak) => leak.kind === kind && leak.since_ns >= (began.get(leak.host) ?? 0),
  );
  const before = report.leaks.filter(
    (leak) => leak.kind === kind && leak.state === 'firing' && !ours.includes(leak),
  );
  const notes = before.length === 0 ? [] : [`${before.length} began before the workload`];
  const firing = ours.filter(({ state }) => state === 'firing');
  const certain = firing.filter(({ verdict }) => verdict === 'certain');
  const fresh = certain.filter((leak) => !isKnown(leakFinding(leak), allowed.known));
  const told = [...fresh, ...firing.filter((leak) => !fresh.includes(leak))];
  const evidence = [...told.slice(0, MAX_TOLD).flatMap(oneLeak), ...more(told.length), ...notes];
  if (fresh.length > 0) {
    const pages = fresh.reduce((sum, leak) => sum + leak.pages, 0);
    const size = pages === 0 ? '' : `, ${plural(pages, 'hugepage')}`;
    const why = `${plural(fresh.length, 'leak')}${size}`;
    return failed({ ...base, evidence }, why, allowed.names.has(kind));
  }
  if (certain.length > 0) return { ...base, evidence, outcome: 'allowed', why: 'known' };
  if (firing.length > 0) {
    const why = `${plural(firing.length, 'leak')} suspected: a loss could explain it`;
    return { ...base, evidence, outcome: 'skip', why };
  }
  const missing = missingFor(kind, report);
  if (missing !== null) return { ...base, evidence, outcome: 'skip', why: missing };
  const passed = ours.filter(({ state }) => state === 'resolved').flatMap(oneLeak);
  return { ...base, evidence: [...passed, ...notes], outcome: 'pass', why: '' };
}

function judgeRule(rule: Report['contract'][number], seen: Seen, allowed: Allowed): Judged {
  const { report, began } = seen;
  const base = { name: `contract ${rule.rule} ${rule.name}`, title: rule.name };
  const findings = report.findings
    .map((finding, i) => ({ finding, lines: seen.evidence[i] ?? [] }))
    .filter(({ finding }) => finding.rule === rule.rule);
  const old = findings.filter(({ finding }) => finding.ts_ns < (began.get(finding.host) ?? 0));
  const ours = findings.filter((entry) => !old.includes(entry));
  const certain = ours.filter(({ finding }) => finding.verdict === 'certain');
  const fresh = certain.filter(({ finding }) => !isKnown(ruleFinding(finding), allowed.known));
  const told = [...fresh, ...ours.filter((entry) => !fresh.includes(entry))];
  const evidence = told
    .slice(0, MAX_TOLD)
    .flatMap(({ finding, lines }) => oneFinding(finding, lines).map((line) => line.slice(5)));
  evidence.push(...more(told.length));
  if (old.length > 0) evidence.push(`${old.length} began before the workload`);
  // findings are kept up to a number: those that are not count all the same
  const unlisted = rule.broken - findings.filter((f) => f.finding.verdict === 'certain').length;
  if (fresh.length + unlisted > 0) {
    const why = `broken ${plural(fresh.length + unlisted, 'time')}, checked on ${rule.checked}`;
    return failed({ ...base, evidence }, why, allowed.names.has(rule.rule));
  }
  if (certain.length > 0) return { ...base, evidence, outcome: 'allowed', why: 'known' };
  if (ours.length > 0) {
    const why = `${ours.length} suspected: a loss, or only the time that passed, could explain it`;
    return { ...base, evidence, outcome: 'skip', why };
  }
  if (rule.not_checkable !== undefined) {
    return { ...base, evidence, outcome: 'skip', why: rule.not_checkable };
  }
  if (rule.checked === 0) {
    return { ...base, evidence, outcome: 'skip', why: 'nothing that it speaks of happened' };
  }
  return { ...base, evidence, outcome: 'pass', why: '' };
}

function failed(base: Omit<Judged, 'outcome' | 'why'>, why: string, isAllowed: boolean): Judged {
  return { ...base, outcome: isAllowed ? 'allowed' : 'fail', why };
}

function more(count: number): string[] {
  return count > MAX_TOLD ? [`and ${count - MAX_TOLD} more`] : [];
}

/** Why a kind of leak cannot be seen on any of the hosts; null where it can. */
function missingFor(kind: LeakKind, { epochs }: Report): string | null {
  let why: string | null = null;
  for (const { plan } of epochs) {
    const gone = (NEEDS[kind] ?? []).flatMap((stage) => {
      const entry = plan[stage];
      return entry !== undefined && 'missing' in entry ? [`${stage}: ${entry.missing}`] : [];
    });
    if (gone.length === 0) return null;
    why = gone[0]!;
  }
  return why;
}
