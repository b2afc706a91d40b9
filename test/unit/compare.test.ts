/** Comparing recordings as they are, and recordings that were changed on purpose. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compareText } from '../../server/cli/compare-text.ts';
import { compareRuns } from '../../server/model/compare/compare.ts';
import { Comparison } from '../../server/protocol/compare.ts';
import { runOf } from '../../server/recording/run-of.ts';
import { open, part, rewritten, runOfFile, slowerEvictInode } from '../fixtures/runs.ts';
import { lastref } from '../support/cli.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const list = (folder: string) => readdirSync(`${ROOT}${folder}`, { withFileTypes: true });
const RECORDINGS = [
  ...list('samples').map(({ name }) => `samples/${name}`),
  ...list('test/golden')
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `test/golden/${name}/recording.lastref`),
].filter((path) => path.endsWith('.lastref'));
const DEMO = 'samples/demo-6.12.lastref';
const FAILED_MOUNT = 'test/golden/failed-mount-6.18/recording.lastref';

const tooWide = (text: string) => text.split('\n').filter((line) => line.length > 80);
const changedIn = ({ latencies }: Comparison) =>
  latencies
    .filter(({ result }) => !['none', 'small', 'too few'].includes(result))
    .map(({ fs, pair, result }) => `${fs} ${pair} ${result}`)
    .sort();

describe.each(RECORDINGS)('%s and itself', (path) => {
  const run = runOfFile(path);
  const comparison = compareRuns(run, run);

  it('show no difference, and the JSON is as promised', () => {
    expect(comparison.differences).toEqual([]);
    expect(['no difference', 'nothing to compare']).toContain(comparison.outcome);
    expect(Comparison.parse(JSON.parse(JSON.stringify(comparison)))).toEqual(comparison);
    for (const { ratio } of comparison.latencies) {
      for (const { value, low, high } of Object.values(ratio ?? {})) {
        expect(value).toBe(1);
        expect(low).toBeLessThanOrEqual(1);
        expect(high).toBeGreaterThanOrEqual(1);
      }
    }
  });

  it('come out the same twice', () => {
    expect(compareRuns(runOfFile(path), runOfFile(path))).toEqual(comparison);
  });

  it('fit on 80 columns of ASCII', () => {
    const text = compareText(comparison);
    expect(tooWide(text)).toEqual([]);
    expect(text).toMatch(/^[\n -~]+$/);
  });

  it('count what the report counts', () => {
    for (const { fs, pair, a } of comparison.latencies) {
      // a canary is in no count once its name is known, which the histogram cannot undo
      const { count } = run.report.stages[`${pair} ${fs}`]!;
      expect(Math.abs(a.count - count)).toBeLessThanOrEqual(2);
    }
  });
});

describe('a recording whose evict_inode takes half as long again', () => {
  const before = runOfFile(DEMO);
  const after = runOf(slowerEvictInode(open(DEMO)), 'slower');
  const comparison = compareRuns(before, after);

  it('is slower there, and nowhere else', () => {
    expect(changedIn(comparison)).toEqual([
      'hugetlbfs evict_inode..evict_inode_end slower',
      'tmpfs evict_inode..evict_inode_end slower',
    ]);
    expect(comparison.differences).toHaveLength(2);
    expect(comparison.outcome).toBe('differs');
  });

  it('is so by the factor that it was made slower by', () => {
    const change = comparison.latencies.find(
      ({ fs, pair }) => fs === 'hugetlbfs' && pair === 'evict_inode..evict_inode_end',
    )!;
    expect(change.verdict).toBe('certain');
    expect(change.ratio!.p50.value).toBeCloseTo(1.5, 2);
    expect(change.ratio!.p50.low).toBeGreaterThan(1.1);
    expect(change.longer).toBeGreaterThan(0.7);
  });

  it('is faster, seen from the other side', () => {
    const other = compareRuns(after, before);
    expect(changedIn(other)).toEqual(
      changedIn(comparison).map((text) => text.replace('slower', 'faster')),
    );
  });

  it('is a small change when only a larger one counts', () => {
    const strict = compareRuns(before, after, { atLeastPercent: 80 });
    expect(strict.differences).toEqual([]);
    expect(strict.latencies.map(({ result }) => result)).toContain('small');
  });

  it('is only suspected when events were lost meanwhile, and the row says so', () => {
    const lost = {
      ...after,
      epochs: after.epochs.map((epoch) => ({ ...epoch, inGap: () => true })),
    };
    const weak = compareRuns(before, lost);
    expect(weak.outcome).toBe('may differ');
    expect(weak.latencies.every(({ verdict }) => verdict === 'suspected')).toBe(true);
    expect(weak.latencies.every(({ b }) => b.in_gaps === b.count)).toBe(true);
    expect(compareText(weak)).toContain('suspected: slower');
    // and what is seen in gaps proves no order
    expect(weak.orders.every(({ b }) => b.of === 0)).toBe(true);
  });

  it('says an unbalanced ledger first', () => {
    const losses = { ...after.report.losses, balanced: false, not_run: 7 };
    const unbalanced = { ...after, report: { ...after.report, losses } };
    const weak = compareRuns(before, unbalanced);
    expect(weak.weaknesses[0]).toContain('ledger of B does not balance');
    expect(weak.outcome).toBe('may differ');
  });

  it('says that it was observed in another way', () => {
    const kprobes = rewritten(
      slowerEvictInode(open(DEMO)),
      (line) => line,
      (info) => {
        const plan = { ...info.plan, evict_inode: { probe: 'kprobe:hugetlbfs_evict_inode' } };
        return { ...info, plan };
      },
    );
    const weak = compareRuns(before, runOf(kprobes, 'kprobes'));
    expect(weak.weaknesses.join('\n')).toContain('other probes: evict_inode');
    const verdicts = weak.latencies.map(({ pair, verdict }) => `${pair} ${verdict}`);
    expect(verdicts).toContain('evict_inode..evict_inode_end suspected');
    expect(verdicts).toContain('evict..evict_end certain');
  });
});

describe('the order of stages', () => {
  /** The demo, with every inode's order of stages made anew. */
  const reordered = (reorder: (order: string, row: number) => string) => {
    const run = runOfFile(DEMO);
    const epochs = run.epochs.map((epoch) => ({
      ...epoch,
      samples: epoch.samples.map((samples) => ({
        ...samples,
        orders: samples.order.map((index, row) => reorder(samples.orders[index]!, row)),
        order: samples.order.map((_, row) => row),
      })),
    }));
    return { ...run, epochs };
  };
  const swap = (order: string) => order.replace('evict_end i_callback', 'i_callback evict_end');
  const resultsOf = ({ orders }: Comparison) =>
    orders.map(({ fs, result }) => `${fs} ${result}`).sort();

  it('is new where inodes go another way', () => {
    const comparison = compareRuns(runOfFile(DEMO), reordered(swap));
    const both = ['hugetlbfs new', 'hugetlbfs vanished', 'tmpfs new', 'tmpfs vanished'];
    expect(resultsOf(comparison)).toEqual(both);
    expect(comparison.outcome).toBe('differs');
    expect(compareText(comparison)).toContain('i_callback > evict_end > free_inode');
  });

  it('is taken less often where some go another way', () => {
    const some = (every: number) =>
      reordered((order, row) => (row % every === 0 ? swap(order) : order));
    const results = resultsOf(compareRuns(some(5), some(2)));
    expect(results).toEqual(['hugetlbfs less', 'hugetlbfs more', 'tmpfs less', 'tmpfs more']);
  });

  it('is shown, and no finding, when one inode alone went another way', () => {
    const one = compareRuns(
      runOfFile(DEMO),
      reordered((order, row) => (row === 50 ? swap(order) : order)),
    );
    expect(new Set(one.orders.map(({ result }) => result))).toEqual(new Set(['none']));
    expect(compareText(one)).toContain('seen in one run, too seldom to say');
  });

  it('is another one when the kernel does not call s_op->destroy_inode any more', () => {
    const silent = rewritten(open(DEMO), (line) => (line.kind === 'destroy_op' ? null : line));
    const { orders } = compareRuns(runOfFile(DEMO), runOf(silent, 'silent'));
    const without = orders.filter(({ stages }) => !stages.includes('destroy_op'));
    expect(without.map(({ result, b }) => [result, b.count === b.of])).toEqual([
      ['new', true],
      ['new', true],
    ]);
  });

  it('compares no stage that one of the runs does not look for', () => {
    const blind = rewritten(
      open(DEMO),
      (line) => (line.kind === 'destroy_op' ? null : line),
      (info) => ({ ...info, plan: { ...info.plan, destroy_op: { missing: 'inlined' } } }),
    );
    const comparison = compareRuns(runOfFile(DEMO), runOf(blind, 'blind'));
    expect(comparison.orders.map(({ result }) => result)).toEqual(['none', 'none']);
    expect(comparison.orders.some(({ stages }) => stages.includes('destroy_op'))).toBe(false);
    expect(comparison.plan.map(({ stage, b }) => [stage, b])).toEqual([['destroy_op', null]]);
    expect(compareText(comparison)).toContain('A alone (inlined): destroy_op');
  });
});

