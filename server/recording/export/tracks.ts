/** What a timeline is made of: tracks, and batches of what is on them. */
import type { Pipeline } from '../../tracer/pipeline.ts';
import type { Row } from './picture.ts';

export interface Track {
  /** Unique in the export, from 1. */
  readonly id: number;
  readonly pipeline: Pipeline;
  readonly parent: Track | null;
  readonly name: string;
  /** `group` has nothing on it but other tracks. */
  readonly kind: 'group' | 'row' | 'counter';
  /** Its children come in the order of time, and each is a row of its own whatever its name. */
  readonly chronological: boolean;
}

/** What ends up in one file; each track is declared before anything is on it. */
export interface TrackWriter {
  declare(track: Track): void;
  /** Rows of one epoch. Batches come in any order of time. `pool`: like batches of a kind. */
  rows(
    pool: 'inode' | 'hugepage' | 'remark',
    category: string,
    rows: ReadonlyMap<Track, Row>,
  ): void;
  /** Values of counters at one time. */
  counts(ts: number, values: ReadonlyMap<Track, number>): void;
  close(): void;
}
