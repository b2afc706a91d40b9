/**
 * Makes a golden recording anew: `node test/golden/record.ts 6.1`. A few scenarios in
 * the guest with that kernel and its own bpftrace, each of which must come out as
 * expected, or nothing is kept.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RecordingWriter } from '../../server/recording/writer.ts';
import { DEFAULT_FILESYSTEMS } from '../../server/tracer/filesystems.ts';
import { CellRun } from '../matrix/cell-run.ts';
import { parseCells } from '../matrix/cells.ts';
import { SCENARIOS } from '../scenarios/expected.ts';

const CHOSEN = ['s02', 's03', 's05', 's07', 's13', 's16', 's25'];

const kernel = process.argv[2] ?? '6.12';
const [cell] = parseCells(`${kernel}/0.23`);
const directory = new URL(`scenarios-${kernel}/`, import.meta.url);
const draft = new URL(`.draft-${kernel}.lastref`, import.meta.url).pathname;
const scenarios = SCENARIOS.filter(
  ({ name, kernels }) =>
    CHOSEN.includes(name.slice(0, 3)) && (kernels?.includes(cell!.kernel) ?? true),
);

rmSync(draft, { force: true });
const run = await CellRun.up(cell!);
const recording = new RecordingWriter(draft);
try {
  await run.attach(DEFAULT_FILESYSTEMS, recording);
  for (const scenario of scenarios) {
    const { expected, seen } = await run.scenario(scenario);
    const same = JSON.stringify(seen) === JSON.stringify(expected);
    process.stderr.write(`  ${scenario.name} ${same ? 'as expected' : JSON.stringify(seen)}\n`);
    if (!same) throw new Error(`${scenario.name} is not as expected: nothing was recorded`);
  }
  await sleep(3000); // the account of the last events comes with the next ticks
} finally {
  await run.stop();
  recording.close();
}
mkdirSync(directory, { recursive: true });
renameSync(draft, new URL('recording.lastref', directory));
process.stderr.write('now: UPDATE_GOLDEN=1 npx vitest run --project unit golden\n');
