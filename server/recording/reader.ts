/** Opens a recording and gives its epochs and frames back, in the order they came. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import {
  EpochInfo,
  type FrameKind,
  RECORDING_VERSION,
  RecordingPart,
} from '../protocol/recording.ts';
import { framesOf } from './chunks.ts';
import { APPLICATION_ID } from './schema.ts';
import { OLDEST_VERSION, upgrade } from './upgrade.ts';

/** A file that is no recording, or one that this version cannot read. */
export class RecordingError extends RangeError {
  constructor(file: string, what: string) {
    super(`${file}: ${what}`);
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

/** What a replay needs of a recording, whatever it was read from; see openRecording(). */
export interface Recording {
  readonly epochs: readonly EpochInfo[];
  /** Set when reading ended early: what was damaged. Everything before it was given. */
  readonly damage: string | null;
  /** In sentences: why this is not all that happened, or what is not known of it. */
  readonly notes: readonly string[];
  frames(): Iterable<Frame>;
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
}

export class RecordingReader implements Recording {
  readonly epochs: readonly EpochInfo[];
  damage: string | null = null;
  readonly notes: string[];
  readonly #format: number;
  readonly #file: string;
  readonly #db: DatabaseSync;

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
    try {
      this.#format = readFormat(this.#db, file);
      upgrade(this.#db, this.#format);
      this.epochs = readEpochs(this.#db);
      this.notes = notesOf(this.#db, this.#format);
    } catch (error) {
      this.#db.close();
      if (error instanceof RecordingError) throw error;
      throw new RecordingError(
        file,
        `is damaged: what it says of itself cannot be read (${(error as Error).message})`,
      );
    }
  }

  *frames(): Iterable<Frame> {
    const running = new Set<number>();
    try {
      for (const { epoch, from_ms: atMs, frames, times } of this.#chunks()) {
        for (const frame of framesOf(frames, times)) {
          if (frame.kind === 'begin') running.add(epoch);
          if (frame.kind === 'end') running.delete(epoch);
          yield { epoch, atMs, ...frame };
        }
      }
      // later formats say so themselves
      if (this.#format === 1 && running.size > 0) this.notes.push(NO_END);
    } catch (error) {
      this.damage = `${this.#file} is damaged: ${(error as Error).message}`;
    }
  }

  close(): void {
    this.#db.close();
  }

  *#chunks(): Iterable<ChunkRow> {
    const next = this.#db.prepare(
      'SELECT seq, epoch, from_ms, frames, times FROM chunks WHERE seq > ? ORDER BY seq LIMIT ?',
    );
    const one = this.#db.prepare(
      'SELECT seq, epoch, from_ms, frames, times FROM chunks WHERE seq > ? ORDER BY seq LIMIT 1',
    );
    for (let seq = -1; ; ) {
      let rows: ChunkRow[];
      try {
        rows = next.all(seq, CHUNKS_AT_ONCE) as unknown as ChunkRow[];
      } catch {
        // something is damaged among them: one by one up to there
        const row = one.get(seq) as ChunkRow | undefined;
        rows = row === undefined ? [] : [row];
      }
      if (rows.length === 0) return;
      for (const row of rows) {
        yield row;
        seq = row.seq;
      }
    }
  }
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
