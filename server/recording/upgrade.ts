/**
 * Older files, step by step, without a byte of them being changed: each step puts what
 * the next format has in the place of what the file has, as temporary views of the one
 * connection that reads it.
 */
import type { DatabaseSync } from 'node:sqlite';
import { RECORDING_VERSION } from '../protocol/recording.ts';

/** From the format that is the key to the next one. */
const STEPS: Readonly<Record<number, string>> = {
  // no tables but meta, epochs and chunks; times in the frames
  1: `CREATE TEMP VIEW chunks AS
      SELECT seq, epoch, from_ms, to_ms, bytes, 0 AS events, frames, NULL AS times FROM main.chunks`,
};

export const OLDEST_VERSION = 1;

/** Makes a file of this format look like one of the newest. */
export function upgrade(db: DatabaseSync, format: number): void {
  for (let step = format; step < RECORDING_VERSION; step++) db.exec(STEPS[step]!);
}
