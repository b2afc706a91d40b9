/**
 * Files that are opened as a recording: bytes of the file changed, rows of its tables, what
 * is inside a chunk, and the text that bpftrace printed. One input is one file.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRecording } from '../../server/recording/open.ts';
import { type Frame, RecordingError } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { RecordingWriter } from '../../server/recording/writer.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { DEMO, framesOf, RECORDINGS } from '../fixtures/recordings.ts';
import type { Random } from '../support/random.ts';
import {
  type Damage,
  duplicate,
  flipBit,
  insert,
  remove,
  replaceByte,
  replaceWord,
} from './mutate.ts';
import { changeRow } from './recording-rows.ts';
import { Failed, must, mustBeQuick, type Target } from './target.ts';

/** Files in a batch. */
const BATCH = 10;
const PAGE = 4096;
/** Frames of a chunk in the recording that is damaged. */
const CHUNK = 8;
/** To read all of a file of a hundred kilobytes; and to play it. */
const SLOW_MS = 3000;
/** One file in so many is also played. */
const PLAYED = 8;

interface Whole {
  readonly bytes: Buffer;
  /** Null where damage may change a frame without being seen: a format without checksums. */
  readonly frames: readonly Frame[] | null;
  /** Damages it, in a file. True: what it says of a frame may be another thing now. */
  readonly damage: (file: string, random: Random) => boolean;
}

export class RecordingTarget implements Target {
  #inputs = 0;
  readonly #dir = mkdtempSync(join(tmpdir(), 'lastref-fuzz-'));
  readonly #file = join(this.#dir, 'input');
  readonly #wholes: readonly Whole[];

  constructor() {
    const file = join(this.#dir, 'whole.lastref');
    writeRecording(file);
    const bytes = readFileSync(file);
    const old = readFileSync(DEMO);
    const text = printed();
    this.#wholes = [
      { bytes, frames: framesOf(file).frames, damage: inFile(bytes) },
      {
        bytes,
        frames: framesOf(file).frames,
        damage: (input, random) => {
          writeFileSync(input, bytes);
          changeRow(input, random);
          return true;
        },
      },
      { bytes: text, frames: null, damage: inText(text) },
      { bytes: old, frames: null, damage: inFile(old) },
    ];
  }

  /** Node 24 keeps 16 KB of each decompression that fails for good, at most one an input. */
  get growthMb(): number {
    return 32 + this.#inputs * 0.016;
  }

  batch(random: Random): number {
    this.#inputs += BATCH;
    for (let i = 0; i < BATCH; i++) {
      // the old one is large and read in every way that the new one is
      const whole = this.#wholes[random.once(16) ? 3 : random.below(3)]!;
      this.#clean();
      const isOther = whole.damage(this.#file, random);
      const input = readFileSync(this.#file);
      try {
        check(this.#file, isOther ? null : whole.frames, random.once(PLAYED));
      } catch (error) {
        throw new Failed(input, error);
      }
    }
    return BATCH;
  }

  replay(input: Buffer): void {
    this.#clean();
    writeFileSync(this.#file, input);
    check(this.#file, null, true);
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }

  /** A file that is taken for one in use gets others beside it. */
  #clean(): void {
    for (const ending of ['', '-wal', '-shm', '-journal']) {
      rmSync(this.#file + ending, { force: true });
    }
  }
}

/** Real frames, in many small chunks. */
function writeRecording(file: string): void {
  const { epochs, frames } = framesOf(RECORDINGS['failed-mount-6.18']!);
  const writer = new RecordingWriter(file, { timer: false });
  for (const info of epochs) writer.epoch(info);
  frames.forEach(({ epoch, kind, bytes, atMs }, i) => {
    if (i % CHUNK === 0) writer.flush();
    writer.frame(epoch, kind, bytes, atMs);
  });
  writer.close();
}

/** What bpftrace printed in a recording, as if it were run by hand. */
function printed(): Buffer {
  const out = framesOf(RECORDINGS.tracepoints!).frames.filter(({ kind }) => kind === 'out');
  const text = Buffer.concat(out.map(({ bytes }) => bytes)).toString('latin1');
  const lines = text.replace(/^lastref 1 .*\n/gm, '').slice(0, 40_000);
  return Buffer.from(`Attaching 24 probes...\nlastref 1 teardown\n${lines}`, 'latin1');
}

/** Bytes anywhere, whole pages, and the end of the file. */
function inFile(whole: Buffer): Whole['damage'] {
  return (file, random) => {
    const bytes = Buffer.from(whole);
    let { length } = bytes;
    for (let rest = random.below(3); rest >= 0; rest--) {
      const at = random.below(bytes.length);
      const page = at - (at % PAGE);
      const other = random.below(bytes.length / PAGE) * PAGE;
      switch (random.below(8)) {
        case 0:
          bytes.fill(0, page, page + PAGE);
          break;
        case 1:
          bytes.copyWithin(page, other, other + PAGE);
          break;
        case 2:
          length = at;
          break;
        case 3:
          // the beginning of a page says how it is to be read
          bytes[page + random.below(12)] = random.next() & 0xff;
          break;
        case 4:
          for (let i = random.below(64); i >= 0; i--) bytes[at + i] = random.next() & 0xff;
          break;
        case 5:
          flipBit(bytes, at, 1, random);
          break;
        default:
          replaceByte(bytes, at, 1, random);
      }
    }
    writeFileSync(file, bytes.subarray(0, length));
    return false;
  };
}

const TEXT: readonly Damage[] = [replaceByte, flipBit, remove, duplicate, insert, replaceWord];

function inText(whole: Buffer): Whole['damage'] {
  const buf = Buffer.alloc(whole.length * 2);
  return (file, random) => {
    let length = whole.copy(buf);
    for (let rest = random.below(20); rest >= 0; rest--) {
      length = random.pick(TEXT)(buf, 0, length, random);
    }
    if (random.once(20)) length = random.below(length);
    writeFileSync(file, buf.subarray(0, length));
    return true;
  };
}

/** `wanted`: the frames of which a beginning has to come; null: not known. */
function check(file: string, wanted: readonly Frame[] | null, isPlayed: boolean): void {
  try {
    mustBeQuick(SLOW_MS, () => read(file, wanted));
    if (isPlayed) mustBeQuick(SLOW_MS, () => play(file));
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    must(error.message.startsWith(`${file}: `), 'an error without the name of the file');
  }
}

function read(file: string, wanted: readonly Frame[] | null): void {
  const recording = openRecording(file);
  try {
    let count = 0;
    for (const { epoch, kind, bytes } of recording.frames()) {
      const frame = wanted?.[count++];
      if (wanted === null) continue;
      const same = frame?.epoch === epoch && frame.kind === kind && frame.bytes.equals(bytes);
      must(same, `frame ${count} is not the one that was written`);
    }
    const { damage } = recording;
    must(damage === null || damage.startsWith(file), 'a damage without the name of the file');
    must(damage !== null || wanted === null || count === wanted.length, 'frames are missing');
  } finally {
    recording.close();
  }
}

function play(file: string): void {
  const recording = openRecording(file);
  const replay = new Replay(recording, { keep: 100, banner: '' });
  try {
    const { end_ms: end, begin_ms: begin } = replay.status();
    must(end >= begin, 'it ends before it begins');
    JSON.stringify(makeReport(replay.run()));
    replay.scan.work(0);
    JSON.stringify(replay.marks());
  } finally {
    replay.stop();
    recording.close();
  }
}
