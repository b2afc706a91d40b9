/**
 * A large recording out of a small real one: its lines again and again, each time later,
 * and several of them side by side with other addresses, numbers and tasks. For
 * benchmarks only: no kernel has printed it.
 */
import { LINES, type LineName, type LineSpec } from '../../server/protocol/grammar.ts';
import type { EpochInfo, FrameKind } from '../../server/protocol/recording.ts';
import { type Frame, RecordingReader } from '../../server/recording/reader.ts';
import { Recorder } from '../../server/recording/recorder.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { KEEP } from './template.ts';

/** Copies that run side by side. */
const COPIES = 20;
/** Between one time and the next, s. */
const PAUSE_S = 2;

interface Part {
  readonly frame: Frame;
  readonly lines: readonly string[];
}

/**
 * Writes about so many events as a live session does that has seen them, with the states to
 * seek by; gives how many lines were written that are events.
 */
export function writeBigRecording(from: string, to: string, events: number): number {
  const reader = new RecordingReader(from);
  const frames = [...reader.frames()];
  const info = reader.epochs[0]!;
  reader.close();
  const parts = wholeLines(frames);
  const epoch: EpochInfo = { ...info, canaries: [] };
  const pipeline: Pipeline = new Pipeline(epoch, {
    keep: KEEP,
    onEnd: (of, inode) => recorder.ended(of, inode),
    onAlert: (of, alert) => recorder.alert(of, alert),
  });
  const recorder = new Recorder({
    file: to,
    states: { keep: KEEP },
    pipelines: () => [pipeline],
    say: (text) => {
      throw new Error(text);
    },
  });
  recorder.epoch(pipeline);
  const give = (kind: FrameKind, bytes: Buffer, now: number) => {
    recorder.frame(epoch, kind, bytes, now);
    feed(pipeline, kind, bytes);
  };
  const began = frames[0]!.atMs;
  const lengthS = Math.ceil((frames.at(-1)!.atMs - began) / 1000) + PAUSE_S;
  const hits = lastHits(parts);
  let written = 0;
  for (let round = 0; written < events; round++) {
    for (const { frame, lines } of parts) {
      const now = frame.atMs + round * lengthS * 1000;
      if (frame.kind === 'begin' && round === 0) give('begin', frame.bytes, now);
      if (lines.length === 0) continue;
      const out = lines.flatMap((line) =>
        frame.kind === 'out' ? again(line, round, lengthS, hits) : agentAgain(line, round, lengthS),
      );
      if (frame.kind === 'out') written += out.filter((line) => isEvent(line)).length;
      if (out.length > 0) give(frame.kind, Buffer.from(`${out.join('\n')}\n`), now);
    }
  }
  recorder.close();
  return written;
}

/** Frames that end with a line's end, so that a line can be copied. */
function wholeLines(frames: readonly Frame[]): Part[] {
  const rest = { out: '', err: '' };
  return frames.map((frame) => {
    const { kind } = frame;
    if (kind !== 'out' && kind !== 'err') return { frame, lines: [] };
    const lines = (rest[kind] + frame.bytes.toString('latin1')).split('\n');
    rest[kind] = lines.pop()!;
    return { frame, lines };
  });
}

const ONCE = new Set(['tick', 'beat', 'vmemmap', 'detail', 'sb']);

function isEvent(line: string): boolean {
  const name = line.slice(0, line.indexOf(' '));
  return name in LINES && name !== 'tick' && name !== 'beat';
}

/** A line of bpftrace in this round: once for what is said of the host, else in each copy. */
function again(line: string, round: number, lengthS: number, hits: Map<string, number>): string[] {
  const hit = /^@hits(?:_|\[)(\d+)\]?: (\d+)$/.exec(line);
  if (hit !== null) {
    const all = (hits.get(hit[1]!) ?? 0) * round + Number(hit[2]);
    return [`@hits[${hit[1]}]: ${all * COPIES}`];
  }
  const words = line.split(' ');
  const name = words[0] as LineName;
  if (!(name in LINES)) return [];
  const ts = BigInt(words[1]!) + BigInt(round * lengthS) * 1_000_000_000n;
  if (ONCE.has(name)) return [[name, ts, ...words.slice(2)].join(' ')];
  const spec: LineSpec = LINES[name];
  return Array.from({ length: COPIES }, (_, copy) => {
    const own = [...words];
    own[1] = String(ts + BigInt(copy));
    own[3] = String(Number(words[3]) + copy * 100_000);
    own[4] = String(Number(words[4]) + copy * 100_000);
    spec.fields.forEach(([field, type], i) => {
      const word = words[5 + i]!;
      if (type === 'a' && word.length === 16) {
        own[5 + i] = `${word.slice(0, 6)}${(copy + 16).toString(16)}${word.slice(8)}`;
      } else if (field === 'ino') {
        own[5 + i] = String(Number(word) + (round * COPIES + copy) * 100_000);
      }
    });
    return own.join(' ');
  });
}

/** Only what has a time, and the clock once. */
function agentAgain(line: string, round: number, lengthS: number): string[] {
  const words = line.split(' ');
  if (words[0] !== 'a') return [];
  if (words[1] === 'clock') return round === 0 ? [line] : [];
  if (words[1] !== 'pool' && words[1] !== 'misses') return [];
  words[2] = (Number(words[2]) + round * lengthS).toFixed(2);
  return [words.join(' ')];
}

function lastHits(parts: readonly Part[]): Map<string, number> {
  const hits = new Map<string, number>();
  for (const { lines } of parts) {
    for (const line of lines) {
      const hit = /^@hits(?:_|\[)(\d+)\]?: (\d+)$/.exec(line);
      if (hit !== null) hits.set(hit[1]!, Number(hit[2]));
    }
  }
  return hits;
}
