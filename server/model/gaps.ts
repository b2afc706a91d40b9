/**
 * Intervals in which events were lost. What is missing inside one proves nothing.
 */
import type { Gap } from '../protocol/messages.ts';

/** A gap in nanoseconds of the epoch. */
export interface ModelGap {
  readonly from: number;
  /** Infinity while it is open. */
  to: number;
  lost: number;
  readonly where: Gap['where'];
  readonly detail: string;
  /** Only some of what happens is not seen. */
  readonly inPart?: boolean;
}

/** Gaps kept; older ones are merged into one. */
const MAX_GAPS = 500;

export class Gaps {
  readonly list: ModelGap[] = [];

  /** Losses of one place that touch the last gap of that place make it longer. */
  add(gap: ModelGap): void {
    for (let i = this.list.length - 1; i >= Math.max(0, this.list.length - 8); i--) {
      const last = this.list[i]!;
      if (last.where === gap.where && gap.from <= last.to + 1e9 && last.where !== 'tracer_down') {
        last.to = Math.max(last.to, gap.to);
        last.lost += gap.lost;
        return;
      }
    }
    this.list.push(gap);
    if (this.list.length > MAX_GAPS) {
      // one that is open will be closed by who opened it
      const open = this.list.findIndex(({ to }) => !Number.isFinite(to));
      const at = open === 0 || open === 1 ? open + 1 : 0;
      const [a, b] = this.list.splice(at, 2) as [ModelGap, ModelGap];
      this.list.splice(at, 0, {
        from: Math.min(a.from, b.from),
        to: Math.max(a.to, b.to),
        lost: a.lost + b.lost,
        where: a.where,
        detail: 'older gaps, merged',
      });
    }
  }

  /** Whether nobody watches at the moment: tracing is down, or blind. */
  get isDown(): boolean {
    return this.list.some(({ where, to, inPart = false }) => {
      return where === 'tracer_down' && !Number.isFinite(to) && !inPart;
    });
  }

  /** Whether any loss falls between the two times. */
  overlaps(from: number, to: number): boolean {
    for (let i = this.list.length - 1; i >= 0; i--) {
      const gap = this.list[i]!;
      if (gap.from <= to && gap.to >= from) return true;
    }
    return false;
  }
}
