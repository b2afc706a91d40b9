import { describe, expect, it } from 'vitest';
import { LINES } from '../../server/protocol/grammar.ts';
import { HITS_PER_LINE } from '../../server/protocol/line-kinds.ts';
import { Settlement } from '../../server/tracer/settlement.ts';

const MS = 1e6;

/** One track, unless more are asked for; times in ms. */
class Trace {
  readonly doubts: [number, number][] = [];
  readonly settlement = new Settlement((from, to) => this.doubts.push([from / MS, to / MS]));
  ms = 0;

  constructor(tracks: readonly number[] = [0]) {
    this.settlement.begin(tracks);
  }

  evict(times = 1): this {
    for (let i = 0; i < times; i++) this.settlement.line('evict', 0, ++this.ms * MS);
    return this;
  }

  callback(): this {
    this.settlement.line('i_callback', 1, ++this.ms * MS);
    return this;
  }

  tick(times = 1): this {
    for (let i = 0; i < times; i++) {
      this.ms += 100;
      this.settlement.line('tick', 0, this.ms * MS);
    }
    return this;
  }

  /** Counts, and the line after them, by which they are known to be complete. */
  counts(evict: number): this {
    this.settlement.hits('evict', evict);
    return this.tick();
  }

  get explained(): number {
    return this.settlement.explained / MS;
  }
}

describe('what arrived is explained', () => {
  it('when the counts say that it is all', () => {
    const trace = new Trace().evict(5).tick();
    expect(trace.counts(5).explained).toBe(105);
  });

  it('not while lines are on their way', () => {
    const trace = new Trace().evict(5).tick().counts(7);
    expect(trace.explained).toBe(0);
    trace.evict(2).tick();
    expect(trace.explained).toBe(0); // those may be others, and the two lost
    expect(trace.counts(7).explained).toBe(307);
    expect(trace.doubts).toEqual([]);
  });

  it('up to the counts, however late the loss is told', () => {
    const trace = new Trace().evict(5).tick().counts(7);
    trace.settlement.lost(2);
    expect(trace.doubts).toEqual([[0, 1205]]);
    expect(trace.explained).toBe(0);
    expect(trace.counts(7).explained).toBe(205);
  });

  it('of every track: the counts of one do not speak for another', () => {
    const trace = new Trace([0, 1]).evict(5).tick().counts(5);
    expect(trace.explained).toBe(0);
    trace.settlement.hits('i_callback', 1);
    trace.callback();
    expect(trace.explained).toBe(0); // it came after the counts
    trace.settlement.hits('i_callback', 1);
    trace.callback();
    expect(trace.explained).toBe(105); // as old as the counts of the other
  });

  it('when the counts of all programs that print a line have come', () => {
    const trace = new Trace().evict(5).tick(2);
    const count = (sums: readonly number[]) => {
      sums.forEach((sum, i) => {
        trace.settlement.hits('evict', sum, LINES.evict.id + i * HITS_PER_LINE);
      });
    };
    count([3, 5]);
    trace.evict(1);
    expect(trace.explained).toBe(205);
    count([5, 7]); // one is missing
    trace.evict(1);
    expect(trace.explained).toBe(205);
  });

  it('only by what was told when the counts came', () => {
    const trace = new Trace([0, 1]).evict(5).tick();
    trace.settlement.hits('evict', 6);
    trace.tick();
    trace.settlement.lost(1); // of the other track
    trace.settlement.hits('i_callback', 1);
    trace.callback();
    expect(trace.explained).toBe(0);
  });
});

describe('what never comes and is never told', () => {
  it('is given up when nothing moves, and all of that time is in doubt', () => {
    const trace = new Trace().evict(5).tick(8).counts(6).tick(2);
    expect(trace.explained).toBe(805);
    expect(trace.doubts).toHaveLength(1);
    expect(trace.doubts[0]![0]).toBe(0);
    expect(trace.evict(3).tick().counts(9).explained).toBe(1208);
  });

  it('and is told after all: it does not stand for another loss', () => {
    const trace = new Trace().evict(5).tick(8).counts(6).tick(2);
    trace.settlement.lost(1);
    const before = trace.explained;
    // three more, of which one is lost and not told
    trace.evict(2).tick().counts(9);
    expect(trace.explained).toBe(before);
    trace.settlement.lost(1);
    trace.tick();
    expect(trace.counts(9).explained).toBeGreaterThan(before);
  });

  it('and comes after all: it does not stand for another loss', () => {
    const trace = new Trace().evict(5).tick(8).counts(6).tick(2);
    expect(trace.evict(1).tick().counts(6).explained).toBe(1206);
    trace.evict(2).tick().counts(9);
    expect(trace.explained).toBe(1206);
  });

  it('that was told before the counts were given up is not given up twice', () => {
    const trace = new Trace().evict(5).tick().counts(7);
    trace.settlement.lost(2);
    trace.tick(10); // quiet, and the counts are those from before
    trace.evict(3).tick().counts(12); // two lost and not told
    expect(trace.explained).toBeLessThan(205);
  });
});

it('what had not arrived when bpftrace ended is in doubt', () => {
  const trace = new Trace().evict(5).tick().counts(5).evict(3);
  trace.settlement.end();
  expect(trace.doubts).toEqual([[105, 1208]]);
});
