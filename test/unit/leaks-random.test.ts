/** Leaks of a simulated kernel that does random things: each that there is, and no certain one that is none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEAK_AFTER } from '../../server/protocol/config.ts';
import type { Leak } from '../../server/protocol/leaks.ts';
import { type Delivery, deliver, programsOf } from '../fixtures/delivery.ts';
import { anyLoss, anyOp, pipelineOf } from '../fixtures/random-worlds.ts';
import { type Detail, Kernel, OP_KINDS, type Truth } from '../fixtures/reference-model.ts';
import { runs } from '../support/runs.ts';

const op = anyOp([...OP_KINDS, 'pin', 'sleep']);
const loss = anyLoss();
const settings = (losses: fc.Arbitrary<Delivery['losses']>) =>
  fc.record({
    tracepoints: fc.constant<boolean>(false),
    detail: fc.constantFrom<Detail>('steps', 'lifecycle', 'auto'),
    ops: fc.array(op, { minLength: 10, maxLength: 120, size: 'max' }),
    untraced: fc.nat(15),
    seed: fc.nat(),
    cpus: fc.integer({ min: 1, max: 3 }),
    perfBuffers: fc.boolean(),
    lag: fc.integer({ min: 0, max: 15 }),
    losses,
  });
type Settings = ReturnType<typeof settings> extends fc.Arbitrary<infer S> ? S : never;

/** What two runs of bpftrace see: the second knows nothing of what the first one noted. */
function inTwoRuns(truth: Truth): Truth[] {
  const during = (is: (ts: number) => boolean) => ({
    ...truth,
    lines: truth.lines.filter(({ ts }) => is(ts)),
    full: truth.full.filter(is),
    kept: truth.kept.filter(is),
  });
  const { died } = truth;
  return [during((ts) => ts <= died), during((ts) => ts > died)];
}

function simulate(s: Settings, down: readonly [after: number, length: number] | null = null) {
  const truth = new Kernel(s).run(s.ops, s.untraced, down);
  const runsOfBpftrace = inTwoRuns(truth)
    .filter(({ lines }) => lines.length > 0)
    .map((part) => deliver(part, { ...s, seed: s.seed ^ 1 }));
  const pipeline = pipelineOf(s);
  pipeline.model.contract.ready(0);
  runsOfBpftrace.forEach(({ frames }, i) => {
    if (i > 0) pipeline.begin(programsOf(s));
    for (const { kind, text } of frames) pipeline[kind](Buffer.from(text));
    pipeline.end(i === runsOfBpftrace.length - 1, 'killed');
  });
  const origin = runsOfBpftrace[0]!.arrived[0]!.ts;
  const departures = truth.departures.map(({ life, at, back }) => {
    return { ino: life.ino, at: at - origin, back: back - origin };
  });
  const end = truth.end - origin;
  /** A task that sleeps inside evict() may really take so long. */
  const isStuck = ({ kind, ino, since_ns }: Leak) => {
    const life = truth.lives.find((l) => l.ino === ino);
    if (kind !== 'stuck' || life === undefined) return false;
    const last = life.over ? Math.max(...life.stages.values()) - origin : end;
    return last - since_ns >= LEAK_AFTER.stuck;
  };
  return { pipeline, leaks: pipeline.leaks(), departures, end, isStuck };
}

const told = ({ kind, state, verdict, ino, since_ns, until_ns, pages }: Leak) =>
  `${kind} ${state} ${verdict} ino ${ino} ${pages} ${since_ns}..${until_ns}`;

const AFTER_NS = 2e9;
/** Ticks and the order of the buffers come on top. */
const LATEST_NS = AFTER_NS + 0.4e9;
/** For so long it is waited for word of the losses. */
const WAIT_NS = 1.5e9;

