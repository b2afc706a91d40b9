/**
 * Writes one recording while it happens. Frames are gathered for a moment, then
 * compressed and committed: `kill -9` loses at most that moment, and the file
 * opens without repair (SQLite's write-ahead log).
 */
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  type EpochInfo,
  type FrameKind,
  RECORDING_VERSION,
  type RecordingPart,
} from '../protocol/recording.ts';
import { VERSION } from '../protocol/version.ts';
import { type Chunk, Gathering } from './chunks.ts';
import { APPLICATION_ID, SCHEMA } from './schema.ts';

/** Frames wait no longer than this, and no more than this many bytes of them. */
export const FLUSH_MS = 500;
/** A replay begins between two chunks: larger ones pack no better, and are longer to play through. */
export const FLUSH_BYTES = 1.25 * 1024 * 1024;
/** The log is cut down to this when it has been copied into the file. */
const LOG_BYTES = 8 * 1024 * 1024;

export interface WriterOptions {
  /** Null or not given: the file holds all that was traced. */
  readonly part?: RecordingPart | null;
  /** Flushes by itself; the default. */
  readonly timer?: boolean;
}

export class RecordingWriter {
  readonly file: string;
  readonly db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #gathering = new Gathering();
  readonly #timer: NodeJS.Timeout | null;
  readonly #fileId: string;

  /** Throws RangeError when the file exists: nothing recorded is ever overwritten. */
  constructor(file: string, { part = null, timer = true }: WriterOptions = {}) {
    this.file = file;
    if (existsSync(file)) {
      throw new RangeError(
        `${file} exists already; a recording is never overwritten. Take another name.`,
      );
    }
    this.db = create(file);
    this.meta('format', String(RECORDING_VERSION));
    this.meta('lastref', VERSION);
    if (part !== null) this.meta('part', JSON.stringify(part));
    this.#insert = this.db.prepare(
      'INSERT INTO chunks (epoch, from_ms, to_ms, bytes, events, frames, times) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#fileId = idOf(file);
    this.#timer = timer ? setInterval(() => this.flush(), FLUSH_MS) : null;
  }

  meta(key: string, value: string): void {
    this.db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
  }

  epoch(info: EpochInfo): void {
    const insert = this.db.prepare('INSERT OR REPLACE INTO epochs VALUES (?, ?)');
    insert.run(info.number, JSON.stringify(info));
  }

  /** `now`: wall clock, ms. The bytes are kept, not copied. */
  frame(epoch: number, kind: FrameKind, bytes: Buffer, now: number): void {
    if (this.#gathering.bytes >= FLUSH_BYTES) this.flush();
    this.#gathering.add(epoch, kind, bytes, now);
  }

  flush(): void {
    this.write(this.#gathering.take());
  }

  /** In one transaction with `more`. Throws when it cannot be written: none of it is then. */
  write(chunks: readonly Chunk[], more: () => void = nothing): void {
    if (chunks.length === 0 && more === nothing) return;
    this.db.exec('BEGIN');
    try {
      for (const chunk of chunks) {
        const { epoch, fromMs, toMs, bytes, events, frames, times } = chunk;
        this.#insert.run(epoch, fromMs, toMs, bytes, events, frames, times);
      }
      more();
      this.db.exec('COMMIT');
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Bytes of the file once its log is part of it. */
  get size(): number {
    const { page_count: pages } = this.db.prepare('PRAGMA page_count').get() as {
      page_count: number;
    };
    return pages * 4096;
  }

  /** Null, or what happened to the name: SQLite would go on in a file that nobody finds. */
  get gone(): string | null {
    try {
      return idOf(this.file) === this.#fileId ? null : 'another file has taken its name';
    } catch {
      return 'it was removed, or moved';
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.flush();
    this.ended();
    this.release();
  }

  /** The file ends in order, with as many chunks as it has now. */
  ended(): void {
    const { most } = this.db.prepare('SELECT max(seq) AS most FROM chunks').get() as {
      most: number | null;
    };
    this.meta('chunks', String(most ?? 0));
    this.meta('closed', new Date().toISOString());
  }

  /** Lets go of the file as it is. */
  release(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    try {
      // one file, that can be read where nothing may be written beside it
      this.db.exec('PRAGMA journal_mode = DELETE');
    } catch {
      // somebody reads it, or there is no room: it stays as it is, and good
    }
    this.db.close();
  }
}

function create(file: string): DatabaseSync {
  try {
    // for its owner alone: it holds addresses of the kernel and names of processes
    closeSync(openSync(file, 'wx', 0o600));
    const db = new DatabaseSync(file);
    db.exec(
      `PRAGMA page_size = 4096; PRAGMA application_id = ${APPLICATION_ID};
       PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
       PRAGMA journal_size_limit = ${LOG_BYTES};`,
    );
    db.exec(`BEGIN; ${SCHEMA} COMMIT;`);
    return db;
  } catch (error) {
    throw new RangeError(
      `${file} cannot be written: ${(error as Error).message}. Is there such a directory, may this user write there, is there room?`,
    );
  }
}

function nothing(): void {}

function idOf(file: string): string {
  const { dev, ino } = statSync(file);
  return `${dev}:${ino}`;
}
