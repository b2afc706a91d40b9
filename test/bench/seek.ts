/**
 * How long it takes to show any point of a large recording: `node test/bench/seek.ts
 * [--events 10000000] [--points 40] [--json]`. The baseline is playing from the beginning
 * to the same point, which is what there is to do without saved states.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Player } from '../../server/recording/player.ts';
import { Recorded } from '../../server/recording/positions.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { writeBigRecording } from './big-recording.ts';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '10000000' },
    points: { type: 'string', default: '40' },
    json: { type: 'boolean', default: false },
  },
});
const KEEP = 20_000;
const SAMPLE = fileURLToPath(new URL('../../samples/demo-6.12.lastref', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
try {
  await measure(join(directory, 'big.lastref'));
} finally {
  rmSync(directory, { recursive: true });
}

async function measure(file: string): Promise<void> {
  say(`writing a recording of ${options.events} events ...`);
  const events = writeBigRecording(SAMPLE, file, Number(options.events));
  const fileBytes = statSync(file).size;
  say(`${events} events, ${fileBytes} bytes`);
  const reader = new RecordingReader(file);
  const opened = performance.now();
  const replay = new Replay(reader, { keep: KEEP, banner: '' });
  const { begin_ms, end_ms } = replay.status();
  say(`opened in ${(performance.now() - opened).toFixed(0)} ms`);

  const scanned = performance.now();
  while (!replay.scan.done) replay.scan.work(50);
  const scanS = (performance.now() - scanned) / 1000;
  const plain = performance.now();
  const player = new Player(new Recorded(reader), { keep: KEEP });
  player.advance(player.recorded.end);
  const plainS = (performance.now() - plain) / 1000;
  const { losses, findings } = makeReport(player.pipelines);
  say(`balanced: ${losses.balanced}, findings: ${findings.length}`);

  // every point once, in an order that goes back and forth
  const points = Number(options.points);
  const times = Array.from({ length: points }, (_, i) => {
    const part = ((i * 0.618034) % 1) * 0.998 + 0.001;
    return begin_ms + part * (end_ms - begin_ms);
  });
  const took: number[] = [];
  for (const ms of times) {
    const from = performance.now();
    await replay.seek(ms);
    took.push(performance.now() - from);
  }
  took.sort((a, b) => a - b);
  const middle = begin_ms + (end_ms - begin_ms) / 2;
  const from = performance.now();
  const straight = new Player(new Recorded(reader), { keep: KEEP });
  straight.advance(straight.recorded.at(middle));
  const straightMs = performance.now() - from;
  const beforeMiddle = performance.now();
  await replay.seek(begin_ms);
  const backMs = performance.now() - beforeMiddle;
  const toMiddle = performance.now();
  await replay.seek(middle);
  const middleMs = performance.now() - toMiddle;

  const name = 'from the beginning to the same point';
  print('seek', middleMs, 'ms', straightMs, name, straightMs / middleMs);
  const half = 'from the beginning to the middle';
  print('seek_p50', took[points >> 1]!, 'ms', straightMs, half, straightMs / took[points >> 1]!);
  print('seek_max', took.at(-1)!, 'ms', straightMs, half, straightMs / took.at(-1)!);
  print('seek_to_begin', backMs, 'ms', straightMs, half, straightMs / backMs);
  print(
    'scan',
    events / scanS,
    'events/s',
    events / plainS,
    'played without saving states',
    plainS / scanS,
  );
  await replay.seek(begin_ms);
  const rushed = performance.now();
  await replay.play(Number.POSITIVE_INFINITY);
  const rushS = (performance.now() - rushed) / 1000;
  const end = makeReport(replay.pipelines());
  if (JSON.stringify(end) !== JSON.stringify(makeReport(player.pipelines))) {
    throw new Error('at its end, a replay at full speed reports something else than playing all');
  }
  const all = 'every event through decoder and model';
  print('replay_max', events / rushS, 'events/s', events / plainS, all, plainS / rushS);
  const states = replay.states();
  print(
    'states',
    states.bytes / states.count,
    'bytes/state',
    fileBytes / states.count,
    'of the recording for each',
    states.bytes / fileBytes,
  );
  replay.stop();
  reader.close();
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
