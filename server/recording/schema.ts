/**
 * The file: one SQLite database. `meta` says what it is, `epochs` who was traced,
 * `chunks` hold the very bytes that came, in the order in which they came.
 *
 * A chunk is zstd of frames: one byte kind, four bytes length (little endian), the
 * bytes. docs/formats.md has the history of the format.
 */
import type { FrameKind } from '../protocol/recording.ts';

/** "lref" as PRAGMA application_id: file(1) and we know our own by it. */
export const APPLICATION_ID = 0x6c726566;

export const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE epochs (number INTEGER PRIMARY KEY, info TEXT NOT NULL) STRICT;
CREATE TABLE chunks (
  seq INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL REFERENCES epochs (number),
  from_ms REAL NOT NULL, -- wall clock of the first and last frame
  to_ms REAL NOT NULL,
  bytes INTEGER NOT NULL, -- before compression
  frames BLOB NOT NULL
) STRICT;
`;

export const FRAME_CODES: Readonly<Record<FrameKind, number>> = {
  out: 1,
  err: 2,
  begin: 3,
  end: 4,
};
export const FRAME_KINDS = new Map<number, FrameKind>(
  Object.entries(FRAME_CODES).map(([kind, code]) => [code, kind as FrameKind]),
);
