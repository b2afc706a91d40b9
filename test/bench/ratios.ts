/**
 * Ratios that a change may not make worse: decoder and model beside a plain reader of the very same
 * bytes, which cuts them into lines and words and counts these. Both take turns every two
 * megabytes on one thread, so that whatever else the machine does, it does to both. All turns
 * count: lines wait for the next beat, so that one turn does the work of those before it. The
 * kernel brings the processor time of a thread up to date every 4 ms, which is too seldom: so it is
 * the clock that is read. Fails where a ratio is more than a fifth below the table.
 *
 *   scripts/bench ratios [--json] [--write]
 *
 * `--write`: what is found becomes the table (ratios.json).
 * What is compiled in which order differs from process to process, and the machine has its moments.
 * The table has the middle one of five processes; an input that seems slower is tried again in
 * up to five, and the best counts: a change that makes it slower makes all of them slower.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { readOptions } from './options.ts';
import { type Input, repeat } from './repeat.ts';
import { printHeader, printResult } from './result.ts';
import { INPUTS, KEEP, RATE, type Template } from './template.ts';

const TABLE = new URL('ratios.json', import.meta.url);
/** Below the table by more than this: too slow. */
const TOLERATED = 0.2;
const RUNS = 2;
const PROCESSES = 5;
const EVENTS = 600_000;
/** Of each run, before anything is measured: until then most of the code is not compiled. */
const WARM = 0.4;
const TURN_BYTES = 2 * 1024 * 1024;

const options = readOptions(
  // one: measures this input and prints it, which is what one process does
  { json: false, write: false, one: '' },
  { one: ['', ...INPUTS.map(({ name }) => name)] },
);
if (options.one !== '') {
  console.log(JSON.stringify(measured(INPUTS.find(({ name }) => name === options.one)!)));
  process.exit(0);
}

const table = JSON.parse(readFileSync(TABLE, 'utf8')) as Record<string, number>;
const found: Record<string, number> = {};
printHeader(options.json);
for (const { name } of INPUTS) {
  const wanted = (table[`ingest ${name}`] ?? 0) * (1 - TOLERATED);
  const all: Measured[] = [];
  const isEnough = () => !options.write && ratioOf(all[0]!) >= wanted;
  do {
    all.push(inProcess(name));
    all.sort((a, b) => ratioOf(b) - ratioOf(a));
  } while (all.length < PROCESSES && !isEnough());
  const { ours, plain, turns } = all[options.write ? PROCESSES >> 1 : 0]!;
  const ratio = Math.round((ours / plain) * 1000) / 1000;
  found[`ingest ${name}`] = ratio;
  printResult(options.json, {
    name: `ingest ${name}`,
    value: Math.round(ours),
    unit: 'events/s',
    baseline: Math.round(plain),
    baseline_name: 'lines and words of the same bytes',
    note: `ratio ${ratio}, in the table ${table[`ingest ${name}`] ?? 'none'}; ${turns} turns, ${options.write ? 'the middle one' : 'the best'} of ${all.length} processes`,
  });
}
if (options.write) {
  writeFileSync(TABLE, `${JSON.stringify(found, null, 2)}\n`);
} else {
  const slow = Object.entries(table).filter(
    ([name, ratio]) => !((found[name] ?? 0) >= ratio * (1 - TOLERATED)),
  );
  for (const [name, ratio] of slow) {
    process.stderr.write(
      `${name}: ${found[name] ?? 'not measured'} of the plain reader's rate, ${ratio} in the table: ` +
        `more than ${TOLERATED * 100} % slower. If that is meant: ./scripts/bench ratios --write\n`,
    );
  }
  process.exitCode = slow.length === 0 ? 0 : 1;
}

/** Events a second. */
interface Measured {
  readonly ours: number;
  readonly plain: number;
  readonly turns: number;
}

function ratioOf({ ours, plain }: Measured): number {
  return ours / plain;
}

function inProcess(name: string): Measured {
  const self = import.meta.filename;
  return JSON.parse(execFileSync(process.execPath, [self, '--one', name], { encoding: 'utf8' }));
}

function measured({ read }: (typeof INPUTS)[number]): Measured {
  const template = read();
  const input = repeat(template, EVENTS, RATE);
  const turns = Array.from({ length: RUNS }, () => inTurns(template, input)).flat();
  const sum = (of: 'events' | 'ours' | 'plain') => turns.reduce((all, turn) => all + turn[of], 0);
  const events = sum('events');
  return { ours: events / sum('ours'), plain: events / sum('plain'), turns: turns.length };
}

interface Turn {
  readonly events: number;
  /** Seconds. */
  readonly ours: number;
  readonly plain: number;
}

/** Decoder and model, and the plain reader, over the same input in turns. */
function inTurns({ info }: Template, input: Input): Turn[] {
  const pipeline = new Pipeline(info, { keep: KEEP });
  const turns: Turn[] = [];
  let words = 0;
  for (let from = 0; from < input.frames.length; ) {
    let to = from;
    let size = 0;
    while (to < input.frames.length && size < TURN_BYTES) size += input.frames[to++]!.bytes.length;
    const frames = input.frames.slice(from, to);
    from = to;
    const began = performance.now();
    for (const { kind, bytes } of frames) feed(pipeline, kind, bytes);
    const between = performance.now();
    for (const { bytes } of frames) words += plainly(bytes);
    const events = (size * input.events) / input.bytes;
    const plain = (performance.now() - between) / 1000;
    turns.push({ events, ours: (between - began) / 1000, plain });
  }
  if (words === 0) throw new Error('the plain reader read nothing');
  return turns.slice(Math.floor(turns.length * WARM));
}

/** What anybody would write first: lines, words, and how often each first word came. */
function plainly(bytes: Buffer): number {
  const seen = new Map<string, number>();
  let words = 0;
  for (const line of bytes.toString('latin1').split('\n')) {
    const parts = line.split(' ');
    words += parts.length;
    seen.set(parts[0]!, (seen.get(parts[0]!) ?? 0) + 1);
  }
  return words;
}
