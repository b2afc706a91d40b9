import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../server/model/incarnation.ts';
import type { Model } from '../../server/model/model.ts';
import { Report } from '../../server/protocol/report.ts';
import { INODE_STAGES } from '../../server/protocol/stages.ts';
import { formatAddress } from '../../server/protocol/units.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import {
  type Delivered,
  type Delivery,
  deliver,
  Kernel,
  type Life,
  OP_KINDS,
  type Op,
  PROBES,
  type Truth,
} from '../fixtures/reference-model.ts';
import {
  addressOf,
  epochOf,
  lines,
  pipelineOf,
  planOf,
  TRACEPOINT_STAGES,
} from '../fixtures/trace.ts';

const fate = (model: Model) => [...model.inodes.all()].map((inode) => inode.state);
const countsOf = (model: Model) => Object.fromEntries(model.inodes.byFs);
const stagesOf = (inode: Incarnation) => INODE_STAGES.filter((stage) => inode.at(stage) !== null);

/** One inode from birth to the end of its memory. */
const LIFE = `
  ms    cpu  task         line
  0     0    perl/391     alloc_inode A
  1     0    perl/391     hugepage_add F1 A ino=7 index=0 blocks=4096
  30    0    perl/391     sb S
  30.1  0    perl/391     evict A ino=7 blocks=4096
  30.2  0    perl/391     evict_inode A
  30.3  0    perl/391     hugepage_remove F1 A ino=7
  30.4  0    perl/391     hugepage_free F1
  30.5  0    perl/391     hugepage_enqueue F1
  30.6  0    perl/391     clear_inode A
  30.7  0    perl/391     evict_inode_end A
  30.8  0    perl/391     destroy_inode A
  30.9  0    perl/391     destroy_op A
  31    0    perl/391     evict_end A
  47    1    swapper/1/0  i_callback A flags=4200002
  47.1  1    swapper/1/0  free_inode A
`;

describe('one life', () => {
  it('has every stage, its context, its hugepage and its latencies', () => {
    const { model } = pipelineOf(LIFE);
    const [inode] = [...model.inodes.all()] as [Incarnation];
    expect(stagesOf(inode)).toEqual(INODE_STAGES);
    expect(inode).toMatchObject({
      state: 'ended',
      fs: 'hugetlbfs',
      ino: 7,
      born: true,
      comm: 'perl',
      tid: 391,
      pages: 1,
      removed: 1,
      freed: 1,
      freedBefore: 0,
      freeContext: 'softirq',
    });
    expect(inode.hugepages).toMatchObject([{ state: 'freed', fate: 'pool', extraRefs: 0 }]);
    expect(inode.between('destroy_inode', 'i_callback')).toBe(16.2e6);
    expect(model.superblocks.all()).toMatchObject([{ confirmed: 1, contradicted: 0 }]);
    expect(countsOf(model)).toEqual({ hugetlbfs: { ended: 1, lost: 0, live: 0 } });
  });

  it('is told the same in whichever order the two CPUs are read', () => {
    const told = (table: string) => JSON.stringify(makeReport([pipelineOf(table)]));
    const rows = LIFE.trim().split('\n');
    // the callback, on the other CPU, is read before the end of evict()
    const swapped = [...rows.slice(0, -3), ...rows.slice(-2), rows.at(-3)!];
    expect(told(swapped.join('\n'))).toBe(told(LIFE));
  });
});

