/** A comparison as text that people paste into mails: the verdict first, at most 80 columns. */
import type {
  CallbackChange,
  ComparedRun,
  Comparison,
  Difference,
  LatencyChange,
  OrderChange,
} from '../protocol/compare.ts';
import { tableText } from './compare-tables.ts';
import { COLUMNS, duration, hang, name, plural, sentence, wrap } from './text.ts';

/** What is told as a change of a duration, in the order in which it is told. */
const CHANGED: readonly string[] = ['slower', 'faster', 'tail longer', 'tail shorter'];
/** Differences said in words at the top; the tables have them all. */
const MAX_SAID = 12;

export function compareText(comparison: Comparison): string {
  const changed = new Set(comparison.differences.map(({ of }) => of));
  const isFirst = (section: { of?: Difference['of'] }) =>
    section.of !== undefined && changed.has(section.of);
  const sections = [
    { of: 'latency' as const, lines: latencyText(comparison) },
    ...tableText(comparison),
    { of: 'order' as const, lines: orderText(comparison.orders) },
    { of: 'callbacks' as const, lines: callbackText(comparison.callbacks) },
  ];
  const shown = [
    headText(comparison),
    ...sections.filter(isFirst).map(({ lines }) => lines),
    ...sections.filter((section) => !isFirst(section)).map(({ lines }) => lines),
    methodText(comparison),
  ].filter((lines) => lines.length > 0);
  return `${shown.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** The verdict, what weakens it, and of which two runs. */
function headText({ text, outcome, differences, weaknesses, a, b }: Comparison): string[] {
  const out = wrap(sentence(text), COLUMNS);
  if (differences.length > 1) {
    for (const { verdict, text: said } of differences.slice(0, MAX_SAID)) {
      out.push(...hang('  - ', `${suspicion(verdict)}${sentence(said)}`));
    }
    const more = differences.length - MAX_SAID;
    if (more > 0) out.push(`  and ${more} more, below`);
  }
  if (outcome === 'no difference') {
    out.push('How large a change could hide is what the intervals below say.');
  }
  if (weaknesses.length > 0) {
    out.push('', 'what weakens this');
    for (const weakness of weaknesses) out.push(...hang('  - ', sentence(weakness)));
  }
  out.push('', ...runText('A', a), ...runText('B', b));
  return out;
}

function runText(letter: string, { file, epochs, inodes, losses, events }: ComparedRun): string[] {
  const out = hang(`${letter}  `, sentence(file));
  for (const { host, kernel, bpftrace, detail, seconds } of epochs) {
    const text = `${name(host, 24)}, Linux ${name(kernel, 48)}, bpftrace ${name(bpftrace, 16)}, ${detail}, ${seconds.toFixed(1)} s`;
    out.push(...hang('   ', text));
  }
  const ledger =
    losses.balanced === null ? 'open' : losses.balanced ? 'balances' : 'DOES NOT BALANCE';
  const lost = inodes.lost === 0 ? '' : ` (${inodes.lost} unseen)`;
  const text = `${plural(inodes.ended, 'inode')} ended${lost}, ${inodes.live} live, ${events} events; ledger ${ledger}`;
  return [...out, ...hang('   ', text)];
}

function latencyText({ latencies, method }: Comparison): string[] {
  if (latencies.length === 0) return [];
  const few = latencies.filter(({ result }) => result === 'too few');
  const changed = latencies.filter(({ result }) => CHANGED.includes(result));
  const rest = latencies.filter((change) => !few.includes(change) && !changed.includes(change));
  const out: string[] = [];
  if (changed.length > 0) {
    out.push(
      `${'time between stages: changed'.padEnd(35)}${cells(['count', 'p50', 'p90', 'p99', 'max'])}`,
    );
    for (const change of changed) out.push(...changedText(change));
  }
  if (rest.length > 0) {
    if (out.length > 0) out.push('');
    out.push(
      `time between stages: no change to be seen, or less than ${method.at_least_percent} %`,
    );
    out.push(
      `${''.padEnd(46)}${'p50 A'.padStart(8)} ${'p50 B'.padStart(8)} ${'B/A (95 %)'.padStart(15)}`,
    );
    for (const change of rest) out.push(restText(change));
  }
  const reasons = Map.groupBy(few, ({ host, fs, why }) => `${at(host)}${name(fs, 20)}: ${why}`);
  if (few.length > 0) {
    if (out.length > 0) out.push('');
    out.push('time between stages: too few to say');
    for (const [why, pairs] of reasons) {
      out.push(...hang('  ', `${why} (${pairs.map(({ pair }) => pair).join(', ')})`));
    }
  }
  return out;
}

/** Both distributions under one another, and under these what is concluded. */
function changedText(change: LatencyChange): string[] {
  const { host, fs, pair, a, b, ratio, longer, typical, tail, verdict, result, why } = change;
  const row = (label: string, letter: string, of: LatencyChange['a']) =>
    `  ${label.padEnd(30)} ${letter} ${cells([String(of.count), ...[of.p50_ns, of.p90_ns, of.p99_ns, of.max_ns].map(duration)])}`;
  const isTail = result.startsWith('tail');
  const p = (isTail ? tail : typical).adjusted!;
  const times = (key: 'p50' | 'p90' | 'p99') => `${key} x${ratioText(ratio![key])}`;
  const text = `${suspicion(verdict)}${result}; ${times('p50')}, ${times('p90')}, ${times('p99')}; B's inode is the longer one in ${percent(longer!)} of pairs; adjusted p ${p.toPrecision(2)}${why === '' ? '' : `; ${why}`}`;
  return [
    row(pair, 'A', a),
    row(`  ${at(host)}${name(fs, 26 - at(host).length)}`, 'B', b),
    ...hang('      ', text),
  ];
}