describe('callbacks, contract and leaks', () => {
  const fine = runOfFile(DEMO);
  const broken = runOfFile(FAILED_MOUNT);

  it('names the pointer of the s_op table that changed', () => {
    const { callbacks } = compareRuns(fine, broken);
    expect(callbacks.map(({ fs, result, pointers }) => [fs, result, pointers])).toEqual([
      ['anon_inodefs', 'unknown', []],
      ['devtmpfs', 'unknown', []],
      ['hugetlbfs', 'none', []],
      ['tmpfs', 'changed', ['drop_inode']],
    ]);
  });

  it('takes a function without a name as unknown: each boot moves it', () => {
    const callbacks = fine.report.callbacks.map((row) => ({
      ...row,
      evict_inode: '0xffffffffc0a91230',
    }));
    const unnamed = { ...fine, report: { ...fine.report, callbacks } };
    const results = compareRuns(fine, unnamed).callbacks.map(({ result }) => result);
    expect(results).toEqual(['unknown', 'unknown']);
  });

  it('says that a rule is newly broken only where it held before', () => {
    const rule = (run: typeof broken, change: object) => {
      const contract = run.report.contract.map((row) =>
        row.rule === 'R19' ? { ...row, ...change } : row,
      );
      return { ...run, report: { ...run.report, contract } };
    };
    const resultOf = (a: typeof broken, b: typeof broken) =>
      compareRuns(a, b).contract.find((row) => row.rule === 'R19')!.result;
    const held = rule(broken, { broken: 0 });
    expect(resultOf(held, broken)).toBe('newly broken');
    expect(resultOf(broken, held)).toBe('no longer broken');
    expect(resultOf(fine, broken)).toBe('broken, not checked in A');
    expect(resultOf(broken, fine)).toBe('no longer checkable');
    expect(resultOf(broken, rule(broken, { broken: 0, checked: 0 }))).toBe('no longer checkable');
    expect(resultOf(broken, broken)).toBe('still broken');
    expect(resultOf(held, rule(held, { suspected: 1 }))).toBe('newly suspected');
    expect(compareRuns(held, broken).differences[0]).toEqual({
      of: 'contract',
      verdict: 'certain',
      text: 'R19 (subpool put) newly broken',
    });
  });

  it('finds a kind of leak that was not there', () => {
    const without = { ...broken, report: { ...broken.report, leaks: [] } };
    const [leak] = compareRuns(without, broken).leaks;
    expect(leak).toMatchObject({ kind: 'reservation', result: 'new', verdict: 'certain' });
    // of a run that sees less nobody knows
    expect(compareRuns(fine, broken).leaks[0]).toMatchObject({ verdict: 'suspected' });
  });
});

