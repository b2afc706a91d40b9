/** What is counted and measured of inodes by filesystem, for all time. */
import type { Context } from '../protocol/stages.ts';
import { CallbackRuns } from './callback-runs.ts';
import { Histogram } from './histogram.ts';
import { type Incarnation, STAGE_PLACE } from './incarnation.ts';

export interface FsCounts {
  ended: number;
  lost: number;
  live: number;
}

interface OfFs {
  readonly fs: string;
  readonly counts: FsCounts;
  /** By place in LATENCY_PAIRS. */
  readonly latencies: (Histogram | null)[];
  readonly runs: CallbackRuns;
}

/** The pairs of stages whose latency is kept. */
export const LATENCY_PAIRS = [
  ['evict', 'evict_end'],
  ['evict_inode', 'evict_inode_end'],
  ['evict', 'clear_inode'],
  ['destroy_inode', 'i_callback'],
  ['i_callback', 'free_inode'],
  ['evict_inode', 'free_inode'],
  ['evict', 'i_callback'],
] as const;

/** Of each pair, the places of its stages. */
const FROM = LATENCY_PAIRS.map(([from]) => STAGE_PLACE[from]);
const TO = LATENCY_PAIRS.map(([, to]) => STAGE_PLACE[to]);

const PAIR_TO_RETURN = LATENCY_PAIRS.findIndex(([a, b]) => a === 'evict' && b === 'evict_end');

/** The pairs that end with free_inode, by the stage they begin with. */
const PAIR_TO_FREE = {
  i_callback: LATENCY_PAIRS.findIndex(([a, b]) => a === 'i_callback' && b === 'free_inode'),
  evict_inode: LATENCY_PAIRS.findIndex(([a, b]) => a === 'evict_inode' && b === 'free_inode'),
};

export class ByFilesystem {
  /** By name; canaries are in no count. */
  readonly counts = new Map<string, FsCounts>();
  /** `pair fs` to its distribution, ns. */
  readonly latencies = new Map<string, Histogram>();
  private readonly _all = new Map<string, OfFs>();
  /** That of the last inode, which is mostly that of the next one, too. */
  private _last: OfFs | null = null;

  countsOf(fs: string): FsCounts {
    return this.#of(fs).counts;
  }

  /** Undefined: no inode of it is known. */
  runsOf(fs: string): CallbackRuns | undefined {
    return this._all.get(fs)?.runs;
  }

  /** An inode, no canary, has ended or is taken as lost. */
  ended(inode: Incarnation): void {
    const { counts, latencies, runs } = this.#of(inode.fs);
    counts.live--;
    counts.ended++;
    if (inode.state === 'lost') {
      counts.lost++;
      return;
    }
    runs.ended(inode);
    for (let pair = 0; pair < TO.length; pair++) {
      if (TO[pair] !== STAGE_PLACE.free_inode) this.#measure(inode, pair, latencies);
    }
  }

  /** It was taken as lost, and is not. */
  reopened({ fs }: Incarnation): void {
    const counts = this.countsOf(fs);
    counts.live++;
    counts.ended--;
    counts.lost--;
  }

  /** It is a canary: it was counted and should not have been. */
  disowned({ fs, state, freeContext }: Incarnation): void {
    const { counts, runs } = this.#of(fs);
    if (state === 'ended') runs.calledBack(freeContext, -1);
    if (state === 'ended' || state === 'lost') counts.ended--;
    else counts.live--;
    if (state === 'lost') counts.lost--;
  }

  /** Nothing was counted of it: it has no row. */
  dropEmpty(fs: string): void {
    const { ended, lost, live } = this.countsOf(fs);
    if (ended + lost + live > 0) return;
    this.counts.delete(fs);
    this._all.delete(fs);
    this._last = null;
  }

  /** One of which tracepoints told at its end, so many ns after s_op->evict_inode began. */
  passed(fs: string, ns: number, context: Context): void {
    const { counts, latencies, runs } = this.#of(fs);
    counts.ended++;
    runs.calledBack(context, 1);
    this.#latency(fs, PAIR_TO_FREE.evict_inode, latencies).add(ns);
  }

  /** The latency that is known only after the end: free_inode runs inside i_callback. */
  measureFree(inode: Incarnation, from: 'i_callback' | 'evict_inode'): void {
    if (inode.canary) return;
    this.#measure(inode, PAIR_TO_FREE[from], this.#of(inode.fs).latencies);
  }

  /** evict() returned after the end: its filesystem frees it by itself. */
  measureReturn(inode: Incarnation): void {
    if (!inode.canary) this.#measure(inode, PAIR_TO_RETURN, this.#of(inode.fs).latencies);
  }

  #measure(inode: Incarnation, pair: number, ofFs: (Histogram | null)[]): void {
    const ns = inode.timeAt(TO[pair]!) - inode.timeAt(FROM[pair]!);
    // not a number: one of them was not seen
    if (ns >= 0) this.#latency(inode.fs, pair, ofFs).add(ns);
  }

  #latency(fs: string, pair: number, ofFs: (Histogram | null)[]): Histogram {
    const known = ofFs[pair];
    if (known != null) return known;
    const histogram = new Histogram();
    ofFs[pair] = histogram;
    this.latencies.set(`${LATENCY_PAIRS[pair]!.join('..')} ${fs}`, histogram);
    return histogram;
  }

  #of(fs: string): OfFs {
    if (this._last?.fs === fs) return this._last;
    let of = this._all.get(fs);
    if (of === undefined) {
      const counts = { ended: 0, lost: 0, live: 0 };
      of = { fs, counts, latencies: LATENCY_PAIRS.map(() => null), runs: new CallbackRuns() };
      this._all.set(fs, of);
      this.counts.set(fs, counts);
    }
    this._last = of;
    return of;
  }
}