describe('an address that is used again', () => {
  it('is another life, however short the pause', () => {
    const again = LIFE.trim()
      .split('\n')
      .slice(1)
      .map((row) => row.replace(/^\s*\S+/, (ms) => String(Number(ms) + 47.2)))
      .map((row) => row.replaceAll('ino=7', 'ino=8'));
    const { model } = pipelineOf(LIFE + again.join('\n'));
    expect([...model.inodes.all()].map((i) => [i.ino, i.state, i.removed])).toEqual([
      [7, 'ended', 1],
      [8, 'ended', 1],
    ]);
  });

  it('without the end of the first: the first is lost, and takes no stage of the second', () => {
    const { model } = pipelineOf(`
      0    0  perl/391  evict A ino=7
      0.1  0  perl/391  evict_inode A
      20   0  perl/391  evict A ino=8
      20.1 0  perl/391  evict_inode A
    `);
    expect([...model.inodes.all()].map((i) => [i.ino, i.state, stagesOf(i)])).toEqual([
      [7, 'lost', ['evict', 'evict_inode']],
      [8, 'evicting', ['evict', 'evict_inode']],
    ]);
  });

  it.each([
    ['by another task', '20 0 sh/500 destroy_inode A'],
    ['again', '20 0 perl/391 evict_inode A'],
    ['before the stage it was in', '20 0 perl/391 evict_inode A\n21 0 perl/391 clear_inode A'],
  ])('and whose evict was lost: a stage %s ends the first, and belongs to nobody', (_, row) => {
    const { model } = pipelineOf(`
      0    0  perl/391  evict A ino=7
      0.1  0  perl/391  evict_inode A
      0.2  0  perl/391  evict_inode_end A
      ${row}
      40   0  perl/391  i_callback A
      40.1 0  perl/391  free_inode A
    `);
    expect(fate(model)).toEqual(['lost']);
    expect(stagesOf([...model.inodes.all()][0]!)).toEqual([
      'evict',
      'evict_inode',
      'evict_inode_end',
    ]);
  });

  it.each([
    ['a second callback', '50 0 perl/392 i_callback A'],
    ['a free on another CPU', '50 1 perl/392 free_inode A'],
  ])('after the callback: %s is not its own', (_, row) => {
    const { model } = pipelineOf(`
      0    0  perl/391  evict A ino=7
      0.1  0  perl/391  destroy_inode A
      10   0  perl/391  i_callback A
      ${row}
    `);
    const [inode] = [...model.inodes.all()] as [Incarnation];
    expect(stagesOf(inode)).toEqual(['evict', 'destroy_inode', 'i_callback']);
    expect(inode.at('i_callback')).toBe(10e6);
    expect(countsOf(model).hugetlbfs).toEqual({ ended: 1, lost: 0, live: 0 });
  });

  it('pages that are added after evict began are those of the next life', () => {
    const { model } = pipelineOf(`
      0    0  perl/391  evict A ino=7
      0.1  0  perl/391  destroy_inode A
      20   0  perl/391  hugepage_add F1 A ino=8
    `);
    expect([...model.inodes.all()].map((i) => [i.ino, i.state, i.hugepages.length])).toEqual([
      [7, 'lost', 0],
      [8, 'open', 1],
    ]);
  });
});

