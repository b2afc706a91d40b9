/**
 * What tracing costs the workload: hugetlbfs inodes made and dropped as fast as one core
 * can, and at a rate, under each tracer, several rounds, in four parts each; the same untraced
 * just before and just after, since a machine is not as fast at one time as at another. A tracer that
 * loses events is not faster: what each saw, and what it said it lost, is printed beside.
 *
 *   scripts/bench overhead [--json] [--host local|vm] [--inodes 200000] [--rounds 5] [--rate 2000]
 */
import { readOptions } from './options.ts';
import { printHeader, printResult } from './result.ts';
import { type Account, onGuest, onThisMachine, type Traced } from './tracers.ts';

const options = readOptions(
  // inodes: 0 stands for as many as the host makes in some seconds
  { json: false, host: 'local', inodes: 0, rounds: 5, rate: 2000, seconds: 5 },
  { host: ['local', 'vm'], rounds: 1, rate: 1, seconds: 1 },
);
const { rounds, rate } = options;
const emulated = options.host === 'vm';
const inodes = options.inodes || (emulated ? 5000 : 200_000);
const paced = rate * options.seconds;
/** Each round's inodes are made in so many parts. */
const PARTS = 4;
/** And so many before anything is measured. */
const WARM = 8;
const part = Math.ceil(inodes / PARTS);

/** Nanoseconds an inode, of each part. */
interface Beside {
  readonly traced: number[];
  readonly untraced: number[];
}

/** What one tracer came to, round by round, and its last account. */
interface Row {
  readonly traced: Traced;
  readonly full: Beside[];
  readonly paced: Beside[];
  account: Account | null;
}

printHeader(options.json);
const { tracers, work } = await (emulated ? onGuest() : onThisMachine());
const rows: Row[] = tracers.map((traced) => ({ traced, full: [], paced: [], account: null }));
for (let round = 0; round < rounds; round++) {
  // another one begins each round: whatever else the machine does meets all of them
  for (let i = 0; i < rows.length; i++) {
    const row = rows[(i + round) % rows.length]!;
    const full: Beside = { traced: [], untraced: await inParts() };
    const slow: Beside = { traced: [], untraced: [await atRate()] };
    const running = await row.traced.start();
    // one that has just begun compiles its own code yet, on the processors of the workload
    await work(WARM * part, 0);
    full.traced.push(...(await inParts()));
    slow.traced.push(await atRate());
    row.account = await running.stop((WARM + PARTS) * part + paced);
    full.untraced.push(...(await inParts()));
    row.full.push(full);
    row.paced.push(slow);
    progress(round, row);
  }
}
for (const row of rows) tell(`overhead ${row.traced.name}`, row.full, row.account);
for (const row of rows) tell(`overhead ${row.traced.name}, ${rate}/s`, row.paced, row.account);
process.exit(0);

async function inParts(): Promise<number[]> {
  const parts: number[] = [];
  while (parts.length < PARTS) parts.push((await work(part, 0)) / part);
  return parts;
}

async function atRate(): Promise<number> {
  return (await work(paced, rate)) / paced;
}

function tell(name: string, found: readonly Beside[], account: Account | null): void {
  const spread = found.map(ratioOf).sort((a, b) => a - b);
  const [least, most] = [spread[0]!, spread.at(-1)!].map((ratio) => ratio.toFixed(2));
  printResult(options.json, {
    name,
    value: Math.round(median(found.flatMap(({ traced }) => traced))),
    unit: 'ns an inode',
    baseline: Math.round(median(found.flatMap(({ untraced }) => untraced))),
    baseline_name: 'untraced',
    note: `by round ${least} to ${most}, median ${median(spread).toFixed(2)}; ${account?.text ?? ''}`,
  });
}

function ratioOf({ traced, untraced }: Beside): number {
  return median(traced) / median(untraced);
}

function progress(round: number, { traced, full }: Row): void {
  if (options.json) return;
  const ratio = ratioOf(full.at(-1)!).toFixed(2);
  process.stderr.write(`round ${round + 1} of ${rounds}: ${traced.name}, ${ratio} x untraced\n`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
