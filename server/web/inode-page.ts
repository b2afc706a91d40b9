/** The window of the inode table that a client shows, out of all inodes that are known. */
import type { Incarnation } from '../model/incarnation.ts';
import { type Filter, parseFilter } from '../protocol/filter.ts';
import type { InodePage, InodeRow, Subscribe } from '../protocol/messages.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { Largest } from './largest.ts';

export type InodeAsk = Pick<
  Subscribe,
  'filter' | 'sort' | 'descending' | 'offset' | 'limit' | 'host' | 'from' | 'to'
>;
type RowOf = (pipeline: Pipeline, epoch: number, inode: Incarnation) => InodeRow;

/** A row is made of what is shown; of the others only where the filter or the order needs one. */
export function inodePage(
  pipelines: readonly (readonly [number, Pipeline])[],
  ask: InodeAsk,
  rowOf: RowOf,
): InodePage {
  const { offset = 0, limit = 100, sort = 'recent', descending = true } = ask;
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = ask;
  const filter: Filter | null = (ask.filter ?? '').trim() === '' ? null : parseFilter(ask.filter!);
  const plain = filter === null && sort === 'recent';
  const value = SORT_VALUE[sort];
  const sign = descending ? 1 : -1;
  const largest = new Largest<() => InodeRow>(offset + limit);
  let total = 0;
  let dropped = 0;
  let leftOut = 0;
  for (const [epoch, pipeline] of pipelines) {
    dropped += pipeline.model.inodes.dropped;
    leftOut += pipeline.model.inodes.leftOut;
    const { inodes } = pipeline.model;
    const isOut = (at: number) => at < from || at > to || (plain && largest.passesOver(sign * at));
    const skip = (began: number) => {
      const skipped = isOut(pipeline.wallMs(began));
      if (skipped) total++;
      return skipped;
    };
    // nearly all of the others are then passed over at once
    const newestFirst = sort === 'recent' && descending;
    for (const inode of newestFirst ? inodes.newestFirst(skip) : inodes.all(skip)) {
      if (inode.canary) continue;
      total++;
      const at = pipeline.wallMs(inode.began);
      if (isOut(at)) continue;
      if (plain) {
        largest.offer(sign * at, () => rowOf(pipeline, epoch, inode));
        continue;
      }
      const row = rowOf(pipeline, epoch, inode);
      if (filter === null || filter(row)) largest.offer(sign * value(row), () => row);
    }
  }
  return {
    total,
    matched: largest.count,
    offset,
    rows: largest
      .sorted()
      .slice(offset)
      .map((make) => make()),
    dropped,
    left_out: leftOut,
  };
}

/** `recent`: when it began to end. */
const SORT_VALUE: Record<NonNullable<Subscribe['sort']>, (row: InodeRow) => number> = {
  recent: (row) => row.at_ms,
  ino: (row) => row.ino,
  pages: (row) => row.pages,
  owed: (row) => row.owed ?? 0,
  evict_ns: (row) => row.evict_ns ?? 0,
  grace_ns: (row) => row.grace_ns ?? 0,
};
