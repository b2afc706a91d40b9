/** Random runs of a simulated kernel, exported to Perfetto and read again. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InodeStage } from '../../server/protocol/stages.ts';
import { exportRecording } from '../../server/recording/export/export.ts';
import type { Readable } from '../../server/recording/export/walk.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { type Delivery, deliver, programsOf } from '../fixtures/delivery.ts';
import { anyLoss, anyOp } from '../fixtures/random-worlds.ts';
import { type Detail, Kernel, OP_KINDS, type Op, type Truth } from '../fixtures/reference-model.ts';
import { epochOf, planOf, TRACEPOINT_STAGES } from '../fixtures/trace.ts';
import { type PerfettoTrace, readPerfetto } from '../support/perfetto.ts';
import { recorded } from '../support/recorded.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/lastref-export-`);
});
afterAll(() => rmSync(folder, { recursive: true }));

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

const op = anyOp(OP_KINDS);
const loss = anyLoss();
const worlds = (losses: fc.Arbitrary<Delivery['losses']>, fullEvery: fc.Arbitrary<number>) =>
  fc.record<Settings>({
    tracepoints: fc.boolean(),
    detail: fc.constantFrom('steps', 'lifecycle', 'auto'),
    fullEvery,
    ops: fc.array(op, { minLength: 1, maxLength: 120, size: 'max' }),
    untraced: fc.nat(15),
    seed: fc.nat(),
    cpus: fc.integer({ min: 1, max: 3 }),
    perfBuffers: fc.boolean(),
    losses,
  });

/** What a recording of this run would hold. */
function recordingOf(s: Settings, truth: Truth): Readable {
  const info = epochOf({
    cpus: s.cpus,
    bpftrace: s.perfBuffers ? '0.17.0' : '0.23.2',
    detail: s.detail,
    plan: planOf(s.tracepoints ? TRACEPOINT_STAGES : undefined),
  });
  const { frames } = deliver(truth, { ...s, seed: s.seed ^ 1 });
  return recorded([{ info, frames, programs: programsOf(s) }]);
}

function exported(s: Settings) {
  const truth = new Kernel(s).run(s.ops, s.untraced);
  const path = `${folder}/t.pftrace`;
  rmSync(path, { force: true });
  const { pipelines } = exportRecording(recordingOf(s, truth), path, 'perfetto');
  const trace = readPerfetto(readFileSync(path));
  return { truth, trace, report: makeReport(pipelines) };
}

const inodeTracks = (trace: PerfettoTrace) =>
  trace.tracks.filter((track) => track.parent?.name.startsWith('inodes of '));

describe('a random run, whatever is lost of it', () => {
  it('is a trace of balanced, nested slices on tracks of their own, one for each inode', () => {
    const losses = fc.array(loss, { maxLength: 3 });
    fc.assert(
      fc.property(worlds(losses, fc.constantFrom(0, 0, 3)), (s) => {
        const { trace, report } = exported(s);
        expect(inodeTracks(trace)).toHaveLength(report.inodes.ended + report.inodes.live);
        const lost = trace.points.filter((point) => point.name === 'end not seen');
        expect(lost).toHaveLength(report.inodes.lost);
        const freed = trace.points.filter((point) => point.name === 'hugepage_free');
        expect(freed).toHaveLength(report.hugepages.freed ?? 0);
        const outstanding = trace.counts.filter((c) => c.track.name === 'hugepages outstanding');
        expect(outstanding.at(-1)?.value ?? 0).toBe(report.hugepages.outstanding ?? 0);
        const gaps = trace.slices.filter((slice) => slice.category === 'losses');
        expect(gaps).toHaveLength(report.gaps.length);
      }),
      { numRuns: 100 },
    );
  });
});

/** How an export names the time between two stages. */
const SLICES: Readonly<Record<string, readonly [InodeStage, InodeStage]>> = {
  evict: ['evict', 'evict_end'],
  evict_inode: ['evict_inode', 'evict_inode_end'],
  'RCU grace period': ['destroy_inode', 'i_callback'],
};
const POINTS: readonly InodeStage[] = [
  ...(['truncate_final', 'clear_inode', 'destroy_inode', 'destroy_op'] as const),
  ...(['i_callback', 'free_inode'] as const),
];

describe('a random run of which nothing is lost', () => {
  it('is drawn as it was: each stage that was printed, at its time, and nothing else', () => {
    let compared = 0;
    fc.assert(
      fc.property(worlds(fc.constant([]), fc.constant(0)), (s) => {
        const { truth, trace } = exported(s);
        const known = truth.lives.filter((life) => life.seenAt < Number.POSITIVE_INFINITY);
        const stagesOf = (life: (typeof known)[number]) =>
          new Map([...life.stages].filter(([, ts]) => ts >= life.seenAt));
        const slices = known.flatMap((life) => {
          const at = stagesOf(life);
          const pairs: typeof SLICES = s.tracepoints
            ? { 'evict_inode to free_inode': ['evict_inode', 'free_inode'] }
            : SLICES;
          return Object.entries(pairs).flatMap(([name, [from, to]]) =>
            at.has(from) && at.has(to) ? [`${name} ${at.get(from)} ${at.get(to)}`] : [],
          );
        });
        const points = known.flatMap((life) => {
          const at = stagesOf(life);
          return POINTS.flatMap((stage) => (at.has(stage) ? [`${stage} ${at.get(stage)}`] : []));
        });
        compared += slices.length;
        const drawn = trace.slices.filter((slice) => slice.category === 'inode');
        expect(drawn.map((d) => `${d.name} ${d.from} ${d.to}`).sort()).toEqual(slices.sort());
        const drawnPoints = trace.points.filter((p) =>
          (POINTS as readonly string[]).includes(p.name),
        );
        expect(drawnPoints.map((p) => `${p.name} ${p.at}`).sort()).toEqual(points.sort());
        expect(trace.points.filter((point) => point.name === 'doubtful')).toEqual([]);
      }),
      { numRuns: 100 },
    );
    expect(compared).toBeGreaterThan(100);
  });
});
