/** Since when a tracer sees what it shall, and what was not seen before. */
import { describe, expect, it } from 'vitest';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { epochOf, lines } from '../fixtures/trace.ts';

/** Both bpftraces speak, so that nothing before it waits. */
const ticks = (ms: number) => `
  ${ms}       0 b/1 tick seq=1
  ${ms}       0 b/1 beat track=1
  ${ms + 100} 0 b/1 tick seq=2
  ${ms + 100} 0 b/1 beat track=1
  ${ms + 200} 0 b/1 tick seq=3
  ${ms + 200} 0 b/1 beat track=1
  ${ms + 300} 0 b/1 tick seq=4`;

/** A canary's whole way, from this time on. */
const canary = (ms: number) => `
  ${ms}      0 canary/9 evict           A ino=7 blocks=0
  ${ms + 1}  0 canary/9 evict_inode     A
  ${ms + 2}  0 canary/9 clear_inode     A
  ${ms + 3}  0 canary/9 evict_inode_end A
  ${ms + 4}  0 canary/9 destroy_inode   A
  ${ms + 5}  0 canary/9 destroy_op      A
  ${ms + 6}  0 canary/9 evict_end       A
  ${ms + 20} 0 rcu/12   i_callback      A flags=4200002
  ${ms + 21} 0 rcu/12   free_inode      A`;

/** A session whose bpftrace is gone after half a second, and comes back. */
function interrupted(canaries: string[]): { pipeline: Pipeline; back: (table: string) => void } {
  const pipeline = new Pipeline(epochOf({ canaries }), { keep: 10 });
  const out = (table: string) => pipeline.out(Buffer.from(lines(table)));
  pipeline.begin([]);
  if (canaries.length > 0) pipeline.err(Buffer.from('a canary hugetlbfs 17 7\n'));
  out((canaries.length > 0 ? canary(300) : '') + ticks(400));
  expect(pipeline.readyAt).not.toBeNull();
  pipeline.end(false, 'killed');
  pipeline.begin([]);
  return { pipeline, back: out };
}

describe('bpftrace that was gone and is back', () => {
  it('without canaries: the gap ends with the first tick', () => {
    const { pipeline, back } = interrupted([]);
    expect(pipeline.model.gaps.list).toMatchObject([
      { where: 'tracer_down', to: Number.POSITIVE_INFINITY, detail: 'killed' },
    ]);
    back(ticks(2000));
    expect(pipeline.readyAt).not.toBeNull();
    const [gap] = pipeline.model.gaps.list;
    expect(gap!.to).toBe(pipeline.readyAt);
  });

  it('with canaries: it lasts until one has come through', () => {
    const { pipeline, back } = interrupted(['hugetlbfs']);
    back(ticks(2000));
    expect(pipeline.readyAt).toBeNull();
    expect(pipeline.model.gaps.list[0]!.to).toBe(Number.POSITIVE_INFINITY);
    pipeline.err(Buffer.from('a canary hugetlbfs 17 7\n'));
    back(canary(2300) + ticks(2500));
    expect(pipeline.readyAt).not.toBeNull();
    expect(pipeline.model.gaps.list[0]!.to).toBe(pipeline.readyAt);
  });
});

it('what was evicted while probes were being attached owes no line of its end', () => {
  for (const detail of ['steps', 'auto'] as const) {
    // one at an address that is used again before all are attached, one after that
    const pipeline = new Pipeline(epochOf({ canaries: ['hugetlbfs'], detail }), { keep: 10 });
    const out = (table: string) => pipeline.out(Buffer.from(lines(table)));
    pipeline.begin([]);
    // those of RCU are not attached yet
    out(`
      10 0 sh/1 alloc_inode B dev=17
      11 0 sh/1 alloc_inode C dev=17
      12 0 sh/1 evict C dev=17 ino=4 blocks=0
      12 0 sh/1 evict D dev=17 ino=3 blocks=0
      13 0 sh/1 alloc_inode C dev=17
      20 0 sh/1 evict B dev=17 ino=5 blocks=0
      21 0 sh/1 destroy_inode B`);
    pipeline.err(Buffer.from('a canary hugetlbfs 17 7\n'));
    out(canary(300) + ticks(400));
    expect(pipeline.readyAt).not.toBeNull();
    out(`1000 0 sh/1 alloc_inode B dev=17 ${ticks(1100)}`);
    const { lost } = pipeline.model.inodes.filesystems.countsOf('hugetlbfs');
    expect([lost, [...pipeline.model.unseen]]).toEqual([2, []]);
    // nor is one stuck whose address is not used again
    const seconds = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => ticks((from + i) * 1000)).join('\n');
    out(seconds(2, 60));
    expect(pipeline.leaks()).toEqual([]);
    expect([...pipeline.model.inodes.all()].map(({ ino, state }) => `${ino} ${state}`)).toContain(
      '3 lost',
    );
    // from now on one does
    out(`
      61000 0 sh/1 evict B dev=17 ino=6 blocks=0
      61100 0 sh/1 alloc_inode B dev=17
      61100 0 sh/1 evict E dev=17 ino=8 blocks=0
      ${seconds(62, 130)}`);
    expect(pipeline.model.unseen.size).toBeGreaterThan(0);
    expect(pipeline.leaks()).toMatchObject([{ kind: 'stuck', state: 'firing' }]);
  }
});
