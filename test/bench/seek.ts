/**
 * How long it takes to show any point of a large recording: `node test/bench/seek.ts
 * [--events 10000000] [--points 40] [--json]`. The baseline is playing from the beginning
 * to the same point, which is what there is to do without saved states.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Player } from '../../server/recording/player.ts';
import { Recorded } from '../../server/recording/positions.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { writeBigRecording } from './big-recording.ts';
import { readOptions } from './options.ts';
import { heapMb } from './result.ts';
import { KEEP } from './template.ts';

const options = readOptions(
  { events: 10_000_000, points: 40, json: false },
  { events: 1000, points: 1 },
);
const SAMPLE = fileURLToPath(new URL('../../samples/demo-6.12.lastref', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
try {
  await measure(join(directory, 'big.lastref'));
} finally {
  rmSync(directory, { recursive: true });
}

async function measure(file: string): Promise<void> {
  say(`writing a recording of ${options.events} events ...`);
  const events = writeBigRecording(SAMPLE, file, options.events);
  const fileBytes = statSync(file).size;
  print(
    'size',
    fileBytes / events,
    'bytes/event',
    (fileBytes - bytesOfStates(file)) / events,
    'without the states',
    fileBytes / (fileBytes - bytesOfStates(file)),
  );
  const reader = new RecordingReader(file);
  const opened = performance.now();
  const replay = new Replay(reader, { keep: KEEP, banner: '' });
  const { begin_ms, end_ms } = replay.status();
  say(`${events} events, opened in ${(performance.now() - opened).toFixed(0)} ms`);

  const { plainS, straightMs, report } = playedThrough(reader, (begin_ms + end_ms) / 2);

  // every point once, in an order that goes back and forth
  const { points } = options;
  const times = Array.from({ length: points }, (_, i) => {
    const part = ((i * 0.618034) % 1) * 0.998 + 0.001;
    return begin_ms + part * (end_ms - begin_ms);
  });
  const seek = async (when: string) => {
    const took: number[] = [];
    for (const ms of times) {
      const from = performance.now();
      await replay.seek(ms);
      took.push(performance.now() - from);
    }
    took.sort((a, b) => a - b);
    const half = 'from the beginning to the middle';
    const [p50, most] = [took[points >> 1]!, took.at(-1)!];
    print(`seek_p50 ${when}`, p50, 'ms', straightMs, half, straightMs / p50);
    print(`seek_max ${when}`, most, 'ms', straightMs, half, straightMs / most);
  };
  const rush = async (when: string) => {
    await replay.seek(begin_ms);
    const rushed = performance.now();
    await replay.play(Number.POSITIVE_INFINITY);
    const rushS = (performance.now() - rushed) / 1000;
    if (JSON.stringify(makeReport(replay.pipelines())) !== report) {
      throw new Error('at its end, a replay at full speed reports something else than playing all');
    }
    const all = 'every event through decoder and model';
    print(`replay_max ${when}`, events / rushS, 'events/s', events / plainS, all, plainS / rushS);
  };
  // what was written and played until here is nothing that a replay has in memory
  say(`${heapMb()} MB`);
  // as `lastref replay` does until there is a page that can seek
  void replay.play(1);
  await sleep(1000);
  replay.pause();
  await seek('just opened');
  await rush('just opened');
  const reached = (replay.scan.reachedMs - begin_ms) / (end_ms - begin_ms);
  say(`looked through until then: ${(reached * 100).toFixed(0)} %`);

  const second = new Replay(reader, { keep: KEEP, banner: '' });
  const scanned = performance.now();
  while (!second.scan.done) second.scan.work(50);
  const scanS = (performance.now() - scanned) / 1000;
  const saving = 'played without saving states';
  print('scan', events / scanS, 'events/s', events / plainS, saving, plainS / scanS);
  second.stop();
  while (!replay.scan.done) replay.scan.work(50);
  await seek('looked through');
  await rush('looked through');
  const states = replay.states();
  print(
    'states in memory',
    states.bytes / states.count,
    'bytes/state',
    fileBytes / states.count,
    'of the recording for each',
    states.bytes / fileBytes,
  );
  replay.stop();
  reader.close();
}

/** What there is to do without saved states: nothing of it stays in memory. */
function playedThrough(reader: RecordingReader, middle: number) {
  const began = performance.now();
  const player = new Player(new Recorded(reader), { keep: KEEP });
  player.advance(player.recorded.at(middle));
  const straightMs = performance.now() - began;
  player.advance(player.recorded.end);
  const plainS = (performance.now() - began) / 1000;
  const report = makeReport(player.pipelines);
  say(`balanced: ${report.losses.balanced}, findings: ${report.findings.length}`);
  return { plainS, straightMs, report: JSON.stringify(report) };
}

function bytesOfStates(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  const { bytes } = db
    .prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM checkpoints')
    .get() as {
    bytes: number;
  };
  db.close();
  return bytes;
}

function print(
  name: string,
  value: number,
  unit: string,
  baseline: number,
  baseline_name: string,
  ratio: number,
): void {
  const round = (x: number) => Number(x.toPrecision(4));
  const line = {
    name,
    value: round(value),
    unit,
    baseline: round(baseline),
    baseline_name,
    ratio: round(ratio),
  };
  process.stdout.write(
    options.json
      ? `${JSON.stringify(line)}\n`
      : `${name}: ${line.value} ${unit}; ${baseline_name}: ${line.baseline}; ratio ${line.ratio}\n`,
  );
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
