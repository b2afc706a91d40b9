/**
 * What a recording costs: bytes on disk for an event, tables and all, and time beside
 * decoding and the model. In one run, without a page. Seconds are those of the CPU, so that
 * other work on the machine does not count.
 *
 *   node test/bench/recording.ts [--json] [--events 1000000]
 */
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import { openRecording } from '../../server/recording/open.ts';
import { Recorder } from '../../server/recording/recorder.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { Churn } from './churn.ts';
import { readOptions } from './options.ts';

const KEEP = 20_000;
const FLUSH_NS = 500e6;

const options = readOptions({ json: false, events: 1_000_000 }, { events: 1000 });
const wanted = options.events;

interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly baseline_name: string;
}

const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
try {
  const churn = new Churn();
  const file = join(directory, 'r.lastref');
  run(churn, null, Math.min(wanted, 100_000)); // warm
  const without = run(churn, null, wanted);
  const recorded = run(churn, file, wanted);
  const { size } = statSync(file);
  const plain = compressedAlone(churn);
  print({
    name: 'recording size',
    value: size / recorded.events,
    unit: 'bytes/event',
    baseline: plain.zstd / plain.events,
    baseline_name: 'zstd -1 of the same text, without tables',
  });
  print({
    name: 'recording overhead',
    value: (1e6 * recorded.seconds) / recorded.events,
    unit: 'us/event, decode + model + recording',
    baseline: (1e6 * without.seconds) / without.events,
    baseline_name: 'decode + model',
  });
  print({
    name: 'recording write',
    value: recorded.events / writeAlone(churn, join(directory, 'alone.lastref')),
    unit: 'events/s',
    baseline: plain.events / plain.seconds,
    baseline_name: 'write(2) of the same text',
  });
  print({
    name: 'recording read',
    value: recorded.events / readAlone(file),
    unit: 'events/s',
    baseline: without.events / without.seconds,
    baseline_name: 'decode + model',
  });
} finally {
  rmSync(directory, { recursive: true });
}

/** Decodes and models; with a file it is recorded too, with a flush each half second of the trace. */
function run(churn: Churn, file: string | null, most: number): { seconds: number; events: number } {
  let now = 0;
  const pipeline: Pipeline = new Pipeline(churn.info, {
    keep: KEEP,
    onEnd: (of, inode) => recorder?.ended(of, inode),
  });
  const recorder =
    file === null
      ? null
      : new Recorder({
          file,
          states: { keep: KEEP },
          pipelines: () => [pipeline],
          say: fail,
          now: () => now,
        });
  recorder?.epoch(pipeline);
  pipeline.begin([]);
  let seconds = 0;
  let count = 0;
  let flushed = 0;
  // generating the text is not measured
  for (const { bytes, events, ns } of churn.frames(most)) {
    const began = spent();
    now = ns / 1e6;
    recorder?.frame(pipeline.info, 'out', bytes);
    pipeline.out(bytes);
    if (ns - flushed >= FLUSH_NS) {
      recorder?.flush();
      flushed = ns;
    }
    seconds += spent() - began;
    count += events;
  }
  const began = spent();
  pipeline.end(true, '');
  recorder?.close();
  seconds += spent() - began;
  return { seconds, events: count };
}

/** Seconds of recording alone: no model, and so empty tables. */
function writeAlone(churn: Churn, file: string): number {
  let now = 0;
  const pipeline = new Pipeline(churn.info, { keep: 0 });
  const recorder = new Recorder({ file, pipelines: () => [], say: fail, now: () => now });
  recorder.epoch(pipeline);
  let seconds = 0;
  let flushed = 0;
  for (const { bytes, ns } of churn.frames(wanted)) {
    const began = spent();
    now = ns / 1e6;
    recorder.frame(pipeline.info, 'out', bytes);
    if (ns - flushed >= FLUSH_NS) {
      recorder.flush();
      flushed = ns;
    }
    seconds += spent() - began;
  }
  const began = spent();
  recorder.close();
  return seconds + spent() - began;
}

/** Seconds to get every frame back. */
function readAlone(file: string): number {
  const began = spent();
  const recording = openRecording(file);
  let bytes = 0;
  for (const frame of recording.frames()) bytes += frame.bytes.length;
  recording.close();
  if (recording.damage !== null || bytes === 0) throw new Error(recording.damage ?? 'nothing');
  return spent() - began;
}

/** The same text without any of our format: compressed in chunks of 4 MiB, and written as it is. */
function compressedAlone(churn: Churn): { zstd: number; events: number; seconds: number } {
  const fd = openSync(join(directory, 'plain.txt'), 'w');
  let chunk: Buffer[] = [];
  let size = 0;
  let zstd = 0;
  let count = 0;
  let seconds = 0;
  const compress = () => {
    const params = { [constants.ZSTD_c_compressionLevel]: 1 };
    zstd += zstdCompressSync(Buffer.concat(chunk), { params }).length;
    chunk = [];
    size = 0;
  };
  for (const { bytes, events } of churn.frames(wanted)) {
    const began = spent();
    writeSync(fd, bytes);
    seconds += spent() - began;
    chunk.push(bytes);
    size += bytes.length;
    count += events;
    if (size >= 4 * 1024 * 1024) compress();
  }
  compress();
  closeSync(fd);
  return { zstd, events: count, seconds };
}

function print(result: Result): void {
  const ratio = Number((result.value / result.baseline).toPrecision(3));
  const rounded = (value: number) => Number(value.toPrecision(3));
  const { name, unit, baseline_name } = result;
  const [value, baseline] = [rounded(result.value), rounded(result.baseline)];
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ name, value, unit, baseline, baseline_name, ratio })}\n`
      : `${name.padEnd(20)} ${value} ${unit}; ${baseline_name}: ${baseline}; ratio ${ratio}\n`,
  );
}

/** CPU seconds of this process so far. */
function spent(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function fail(text: string): never {
  throw new Error(text);
}
