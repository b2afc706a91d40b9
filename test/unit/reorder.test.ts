import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../server/protocol/events.ts';
import { Reorder } from '../../server/tracer/reorder.ts';

const event = (ts: number, cpu: number): TraceEvent =>
  ({ kind: 'tick', ts, cpu, pid: 0, tid: 0, seq: 0 }) as unknown as TraceEvent;

const options = (buffers: number, boundNs: number, maxWaiting = 1e9) => ({
  buffers: Array(buffers).keys(),
  boundNs,
  maxWaiting,
  slackNs: 0,
  bufferOf: (e: { cpu: number }) => e.cpu,
});

/** Passes events through a Reorder and gives the times in the order they came out. */
function run(events: TraceEvent[], cpus: number, bound: number): { out: number[]; late: number } {
  const out: number[] = [];
  const reorder = new Reorder(options(cpus, bound), (e) => out.push(e.ts));
  for (const e of events) reorder.push(e);
  reorder.flush();
  return { out, late: reorder.late };
}

/** Streams that are each in order, woven together at random. */
const interleaved = fc
  .array(fc.array(fc.nat(1000), { maxLength: 30 }), { minLength: 1, maxLength: 4 })
  .chain((streams) => {
    const sorted = streams.map((s) => [...s].sort((a, b) => a - b));
    const total = sorted.reduce((sum, s) => sum + s.length, 0);
    return fc
      .array(fc.nat(sorted.length - 1), { minLength: total * 4, maxLength: total * 4 })
      .map((choices) => {
        const heads = sorted.map(() => 0);
        const woven: TraceEvent[] = [];
        for (const choice of [...choices, ...sorted.flatMap((s, i) => s.map(() => i))]) {
          const stream = sorted[choice]!;
          if (heads[choice]! < stream.length) woven.push(event(stream[heads[choice]!++]!, choice));
        }
        return { woven, cpus: sorted.length };
      });
  });

describe('reorder', () => {
  it('gives all events in order, however the CPUs are woven together', () => {
    fc.assert(
      fc.property(interleaved, ({ woven, cpus }) => {
        const { out, late } = run(woven, cpus, 1e9);
        expect(late).toBe(0);
        expect(out).toEqual(woven.map((e) => e.ts).sort((a, b) => a - b));
      }),
    );
  });

  it('loses none when the bound is too small, and counts what came late', () => {
    fc.assert(
      fc.property(interleaved, fc.nat(100), ({ woven, cpus }, bound) => {
        const { out, late } = run(woven, cpus, bound);
        expect([...out].sort((a, b) => a - b)).toEqual(
          woven.map((e) => e.ts).sort((a, b) => a - b),
        );
        let newest = -1;
        let behind = 0;
        for (const ts of out) {
          if (ts < newest) behind++;
          newest = Math.max(newest, ts);
        }
        expect(behind).toBe(late);
      }),
    );
  });

  it('holds no more than so many, lets the oldest go first, and loses none', () => {
    fc.assert(
      fc.property(interleaved, fc.integer({ min: 1, max: 10 }), ({ woven, cpus }, most) => {
        const out: number[] = [];
        const reorder = new Reorder(options(cpus, 1e9, most), (e) => out.push(e.ts));
        for (const e of woven) {
          reorder.push(e);
          expect(reorder.waiting).toBeLessThanOrEqual(most);
        }
        const before = out.length;
        expect(before + reorder.waiting).toBe(woven.length);
        reorder.flush();
        expect(reorder.waiting).toBe(0);
        const times = woven.map((e) => e.ts).sort((a, b) => a - b);
        expect([...out].sort((a, b) => a - b)).toEqual(times);
        if (reorder.late === 0) expect(out).toEqual(times);
      }),
    );
  });

  it('does not wait for a CPU that is silent beyond the bound', () => {
    const out: number[] = [];
    const reorder = new Reorder(options(2, 100), (e) => out.push(e.ts));
    for (const ts of [10, 50, 120, 300]) reorder.push(event(ts, 0));
    expect(out).toEqual([10, 50, 120]);
  });

  it('waits for those that it is told to wait for, and passes on what others say in its order', () => {
    const out: number[] = [];
    const reorder = new Reorder(options(2, 1e9), (e) => out.push(e.ts));
    for (const e of [event(10, 0), event(20, 1), event(30, 0), event(25, 5)]) reorder.push(e);
    expect(out).toEqual([10, 20]);
    reorder.waitFor([0, 5]); // 1 has gone
    for (const e of [event(40, 5), event(50, 0)]) reorder.push(e);
    expect(out).toEqual([10, 20, 25, 30, 40]);
    expect([0, 1, 5, 7].map((buffer) => reorder.newestOf(buffer))).toEqual([
      50,
      20,
      40,
      Number.NEGATIVE_INFINITY,
    ]);
  });
});