describe('what is easily taken for something else', () => {
  it('an alloc_inode that failed is no inode', () => {
    const { model } = pipelineOf(`
      0  0  perl/391  alloc_inode NULL
      1  0  perl/391  alloc_inode NULL
    `);
    expect(countsOf(model)).toEqual({});
  });

  it('a SysV segment changes its number between reserve and evict', () => {
    const { model } = pipelineOf(`
      0  0  perl/391  alloc_inode A
      1  0  perl/391  reserve A ino=3060 to=3
      2  0  perl/391  evict A ino=0
      3  0  perl/391  destroy_inode A
      9  0  perl/391  i_callback A
    `);
    expect(fate(model)).toEqual(['ended']);
  });

  it('devtmpfs has the magic number of tmpfs: the count moves when its name is known', () => {
    const { model } = pipelineOf(`
      0  0  perl/391  alloc_inode A dev=6 magic=1021994
      1  0  perl/391  sb S dev=6 magic=1021994 fstype=devtmpfs
      2  0  perl/391  evict A dev=6 magic=1021994
    `);
    expect(countsOf(model)).toMatchObject({
      tmpfs: { live: 0, ended: 0 },
      devtmpfs: { live: 1, ended: 0 },
    });
  });

  it('a device number given to another filesystem contradicts no callback of the first', () => {
    const { model } = pipelineOf(`
      0   0  umount/391  sb S dev=45 magic=1021994 fstype=tmpfs free_inode=shmem_free_in_core_inode
      1   0  umount/391  evict A dev=45 magic=1021994
      2   0  umount/391  destroy_inode A
      3   0  perl/392    alloc_inode B dev=45
      4   0  perl/392    sb T dev=45
      5   0  perl/392    evict B dev=45
      20  0  perl/392    i_callback A free_inode=shmem_free_in_core_inode
    `);
    expect(model.superblocks.all()).toMatchObject([{ fs: 'hugetlbfs', contradicted: 0 }]);
    expect(countsOf(model)).toEqual({
      tmpfs: { ended: 1, lost: 0, live: 0 },
      hugetlbfs: { ended: 0, lost: 0, live: 1 },
    });
  });

  it('a page freed by a task whose evict ended unseen is not given to that inode', () => {
    const { model } = pipelineOf(`
      0    0  perl/391  evict A
      0.1  0  perl/391  destroy_inode A
      5    0  perl/391  hugepage_free F1
    `);
    expect(model.hugepages).toMatchObject({ freed: 1, attributed: 0 });
  });

  it('an anonymous page is not what its frame was before', () => {
    const { model } = pipelineOf(`
      0  0  perl/391  hugepage_add F1 A ino=7
      1  0  perl/391  hugepage_remove F1 A ino=7
      9  0  perl/391  hugepage_free F1 anon=1
    `);
    expect(model.hugepages).toMatchObject({ freed: 1, attributed: 0, outstanding: 0 });
  });

  it('a page removed from another inode than it was added to: the adding inode keeps its own', () => {
    const { model } = pipelineOf(`
      0  0  perl/391  hugepage_add F1 A ino=7 index=0
      1  0  perl/391  hugepage_remove F1 B ino=8 index=512
      2  0  perl/391  hugepage_free F1
    `);
    expect([...model.inodes.all()].map((i) => [i.ino, i.removed, i.hugepages[0]?.state])).toEqual([
      [7, 0, 'cached'],
      [8, 1, 'freed'],
    ]);
  });

  it('a grace period of 30 s is stuck, not lost, when the only gap was before it began', () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${60_000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model } = pipelineOf(`
      0      0  perl/391  alloc_inode A
      10     0  perl/391  tick
      Lost 3 events
      59900  0  perl/391  evict A
      59901  0  perl/391  destroy_inode A
      ${rows.join('\n')}
    `);
    expect(model.gaps.list).toHaveLength(1);
    expect(fate(model)).toEqual(['grace']);
  });

  it('and is lost when a gap could have swallowed its end', () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${60_000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model, ledger } = pipelineOf(`
      59900  0  perl/391  evict A
      59901  0  perl/391  destroy_inode A
      ${rows.slice(0, 3).join('\n')}
      Lost 2 events
      ${rows.slice(3).join('\n')}
    `);
    expect(fate(model)).toEqual(['lost']);
    expect(countsOf(model)).toEqual({ hugetlbfs: { ended: 1, lost: 1, live: 0 } });
    expect(ledger.totals().ring_buffer).toBe(0); // no hits were told: nothing is known
  });

  it('an evict() whose every later line is lost does not stay for ever', () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${1000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model } = pipelineOf(`
      0  0  perl/391  evict A
      ${rows[0]}
      Lost 9 events
      ${rows.slice(1).join('\n')}
    `);
    expect(fate(model)).toEqual(['lost']);
  });

  it('the canary is in no count, whenever it is announced', () => {
    for (const when of [0, 5, 20]) {
      const rows = LIFE.trim().split('\n').slice(1);
      const pipeline = new Pipeline(epochOf(), { keep: 10 });
      pipeline.begin([]);
      pipeline.out(Buffer.from(lines(rows.slice(0, when).join('\n'))));
      pipeline.err(Buffer.from('a canary hugetlbfs 17 7\n'));
      pipeline.out(Buffer.from(lines(rows.slice(when).join('\n'))));
      pipeline.end(true, '');
      expect(countsOf(pipeline.model)).toEqual({ hugetlbfs: { ended: 0, lost: 0, live: 0 } });
    }
  });
});

// ---------------------------------------------------------------------------
// random worlds

interface World {
  truth: Truth;
  delivered: Delivered;
  pipeline: Pipeline;
  /** Time since boot of the time 0 of the epoch. */
  origin: number;
}

const op: fc.Arbitrary<Op> = fc.record({
  kind: fc.constantFrom(...OP_KINDS),
  task: fc.nat(7),
  pick: fc.nat(11),
  count: fc.integer({ min: 1, max: 8 }),
});

const loss = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.double({ min: 0, max: 0.3, noNaN: true }),
  how: fc.constantFrom('ring' as const, 'not_run' as const),
});

interface Settings {
  readonly tracepoints: boolean;
  readonly ops: readonly Op[];
  readonly untraced: number;
  readonly seed: number;
  readonly cpus: number;
  readonly perfBuffers: boolean;
  readonly losses: Delivery['losses'];
}

const settings = (tracepoints: boolean, losses: fc.Arbitrary<Delivery['losses']>) =>
  fc.record<Settings>({
    tracepoints: fc.constant(tracepoints),
    ops: fc.array(op, { minLength: 1, maxLength: 120, size: 'max' }),
    untraced: fc.nat(15),
    seed: fc.nat(),
    cpus: fc.integer({ min: 1, max: 3 }),
    perfBuffers: fc.boolean(),
    losses,
  });

