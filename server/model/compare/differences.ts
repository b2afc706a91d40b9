/** From what changed to what is said of it: each difference a sentence, the most important first. */
import type { Comparison, Difference } from '../../protocol/compare.ts';

type Changes = Pick<Comparison, 'latencies' | 'orders' | 'callbacks' | 'contract' | 'leaks'>;

const CHANGED = new Set(['slower', 'faster', 'tail longer', 'tail shorter']);

/** A broken promise before a number; of one kind, certain ones before suspected ones. */
export function differencesOf(changes: Changes): Difference[] {
  return [ofContract, ofLeaks, ofCallbacks, ofOrders, ofLatencies].flatMap((of) => {
    const found = of(changes);
    const by = (verdict: Difference['verdict']) => found.filter((one) => one.verdict === verdict);
    return [...by('certain'), ...by('suspected')];
  });
}

/** The outcome in one sentence, with the first differences in it. */
export function outcomeOf(
  differences: readonly Difference[],
  compared: number,
): Pick<Comparison, 'outcome' | 'text'> {
  if (differences.length > 0) {
    const certain = differences.find(({ verdict }) => verdict === 'certain');
    const outcome = certain === undefined ? 'may differ' : 'differs';
    const more = differences.length - 1;
    const text = `teardown ${outcome}: ${(certain ?? differences[0]!).text}${more > 0 ? `, and ${more} more` : ''}`;
    return { outcome, text };
  }
  if (compared === 0) {
    return {
      outcome: 'nothing to compare',
      text: 'nothing can be compared: no filesystem has enough inodes in both runs',
    };
  }
  return { outcome: 'no difference', text: 'no difference that these runs can show' };
}

function ofContract({ contract }: Changes): Difference[] {
  return contract.flatMap(({ rule, name, result }): Difference[] => {
    const text = `${rule} (${name}) ${result}`;
    switch (result) {
      case 'newly broken':
      case 'no longer broken':
        return [{ of: 'contract', verdict: 'certain', text }];
      case 'broken, not checked in A':
      case 'newly suspected':
      case 'no longer suspected':
        return [{ of: 'contract', verdict: 'suspected', text }];
      default:
        return [];
    }
  });
}

function ofLeaks({ leaks }: Changes): Difference[] {
  return leaks
    .filter(({ result }) => result !== 'none')
    .map(({ kind, result, verdict }) => ({
      of: 'leaks',
      verdict,
      text: result === 'new' ? `new: a leak of kind ${kind}` : `no leak of kind ${kind} any more`,
    }));
}

function ofCallbacks({ callbacks }: Changes): Difference[] {
  return callbacks
    .filter(({ result }) => result === 'changed')
    .map(({ fs, host, pointers }) => ({
      of: 'callbacks',
      verdict: 'certain',
      text: `${at(host)}${fs} has another ${pointers.join(', ')}`,
    }));
}

function ofOrders({ orders }: Changes): Difference[] {
  return orders
    .filter(({ result }) => ['new', 'vanished', 'more', 'less'].includes(result))
    .map(({ fs, host, result, verdict, a, b }) => ({
      of: 'order',
      verdict,
      text: `${at(host)}${fs} order of stages ${ORDER_TEXT[result]} (${share(a)} to ${share(b)})`,
    }));
}

const ORDER_TEXT: Record<string, string> = {
  new: 'that was not there before',
  vanished: 'that is gone',
  more: 'taken more often',
  less: 'taken less often',
};

function share({ count, of }: { count: number; of: number }): string {
  return of === 0 ? '0 %' : `${((100 * count) / of).toFixed(1)} %`;
}

/** The largest change of the usual duration first. */
function ofLatencies({ latencies }: Changes): Difference[] {
  const size = (ratio: number) => Math.abs(Math.log(ratio));
  return latencies
    .filter(({ result }) => CHANGED.has(result))
    .map((change) => {
      const { p50, p90, p99 } = change.ratio!;
      const tail = size(p99.value) > size(p90.value) ? 'p99' : 'p90';
      const isTail = change.result.startsWith('tail');
      const [name, ratio] = isTail ? [tail, tail === 'p99' ? p99 : p90] : ['p50', p50];
      const { host, fs, pair, result, verdict } = change;
      const text = `${at(host)}${fs} ${pair} ${isTail ? `has a ${result.split(' ')[1]} tail` : result}, ${name} x${ratio.value.toFixed(2)}`;
      return { size: size(ratio.value), difference: { of: 'latency', verdict, text } as const };
    })
    .sort((x, y) => y.size - x.size)
    .map(({ difference }) => difference);
}

function at(host: string): string {
  return host === '' ? '' : `${host} `;
}
