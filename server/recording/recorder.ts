/**
 * What keeps a live session: the recording that was asked for, in one file or in several
 * of bounded size, and the flight recorder. Tracing goes on whatever happens to the disk.
 */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { Incarnation } from '../model/incarnation.ts';
import type { Alert } from '../protocol/alerts.ts';
import { nowMs } from '../protocol/clock.ts';
import type { RecordedFile } from '../protocol/messages.ts';
import type { EpochInfo, FrameKind, RecordingPart } from '../protocol/recording.ts';
import { currentEpochs } from '../tracer/alerts.ts';
import type { Pipeline, PipelineOptions } from '../tracer/pipeline.ts';
import { type SaverOptions, StateSaver } from './checkpoint/saver.ts';
import { type Chunk, Gathering } from './chunks.ts';
import type { FlightRecorder } from './flight.ts';
import { RecordedTables } from './tables.ts';
import { FLUSH_BYTES, FLUSH_MS, RecordingWriter } from './writer.ts';

/** How far a file may be from its limit: a flush and what closing adds. */
const MARGIN = 0.9;
/** Files whose names are told to a page, which looks back an hour. */
const MAX_NEWEST = 100;

export interface Limits {
  /** Bytes of a file; null: none. */
  readonly bytes: number | null;
  /** Milliseconds that a file covers; null: none. */
  readonly ageMs: number | null;
}

export interface RecorderOptions {
  /** Null: only the flight recorder. */
  readonly file: string | null;
  readonly limits?: Limits;
  readonly flight?: FlightRecorder | null;
  /** What is saved for a replay to seek by; null: nothing, a replay sees to it itself. */
  readonly states?: SaverOptions | null;
  readonly pipelines: () => readonly Pipeline[];
  /** Words for the terminal. */
  readonly say: (text: string) => void;
  /** Wall clock, ms. */
  readonly now?: () => number;
}

/** One file of the recording. */
interface Part {
  readonly writer: RecordingWriter;
  readonly tables: RecordedTables;
  /** Null where the file does not hold all from the beginning. */
  readonly states: StateSaver | null;
  readonly number: number;
  readonly beganMs: number;
  chunkBytes: number;
}

export class Recorder {
  /** Events and bytes that came after writing had failed. */
  readonly notRecorded = { events: 0, bytes: 0 };
  /** Lines, and compressed bytes, that are in the files. */
  readonly written = { events: 0, bytes: 0 };
  /** Files written, in their order. */
  readonly files: string[] = [];
  /** The same, the newest ones, absolute, each with the wall clock of its beginning. */
  readonly newest: RecordedFile[] = [];
  /** Why nothing is written any more; null while all is well. */
  failed: string | null = null;
  readonly #options: RecorderOptions;
  readonly #now: () => number;
  readonly #gathering = new Gathering();
  readonly #timer: NodeJS.Timeout;
  #part: Part | null = null;
  /** No epoch has begun. */
  #empty = true;

