/**
 * The flight recorder: the last minutes of a session in memory, compressed, so that what
 * led to an alert can be kept when nobody had asked for a recording. Bounded in time and
 * in bytes; the oldest goes first.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import { currentEpochs } from '../tracer/alerts.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { type Chunk, Gathering } from './chunks.ts';
import { RecordingWriter } from './writer.ts';

/** What is thrown away at once is a twentieth of the time or of the bytes, but no less than this. */
const MIN_SEGMENT_MS = 5000;
const SEGMENTS = 20;
/** Compressed bytes in memory. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Bytes written in one turn of the event loop. */
const TURN_BYTES = 2 * 1024 * 1024;

export interface FlightOptions {
  /** Minutes that are kept. */
  readonly minutes: number;
  /** Where recordings of alerts go; made when the first one is. */
  readonly directory: string;
  /** Recordings in that directory, and their bytes: the oldest are removed. */
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  readonly pipelines: () => readonly Pipeline[];
  /** Compressed bytes in memory. */
  readonly maxBytes?: number;
}

/** From one moment at which a recording can begin to the next. */
interface Segment {
  readonly beganMs: number;
  /** By epoch the frames that a recording begins with here. */
  readonly firsts: ReadonlyMap<EpochInfo, readonly (readonly [FrameKind, Buffer])[]>;
  /** Tracing itself began here. */
  readonly whole: boolean;
  readonly chunks: Chunk[];
  bytes: number;
}

export class FlightRecorder {
  readonly #options: FlightOptions;
  readonly #segments: Segment[] = [];
  #bytes = 0;

  constructor(options: FlightOptions) {
    this.#options = options;
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  add(chunks: readonly Chunk[], nowMs: number): void {
    const segment = this.#segments.at(-1) ?? this.#begin(nowMs, new Map(), true);
    for (const chunk of chunks) {
      const bytes = chunk.frames.length + (chunk.times?.length ?? 0);
      segment.chunks.push(chunk);
      segment.bytes += bytes;
      this.#bytes += bytes;
    }
    this.#beginWhenDue(segment, nowMs);
    const { minutes, maxBytes = MAX_BYTES } = this.#options;
    const isOld = (next: Segment) => next.beganMs <= nowMs - minutes * 60_000;
    while (this.#segments.length > 1 && (this.#bytes > maxBytes || isOld(this.#segments[1]!))) {
      this.#bytes -= this.#segments.shift()!.bytes;
    }
  }

  /**
   * Writes what there is to a file of its own and resolves to its name. `name`: of the
   * alert. Rejects when it cannot be written.
   */
  async save(host: string, name: string, nowMs: number): Promise<string> {
    const { directory, maxFiles, maxFileBytes, pipelines } = this.#options;
    const [first] = this.#segments;
    if (first === undefined) throw new Error('nothing has been traced yet');
    const chunks = this.#segments.flatMap((segment) => segment.chunks);
    const named = new Set(
      [...chunks, ...[...first.firsts.keys()].map(({ number }) => ({ epoch: number }))].map(
        ({ epoch }) => epoch,
      ),
    );
    const epochs = pipelines()
      .map(({ info }) => info)
      .filter(({ number }) => named.has(number));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = freeName(directory, host, name, nowMs);
    const minutes = Math.max(1, Math.round((nowMs - first.beganMs) / 60_000));
    const writer = new RecordingWriter(file, {
      timer: false,
      part: first.whole
        ? null
        : { why: 'flight', number: 1, previous: null, text: `the ${minutes} min before ${name}` },
    });
    for (const info of epochs) writer.epoch(info);
    const firsts = new Gathering();
    for (const [info, frames] of first.firsts) {
      for (const [kind, bytes] of frames) firsts.add(info.number, kind, bytes, first.beganMs);
    }
    writer.write(firsts.take());
    for (let at = 0; at < chunks.length; ) {
      const turn: Chunk[] = [];
      for (let bytes = 0; at < chunks.length && bytes < TURN_BYTES; at++) {
        turn.push(chunks[at]!);
        bytes += chunks[at]!.frames.length;
      }
      writer.write(turn);
      await new Promise((resolve) => setImmediate(resolve));
    }
    writer.meta('saved', `when ${name} fired on ${host}`);
    writer.close();
    removeOldest(directory, maxFiles, maxFileBytes, file);
    return file;
  }

  /** The chunks so far are those of the segment; what comes now may begin another. */
  #beginWhenDue(last: Segment, nowMs: number): void {
    const { minutes, maxBytes = MAX_BYTES } = this.#options;
    const long = Math.max(MIN_SEGMENT_MS, (minutes * 60_000) / SEGMENTS);
    if (nowMs - last.beganMs < long && last.bytes < maxBytes / SEGMENTS) return;
    const firsts = new Map<EpochInfo, readonly (readonly [FrameKind, Buffer])[]>();
    for (const pipeline of currentEpochs(this.#options.pipelines()).values()) {
      const frames = pipeline.handover();
      if (frames === null) return; // probes are attached just now
      firsts.set(pipeline.info, frames);
    }
    this.#begin(nowMs, firsts, false);
  }

  #begin(beganMs: number, firsts: Segment['firsts'], whole: boolean): Segment {
    const segment = { beganMs, firsts, whole, chunks: [], bytes: 0 };
    this.#segments.push(segment);
    return segment;
  }
}

/**
 * `flight-HOST-TIME-ALERTNAME.lastref`, with nothing in it that a shell or a path minds.
 * Exported for tests.
 */
export function freeName(directory: string, host: string, name: string, nowMs: number): string {
  const word = (text: string) => text.replace(/[^\w.]+/g, '_').slice(0, 60);
  const time = new Date(nowMs).toISOString().replace(/[-:]/g, '').slice(0, 15);
  const stem = join(directory, `flight-${word(host)}-${time}-${word(name)}`);
  for (let i = 1; ; i++) {
    const file = `${stem}${i === 1 ? '' : `-${i}`}.lastref`;
    if (!existsSync(file)) return file;
  }
}

function removeOldest(directory: string, most: number, mostBytes: number, keep: string): void {
  const files = readdirSync(directory)
    .filter((name) => /^flight-.*\.lastref$/.test(name))
    .map((name) => join(directory, name))
    .map((file) => ({ file, ...statSync(file) }))
    .sort((a, b) => b.mtimeMs - a.mtimeMs);
  let bytes = 0;
  files.forEach(({ file, size }, i) => {
    bytes += size;
    if (file !== keep && (i >= most || bytes > mostBytes)) rmSync(file);
  });
}
