/**
 * The tables `inodes` and `inode_counts`. Every inode that ended is in the counts of its
 * second; listed are those that held hugepages or were lost, as long as their rows are a
 * small part of the file: a flood of inodes must not make the recording twice as large.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Incarnation } from '../model/incarnation.ts';
import { plain } from '../protocol/plain.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** Rows written in one flush; a row takes about 2 microseconds. */
const MAX_ROWS_A_FLUSH = 5000;
/** Bytes of a row, with its place in the page. */
const ROW_BYTES = 36;
/** Rows may take so many bytes, and beyond that this share of the chunks' bytes. */
const FREE_BYTES = 1024 * 1024;
const SHARE = 1 / 4;
/** Inodes that are there when the recording ends. */
const MAX_LIVE = 20_000;

const STATES: Readonly<Record<Incarnation['state'], number>> = {
  ended: 0,
  lost: 1,
  open: 2,
  evicting: 3,
  grace: 4,
};

interface Counts {
  ended: number;
  lost: number;
  pages: number;
  listed: number;
}

/** `inodes.id` of an incarnation. */
export function inodeId(epoch: number, number: number): number {
  return epoch * 2 ** 32 + number;
}

export class InodeRows {
  readonly #insert: StatementSync;
  readonly #addCounts: StatementSync;
  readonly #superblocks: Shared;
  readonly #tasks: Shared;
  /** `EPOCH SECOND FS`. */
  readonly #counts = new Map<string, Counts>();
  /** The counts used last: most inodes that end are of the same second and filesystem. */
  #last = { epoch: -1, second: -1, fs: '', counts: { ended: 0, lost: 0, pages: 0, listed: 0 } };
  #due: [Pipeline, Incarnation, Counts][] = [];
  #rows = 0;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(
      'INSERT OR REPLACE INTO inodes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#addCounts = db.prepare(
      `INSERT INTO inode_counts VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
       ended = ended + excluded.ended, lost = lost + excluded.lost,
       pages = pages + excluded.pages, listed = listed + excluded.listed`,
    );
    this.#superblocks = new Shared(
      db.prepare('INSERT INTO superblocks (epoch, fs, dev) VALUES (?, ?, ?)'),
    );
    this.#tasks = new Shared(db.prepare('INSERT INTO tasks (pid, comm) VALUES (?, ?)'));
  }

  ended(pipeline: Pipeline, inode: Incarnation): void {
    if (inode.canary) return;
    const counts = this.#countsOf(pipeline.info.number, inode);
    const lost = inode.state === 'lost';
    counts.ended++;
    counts.pages += inode.pages;
    if (lost) counts.lost++;
    const wanted = lost || inode.pages > 0 || inode.removed > 0 || inode.broken !== 0;
    if (wanted && this.#due.length < MAX_ROWS_A_FLUSH) this.#due.push([pipeline, inode, counts]);
  }

  /** `chunkBytes`: compressed bytes of all chunks so far. */
  flush(chunkBytes: number): void {
    const room = (FREE_BYTES + chunkBytes * SHARE) / ROW_BYTES - this.#rows;
    // in the order of their ids, which keeps the pages of the table full
    const due = this.#due.slice(0, Math.max(0, room)).sort((a, b) => a[1].number - b[1].number);
    for (const [pipeline, inode, counts] of due) {
      this.list(pipeline, inode);
      counts.listed++;
    }
    this.#due = [];
    for (const [key, { ended, lost, pages, listed }] of this.#counts) {
      const [epoch, second, fs] = key.split(' ', 3) as [string, string, string];
      this.#addCounts.run(Number(epoch), Number(second), fs, ended, lost, pages, listed);
    }
    this.#counts.clear();
    this.#last.epoch = -1;
  }

  /** One row, whatever room there is. */
  list({ info, model }: Pipeline, inode: Incarnation): void {
    const { first } = inode;
    const us = (ns: number) => Math.round((ns - first) / 1000);
    const evict = inode.at('evict') ?? inode.at('evict_inode');
    this.#insert.run(
      inodeId(info.number, inode.number),
      this.#superblocks.id(info.number, plain(inode.fs), inode.dev),
      inode.ino,
      this.#tasks.id(inode.pid, plain(inode.comm)),
      STATES[inode.state],
      Math.round(first / 1000),
      evict === null ? null : us(evict),
      us(inode.last),
      Math.round(inode.pages),
      model.seesFree ? Math.max(0, inode.removed - inode.freed) : null,
    );
    this.#rows++;
  }

  /** Those that are still there when the recording ends. */
  finish(pipeline: Pipeline): void {
    const { hugepages, inodes } = pipeline.model;
    let listed = 0;
    for (const inode of inodes.unended()) {
      if (inode.canary || inode.state === 'ended' || inode.state === 'lost') continue;
      if (inode.state === 'open' && !hugepages.holding.has(inode)) continue;
      if (++listed > MAX_LIVE) return;
      this.list(pipeline, inode);
    }
  }

  #countsOf(epoch: number, inode: Incarnation): Counts {
    const second = Math.floor(inode.last / 1e9);
    const last = this.#last;
    if (last.epoch === epoch && last.second === second && last.fs === inode.fs) return last.counts;
    const key = `${epoch} ${second} ${plain(inode.fs)}`;
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      counts = { ended: 0, lost: 0, pages: 0, listed: 0 };
      this.#counts.set(key, counts);
    }
    this.#last = { epoch, second, fs: inode.fs, counts };
    return counts;
  }
}

/** Ids of what many rows share. */
class Shared {
  readonly #insert: StatementSync;
  readonly #ids = new Map<string, number>();

  constructor(insert: StatementSync) {
    this.#insert = insert;
  }

  id(...values: (string | number)[]): number {
    const key = values.join(' ');
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = Number(this.#insert.run(...values).lastInsertRowid);
      this.#ids.set(key, id);
    }
    return id;
  }
}