describe('a random world without losses', () => {
  it('has a pinned leak for each hugepage that stayed away, and none else', () => {
    let found = 0;
    fc.assert(
      fc.property(settings(fc.constant([])), (s) => {
        const { leaks, departures, end, isStuck } = simulate(s);
        const others = leaks.filter((leak) => leak.kind !== 'pinned' && !isStuck(leak));
        expect(others.map(told)).toEqual([]);
        for (const leak of leaks.filter(({ kind }) => kind === 'pinned')) {
          const own = departures.filter((d) => d.ino === leak.ino && d.back - d.at >= AFTER_NS);
          expect(own.map((d) => d.at)).toContain(leak.since_ns);
          found++;
          const overlapping = own.filter((d) => d.at <= (leak.until_ns ?? end));
          if (leak.state === 'resolved') {
            expect(overlapping.map((d) => d.back)).toContain(leak.until_ns);
          } else {
            expect(leak.state).toBe('firing');
            expect(own.some((d) => d.back > end - LATEST_NS - WAIT_NS)).toBe(true);
          }
        }
        for (const { ino, at, back } of departures) {
          // at the end it may still be waited for word of the losses
          const latest = back <= end ? LATEST_NS : LATEST_NS + WAIT_NS;
          if (Math.min(back, end) - at < latest) continue;
          const its = leaks.some(
            (l) =>
              l.kind === 'pinned' &&
              l.ino === ino &&
              l.since_ns <= at &&
              (l.until_ns ?? end) >= Math.min(back, end),
          );
          expect(its, `${ino} away from ${at} to ${back}`).toBe(true);
        }
      }),
      { numRuns: runs(150), endOnFailure: true },
    );
    expect(found).toBeGreaterThan(0);
  });
});

describe('a random world with losses', () => {
  it('has no leak that is certain and was none', () => {
    fc.assert(
      fc.property(settings(fc.array(loss, { minLength: 1, maxLength: 3 })), (s) => {
        const { leaks, departures, isStuck } = simulate(s);
        const certain = leaks.filter((l) => l.verdict === 'certain' && l.state !== 'refuted');
        const others = certain.filter((leak) => leak.kind !== 'pinned' && !isStuck(leak));
        expect(others.map(told)).toEqual([]);
        for (const leak of certain.filter(({ kind }) => kind === 'pinned')) {
          const own = departures.filter((d) => d.ino === leak.ino && d.back - d.at >= AFTER_NS);
          expect(own.map((d) => d.at)).toContain(leak.since_ns);
        }
      }),
      { numRuns: runs(200), endOnFailure: true },
    );
  });
});

describe('a random world in which bpftrace dies and is started again', () => {
  it('has no leak and no finding that is certain and was none', () => {
    let gaps = 0;
    const loss = fc.array(anyLoss(), { maxLength: 2 });
    const down = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(100));
    fc.assert(
      fc.property(settings(loss), fc.boolean(), down, (any, tracepoints, [after, length]) => {
        const world = simulate({ ...any, tracepoints }, [after, length]);
        const { pipeline, leaks, departures, isStuck } = world;
        gaps += pipeline.model.gaps.list.filter(({ where }) => where === 'tracer_down').length;
        const certain = leaks.filter((l) => l.verdict === 'certain' && l.state !== 'refuted');
        const others = certain.filter((leak) => leak.kind !== 'pinned' && !isStuck(leak));
        expect(others.map(told)).toEqual([]);
        // whose it was may have been in the lines that nobody printed
        const away = departures.filter((d) => d.back - d.at >= AFTER_NS).map((d) => d.at);
        for (const leak of certain.filter(({ kind }) => kind === 'pinned')) {
          expect(away).toContain(leak.since_ns);
        }
        const broken = pipeline.model.contract.findings.filter((f) => f.verdict === 'certain');
        expect(broken.map((f) => `${f.rule} ${f.sentence}`)).toEqual([]);
      }),
      { numRuns: runs(150), endOnFailure: true },
    );
    expect(gaps).toBeGreaterThan(0);
  });
});
