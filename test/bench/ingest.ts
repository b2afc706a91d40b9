/**
 * How fast bytes of bpftrace become the state of the model, on one core: decoder,
 * ledger, order, model, contract, leaks, as they run live and in a replay. Beside it, in
 * lines, jq, which reads the same lines; in calls of the kernel, perf script, which prints a
 * line of its own for each (both keep nothing); beside the steps, what bpftrace prints of them in a
 * second of its processor, which is as fast as they can come from one host; in bytes, a copy of them,
 * which is what the memory of the machine allows. A line at the end of an inode tells of nine calls.
 *
 *   scripts/bench ingest [--json] [--events 5000000] [--baseline-events 500000]
 */
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { type Baseline, bpftraceBaseline, jqBaseline, perfBaseline } from './baselines.ts';
import { readOptions } from './options.ts';
import { type Input, repeat } from './repeat.ts';
import { heapMb, printHeader, printResult } from './result.ts';
import { INPUTS, KEEP, RATE, type Template } from './template.ts';

const inputs = INPUTS.map(({ name }) => name);
const options = readOptions(
  { json: false, events: 5_000_000, 'baseline-events': 500_000, input: inputs },
  { events: 1000, input: inputs },
);
const { events } = options;
const compared = Math.min(events, options['baseline-events']);

printHeader(options.json);
const perf = compared === 0 ? null : perfBaseline(compared);
for (const { name, read } of INPUTS) {
  if (!options.input.includes(name)) continue;
  const template = read();
  const input = repeat(template, events, RATE);
  const { seconds, heap } = run(template, input);
  const size = `${input.events} lines, ${Math.round(input.bytes / 1e6)} MB`;
  const each = Math.round((input.calls / input.events) * 10) / 10;
  const lines = { unit: 'lines/s', value: Math.round(input.events / seconds) };
  const calls = { unit: 'calls/s', value: Math.round(input.calls / seconds) };
  const note = `${size}, ${each} calls of the kernel in each; heap after it ${heap} MB`;
  const print = (what: typeof lines, baseline: Baseline | null) =>
    printResult(options.json, {
      name: `ingest ${name}`,
      ...what,
      baseline: baseline?.rate ?? null,
      baseline_name: baseline?.name ?? null,
      note,
    });
  print(lines, compared === 0 ? null : jqBaseline(input, compared));
  print(calls, perf?.() ?? null);
  if (name === 'steps' && compared > 0) print(lines, await bpftraceBaseline(compared));
  printResult(options.json, {
    name: `ingest ${name}`,
    unit: 'MB/s',
    value: Math.round(input.bytes / 1e6 / seconds),
    ...copied(input),
    note: 'as much as the machine can move from one place of its memory to another',
  });
}

/** Throws when what came out is not what went in: then the rate means nothing. */
function run(template: Template, input: Input): { seconds: number; heap: number } {
  const pipeline = new Pipeline(template.info, { keep: KEEP });
  const idle = heapMb();
  const began = performance.now();
  for (const { kind, bytes } of input.frames) feed(pipeline, kind, bytes);
  const seconds = (performance.now() - began) / 1000;
  const heap = heapMb() - idle;
  const { inodes, losses, findings, leaks, gaps, events: counted } = makeReport([pipeline]);
  const expected = input.inodes + template.endedBefore;
  const wrong = [
    inodes.ended === expected ? '' : `${inodes.ended} inodes ended of ${expected}`,
    inodes.live + (inodes.lost ?? 0) === 0 ? '' : `${inodes.live} inodes live, ${inodes.lost} lost`,
    losses.balanced === true ? '' : `the ledger's balance is ${losses.balanced}`,
    counted.decoded >= input.events ? '' : `${counted.decoded} events decoded`,
    counted.rejected + counted.late === 0
      ? ''
      : `${counted.rejected} rejected, ${counted.late} late`,
    findings.length + leaks.length + gaps.length === 0
      ? ''
      : `${findings.length} findings, ${leaks.length} leaks, ${gaps.length} gaps`,
  ].filter((what) => what !== '');
  if (wrong.length > 0) throw new Error(`the report is not that of the input: ${wrong.join('; ')}`);
  return { seconds, heap };
}

/** The same bytes, moved. */
function copied(input: Input): { baseline: number; baseline_name: string } {
  const to = Buffer.alloc(Math.max(...input.frames.map(({ bytes }) => bytes.length)));
  const began = performance.now();
  for (const { bytes } of input.frames) bytes.copy(to);
  const seconds = (performance.now() - began) / 1000;
  return {
    baseline: Math.round(input.bytes / 1e6 / seconds),
    baseline_name: 'a copy of the bytes',
  };
}
