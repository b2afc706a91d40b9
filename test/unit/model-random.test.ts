/** A simulated kernel that does random things is told as it was; or what was lost of it is doubtful. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../server/model/incarnation.ts';
import type { LineName } from '../../server/protocol/grammar.ts';
import { Report } from '../../server/protocol/report.ts';
import { BACK_WHEN, type Context, INODE_STAGES } from '../../server/protocol/stages.ts';
import { formatAddress } from '../../server/protocol/units.ts';
import type { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { type Delivered, type Delivery, deliver } from '../fixtures/delivery.ts';
import { anyLoss, anyOp, pipelineOf } from '../fixtures/random-worlds.ts';
import {
  type Detail,
  Kernel,
  type Life,
  OP_KINDS,
  type Op,
  type Truth,
} from '../fixtures/reference-model.ts';
import { runs } from '../support/runs.ts';

const stagesOf = (inode: Incarnation) => INODE_STAGES.filter((stage) => inode.at(stage) !== null);

type Seen = readonly [name: string, tracepoints: boolean, detail: Detail];
const SEEN: readonly Seen[] = (['steps', 'lifecycle', 'auto'] as const).flatMap((detail) => [
  [`fentry, ${detail}`, false, detail],
  [`tracepoints, ${detail}`, true, detail],
]);

interface World {
  truth: Truth;
  delivered: Delivered;
  pipeline: Pipeline;
  /** Time since boot of the time 0 of the epoch. */
  origin: number;
}

const op = anyOp(OP_KINDS);

const loss = anyLoss();

interface Settings {
  readonly tracepoints: boolean;
  readonly detail: Detail;
  readonly fullEvery: number;
  readonly ops: readonly Op[];
  readonly untraced: number;
  readonly seed: number;
  readonly cpus: number;
  readonly perfBuffers: boolean;
  readonly losses: Delivery['losses'];
}

const settings = (
  [, tracepoints, detail]: Seen,
  losses: fc.Arbitrary<Delivery['losses']>,
  fullEvery = 0,
) =>
  fc.record<Settings>({
    tracepoints: fc.constant(tracepoints),
    detail: fc.constant(detail),
    fullEvery: fc.constant(fullEvery),
    ops: fc.array(op, { minLength: 1, maxLength: 120, size: 'max' }),
    untraced: fc.nat(15),
    seed: fc.nat(),
    cpus: fc.integer({ min: 1, max: 3 }),
    perfBuffers: fc.boolean(),
    losses,
  });

/** Neighbouring frames of one stream as one. */
function joined(frames: Delivered['frames']): { kind: 'out' | 'err'; text: string }[] {
  const all: { kind: 'out' | 'err'; text: string }[] = [];
  for (const { kind, text } of frames) {
    const last = all.at(-1);
    if (last?.kind === kind) last.text += text;
    else all.push({ kind, text });
  }
  return all;
}

function simulate(s: Settings): World {
  const truth = new Kernel(s).run(s.ops, s.untraced);
  const delivered = deliver(truth, { ...s, seed: s.seed ^ 1 });
  const pipeline = pipelineOf(s);
  for (const { kind, text } of delivered.frames) pipeline[kind](Buffer.from(text));
  pipeline.end(true, '');
  return { truth, delivered, pipeline, origin: delivered.arrived[0]!.ts };
}

/** The true life that an incarnation is about: that of the line it begins with. */
function lifeOf(inode: Incarnation, { delivered, origin }: World): Life {
  const lifes = delivered.arrived.filter((l) => l.from - origin === inode.first && l.life !== null);
  expect(lifes).toHaveLength(1);
  return lifes[0]!.life!;
}

/** The stages of a life that the model must know, by name: nanoseconds of the epoch. */
function wanted(life: Life, origin: number): Record<string, number> {
  return Object.fromEntries(
    [...life.stages].filter(([, ts]) => ts >= life.seenAt).map(([s, ts]) => [s, ts - origin]),
  );
}

const given = (inode: Incarnation) =>
  Object.fromEntries(stagesOf(inode).map((stage) => [stage, inode.at(stage)]));

