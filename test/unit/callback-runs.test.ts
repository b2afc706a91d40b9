/** What the callbacks of a filesystem were seen to do: where RCU called back, when hugepages came back. */
import { describe, expect, it } from 'vitest';
import type { ByFs } from '../../server/protocol/report.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { pipelineOf, planOf, TRACEPOINT_STAGES } from '../fixtures/trace.ts';

const NONE = {
  before_evict: 0,
  evict_inode: 0,
  destroy_inode: 0,
  evict: 0,
  grace_period: 0,
  later: 0,
};

const added = (pages: number) =>
  Array.from(
    { length: pages },
    (_, i) => `${i / 1e4} 0 sh/5 hugepage_add F${i} A ino=7 index=${i}`,
  );
/** Leaves the page cache when evict_inode begins, and is freed by then. */
const back = (page: number, ms: number, who = 'sh/5') => [
  `10.2 0 sh/5 hugepage_remove F${page} A ino=7`,
  `${ms} 0 ${who} hugepage_free F${page}`,
];
const END = `
  10   0 sh/5   evict A ino=7 blocks=24576
  10.1 0 sh/5   evict_inode A
  20   0 sh/5   clear_inode A
  21   0 sh/5   evict_inode_end A
  23   0 sh/5   destroy_inode A
  23.1 0 sh/5   destroy_op A
  25   0 sh/5   evict_end A
  40   1 rcuc/1/20 i_callback A flags=200000 comm=rcuc/1
  40.1 1 rcuc/1/20 free_inode A`.split('\n');

/** Rows in the order of their times; those of one time as they are. */
function table(...rows: (string | readonly string[])[]): string {
  const all = rows.flat().filter((row) => row.trim() !== '');
  return all.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b)).join('\n');
}

const ofHugetlbfs = (rows: string): ByFs[string] =>
  makeReport([pipelineOf(rows)]).inodes.by_fs.hugetlbfs!;

describe('hugepages of an inode', () => {
  it('came back before evict(), in one of its callbacks, or later', () => {
    const truncated = ['5 0 sh/5 hugepage_remove F0 A ino=7', '5.1 0 sh/5 hugepage_free F0'];
    const rows = table(
      added(6),
      truncated,
      back(1, 10.3),
      back(2, 22),
      back(3, 24),
      back(4, 30, 'cat/9'),
      back(5, 50, 'cat/9'),
      END,
    );
    expect(ofHugetlbfs(rows)).toMatchObject({
      ended: 1,
      i_callback: { softirq: 0, ksoftirqd: 0, rcu_thread: 1 },
      hugepages_back: {
        before_evict: 1,
        evict_inode: 1,
        evict: 1,
        destroy_inode: 1,
        grace_period: 1,
        later: 1,
      },
    });
  });

  it('are all placed, also those that are not kept by name', () => {
    const freed = Array.from({ length: 3000 }, (_, i) => back(i, 11 + i / 1e4)).flat();
    const rows = table(added(3000), freed, END);
    expect(ofHugetlbfs(rows).hugepages_back).toEqual({ ...NONE, evict_inode: 3000 });
    // one of them came back in the grace period: where the others did is not known
    const late = table(added(3000), freed.slice(0, -1), '30 0 cat/9 hugepage_free F2999', END);
    const seen = ofHugetlbfs(late).hugepages_back!;
    expect(seen.evict_inode).toBeLessThan(3000);
    expect(seen).toMatchObject({ destroy_inode: 0, evict: 0, later: 0 });
  });

  it('are placed nowhere when the times were lost', () => {
    const rows = table(
      added(1),
      back(0, 10.3),
      END.filter((row) => /i_callback|free_inode| evict A/.test(row)),
    );
    expect(ofHugetlbfs(rows).hugepages_back).toMatchObject({ evict_inode: 0, destroy_inode: 0 });
  });

  it('are not told of where nobody sees them being freed', () => {
    const rows = '1 0 sh/5 tp_life ino=7 evict_inode=1000';
    const info = { plan: planOf(TRACEPOINT_STAGES), detail: 'lifecycle' as const };
    const { inodes } = makeReport([pipelineOf(rows, info)]);
    expect(inodes.by_fs.hugetlbfs).toMatchObject({ ended: 1, hugepages_back: null });
    expect(inodes.by_fs.hugetlbfs!.i_callback.softirq).toBe(1);
  });
});

it('of a canary nothing is counted, also when its name comes late', () => {
  const late = pipelineOf(table(END));
  late.err(Buffer.from('a canary hugetlbfs 17 7\n'));
  expect(makeReport([late]).inodes.by_fs.hugetlbfs).toMatchObject({
    ended: 0,
    i_callback: { softirq: 0, ksoftirqd: 0, rcu_thread: 0 },
  });
});
