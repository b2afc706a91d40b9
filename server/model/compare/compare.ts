/** Two runs in, what is different out. Pure, and the same every time. */
import type { ComparedRun, Comparison } from '../../protocol/compare.ts';
import { differencesOf, outcomeOf } from './differences.ts';
import { latenciesOf, settleLatency } from './latency.ts';
import { ordersOf, settleOrder } from './order.ts';
import { PERMUTATIONS } from './permutation.ts';
import { CONFIDENCE } from './quantiles.ts';
import { groupsOf, hostNames, type Run } from './run.ts';
import { MIN_INODES, MIN_SLICES } from './slices.ts';
import { callbackChanges, leakChanges, planChanges, poolChanges, ruleChanges } from './tables.ts';
import { Tests } from './tests.ts';
import { aloneGroups, doubtOf, sameKernel, weaknessesOf } from './weaknesses.ts';

/** Probability of even one false alarm. */
export const ALPHA = 0.01;
const SEED = 1;

export interface CompareOptions {
  /** A change of a duration below this is called small, percent; 10 by default. */
  readonly atLeastPercent?: number;
}

/** @param a the run before, @param b the run after. */
export function compareRuns(
  a: Run,
  b: Run,
  { atLeastPercent = 10 }: CompareOptions = {},
): Comparison {
  const nameOf = hostNames(a, b);
  const tests = new Tests(ALPHA, SEED);
  const plan = planChanges(a, b, nameOf);
  const samePlan = plan.every((change) => change.a !== null && change.b !== null);
  const [groupsA, groupsB] = [groupsOf(a, nameOf), groupsOf(b, nameOf)];
  const both = [...groupsA]
    .filter(([key]) => groupsB.has(key))
    .sort(([x], [y]) => (x < y ? -1 : 1));
  const doubt = (stages: readonly string[]) => doubtOf(a, b, plan, stages);
  const pendingLatencies = both.flatMap(([key, group]) =>
    latenciesOf(group, groupsB.get(key)!, tests, (pair) => doubt(pair.split('..'))),
  );
  const pendingOrders = both.flatMap(([key, group]) =>
    ordersOf(group, groupsB.get(key)!, tests, doubt([])),
  );
  tests.correct();
  const latencies = pendingLatencies.map((pending) =>
    settleLatency(pending, tests, atLeastPercent / 100),
  );
  const orders = pendingOrders.map((pending) => settleOrder(pending, tests));
  const changes = {
    latencies,
    orders,
    callbacks: callbackChanges(a, b, nameOf),
    contract: ruleChanges(a.report, b.report),
    leaks: leakChanges(a.report, b.report, samePlan),
  };
  const differences = differencesOf(changes);
  const said = latencies.filter(({ result }) => result !== 'too few').length;
  const compared = said + changes.callbacks.filter(({ result }) => result === 'none').length;
  return {
    format: 1,
    ...outcomeOf(differences, compared),
    differences,
    weaknesses: [
      ...weaknessesOf(a, b, plan, nameOf),
      ...aloneGroups(groupsA, groupsB),
      ...(differences.some(({ of }) => of === 'latency') ? sameKernel(a, b) : []),
    ],
    a: summaryOf(a),
    b: summaryOf(b),
    method: {
      alpha: ALPHA,
      at_least_percent: atLeastPercent,
      tests: tests.size,
      permutations: PERMUTATIONS,
      min_slices: MIN_SLICES,
      min_inodes: MIN_INODES,
      confidence_percent: CONFIDENCE,
      seed: SEED,
    },
    ...changes,
    plan,
    hugepages: { a: a.report.hugepages, b: b.report.hugepages },
    pools: poolChanges(a.report, b.report, nameOf),
  };
}

function summaryOf({ file, damage, report, epochs }: Run): ComparedRun {
  const { ended, live, lost } = report.inodes;
  return {
    file,
    epochs: epochs.map(({ info, seconds }) => ({
      host: info.host,
      kernel: info.kernel,
      bpftrace: info.bpftrace,
      machine: info.machine,
      cpus: info.cpus,
      detail: info.detail,
      started: new Date(info.started_ms).toISOString(),
      seconds,
    })),
    events: report.events.decoded,
    inodes: { ended, live, lost },
    losses: report.losses,
    gaps: report.gaps.length,
    damage,
  };
}