function restText({
  host,
  fs,
  pair,
  a,
  b,
  ratio,
  result,
  a: { in_gaps },
  b: ofB,
}: LatencyChange): string {
  const marks = `${result === 'small' ? '*' : ''}${in_gaps + ofB.in_gaps > 0 ? '~' : ''}`;
  const { value, low, high } = ratio!.p50;
  const interval = `${value.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
  const who = `${at(host)}${name(fs, 13)}`;
  return `  ${pair.padEnd(29)}${who.slice(0, 15).padEnd(15)}${duration(a.p50_ns).padStart(8)} ${duration(b.p50_ns).padStart(8)} ${interval.padStart(15)}${marks}`;
}

function orderText(orders: readonly OrderChange[]): string[] {
  const interesting = orders.filter(
    ({ result, a, b }) => result !== 'none' || (a.count === 0) !== (b.count === 0),
  );
  const kinds = new Set(orders.map(({ host, fs }) => `${host} ${fs}`)).size;
  if (orders.length === 0) return [];
  if (interesting.length === 0) {
    const text = `${plural(orders.length, 'order')} of stages in ${plural(kinds, 'filesystem')}, the same in both`;
    return [text];
  }
  const out = ['order of stages'];
  for (const { host, fs, result, verdict, stages, a, b } of interesting) {
    const seldom =
      a.count === 0 || b.count === 0
        ? 'seen in one run, too seldom to say'
        : 'no change to be seen';
    const said =
      result === 'none' || result === 'too few' ? seldom : `${suspicion(verdict)}${result}`;
    out.push(
      ...hang(
        '  ',
        `${at(host)}${name(fs, 20)}: ${said}; A ${a.count} of ${a.of}, B ${b.count} of ${b.of}`,
      ),
    );
    out.push(...hang('      ', stages.join(' > ')));
  }
  return out;
}

function callbackText(callbacks: readonly CallbackChange[]): string[] {
  if (callbacks.length === 0) return [];
  const same = callbacks.filter(({ result }) => result === 'none');
  const out = ['callbacks (s_op; 0: NULL)'];
  for (const { host, fs, pointers, a, b } of callbacks.filter(
    ({ result }) => result === 'changed',
  )) {
    out.push(...hang('  ', `${at(host)}${name(fs, 20)} CHANGED`));
    for (const pointer of pointers as (keyof (typeof a)[number])[]) {
      const values = (tables: typeof a) =>
        [...new Set(tables.map((table) => name(table[pointer], 60)))].join(', ');
      out.push(
        ...hang(`      ${pointer.padEnd(14)} A `, values(a)),
        ...hang(`${' '.repeat(20)} B `, values(b)),
      );
    }
  }
  if (same.length > 0) {
    out.push(
      ...hang(
        '  ',
        `the same: ${same.map(({ host, fs }) => `${at(host)}${name(fs, 20)}`).join(', ')}`,
      ),
    );
  }
  for (const { host, fs, a, b } of callbacks.filter(({ result }) => result === 'unknown')) {
    const why =
      a.length === 0
        ? 'seen in B alone'
        : b.length === 0
          ? 'seen in A alone'
          : 'functions without a name';
    out.push(...hang('  ', `${at(host)}${name(fs, 20)}: cannot be compared, ${why}`));
  }
  return out;
}

function methodText({ method, latencies }: Comparison): string[] {
  const marked = latencies.some(({ a, b }) => a.in_gaps + b.in_gaps > 0);
  const gaps = marked ? ' ~: events were lost while inodes of this row ended.' : '';
  const small = latencies.some(({ result }) => result === 'small')
    ? ` *: significant, and less than ${method.at_least_percent} %.`
    : '';
  return wrap(
    `method: permutation of slices of time, ${method.tests} tests, alpha ${method.alpha} for all together (Holm); intervals of 95 % by block bootstrap; changes below ${method.at_least_percent} % do not count.${small}${gaps} One run each: this shows that the runs differ, not why. Compare two runs of the same kernel first (docs/compare.md).`,
    COLUMNS,
  );
}

function cells(values: readonly string[]): string {
  return values.map((value) => value.padStart(8)).join(' ');
}

function ratioText({ value, low, high }: { value: number; low: number; high: number }): string {
  return `${value.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
}

/** Said only where something else could explain a change. */
function suspicion(verdict: 'certain' | 'suspected'): string {
  return verdict === 'suspected' ? 'suspected: ' : '';
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function at(host: string): string {
  return host === '' ? '' : `${name(host, 12)} `;
}