describe.each(SEEN)('a random world seen by %s, nothing lost', (...seenBy) => {
  const [, tracepoints] = seenBy;
  const worlds = settings(seenBy, fc.constant([]));

  it('is told exactly as it was', () => {
    fc.assert(
      fc.property(worlds, (s) => {
        const w = simulate(s);
        const { truth, pipeline, origin } = w;
        const { model } = pipeline;
        const seen = truth.lives.filter((life) => life.seenAt < Number.POSITIVE_INFINITY);
        const inodes = [...model.inodes.all()];
        expect(new Set(inodes.map((inode) => lifeOf(inode, w)))).toEqual(new Set(seen));
        expect(inodes).toHaveLength(seen.length);
        for (const inode of inodes) {
          const life = lifeOf(inode, w);
          expect(given(inode)).toEqual(wanted(life, origin));
          expect(inode.state).toBe(life.over ? 'ended' : 'open');
          expect(inode.dev).toBe(life.sb.dev);
          if (!tracepoints) expect(formatAddress(inode.address)).toBe(life.address.toString(16));
          expect(inode.removed).toBe(life.removed);
          expect(inode.freed).toBe(life.freed);
          expect(inode.born).toBe(life.born);
          expect(model.doubtful(inode)).toBe(false);
          if (!life.evictSeen) continue;
          expect(inode.fs).toBe(life.fs);
          expect(inode.ino).toBe(life.ino);
          expect([inode.tid, inode.comm]).toEqual([life.tid, life.comm]);
          expect(inode.pages).toBe(life.fs === 'hugetlbfs' ? life.pagesAtEvict : 0);
          if (life.over) expect(inode.freeContext).toBe(life.context);
          if (!tracepoints) expect(inode.freedBefore).toBe(life.freedBefore);
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('has the counts, latencies and hugepages of the truth', () => {
    fc.assert(
      fc.property(worlds, (s) => {
        const w = simulate(s);
        const { truth, pipeline } = w;
        const { model, ledger } = pipeline;
        const seen = truth.lives.filter((life) => life.seenAt < Number.POSITIVE_INFINITY);
        const report = makeReport([pipeline]);
        expect(() => Report.parse(report)).not.toThrow();
        expect(report.inodes).toMatchObject({
          ended: seen.filter((l) => l.over).length,
          live: seen.filter((l) => !l.over).length,
          lost: 0,
        });
        for (const fs of new Set(seen.map((l) => l.fs))) {
          const over = seen.filter((l) => l.fs === fs && l.over).length;
          expect(report.inodes.by_fs[fs]?.ended ?? 0).toBe(over);
        }
        const ended = [...model.inodes.all()].filter(({ state }) => state === 'ended');
        for (const [fs, { i_callback, hugepages_back: back }] of Object.entries(
          report.inodes.by_fs,
        )) {
          const own = ended.filter((inode) => inode.fs === fs);
          const ran = (context: Context) => own.filter((i) => i.freeContext === context).length;
          expect(i_callback).toEqual({
            softirq: ran('softirq'),
            ksoftirqd: ran('ksoftirqd'),
            rcu_thread: ran('rcu-thread'),
          });
          if (tracepoints) expect(back).toBeNull();
          else {
            const placed = BACK_WHEN.reduce((sum, when) => sum + back![when], 0);
            const freedOf = (some: readonly Incarnation[]) =>
              some.reduce((sum, { freed }) => sum + freed, 0);
            // where an eviction began before tracing did, nobody knows what it was doing
            const watched = own.filter((inode) => inode.at('evict') !== null);
            expect(placed).toBeGreaterThanOrEqual(freedOf(watched));
            expect(placed).toBeLessThanOrEqual(freedOf(own));
          }
        }
        const pairs = tracepoints
          ? ([['evict_inode', 'free_inode']] as const)
          : ([
              ['evict', 'evict_end'],
              ['evict_inode', 'evict_inode_end'],
              ['evict', 'clear_inode'],
              ['destroy_inode', 'i_callback'],
              ['i_callback', 'free_inode'],
              ['evict', 'i_callback'],
            ] as const);
        for (const [from, to] of pairs) {
          const both = seen.filter((l) => {
            const at = wanted(l, 0);
            return at[from] !== undefined && at[to] !== undefined;
          });
          expect(report.stages[`${from}..${to}`]?.count ?? 0, `${from}..${to}`).toBe(both.length);
        }
        expect(report.hugepages).toEqual({
          allocated: truth.allocated,
          freed: tracepoints ? null : truth.freed,
          attributed: tracepoints ? null : truth.attributed,
          outstanding: tracepoints ? null : truth.outstanding,
        });
        const callbacks = model.superblocks.all();
        expect(callbacks.map((sb) => sb.contradicted)).toEqual(callbacks.map(() => 0));
        expect(report.events).toMatchObject({ rejected: 0, late: 0 });
        expect(ledger.totals()).toMatchObject({ ring_buffer: 0, in_flight: 0 });
        // an end that comes alone and so late stands for an eviction that was missed
        expect(ledger.totals().not_run ?? 0).toBeLessThanOrEqual(truth.hidden);
        if (ledger.events > 0) expect(report.losses.balanced).toBe(true);
      }),
      { numRuns: runs(100) },
    );
  });
});

describe.each(SEEN.filter(([, , detail]) => detail !== 'steps'))(
  'a random world seen by %s, with maps too small',
  (...seenBy) => {
    const worlds = settings(seenBy, fc.constant([]), 3);

    it('still has each inode once, and ends it once; the account says how many had no room', () => {
      fc.assert(
        fc.property(worlds, (s) => {
          const w = simulate(s);
          const { truth, pipeline, origin } = w;
          const { model, ledger } = pipeline;
          const inodes = [...model.inodes.all()];
          expect(new Set(inodes.map((inode) => lifeOf(inode, w))).size).toBe(inodes.length);
          for (const inode of inodes) {
            const life = lifeOf(inode, w);
            if (inode.state === 'ended' || inode.state === 'lost') expect(life.over).toBe(true);
            if (model.doubtful(inode)) continue;
            expect(given(inode)).toEqual(wanted(life, origin));
            expect(inode.state).toBe(life.over ? 'ended' : 'open');
          }
          const total = ledger.totals();
          expect(total.map_full).toBe(truth.full.length);
          expect(total).toMatchObject({ ring_buffer: 0, in_flight: 0 });
          expect(total.not_run ?? 0).toBeLessThanOrEqual(truth.hidden);
          expect(total.balanced).not.toBe(false);
          expect(model.gaps.list.length > 0).toBe(truth.full.length > 0);
        }),
        { numRuns: runs(60) },
      );
    });
  },
);

describe('the same bytes', () => {
  it.each(SEEN)('seen by %s say the same wherever they are cut', (...seenBy) => {
    const worlds = settings(seenBy, fc.array(loss, { maxLength: 2 }), 9);
    const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(worlds, sizes, (s, some) => {
        const { delivered, pipeline } = simulate(s);
        const again = pipelineOf(s);
        let cut = 0;
        for (const { kind, text } of joined(delivered.frames)) {
          for (let at = 0; at < text.length; ) {
            const size = some[cut++ % some.length]!;
            again[kind](Buffer.from(text.slice(at, at + size)));
            at += size;
          }
        }
        again.end(true, '');
        expect(makeReport([again])).toEqual(makeReport([pipeline]));
        const told = ({ model }: Pipeline) =>
          [...model.inodes.all()].map((i) => [i.address, i.ino, i.state, i.first, given(i)]);
        expect(told(again)).toEqual(told(pipeline));
      }),
      { numRuns: runs(25) },
    );
  });
});

describe.each(SEEN)('a random world seen by %s, with losses', (...seenBy) => {
  const worlds = settings(seenBy, fc.array(loss, { minLength: 1, maxLength: 3 }));

  it('is not told wrong: what is wrong or missing is doubtful, and no count is too high', () => {
    fc.assert(
      fc.property(worlds, (s) => {
        const w = simulate(s);
        const { truth, pipeline, origin } = w;
        const { model } = pipeline;
        for (const inode of model.inodes.all()) {
          const life = lifeOf(inode, w);
          const at = given(inode);
          const order = INODE_STAGES.filter((stage) => stage in at).map((stage) => at[stage]!);
          expect([...order].sort((a, b) => a - b)).toEqual(order);
          if (inode.state === 'lost') expect(model.doubtful(inode)).toBe(true);
          // its address was given away again, or its end was seen
          if (inode.state === 'ended' || inode.state === 'lost') expect(life.over).toBe(true);
          if (model.doubtful(inode)) continue;
          expect(at).toEqual(wanted(life, origin));
          expect(inode.state).toBe(life.over ? 'ended' : 'open');
          // of one that was first seen in evict(), only what came after is told
          if (inode.born) expect(inode.removed).toBe(life.removed);
        }
        const ended = truth.lives.filter((l) => l.over);
        const report = makeReport([pipeline]);
        expect(report.inodes.ended).toBeLessThanOrEqual(ended.length);
        expect(report.inodes.lost).toBeLessThanOrEqual(report.inodes.ended);
        for (const [fs, counts] of Object.entries(report.inodes.by_fs)) {
          expect(counts.ended, fs).toBeLessThanOrEqual(
            // before its name is known, devtmpfs is taken for tmpfs
            ended.filter((l) => l.fs === fs || (fs === 'tmpfs' && l.fs === 'devtmpfs')).length,
          );
          expect(counts.live).toBeGreaterThanOrEqual(0);
        }
        expect(model.hugepages.outstanding).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: runs(200) },
    );
  });

  it('has an account that balances: hits = decoded + losses, to the last event', () => {
    fc.assert(
      fc.property(worlds, (s) => {
        const { delivered, pipeline } = simulate(s);
        const total = pipeline.ledger.totals();
        const timers: LineName[] = ['tick', 'detail'];
        const counted = delivered.arrived.filter((l) => !timers.includes(l.name)).length;
        expect(total.decoded).toBe(counted);
        expect(total.ring_buffer).toBe(delivered.lost.length);
        expect(total.not_run).toBeGreaterThanOrEqual(delivered.notRun.length);
        expect(total.kernel_hits).toBe(total.decoded + total.ring_buffer + total.not_run!);
        expect(total.balanced).not.toBe(false);
      }),
      { numRuns: runs(100) },
    );
  });
});