  /** Throws RangeError when the file cannot be made, or a recording of that name is there. */
  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#now = options.now ?? nowMs;
    if (options.file !== null) this.#part = this.#open(options.file, 1, null);
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
  }

  /** An epoch begins: the first frame of it comes next. */
  epoch({ info }: Pipeline): void {
    this.#empty = false;
    this.#guarded(() => this.#part?.writer.epoch(info));
  }

  /** `atMs`: wall clock of when it came, where that is not now. */
  frame({ number }: EpochInfo, kind: FrameKind, bytes: Buffer, atMs = this.#now()): void {
    // before this one, which the pipeline does not know yet: tables and chunks agree
    if (this.#gathering.bytes >= FLUSH_BYTES) this.flush();
    this.#gathering.add(number, kind, bytes, atMs);
  }

  /** What it wants to be told by a pipeline: of each inode that ends, where a recording was asked for. */
  get wants(): Pick<PipelineOptions, 'onEnd'> {
    if (this.#options.file === null) return {};
    return { onEnd: (pipeline, inode) => this.ended(pipeline, inode) };
  }

  ended(pipeline: Pipeline, inode: Incarnation): void {
    this.#part?.tables.ended(pipeline, inode);
  }

  alert(pipeline: Pipeline, alert: Alert): void {
    this.#guarded(() => this.#part?.tables.alert(pipeline, alert));
  }

  /** What was gathered goes into the files, and to the flight recorder. */
  flush(): void {
    const chunks = this.#gathering.take();
    this.#options.flight?.add(chunks, this.#now());
    if (this.#part === null) {
      if (this.failed !== null) this.#skipped(chunks);
      return;
    }
    const part = this.#part;
    const pipelines = this.#options.pipelines();
    this.#guarded(() => {
      const { gone } = part.writer;
      if (gone !== null) throw new Error(gone);
      part.chunkBytes += sizeOf(chunks);
      part.writer.write(chunks, () => {
        part.tables.flush(pipelines, part.chunkBytes);
        part.states?.wrote(chunks, pipelines);
      });
    });
    if (this.failed !== null) return this.#skipped(chunks);
    this.written.bytes += sizeOf(chunks);
    for (const { events } of chunks) this.written.events += events;
    this.#guarded(() => this.#rotateWhenDue(part));
  }

  /** Null: no recording was asked for. */
  state(): {
    readonly failed: string | null;
    /** How many; of these, the newest. */
    readonly files: number;
    readonly newest: readonly RecordedFile[];
    readonly bytes: number;
    readonly events: number;
    readonly unrecorded: number;
  } | null {
    if (this.#options.file === null) return null;
    const { failed, files, newest, written, notRecorded } = this;
    return { failed, files: files.length, newest, ...written, unrecorded: notRecorded.events };
  }

  /** Ends the recording; the tracers are gone. */
  close(): void {
    clearInterval(this.#timer);
    this.flush();
    const part = this.#part;
    this.#part = null;
    if (part === null) return;
    this.#guarded(() => this.#finish(part, null));
    // nothing was traced: the name is free for the next try
    if (this.#empty && this.failed === null) rmSync(this.files.pop()!);
  }

  #open(asked: string, number: number, previous: string | null): Part {
    const rotates = this.#options.limits?.bytes != null || this.#options.limits?.ageMs != null;
    if (rotates && number === 1 && existsSync(partName(asked, 1))) {
      throw new RangeError(
        `${partName(asked, 1)} exists already; a recording is never overwritten. Take another name.`,
      );
    }
    let named = number;
    while (rotates && existsSync(partName(asked, named))) named++;
    const file = rotates ? partName(asked, named) : asked;
    const part: RecordingPart | null = rotates
      ? { why: 'rotation', number: named, previous, text: '' }
      : null;
    const writer = new RecordingWriter(file, { part, timer: false });
    const beganMs = this.#now();
    this.files.push(file);
    this.newest.push({ file: resolve(file), from_ms: beganMs });
    if (this.newest.length > MAX_NEWEST) this.newest.shift();
    const { states, say } = this.#options;
    return {
      writer,
      tables: new RecordedTables(writer.db),
      states: number > 1 || states == null ? null : new StateSaver(writer.db, states, say),
      number: named,
      beganMs,
      chunkBytes: 0,
    };
  }

  #rotateWhenDue(part: Part): void {
    const { file, limits, pipelines } = this.#options;
    if (file === null || limits === undefined) return;
    const { bytes, ageMs } = limits;
    const full = bytes !== null && part.writer.size > bytes * MARGIN;
    const old = ageMs !== null && this.#now() - part.beganMs >= ageMs;
    if (!full && !old) return;
    const current = [...currentEpochs(pipelines()).values()];
    const firsts = current.map((pipeline) => ({ pipeline, frames: pipeline.handover() }));
    // while probes are attached nothing can begin in the middle
    if (firsts.some(({ frames }) => frames === null)) return;
    const next = this.#open(file, part.number + 1, basename(part.writer.file));
    try {
      this.#finish(part, basename(next.writer.file));
    } catch (error) {
      letGo(next.writer, 'the file before it could not be ended');
      throw error;
    }
    this.#part = next;
    for (const { pipeline, frames } of firsts) {
      next.writer.epoch(pipeline.info);
      for (const [kind, bytes] of frames!) this.frame(pipeline.info, kind, bytes);
    }
  }

  /** `next`: the file in which it goes on; null: tracing has ended. */
  #finish({ writer, tables, chunkBytes }: Part, next: string | null): void {
    const pipelines = this.#options.pipelines();
    writer.write([], () => tables.finish(pipelines, chunkBytes));
    if (next !== null) writer.meta('next', next);
    writer.close();
  }

  /** Recording ends when it fails; tracing does not. */
  #guarded(write: () => void): void {
    if (this.failed !== null) return;
    try {
      write();
    } catch (error) {
      this.failed = reasonOf(error as Error, this.#part?.writer.file ?? this.#options.file);
      const part = this.#part;
      this.#part = null;
      const file = part?.writer.file ?? this.#options.file;
      this.#options.say(
        `RECORDING ENDED: ${this.failed}. ${file} is good up to here; tracing goes on, unrecorded.`,
      );
      if (part !== null) letGo(part.writer, this.failed);
    }
  }

  #skipped(chunks: readonly Chunk[]): void {
    for (const { bytes, events } of chunks) {
      this.notRecorded.events += events;
      this.notRecorded.bytes += bytes;
    }
  }
}

/** `t.lastref` to `t-0002.lastref`. */
export function partName(file: string, number: number): string {
  const stem = file.replace(/\.lastref$/, '');
  return `${stem}-${String(number).padStart(4, '0')}.lastref`;
}

/** Whether nothing can be written any more where the file is: its disk failed. By trying. */
function isReadOnly(file: string): boolean {
  const probe = `${file}.probe`;
  try {
    closeSync(openSync(probe, 'wx'));
    rmSync(probe);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

/** The reason goes into the file where there is room for it. */
function letGo(writer: RecordingWriter, reason: string): void {
  try {
    writer.meta('failed', reason);
    writer.ended();
  } catch {
    // then it has no end, as after a kill
  }
  try {
    writer.release();
  } catch {
    // what was committed stays in the log beside it
  }
}

function reasonOf({ message }: Error, file: string | null): string {
  if (file !== null && isReadOnly(file)) return 'its filesystem has become read-only';
  if (message.includes('disk is full')) return 'the disk is full';
  if (message.includes('readonly database')) return 'it cannot be written any more (read-only)';
  return message;
}

function sizeOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((sum, { frames, times }) => sum + frames.length + (times?.length ?? 0), 0);
}