it('says that there is too little, and how much it takes', () => {
  const run = runOfFile(FAILED_MOUNT);
  const { latencies, outcome } = compareRuns(run, run);
  expect(latencies.every(({ result, ratio }) => result === 'too few' && ratio === null)).toBe(true);
  expect(latencies[0]!.why).toMatch(/inodes in A; it takes 30/);
  expect(outcome).not.toBe('differs');
});

it('compares hosts of the same name where a run has several', () => {
  const run = runOfFile(DEMO);
  const on = (host: string) => run.epochs.map((e) => ({ ...e, info: { ...e.info, host } }));
  const two = { ...run, epochs: [...on('one'), ...on('two')] };
  const comparison = compareRuns(two, { ...run, epochs: on('two') });
  expect(new Set(comparison.latencies.map(({ host }) => host))).toEqual(new Set(['two']));
  expect(comparison.weaknesses).toContain('host one is in A alone');
});

it('pools the epochs of a host', () => {
  const run = runOfFile(DEMO);
  const twice = { ...run, epochs: [...run.epochs, ...run.epochs] };
  const [latency] = compareRuns(run, twice).latencies;
  expect([latency!.a.count, latency!.b.count]).toEqual([106, 212]);
  expect(latency!.b.slices).toBe(2 * latency!.a.slices);
});

