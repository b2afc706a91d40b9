/**
 * One life of one `struct inode` address: from alloc_inode or first sighting until
 * i_callback. Holds what was seen; draws no conclusion.
 */
import type { TraceEvent } from '../protocol/events.ts';
import type { InodeState } from '../protocol/messages.ts';
import { type Context, INODE_STAGES, type InodeStage } from '../protocol/stages.ts';
import type { Address } from '../protocol/units.ts';
import type { Superblock } from './superblocks.ts';

/** Lines kept as evidence per incarnation; the rest is counted. */
const MAX_EVIDENCE = 512;
/** Hugepages kept by name per incarnation; the rest is counted. */
const MAX_HUGEPAGES = 1024;

/** One hugepage while it is known, by folio address or, from tracepoints, by pfn. */
export interface Hugepage {
  /** Folio address, or 0 where only the pfn is known. */
  folio: Address;
  readonly pfn: number | null;
  readonly index: number;
  owner: Incarnation | null;
  /** allocated: taken for a mapping and in no page cache (yet, or private to the mapping). */
  state: 'allocated' | 'cached' | 'removed' | 'freed';
  /** Where it went: known once it is freed. */
  fate: 'pool' | 'buddy' | null;
  since: number;
  removedAt: number;
  freedAt: number;
  /** References beyond the page cache's own at removal; null when not seen. */
  extraRefs: number | null;
  /** Who took it from the pool, for a mapping of which inode; null when that was not seen. */
  taker: Taker | null;
}

export interface Taker {
  readonly pid: number;
  readonly comm: string;
  readonly inode: Incarnation | null;
  /** `s_dev` of that inode, known or not. */
  readonly dev: number;
}

const STAGE_INDEX = new Map<InodeStage, number>(INODE_STAGES.map((s, i) => [s, i]));

export class Incarnation {
  readonly number: number;
  fs: string;
  /** The callbacks of its superblock, as they were at evict. */
  superblock: Superblock | undefined;
  readonly dev: number;
  readonly address: Address;
  ino: number;
  state: InodeState = 'open';
  /** First line that named it. */
  readonly first: number;
  last: number;
  born = false;
  /** Made by lastref to see that the tracer is ready; in no count. */
  canary = false;
  pid = 0;
  tid = 0;
  comm = '';
  nlink: number | null = null;
  mode: number | null = null;
  size = 0;
  /** Hugepages of its page cache: those in it now, or at evict. */
  pages = 0;
  removed = 0;
  freed = 0;
  /** Of `freed`, those given back before evict: truncated, or holes. */
  freedBefore = 0;
  readonly hugepages: Hugepage[] = [];
  hugepagesMore = 0;
  readonly evidence: TraceEvent[] = [];
  evidenceMore = 0;
  freeContext: Context = 'unknown';
  /** Where i_callback ran; -1 when not seen. */
  freeCpu = -1;
  /** What was found of the rules of the contract on it: a bit for each rule. */
  readonly rules = { held: 0, broken: 0, suspected: 0 };
  private readonly _times = new Float64Array(INODE_STAGES.length).fill(Number.NaN);

  constructor(number: number, fs: string, dev: number, address: Address, ino: number, ts: number) {
    this.number = number;
    this.fs = fs;
    this.dev = dev;
    this.address = address;
    this.ino = ino;
    this.first = ts;
    this.last = ts;
  }

  /** Time of a stage in nanoseconds of the epoch; null when not seen. */
  at(stage: InodeStage): number | null {
    const ts = this._times[STAGE_INDEX.get(stage)!]!;
    return Number.isNaN(ts) ? null : ts;
  }

  reach(stage: InodeStage, ts: number): void {
    this._times[STAGE_INDEX.get(stage)!] = ts;
  }

  /** From one stage to another, in ns; null unless both were seen. */
  between(from: InodeStage, to: InodeStage): number | null {
    const a = this.at(from);
    const b = this.at(to);
    return a === null || b === null ? null : b - a;
  }

  note(event: TraceEvent): void {
    if (event.ts > this.last) this.last = event.ts;
    if (this.evidence.length < MAX_EVIDENCE) this.evidence.push(event);
    else this.evidenceMore++;
  }

  take(page: Hugepage): void {
    if (this.hugepages.length < MAX_HUGEPAGES) this.hugepages.push(page);
    else this.hugepagesMore++;
  }
}
