/** Opens a recording and gives its epochs and frames back, in the order they came. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { plain } from '../protocol/plain.ts';
import {
  EpochInfo,
  type FrameKind,
  RECORDING_VERSION,
  RecordingPart,
} from '../protocol/recording.ts';
import { CheckpointStore } from './checkpoint/store.ts';
import { framesOf, LARGEST_BYTES } from './chunks.ts';
import { APPLICATION_ID } from './schema.ts';
import { OLDEST_VERSION, upgrade } from './upgrade.ts';

/** A file that is no recording, or one that this version cannot read. */
export class RecordingError extends RangeError {
  constructor(file: string, what: string) {
    super(`${file}: ${plain(what)}`);
    this.name = 'RecordingError';
  }
}

export interface Frame {
  readonly epoch: number;
  readonly kind: FrameKind;
  readonly bytes: Buffer;
  /** Wall clock of the chunk it came in, ms. */
  readonly atMs: number;
}

/** One chunk without what is in it. */
export interface ChunkInfo {
  readonly seq: number;
  readonly epoch: number;
  /** Wall clock of the first and last frame, ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Uncompressed. */
  readonly bytes: number;
}

/** What a replay needs of a recording, whatever it was read from; see openRecording(). */
export interface Recording {
  readonly epochs: readonly EpochInfo[];
  /** Set when reading ended early: what was damaged. Everything before it was given. */
  readonly damage: string | null;
  /** In sentences: why this is not all that happened, or what is not known of it. */
  readonly notes: readonly string[];
  frames(): Iterable<Frame>;
  /** All chunks, in the order of the file; ends early where it is damaged. */
  chunks(): readonly ChunkInfo[];
  /** What is in one chunk. `whole`: false where it is damaged and there was more. */
  framesOf(chunk: ChunkInfo): { readonly frames: readonly Frame[]; readonly whole: boolean };
  /** The states that were saved with it; null when there are none. */
  checkpoints(): CheckpointStore | null;
  close(): void;
}

const NO_END =
  'It has no end: lastref was killed, or is still writing it. All but the last second is there.';

/** Chunks read in one statement: one that stays open would keep the log of a writer growing. */
const CHUNKS_AT_ONCE = 16;

interface ChunkRow {
  readonly seq: number;
  readonly epoch: number;
  readonly from_ms: number;
  readonly frames: Uint8Array;
  readonly times: Uint8Array | null;
  /** Lines with a time; 0 where the times are in the frames. */
  readonly events: number;
}

interface Extent {
  readonly to_ms: number;
  readonly bytes: number;
}

export class RecordingReader implements Recording {
  readonly epochs: readonly EpochInfo[];
  damage: string | null = null;
  readonly notes: string[];
  readonly #file: string;
  readonly #db: DatabaseSync;
  /** How many chunks there were when it was closed; null where it does not tell. */
  readonly #count: number | null;

