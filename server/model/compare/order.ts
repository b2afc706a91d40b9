/** In which orders inodes go through their stages, and which orders are new or gone. */
import type { OrderChange } from '../../protocol/compare.ts';
import { INODE_STAGES, isObserved } from '../../protocol/stages.ts';
import { sliceGroups } from './durations.ts';
import type { SliceSum } from './permutation.ts';
import type { Group } from './run.ts';
import { type TestResult, type Tests, tooFew } from './tests.ts';

/** Orders of a filesystem that are told apart; the rarest of more are one. */
const MAX_ORDERS = 24;
/** A share that changed by less is no finding, however sure. */
const LEAST_SHARE = 0.05;

export interface PendingOrder {
  readonly change: OrderChange;
  readonly test: TestResult;
}

/** Only stages that every epoch of both runs observes: what one does not look for is not missing. */
export function ordersOf(a: Group, b: Group, tests: Tests, doubt: string): PendingOrder[] {
  const common = INODE_STAGES.filter((stage) =>
    [a, b].every(({ parts }) => parts.every(({ epoch }) => isObserved(epoch.info.plan[stage]))),
  );
  const first = common.find((stage) => stage === 'evict' || stage === 'evict_inode');
  if (first === undefined) return [];
  const [slicesA, slicesB] = sliceGroups(a, b);
  const [inA, inB] = [slicesA, slicesB].map((slices) =>
    slices.map(({ from, to, part: { samples, epoch } }) => {
      const projected = samples.orders.map((order) =>
        order
          .split(' ')
          .filter((stage) => (common as readonly string[]).includes(stage))
          .join(' '),
      );
      const counts = new Map<string, number>();
      for (let row = from; row < to; row++) {
        const order = projected[samples.order[row]!]!;
        // one whose beginning was before the trace, or in a gap, is not whole
        if (!order.split(' ').includes(first)) continue;
        if (epoch.inGap(samples.from[row]!, samples.to[row]!)) continue;
        counts.set(order, (counts.get(order) ?? 0) + 1);
      }
      return counts;
    }),
  ) as [Map<string, number>[], Map<string, number>[]];
  const orders = byFrequency([...inA, ...inB]).slice(0, MAX_ORDERS);
  const { host, fs } = a;
  return orders.map((order) => {
    const [sumsA, sumsB] = [sumsOf(inA, order), sumsOf(inB, order)];
    const test =
      orders.length === 1
        ? { p: null, adjusted: null }
        : tests.test(`${host} ${fs} ${order}`, sumsA, sumsB);
    const few = orders.length > 1 && tooFew(sumsA, sumsB) !== null;
    const change: OrderChange = {
      host,
      fs,
      stages: order.split(' '),
      result: few ? 'too few' : 'none',
      verdict: doubt === '' ? 'certain' : 'suspected',
      a: totalOf(sumsA),
      b: totalOf(sumsB),
      test,
    };
    return { change, test };
  });
}

/** The result, now that the tests are corrected. */
export function settleOrder({ change, test }: PendingOrder, tests: Tests): OrderChange {
  if (!tests.significant(test)) return change;
  const shareA = change.a.count / change.a.of;
  const shareB = change.b.count / change.b.of;
  if (change.a.count === 0) return { ...change, result: 'new' };
  if (change.b.count === 0) return { ...change, result: 'vanished' };
  if (Math.abs(shareB - shareA) < LEAST_SHARE) return change;
  return { ...change, result: shareB > shareA ? 'more' : 'less' };
}

/** The most frequent first; of the same frequency, in the order of their text. */
function byFrequency(slices: readonly Map<string, number>[]): string[] {
  const total = new Map<string, number>();
  for (const slice of slices) {
    for (const [order, count] of slice) total.set(order, (total.get(order) ?? 0) + count);
  }
  return [...total]
    .sort(([orderX, x], [orderY, y]) => y - x || (orderX < orderY ? -1 : 1))
    .map(([order]) => order);
}

function sumsOf(slices: readonly Map<string, number>[], order: string): SliceSum[] {
  return slices.map((slice) => ({
    count: [...slice.values()].reduce((sum, count) => sum + count, 0),
    sum: slice.get(order) ?? 0,
  }));
}

function totalOf(slices: readonly SliceSum[]): { count: number; of: number } {
  return {
    count: slices.reduce((sum, slice) => sum + slice.sum, 0),
    of: slices.reduce((sum, slice) => sum + slice.count, 0),
  };
}
