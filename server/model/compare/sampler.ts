/**
 * What a comparison needs of each inode that ended: its durations, the order of its
 * stages, and when. The report keeps histograms, which forget when something was, and
 * inodes that end together are not independent; so the durations are collected here,
 * in the order in which the inodes ended.
 */
import { INODE_STAGES } from '../../protocol/stages.ts';
import { LATENCY_PAIRS } from '../by-filesystem.ts';
import type { Incarnation } from '../incarnation.ts';
import { mix } from './random.ts';

/** `evict..evict_end`, ...: the names of the durations, by their place in `InodeSamples.ns`. */
export const PAIRS: readonly string[] = LATENCY_PAIRS.map(([from, to]) => `${from}..${to}`);

/** Inodes that have ended wait for lines that come after: free_inode, a canary's name. */
const PENDING = 4096;

/** Inodes of a filesystem kept; beyond it a random half is dropped, again and again. */
const MAX_KEPT = 1 << 18;

/** The inodes of one filesystem in one epoch, by column, in the order they ended. */
export interface InodeSamples {
  readonly fs: string;
  /** All that ended and were seen to; more than are kept when there are very many. */
  ended: number;
  /** First and last stage, ns of the epoch. */
  readonly from: number[];
  readonly to: number[];
  /** Index into `orders`. */
  readonly order: number[];
  /** By pair (see PAIRS), ns; NaN where a stage was not seen. */
  readonly ns: readonly number[][];
  /** Of all that ended, by pair. */
  readonly counts: number[];
  readonly max: number[];
  /** Stages in the order of their times, joined by blanks. */
  readonly orders: string[];
}

export class Sampler {
  private readonly _byFs = new Map<string, Kept>();
  private readonly _pending = new Set<Incarnation>();
  private readonly _maxKept: number;

  constructor(maxKept = MAX_KEPT) {
    this._maxKept = maxKept;
  }

  /** An incarnation ended, or was taken as lost; more may still become known of it. */
  ended(inode: Incarnation): void {
    this._pending.delete(inode);
    this._pending.add(inode);
    if (this._pending.size > PENDING) this.#take(this._pending.values().next().value!);
  }

  /** After the last event. */
  finish(): InodeSamples[] {
    for (const inode of this._pending) this.#take(inode);
    return [...this._byFs.values()].map(({ samples }) => samples);
  }

  #take(inode: Incarnation): void {
    this._pending.delete(inode);
    if (inode.canary || inode.state !== 'ended') return;
    let kept = this._byFs.get(inode.fs);
    if (kept === undefined) {
      kept = new Kept(inode.fs, this._maxKept);
      this._byFs.set(inode.fs, kept);
    }
    kept.add(inode);
  }
}

class Kept {
  readonly samples: InodeSamples;
  private readonly _max: number;
  private readonly _numbers: number[] = [];
  private readonly _orderIndex = new Map<string, number>();
  /** An inode is kept when the hash of its number is below. */
  private _below = 2 ** 32;

  constructor(fs: string, max: number) {
    this._max = max;
    this.samples = {
      fs,
      ended: 0,
      from: [],
      to: [],
      order: [],
      ns: PAIRS.map(() => []),
      counts: PAIRS.map(() => 0),
      max: PAIRS.map(() => 0),
      orders: [],
    };
  }

  add(inode: Incarnation): void {
    const { samples } = this;
    const stages = stagesInOrder(inode);
    if (stages.length === 0) return;
    const number = samples.ended++;
    const durations = durationsOf(inode);
    durations.forEach((ns, pair) => {
      if (Number.isNaN(ns)) return;
      samples.counts[pair]!++;
      samples.max[pair] = Math.max(samples.max[pair]!, ns);
    });
    if (mix(number) >= this._below) return;
    this._numbers.push(number);
    samples.from.push(stages[0]![1]);
    samples.to.push(stages.at(-1)![1]);
    samples.order.push(this.#orderOf(stages.map(([stage]) => stage).join(' ')));
    for (const [pair, ns] of durations.entries()) samples.ns[pair]!.push(ns);
    if (this._numbers.length > this._max) this.#dropHalf();
  }

  #orderOf(order: string): number {
    let index = this._orderIndex.get(order);
    if (index === undefined) {
      index = this.samples.orders.push(order) - 1;
      this._orderIndex.set(order, index);
    }
    return index;
  }

  /** By a hash and not every other one: what alternates would lose one kind. */
  #dropHalf(): void {
    this._below /= 2;
    const { from, to, order, ns } = this.samples;
    const columns = [from, to, order, ...ns];
    let left = 0;
    this._numbers.forEach((number, i) => {
      if (mix(number) >= this._below) return;
      for (const column of columns) column[left] = column[i]!;
      this._numbers[left++] = number;
    });
    for (const column of [...columns, this._numbers]) column.length = left;
  }
}

/** As in the report: the pair of tracepoints is for hosts that show nothing else. */
function durationsOf(inode: Incarnation): number[] {
  return LATENCY_PAIRS.map(([from, to]) => {
    if (to === 'free_inode' && from === 'evict_inode' && inode.address !== 0) return Number.NaN;
    const ns = inode.between(from, to) ?? Number.NaN;
    return ns >= 0 ? ns : Number.NaN; // the clocks of two CPUs: not a duration
  });
}

/** Those that were seen, by time; at the same time, in the order in which they stand in the kernel. */
function stagesInOrder(inode: Incarnation): [stage: string, at: number][] {
  const seen: [string, number][] = [];
  for (const stage of INODE_STAGES) {
    const at = inode.at(stage);
    if (at !== null) seen.push([stage, at]);
  }
  return seen.sort((a, b) => a[1] - b[1]);
}