  /** Throws RecordingError. */
  constructor(file: string) {
    this.#file = file;
    if (!existsSync(file)) throw new RecordingError(file, 'there is no such file');
    try {
      this.#db = open(file);
    } catch (error) {
      if (error instanceof RecordingError) throw error;
      throw new RecordingError(file, `not a recording of lastref (${(error as Error).message})`);
    }
    let format: number;
    try {
      format = readFormat(this.#db, file);
      mustHaveTablesOf(this.#db, format);
      upgrade(this.#db, format);
      this.epochs = readEpochs(this.#db);
      this.notes = notesOf(this.#db, format);
      const count = metaOf(this.#db, 'chunks');
      this.#count = count === undefined ? null : Number(count);
    } catch (error) {
      this.#db.close();
      if (error instanceof RecordingError) throw error;
      throw new RecordingError(
        file,
        `is damaged: what it says of itself cannot be read (${(error as Error).message})`,
      );
    }
    try {
      if (format === 1 && this.#hasNoEnd()) this.notes.push(NO_END);
    } catch {
      // its last chunk is damaged, which is told when it is read
    }
  }

  *frames(): Iterable<Frame> {
    try {
      for (const { epoch, from_ms: atMs, frames, times } of this.#chunks()) {
        for (const frame of framesOf(frames, times)) yield { epoch, atMs, ...frame };
      }
    } catch (error) {
      this.#damaged(error);
    }
  }

  chunks(): ChunkInfo[] {
    const out: ChunkInfo[] = [];
    try {
      const rows = this.#db
        .prepare('SELECT seq, epoch, from_ms, to_ms, bytes FROM chunks ORDER BY seq')
        .iterate() as Iterable<Record<'seq' | 'epoch' | 'from_ms' | 'to_ms' | 'bytes', number>>;
      for (const row of rows) {
        const { seq, epoch, from_ms, to_ms, bytes } = row;
        mustFollow(seq, out.at(-1)?.seq ?? 0);
        this.#mustFit(row);
        out.push({ seq, epoch, fromMs: from_ms, toMs: to_ms, bytes });
      }
      this.#mustBeAll(out.length);
    } catch (error) {
      this.#damaged(error);
    }
    return out;
  }

  framesOf({ seq }: ChunkInfo): { readonly frames: Frame[]; readonly whole: boolean } {
    const frames: Frame[] = [];
    try {
      const row = this.#db
        .prepare('SELECT seq, epoch, from_ms, frames, times, events FROM chunks WHERE seq = ?')
        .get(seq) as ChunkRow | undefined;
      if (row === undefined) throw new Error(`chunk ${seq} is missing`);
      this.#mustFit(row);
      for (const frame of framesOf(row.frames, row.times)) {
        frames.push({ epoch: row.epoch, atMs: row.from_ms, ...frame });
      }
      return { frames, whole: true };
    } catch (error) {
      this.#damaged(error);
      return { frames, whole: false };
    }
  }

  /** The states that were saved with it; null when there are none. */
  checkpoints(): CheckpointStore | null {
    return CheckpointStore.in(this.#db);
  }

  close(): void {
    this.#db.close();
  }

  /** Of what stands beside the frames of a chunk, only damage can make this. */
  #mustFit(row: Pick<ChunkRow, 'seq' | 'epoch' | 'from_ms'> & Partial<ChunkRow & Extent>) {
    const { seq, epoch, from_ms: from, to_ms: to = from, bytes = 0 } = row;
    if (!this.epochs.some(({ number }) => number === epoch)) {
      throw new Error(`chunk ${seq} is of an epoch ${epoch}, which is not in the list of epochs`);
    }
    if (!isTime(from) || !isTime(to)) throw new Error(`chunk ${seq} is of no time`);
    if (!(bytes >= 0 && bytes <= LARGEST_BYTES)) throw new Error(`chunk ${seq} has no size`);
    if (row.times === null && row.events !== 0) throw new Error(`chunk ${seq} has lost its times`);
  }

  /** A damaged index may have lost the last ones, which no number after them tells. */
  #mustBeAll(seq: number): void {
    if (this.#count !== null && seq !== this.#count) throw new Error(`chunk ${seq + 1} is missing`);
  }

  #damaged(error: unknown): void {
    // what is wrong with JSON is told with a piece of it
    this.damage = `${this.#file} is damaged: ${plain((error as Error).message)}`;
  }

  /** Files of format 1 do not tell: an epoch that ended has its end as the last frame. */
  #hasNoEnd(): boolean {
    const last = this.#db.prepare(
      'SELECT frames, times FROM chunks WHERE epoch = ? ORDER BY seq DESC LIMIT 1',
    );
    return this.epochs.some(({ number }) => {
      const row = last.get(number) as Pick<ChunkRow, 'frames' | 'times'> | undefined;
      return row !== undefined && [...framesOf(row.frames, row.times)].at(-1)?.kind !== 'end';
    });
  }

  *#chunks(): Iterable<ChunkRow> {
    const next = this.#db.prepare(
      'SELECT seq, epoch, from_ms, frames, times, events FROM chunks WHERE seq > ? ORDER BY seq LIMIT ?',
    );
    const one = this.#db.prepare(
      'SELECT seq, epoch, from_ms, frames, times, events FROM chunks WHERE seq > ? ORDER BY seq LIMIT 1',
    );
    for (let seq = 0; ; ) {
      let rows: ChunkRow[];
      try {
        rows = next.all(seq, CHUNKS_AT_ONCE) as unknown as ChunkRow[];
      } catch {
        // something is damaged among them: one by one up to there
        const row = one.get(seq) as ChunkRow | undefined;
        rows = row === undefined ? [] : [row];
      }
      if (rows.length === 0) return this.#mustBeAll(seq);
      for (const row of rows) {
        mustFollow(row.seq, seq);
        this.#mustFit(row);
        yield row;
        seq = row.seq;
      }
    }
  }
}

/** Milliseconds that a Date can hold. */
function isTime(ms: number): boolean {
  return ms >= 0 && ms <= 8.64e15;
}

/** They are numbered one by one from 1: a damaged index may lose some, or turn them round. */
function mustFollow(seq: number, before: number): void {
  if (seq !== before + 1) throw new Error(`chunk ${before + 1} is missing`);
}

/** Throws when the file is none of ours. */
function open(file: string): DatabaseSync {
  // SQLite refuses a file that is shorter than it says; we want what is there
  const options = { readOnly: true, defensive: false };
  const db = new DatabaseSync(file, options);
  try {
    db.exec('PRAGMA writable_schema = ON; PRAGMA temp_store = MEMORY');
    const { application_id: id } = db.prepare('PRAGMA application_id').get() as {
      application_id: number;
    };
    if (id !== APPLICATION_ID) throw new RecordingError(file, 'not a recording of lastref');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function readFormat(db: DatabaseSync, file: string): number {
  const value = metaOf(db, 'format');
  if (value === undefined) throw new Error('it does not tell its format');
  const format = Number(value);
  if (!Number.isInteger(format) || format < OLDEST_VERSION || format > RECORDING_VERSION) {
    const writer = metaOf(db, 'lastref');
    const by = writer === undefined ? '' : `, written by lastref ${writer}`;
    throw new RecordingError(
      file,
      `has format ${value}${by}; this lastref reads formats ${OLDEST_VERSION} to ${RECORDING_VERSION}. Use the lastref that wrote it, or a newer one.`,
    );
  }
  return format;
}

/** Read as another format than it is, it would be read wrong without a word. */
function mustHaveTablesOf(db: DatabaseSync, format: number): void {
  const times = db.prepare("SELECT 1 FROM pragma_table_info('chunks') WHERE name = 'times'").get();
  const isNew = format >= 2;
  if (isNew !== (times !== undefined)) {
    throw new Error(`it says that it is of format ${format}, and its tables are of another`);
  }
}

function readEpochs(db: DatabaseSync): EpochInfo[] {
  const rows = db.prepare('SELECT info FROM epochs ORDER BY number').all() as { info: string }[];
  return rows.map(({ info }) => EpochInfo.parse(JSON.parse(info)));
}

/** Where the file does not begin or end as tracing did. Files of format 1 do not tell. */
function notesOf(db: DatabaseSync, format: number): string[] {
  if (format < 2) return [];
  const notes: string[] = [];
  const part = metaOf(db, 'part');
  if (part !== undefined) notes.push(partNote(RecordingPart.parse(JSON.parse(part))));
  const next = metaOf(db, 'next');
  if (next !== undefined) notes.push(`It goes on in ${next}.`);
  const failed = metaOf(db, 'failed');
  if (failed !== undefined) notes.push(`Recording ended before tracing did: ${failed}.`);
  if (metaOf(db, 'closed') === undefined) {
    notes.push(NO_END);
  }
  return notes;
}

function partNote({ why, number, previous, text }: RecordingPart): string {
  if (why === 'rotation' && number === 1) return 'It is part 1 of a longer recording.';
  const before = previous === null ? '' : ` What came before is in ${previous}.`;
  const what = why === 'rotation' ? `part ${number} of a longer recording` : text;
  return `It is ${what} and begins in the middle: inodes and hugepages from before are seen only partly, and the contract is judged from 15 seconds on.${before}`;
}

function metaOf(db: DatabaseSync, key: string): string | undefined {
  const row = db.prepare('SELECT value FROM meta WHERE key = ?').get(key);
  return (row as { value: string } | undefined)?.value;
}
