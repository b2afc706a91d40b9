/**
 * What was watched when. A line that is missing proves something only where somebody
 * looked, and where every loss is known: losses become known late, up to a second for
 * skipped programs, longer for a full buffer.
 */
import type { Gaps } from '../gaps.ts';

/** Around a window: clocks of the host that are read one after the other differ. */
const MARGIN_NS = 100e6;
/** Doubtful times kept; the oldest two become one. */
const MAX_DOUBTS = 500;

interface Interval {
  readonly from: number;
  /** Infinity while it lasts. */
  to: number;
}

export class Watch {
  /** Every loss before this time is known, ns of the epoch. */
  settled = 0;
  private _ready = Number.POSITIVE_INFINITY;
  private readonly _gaps: Gaps;
  private readonly _doubts: Interval[] = [];
  /** When the steps of an inode were not told, only its end. */
  private readonly _silent: Interval[] = [];

  /** `steps`: whether each stage of an inode is told at once when tracing begins. */
  constructor(gaps: Gaps, steps: boolean) {
    this._gaps = gaps;
    if (!steps) this._silent.push({ from: 0, to: Number.POSITIVE_INFINITY });
  }

  /** All probes are attached. */
  ready(ts: number): void {
    this._ready = Math.min(this._ready, ts);
  }

  /** So much time before this one, or since the probes are attached. */
  before(ts: number, ns: number): number {
    return Math.min(ts, Math.max(ts - ns, this._ready));
  }

  /** Something may have been lost, or come out of order, between these times. */
  doubt(from: number, to: number): void {
    const last = this._doubts.at(-1);
    if (last !== undefined && from <= last.to && to >= last.from) {
      this._doubts[this._doubts.length - 1] = {
        from: Math.min(from, last.from),
        to: Math.max(to, last.to),
      };
      return;
    }
    this._doubts.push({ from, to });
    if (this._doubts.length <= MAX_DOUBTS) return;
    const [a, b] = this._doubts.splice(0, 2) as [Interval, Interval];
    this._doubts.unshift({ from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) });
  }

  /** From now on each stage of an inode is told at once, or only its end. */
  steps(ts: number, on: boolean): void {
    const last = this._silent.at(-1);
    const silent = last?.to === Number.POSITIVE_INFINITY;
    if (on && silent) last!.to = ts + MARGIN_NS;
    // told a moment after it began
    if (!on && !silent) this._silent.push({ from: ts - MARGIN_NS, to: Number.POSITIVE_INFINITY });
    if (this._silent.length > MAX_DOUBTS) this._silent.splice(0, 1);
  }

  /** Whether the probes were attached all the while; with `steps`, those of each stage too. */
  watched(from: number, to: number, steps: boolean): boolean {
    if (from < this._ready) return false;
    const down = this._gaps.list.some((gap) => gap.where === 'tracer_down' && meets(gap, from, to));
    return !down && !(steps && this._silent.some((silent) => meets(silent, from, to)));
  }

  /** Whether all losses that could touch this time are known. */
  isSettled(to: number): boolean {
    return this.settled >= to + MARGIN_NS;
  }

  /** Whether something was lost between these times. */
  doubtful(from: number, to: number): boolean {
    const [a, b] = [from - MARGIN_NS, to + MARGIN_NS];
    return this._gaps.overlaps(a, b) || this._doubts.some((doubt) => meets(doubt, a, b));
  }
}

function meets(interval: Interval, from: number, to: number): boolean {
  return interval.from <= to && interval.to >= from;
}
