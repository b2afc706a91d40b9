/**
 * Saved states in the file of a recording. A cache: nothing depends on them, and those of
 * another lastref are as good as not there.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { HEADER_BYTES } from './header.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS checkpoints (
  seq INTEGER PRIMARY KEY,
  after_chunk INTEGER NOT NULL, -- chunks.seq: everything up to it is in the state
  at_ms REAL NOT NULL,
  bytes INTEGER NOT NULL, -- of the state as it stands here
  state BLOB NOT NULL
) STRICT;
`;

export interface StoredCheckpoint {
  readonly seq: number;
  readonly afterChunk: number;
  readonly bytes: number;
}

export class CheckpointStore {
  readonly #db: DatabaseSync;
  #insert: StatementSync | null = null;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** To write into a recording; makes the table. */
  static create(db: DatabaseSync): CheckpointStore {
    db.exec(SCHEMA);
    return new CheckpointStore(db);
  }

  /** To read those of a recording; null when it has no such table. */
  static in(db: DatabaseSync): CheckpointStore | null {
    try {
      db.prepare('SELECT seq, after_chunk, at_ms, bytes, state FROM checkpoints LIMIT 0').get();
      return new CheckpointStore(db);
    } catch {
      return null;
    }
  }

  /** `state`: of saveState(), when the pipelines had been fed all chunks up to this one. */
  write(afterChunk: number, atMs: number, state: Buffer): void {
    this.#insert ??= this.#db.prepare(
      'INSERT INTO checkpoints (after_chunk, at_ms, bytes, state) VALUES (?, ?, ?, ?)',
    );
    this.#insert.run(afterChunk, atMs, state.length, state);
  }

  /** Those that begin with this header, in the order of the file; none where it is damaged. */
  list(header: Buffer): StoredCheckpoint[] {
    try {
      const rows = this.#db
        .prepare(
          `SELECT seq, after_chunk, bytes FROM checkpoints
           WHERE substr(state, 1, ${HEADER_BYTES}) = ? ORDER BY after_chunk`,
        )
        .all(header) as { seq: number; after_chunk: number; bytes: number }[];
      return rows.map(({ seq, after_chunk, bytes }) => ({ seq, afterChunk: after_chunk, bytes }));
    } catch {
      return [];
    }
  }

  /** Null when it cannot be read. */
  read({ seq }: StoredCheckpoint): Buffer | null {
    try {
      const row = this.#db.prepare('SELECT state FROM checkpoints WHERE seq = ?').get(seq);
      return row === undefined ? null : Buffer.from((row as { state: Uint8Array }).state);
    } catch {
      return null;
    }
  }
}
