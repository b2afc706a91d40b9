/**
 * What tracing costs the workload: hugetlbfs inodes made and dropped as fast as one core
 * can, and at a rate, untraced and under each tracer in turn, several rounds. A tracer that
 * loses events is not faster: what each saw, and what it said it lost, is printed beside.
 *
 *   scripts/bench overhead [--json] [--host local|vm] [--inodes 200000] [--rounds 5] [--rate 2000]
 */
import { parseArgs } from 'node:util';
import { printHeader, printResult } from './result.ts';
import { type Account, onGuest, onThisMachine, type Traced } from './tracers.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    host: { type: 'string', default: 'local' },
    inodes: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '5' },
  },
});
if (options.host !== 'local' && options.host !== 'vm') {
  process.stderr.write(`--host ${options.host}: local or vm\n`);
  process.exit(2);
}
const emulated = options.host === 'vm';
const inodes = Number(options.inodes ?? (emulated ? 5000 : 200_000));
const rounds = Number(options.rounds);
const rate = Number(options.rate);
const paced = rate * Number(options.seconds);
if (![inodes, rounds, rate, paced].every((n) => Number.isSafeInteger(n) && n > 0)) {
  process.stderr.write('--inodes, --rounds, --rate and --seconds are numbers above 0\n');
  process.exit(2);
}

/** What one tracer came to: nanoseconds an inode in each round, and its accounts. */
interface Row {
  readonly traced: Traced;
  readonly full: number[];
  readonly paced: number[];
  account: Account | null;
}

printHeader(options.json);
const { tracers, work } = await (emulated ? onGuest() : onThisMachine());
const rows: Row[] = tracers.map((traced) => ({ traced, full: [], paced: [], account: null }));
for (let round = 0; round < rounds; round++) {
  // another one begins each round: whatever else the machine does meets all of them
  for (let i = 0; i < rows.length; i++) {
    const row = rows[(i + round) % rows.length]!;
    const running = await row.traced.start();
    row.full.push((await work(inodes, 0)) / inodes);
    row.paced.push((await work(paced, rate)) / paced);
    row.account = (await running?.stop(inodes + paced)) ?? null;
    progress(round, row);
  }
}

const untraced = rows.find(({ traced }) => traced.name === 'untraced')!;
for (const row of rows) {
  if (row === untraced) continue;
  tell(`overhead ${row.traced.name}`, row.full, untraced.full, row.account);
}
for (const row of rows) {
  if (row === untraced) continue;
  tell(`overhead ${row.traced.name}, ${rate}/s`, row.paced, untraced.paced, row.account);
}
process.exit(0);

function tell(name: string, found: number[], base: number[], account: Account | null): void {
  const spread = found.map((ns, i) => ns / base[i]!).sort((a, b) => a - b);
  const [least, most] = [spread[0]!, spread.at(-1)!].map((ratio) => ratio.toFixed(2));
  printResult(options.json, {
    name,
    value: Math.round(median(found)),
    unit: 'ns an inode',
    baseline: Math.round(median(base)),
    baseline_name: 'untraced',
    note: `by round ${least} to ${most}; ${account?.text ?? ''}`,
  });
}

function progress(round: number, { traced, full }: Row): void {
  if (options.json) return;
  const ns = Math.round(full.at(-1)!).toLocaleString('en');
  process.stderr.write(`round ${round + 1} of ${rounds}: ${traced.name}, ${ns} ns an inode\n`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
