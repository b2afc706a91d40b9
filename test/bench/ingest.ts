/**
 * How fast bytes of bpftrace become the state of the model, on one core: decoder,
 * ledger, order, model, contract, leaks, as they run live and in a replay. Beside it
 * jq and perf script, which read the same number of events and keep nothing.
 *
 *   scripts/bench ingest [--json] [--events 5000000] [--baseline-events 500000]
 */
import { parseArgs } from 'node:util';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { type Baseline, jqBaseline, perfBaseline } from './baselines.ts';
import { type Input, repeat } from './repeat.ts';
import { heapMb, printHeader, printResult } from './result.ts';
import { INPUTS, KEEP, RATE, type Template } from './template.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    events: { type: 'string', default: '5000000' },
    'baseline-events': { type: 'string', default: '500000' },
    input: { type: 'string', multiple: true, default: INPUTS.map(({ name }) => name) },
  },
});

const events = numberOf('--events', options.events);
const compared = Math.min(events, numberOf('--baseline-events', options['baseline-events']));

printHeader(options.json);
const perf = compared === 0 ? null : perfBaseline(compared);
for (const { name, read } of INPUTS) {
  if (!options.input.includes(name)) continue;
  const template = read();
  const input = repeat(template, events, RATE);
  const { rate, heap } = run(template, input);
  const baselines = (compared === 0 ? [] : [jqBaseline(input, compared), perf]).filter(
    (baseline): baseline is Baseline => baseline !== null,
  );
  for (const baseline of baselines.length === 0 ? [null] : baselines) {
    printResult(options.json, {
      name: `ingest ${name}`,
      value: Math.round(rate),
      unit: 'events/s',
      baseline: baseline?.rate ?? null,
      baseline_name: baseline?.name ?? null,
      note: `${input.events} events, ${Math.round(input.bytes / 1e6)} MB; heap after it ${heap} MB`,
    });
  }
}

/** Throws when what came out is not what went in: then the rate means nothing. */
function run(template: Template, input: Input): { rate: number; heap: number } {
  const pipeline = new Pipeline(template.info, { keep: KEEP });
  const idle = heapMb();
  const began = performance.now();
  for (const { kind, bytes } of input.frames) feed(pipeline, kind, bytes);
  const seconds = (performance.now() - began) / 1000;
  const heap = heapMb() - idle;
  const { inodes, losses, findings, leaks, gaps, events: counted } = makeReport([pipeline]);
  const wrong = [
    inodes.ended === input.inodes ? '' : `${inodes.ended} inodes ended of ${input.inodes}`,
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
  return { rate: input.events / seconds, heap };
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    process.stderr.write(`${option} ${text}: not a number of events\n`);
    process.exit(2);
  }
  return value;
}
