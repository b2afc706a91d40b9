/**
 * The report as text that is pasted into a mail: what was found first, then the numbers
 * it rests on, then what could not be seen. At most 80 columns of ASCII.
 */
import { backWords, ranWords } from '../protocol/callback-words.ts';
import type { TimelineEntry } from '../protocol/messages.ts';
import type { Report } from '../protocol/report.ts';
import { contractText, leakText } from './report-findings.ts';
import { COLUMNS, duration, hang, name, plural, seconds, sentence } from './text.ts';

/** `evidence`: for each of the report's findings, its lines; a report alone has none. */
export function reportText(
  report: Report,
  evidence: readonly (readonly TimelineEntry[])[] = [],
): string {
  const sections = [
    ...report.epochs.map(epochText),
    (report.recording?.notes ?? []).flatMap((note) => hang('NOTE ', sentence(note))),
    summaryText(report),
    leakText(report),
    contractText(report, evidence),
    stageText(report),
    callbackText(report),
    ranText(report),
    gapText(report),
    ...report.epochs.map((epoch) => missingText(epoch, report.epochs.length > 1)),
  ];
  const shown = sections.filter((lines) => lines.length > 0);
  return `${shown.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

type Epoch = Report['epochs'][number];

function epochText({ host, kernel, bpftrace, id, started }: Epoch): string[] {
  return [
    ...hang('', `${name(host, 32)}  Linux ${name(kernel, 40)}  bpftrace ${name(bpftrace, 16)}`),
    ...hang('', `boot ${name(id, 40)}  traced since ${name(started, 30)}`),
  ];
}

const FIRST = 11;

/** One line for each thing that one would ask for first. */
function summaryText(report: Report): string[] {
  const { events, losses, inodes, hugepages, contract, leaks } = report;
  const row = (title: string, text: string) => hang(title.padEnd(FIRST), text);
  const firing = leaks.filter(({ state }) => state === 'firing');
  const certain = firing.filter(({ verdict }) => verdict === 'certain').length;
  const ended = leaks.filter(({ state }) => state === 'resolved').length;
  const back = ended === 0 ? '' : `; ${ended} more ended by themselves`;
  const leaking = firing.length === 0 ? 'none' : `${firing.length} (${certain} certain)`;
  const sum = (of: 'broken' | 'suspected' | 'checked') => contract.reduce((n, r) => n + r[of], 0);
  const rules = contract.filter((rule) => rule.not_checkable === undefined).length;
  return [
    ...row('leaks', `${leaking}${back}`),
    ...row(
      'contract',
      `${plural(sum('checked'), 'check')} of ${plural(rules, 'rule')}: ${sum('broken')} broken, ${sum('suspected')} suspected`,
    ),
    ...row('losses', lossText(losses)),
    ...row('events', `${events.decoded} decoded, ${events.rejected} rejected, ${events.late} late`),
    ...row(
      'inodes',
      `${inodes.ended} ended (${inodes.lost} of them unseen, in gaps), ${inodes.live} live`,
    ),
    ...fsRows(inodes.by_fs),
    ...row('hugepages', hugepageText(hugepages)),
    ...poolRows(report),
  ];
}

function lossText(losses: Report['losses']): string {
  const { not_run, map_full, ring_buffer, rejected, balanced } = losses;
  const none = not_run === 0 && map_full + ring_buffer + rejected === 0;
  const counts = `${not_run ?? '?'} not run, ${map_full} map full, ${ring_buffer} ring buffer, ${rejected} rejected`;
  const ledger =
    balanced === null
      ? not_run === null
        ? 'the ledger is not known to balance: what the kernel skipped is not counted'
        : 'the ledger is open, events are on their way'
      : `the ledger ${balanced ? 'balances' : 'DOES NOT BALANCE'}`;
  return none ? `none; ${ledger}` : `${ledger}; ${counts}`;
}

function fsRows(byFs: Report['inodes']['by_fs']): string[] {
  const rows = Object.entries(byFs).filter(([, { ended, live }]) => ended + live > 0);
  if (rows.length === 0) return [];
  const width = Math.max(...rows.map(([, { ended }]) => String(ended).length));
  return rows.map(([fs, { ended, live, lost }]) => {
    const unseen = lost === 0 ? '' : ` (${lost} unseen)`;
    const counts = `${String(ended).padStart(width)} ended${unseen}, ${live} live`;
    return `${' '.repeat(FIRST)}${name(fs, 18).padEnd(18)} ${counts}`;
  });
}

function hugepageText({ allocated, freed, attributed, outstanding }: Report['hugepages']): string {
  return freed === null
    ? `${allocated} added to page caches; their way back is not observable here`
    : `${allocated} added, ${freed} freed (${attributed} attributed to an inode), ${outstanding} outstanding`;
}

function poolRows({ pools, epochs }: Report): string[] {
  const whole = pools.filter(({ node, total, surplus }) => node === -1 && total + surplus > 0);
  const several = new Set(epochs.map(({ host }) => host)).size > 1;
  return whole.flatMap(({ host, size_kb, total, free, reserved, surplus }) => {
    const on = several ? ` on ${name(host, 20)}` : '';
    const text = `${size_kb} kB${on}: ${total} total, ${free} free, ${reserved ?? '?'} reserved, ${surplus} surplus`;
    return hang('pool'.padEnd(FIRST), text);
  });
}

/** Pairs of stages, and under each the filesystems, where there are several. */
function stageText({ stages }: Report): string[] {
  const all = Object.entries(stages);
  if (all.length === 0) return [];
  const fsOf = (pair: string) =>
    all.flatMap(([key]) => (key.startsWith(`${pair} `) ? [key.slice(pair.length + 1)] : []));
  const out = [stageRow('time between stages', ['count', 'p50', 'p90', 'p99', 'max'])];
  for (const [key, { count, p50_ns, p90_ns, p99_ns, max_ns }] of all) {
    const cells = [String(count), ...[p50_ns, p90_ns, p99_ns, max_ns].map(duration)];
    const [pair = '', ...fs] = key.split(' ');
    const others = fsOf(pair);
    if (fs.length === 0) {
      // of one filesystem alone the row below says the same
      out.push(others.length === 1 ? stageRow(`  ${pair}`, []) : stageRow(`  ${pair}`, cells));
    } else {
      out.push(stageRow(`    ${name(fs.join(' '), 28)}`, cells));
    }
  }
  return out;
}

function stageRow(label: string, cells: readonly string[]): string {
  const text = cells.map((cell) => cell.padStart(8)).join(' ');
  return `${label.padEnd(34)} ${text}`.trimEnd();
}

const POINTERS = ['drop_inode', 'evict_inode', 'destroy_inode', 'free_inode'] as const;

/** Superblocks with the same functions together; what ran otherwise is said loudly. */
function callbackText({ callbacks, epochs }: Report): string[] {
  const several = new Set(epochs.map(({ host }) => host)).size > 1;
  const groups = Map.groupBy(callbacks, (row) =>
    [several ? row.host : '', row.fs, row.rule, ...POINTERS.map((key) => row[key])].join('\0'),
  );
  const out: string[] = [];
  for (const rows of groups.values()) {
    const { host, fs, rule } = rows[0]!;
    const sum = (of: 'confirmed' | 'contradicted') => rows.reduce((n, row) => n + row[of], 0);
    const where = `${several ? ` on ${name(host, 20)}` : ''} (${rows.map(({ s_dev }) => s_dev).join(', ')})`;
    out.push(...hang('  ', `${name(fs, 24)}${where}`));
    for (const key of POINTERS) out.push(`    ${key.padEnd(14)} ${name(rows[0]![key], 60)}`);
    const wrong = sum('contradicted');
    const ran = `${sum('confirmed')} confirmed, ${wrong} ${wrong > 0 ? 'CONTRADICTED' : 'contradicted'}`;
    out.push(...hang('    ', `${sentence(rule)}; ${ran}`));
  }
  return out.length === 0 ? [] : ['callbacks (s_op of each superblock; 0: NULL)', ...out];
}

/** Where RCU called back, and when hugepages came back, by filesystem. */
function ranText({ inodes }: Report): string[] {
  const out: string[] = [];
  for (const [fs, { i_callback, hugepages_back }] of Object.entries(inodes.by_fs)) {
    const [ran, came] = [ranWords(i_callback), backWords(hugepages_back)];
    if (ran + came === '') continue;
    out.push(...hang('  ', name(fs, 24)));
    if (ran !== '') out.push(...hang('    i_callback     ', ran));
    if (came !== '') out.push(...hang('    hugepages back ', came));
  }
  return out.length === 0 ? [] : ['what ran where, and when hugepages came back', ...out];
}

const MAX_GAPS = 20;

function gapText({ gaps, epochs }: Report): string[] {
  if (gaps.length === 0) return [];
  const several = new Set(epochs.map(({ host }) => host)).size > 1;
  const out = [`gaps: ${gaps.length}; what is missing in them proves nothing`];
  for (const { host, from_ns, to_ns, lost, where, detail } of gaps.slice(0, MAX_GAPS)) {
    const to = to_ns === null ? 'the end' : seconds(to_ns);
    const on = several ? `${name(host, 20)} ` : '';
    out.push(...hang('  ', `${on}${seconds(from_ns)} to ${to}: ${lost} lost, ${name(where, 16)}`));
    out.push(...hang('    ', sentence(detail)));
  }
  if (gaps.length > MAX_GAPS) out.push(`  and ${gaps.length - MAX_GAPS} more`);
  return out;
}

/** What the plan leaves out, by reason. */
function missingText({ host, plan }: Epoch, several: boolean): string[] {
  const missing = Object.entries(plan).flatMap(([stage, entry]) =>
    'missing' in entry ? [{ stage, why: entry.missing }] : [],
  );
  if (missing.length === 0) return [];
  const out = hang('', `not observable${several ? ` on ${name(host, 40)}` : ' here'}`, COLUMNS);
  for (const [why, stages] of Map.groupBy(missing, ({ why: reason }) => reason)) {
    out.push(...hang('  ', stages.map(({ stage }) => name(stage, 24)).join(', ')));
    out.push(...hang('      ', sentence(why)));
  }
  return out;
}
