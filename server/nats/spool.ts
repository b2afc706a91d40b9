/**
 * Messages that the broker has not confirmed yet, on disk: every message is written here
 * before it is published, and removed when the broker has it. So neither a broker that is
 * away nor an agent that is killed loses one. Bounded: what does not fit is not taken,
 * which its publisher counts and tells.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Packed } from './message.ts';

/** "lrsp" as PRAGMA application_id. */
const APPLICATION_ID = 0x6c727370;
/** Beside the payload: a row and its share of the index. */
const ROW_BYTES = 160;

/** Another agent uses it, or this user cannot. */
export class SpoolError extends RangeError {
  constructor(directory: string, what: string) {
    super(`${directory}: ${what}\nGive this agent a directory of its own: --spool DIR`);
    this.name = 'SpoolError';
  }
}

export interface Spooled extends Packed {
  readonly row: number;
  /** For JetStream. */
  readonly id: string;
}

export class Spool {
  readonly limit: number;
  /** Bytes that wait, with what they cost beside. */
  bytes = 0;
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #head: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;
  #durable = false;

  /** `limit`: bytes. Throws SpoolError. */
  constructor(directory: string, limit: number) {
    this.limit = limit;
    this.#db = open(directory);
    this.#insert = this.#db.prepare(
      'INSERT INTO messages (host, id, subject, payload) VALUES (?, ?, ?, ?)',
    );
    this.#head = this.#db.prepare(
      'SELECT row, id, subject, payload FROM messages WHERE host = ? ORDER BY row LIMIT 1',
    );
    this.#remove = this.#db.prepare('DELETE FROM messages WHERE row = ?');
    this.#count = this.#db.prepare('SELECT count(*) AS n FROM messages WHERE host = ?');
    const { sum } = this.#db
      .prepare(`SELECT coalesce(sum(length(payload) + ${ROW_BYTES}), 0) AS sum FROM messages`)
      .get() as { sum: number };
    this.bytes = sum;
  }

  /** Hosts of which messages wait, also those of an earlier agent. */
  hosts(): string[] {
    const rows = this.#db.prepare('SELECT DISTINCT host FROM messages').all();
    return (rows as { host: string }[]).map(({ host }) => host);
  }

  waiting(host: string): number {
    return (this.#count.get(host) as { n: number }).n;
  }

  /** False: there is no room for it. Throws the system's error when the disk fails. */
  add(host: string, id: string, { subject, payload }: Packed): boolean {
    const bytes = payload.length + ROW_BYTES;
    if (this.bytes + bytes > this.limit) return false;
    this.#insert.run(host, id, subject, payload);
    this.bytes += bytes;
    return true;
  }

  /** The oldest of a host; null when none waits. */
  head(host: string): Spooled | null {
    const row = this.#head.get(host) as
      | { row: number; id: string; subject: string; payload: Uint8Array }
      | undefined;
    return row === undefined ? null : { ...row, payload: Buffer.from(row.payload) };
  }

  /** The broker has it, or will never take it. */
  remove({ row, payload }: Spooled): void {
    this.#remove.run(row);
    this.bytes -= payload.length + ROW_BYTES;
  }

  /**
   * Whether each message waits for the disk: while the broker is away they are nowhere else.
   * Otherwise the file is whole after a power cut, and may lack what was on its way anyhow.
   */
  durable(wanted: boolean): void {
    if (wanted === this.#durable) return;
    this.#durable = wanted;
    this.#db.exec(`PRAGMA synchronous = ${wanted ? 'FULL' : 'NORMAL'}`);
    if (wanted) this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
  }

  close(): void {
    this.#db.exec('PRAGMA incremental_vacuum');
    this.#db.close();
  }
}

function open(directory: string): DatabaseSync {
  const file = join(directory, 'spool.db');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // for its owner alone, as a recording is
    if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600));
    chmodSync(file, 0o600);
    const db = new DatabaseSync(file, { timeout: 0 });
    // one agent at a time: the lock is given back however the process ends
    db.exec(
      `PRAGMA auto_vacuum = INCREMENTAL; PRAGMA locking_mode = EXCLUSIVE;
       PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
       PRAGMA application_id = ${APPLICATION_ID};
       CREATE TABLE IF NOT EXISTS messages (
         row INTEGER PRIMARY KEY AUTOINCREMENT,
         host TEXT NOT NULL,
         id TEXT NOT NULL,
         subject TEXT NOT NULL,
         payload BLOB NOT NULL
       ) STRICT;
       CREATE INDEX IF NOT EXISTS by_host ON messages (host, row);`,
    );
    return db;
  } catch (error) {
    const { message } = error as Error;
    throw new SpoolError(
      directory,
      message.includes('locked') ? 'another agent spools there' : message,
    );
  }
}