it('keeps hostile names in their place and within 80 columns', () => {
  const run = runOfFile(DEMO);
  const evil = '\u202egnp.exe \x1b[31m\n\u0000'.repeat(20);
  const hostile = {
    ...run,
    file: `/tmp/${evil}.lastref`,
    epochs: run.epochs.map((epoch) => ({
      ...epoch,
      info: { ...epoch.info, host: evil, kernel: evil, bpftrace: evil },
      samples: epoch.samples.map((samples) => ({ ...samples, fs: `${samples.fs}${evil}` })),
    })),
    report: {
      ...run.report,
      callbacks: run.report.callbacks.map((row) => ({ ...row, fs: evil, free_inode: evil })),
    },
  };
  for (const [a, b] of [
    [hostile, hostile],
    [run, hostile],
    [hostile, part(hostile, (_, row) => row < 3)],
  ] as const) {
    const text = compareText(compareRuns(a, b));
    expect(tooWide(text)).toEqual([]);
    expect(text).toMatch(/^[\n -~]+$/);
  }
});

it.each([
  ['compare-same-kernel', 'test/golden/guest-6.12/recording.lastref'],
  ['compare-6.12-6.18', FAILED_MOUNT],
])('the text of %s is what it was', (golden, other) => {
  const file = `${ROOT}test/golden/${golden}.txt`;
  const text = compareText(compareRuns(runOfFile(DEMO), runOfFile(other)));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
});

describe('the command', () => {
  it('prints the comparison, as JSON where asked', async () => {
    const { code, stdout } = await lastref(['compare', DEMO, DEMO].map(inRoot));
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toBe('no difference that these runs can show');
    const json = await lastref([...['compare', DEMO, FAILED_MOUNT].map(inRoot), '--json']);
    expect(json.code).toBe(0);
    expect(Comparison.parse(JSON.parse(json.stdout)).outcome).toBe('differs');
  });

  it('exits with 1 on a difference where asked to', async () => {
    const args = (b: string) => [...['compare', DEMO, b].map(inRoot), '--fail-on-change'];
    expect((await lastref(args(FAILED_MOUNT))).code).toBe(1);
    expect((await lastref(args(DEMO))).code).toBe(0);
  });

  it('says what is wrong with a file, and which', async () => {
    const missing = await lastref(['compare', inRoot(DEMO), '/nowhere.lastref']);
    expect(missing).toMatchObject({ code: 2, stdout: '' });
    expect(missing.stderr).toBe('lastref: /nowhere.lastref: there is no such file\n');
    const other = await lastref(['compare', inRoot('package.json'), inRoot(DEMO)]);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('package.json: not a recording of lastref');
  });
});

function inRoot(path: string): string {
  return path === 'compare' ? path : `${ROOT}${path}`;
}
