/**
 * Writes a recording while it happens. Frames are gathered for a moment, then
 * compressed and committed: `kill -9` loses at most that moment, and the file
 * opens without repair (SQLite's write-ahead log).
 */
import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { constants, zstdCompressSync } from 'node:zlib';
import { type EpochInfo, type FrameKind, RECORDING_VERSION } from '../protocol/recording.ts';
import { VERSION } from '../protocol/version.ts';
import { APPLICATION_ID, FRAME_CODES, SCHEMA } from './schema.ts';

/** Frames wait no longer than this, and no more than this many bytes of them. */
const FLUSH_MS = 500;
const FLUSH_BYTES = 4 * 1024 * 1024;

interface Gathered {
  parts: Buffer[];
  bytes: number;
  fromMs: number;
  toMs: number;
}

export class RecordingWriter {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #gathered = new Map<number, Gathered>();
  readonly #timer: NodeJS.Timeout;

  /** Throws RangeError when the file exists: nothing recorded is ever overwritten. */
  constructor(file: string) {
    if (existsSync(file)) {
      throw new RangeError(
        `${file} exists already; a recording is never overwritten. Take another name.`,
      );
    }
    this.#db = new DatabaseSync(file);
    this.#db.exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;`,
    );
    this.#db.exec(SCHEMA);
    const meta = this.#db.prepare('INSERT INTO meta VALUES (?, ?)');
    meta.run('format', String(RECORDING_VERSION));
    meta.run('lastref', VERSION);
    this.#insert = this.#db.prepare(
      'INSERT INTO chunks (epoch, from_ms, to_ms, bytes, frames) VALUES (?, ?, ?, ?, ?)',
    );
    this.#timer = setInterval(() => this.flush(), FLUSH_MS);
  }

  epoch(info: EpochInfo): void {
    this.#db.prepare('INSERT INTO epochs VALUES (?, ?)').run(info.number, JSON.stringify(info));
  }

  /** `now`: wall clock, ms. */
  frame(epoch: number, kind: FrameKind, bytes: Buffer, now: number): void {
    let gathered = this.#gathered.get(epoch);
    if (gathered === undefined) {
      gathered = { parts: [], bytes: 0, fromMs: now, toMs: now };
      this.#gathered.set(epoch, gathered);
    }
    const head = Buffer.alloc(5);
    head.writeUInt8(FRAME_CODES[kind], 0);
    head.writeUInt32LE(bytes.length, 1);
    gathered.parts.push(head, Buffer.from(bytes));
    gathered.bytes += 5 + bytes.length;
    gathered.toMs = now;
    if (gathered.bytes >= FLUSH_BYTES) this.flush();
  }

  flush(): void {
    for (const [epoch, { parts, bytes, fromMs, toMs }] of this.#gathered) {
      const frames = zstdCompressSync(Buffer.concat(parts), {
        params: { [constants.ZSTD_c_compressionLevel]: 1 },
      });
      this.#insert.run(epoch, fromMs, toMs, bytes, frames);
    }
    this.#gathered.clear();
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
    try {
      // one file, that can be read where nothing may be written beside it
      this.#db.exec('PRAGMA journal_mode = DELETE');
    } catch {
      // somebody reads it: it stays as it is, and good
    }
    this.#db.close();
  }
}