function simulate(s: Settings): World {
  const truth = new Kernel(s).run(s.ops, s.untraced);
  const delivered = deliver(truth, { ...s, seed: s.seed ^ 1 });
  const pipeline = new Pipeline(
    epochOf({
      cpus: s.cpus,
      bpftrace: s.perfBuffers ? '0.17.0' : '0.23.2',
      plan: planOf(s.tracepoints ? TRACEPOINT_STAGES : undefined),
    }),
    { keep: 100_000 },
  );
  pipeline.begin(PROBES);
  for (const { kind, text } of delivered.frames) pipeline[kind](Buffer.from(text));
  pipeline.end(true, '');
  return { truth, delivered, pipeline, origin: delivered.arrived[0]!.ts };
}

/** The true life that an incarnation is about: that of the line it begins with. */
function lifeOf(inode: Incarnation, { delivered, origin }: World): Life {
  const lifes = delivered.arrived.filter((l) => l.ts - origin === inode.first && l.life !== null);
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

describe.each([
  ['fentry', false],
  ['tracepoints', true],
])('a random world seen by %s, nothing lost', (_, tracepoints) => {
  const worlds = settings(tracepoints, fc.constant([]));

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
      { numRuns: 150 },
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
        expect(ledger.totals()).toMatchObject({ ring_buffer: 0, in_flight: 0, not_run: 0 });
        if (ledger.events > 0) expect(report.losses.balanced).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe.each([
  ['fentry', false],
  ['tracepoints', true],
])('a random world seen by %s, with losses', (_, tracepoints) => {
  const worlds = settings(tracepoints, fc.array(loss, { minLength: 1, maxLength: 3 }));

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
          if (life.born) expect(inode.removed).toBe(life.removed);
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
      { numRuns: 200 },
    );
  });

  it('has an account that balances: hits = decoded + losses, to the last event', () => {
    fc.assert(
      fc.property(worlds, (s) => {
        const { delivered, pipeline } = simulate(s);
        const total = pipeline.ledger.totals();
        const counted = delivered.arrived.filter((l) => l.name !== 'tick').length;
        expect(total.decoded).toBe(counted);
        expect(total.ring_buffer).toBe(delivered.lost.length);
        expect(total.not_run).toBeGreaterThanOrEqual(delivered.notRun.length);
        expect(total.kernel_hits).toBe(total.decoded + total.ring_buffer + total.not_run!);
        expect(total.balanced).not.toBe(false);
      }),
      { numRuns: 100 },
    );
  });
});

describe('memory', () => {
  it('is bounded: 10,000 inodes, of which 100 are kept and all are counted', () => {
    const pipeline = new Pipeline(epochOf(), { keep: 100 });
    pipeline.begin([]);
    const rows: string[] = [];
    for (let i = 0; i < 10_000; i++) {
      const a = addressOf(`A${i % 500}`);
      const ts = 1e9 + i * 10_000;
      rows.push(
        `alloc_inode ${ts} 0 1 1 ${a} 17 958458f6`,
        `evict ${ts + 1} 0 1 1 ${a} 17 958458f6 ${i} 0 33279 0 0 0 61 0`,
        `destroy_inode ${ts + 2} 0 1 1 ${a} 180`,
        `evict_end ${ts + 3} 0 1 1 ${a}`,
        `i_callback ${ts + 4} 0 1 1 ${a} hugetlbfs_free_inode 0 61 0`,
        `free_inode ${ts + 5} 0 1 1 ${a}`,
      );
    }
    pipeline.out(Buffer.from(`${rows.join('\n')}\n`));
    pipeline.end(true, '');
    const { inodes } = pipeline.model;
    expect(inodes.size).toBe(100);
    expect(inodes.dropped).toBe(9900);
    expect(inodes.byFs.get('hugetlbfs')).toEqual({ ended: 10_000, lost: 0, live: 0 });
    expect([...inodes.all()].map((i) => i.ino)).toEqual(
      Array.from({ length: 100 }, (_, i) => 9900 + i),
    );
    expect(inodes.current([...inodes.all()][0]!.address)).toBeUndefined();
  });

  it('holds what is live however long it lives, and bounds the evidence of each', () => {
    const rows = Array.from(
      { length: 3000 },
      (_, i) => `${i} 0 perl/391 hugepage_add F${i} A ino=7 index=${i}`,
    );
    const { model } = pipelineOf(rows.join('\n'), {}, { keep: 1 });
    const [inode] = [...model.inodes.all()] as [Incarnation];
    expect(inode).toMatchObject({ pages: 3000, state: 'open' });
    expect(inode.evidence.length + inode.evidenceMore).toBe(3000);
    expect(inode.hugepages.length + inode.hugepagesMore).toBe(3000);
    expect(inode.evidence.length).toBeLessThan(1000);
  });
});
