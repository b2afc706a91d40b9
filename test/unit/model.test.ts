import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../server/model/incarnation.ts';
import type { Model } from '../../server/model/model.ts';
import type { EventOf } from '../../server/protocol/events.ts';
import { INODE_STAGES } from '../../server/protocol/stages.ts';
import type { Address, Nanos } from '../../server/protocol/units.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import {
  addressOf,
  epochOf,
  lines,
  pipelineOf,
  planOf,
  TRACEPOINT_STAGES,
} from '../fixtures/trace.ts';

const fate = (model: Model) => [...model.inodes.all()].map((inode) => inode.state);
const countsOf = (model: Model) => Object.fromEntries(model.inodes.filesystems.counts);
const stagesOf = (inode: Incarnation) => INODE_STAGES.filter((stage) => inode.at(stage) !== null);
const given = (inode: Incarnation) =>
  Object.fromEntries(stagesOf(inode).map((stage) => [stage, inode.at(stage)]));

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
    // hugetlbfs removes its pages itself
    expect(stagesOf(inode)).toEqual(INODE_STAGES.filter((stage) => stage !== 'truncate_final'));
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

describe('an address that another file has, when the end of the first and the birth of the second were lost', () => {
  const filesOf = (rows: string) =>
    [...pipelineOf(rows).model.inodes.all()].map(({ ino, state, pages }) => [ino, state, pages]);
  const FIRST = '0  0  perl/391  hugepage_add F1 A ino=7\n';

  it.each([
    ['a hugepage', '20 0 perl/391 hugepage_add F2 A ino=8', 1],
    ['a reservation', '20 0 perl/391 reserve A ino=8 to=3', 0],
    ['evict()', '20 0 perl/391 evict A ino=8 blocks=8192', 2],
  ])('is told apart by %s of the second', (_, row, pages) => {
    expect(filesOf(FIRST + row)).toEqual([
      [7, 'lost', 1],
      [8, row.includes('evict') ? 'evicting' : 'open', pages],
    ]);
  });

  it('by its device, too, though the number is the same', () => {
    expect(filesOf(`${FIRST}20 0 perl/391 hugepage_add F2 A dev=77 ino=7`)).toEqual([
      [7, 'lost', 1],
      [7, 'open', 1],
    ]);
  });

  it('also by what the task that evicted the first takes from the second', () => {
    const rows = `${FIRST}
      1   0  perl/391  evict A ino=7 blocks=4096
      20  0  perl/391  hugepage_remove F2 A ino=8
    `;
    expect(filesOf(rows)).toEqual([
      [7, 'lost', 1],
      [8, 'open', 0],
    ]);
  });

  it('a line of the first that comes late is the first one’s', () => {
    const { model } = pipelineOf(`${FIRST}20 0 perl/391 hugepage_add F2 A ino=8`);
    const [{ evidence }] = [...model.inodes.all()] as [Incarnation];
    const late = { ...(evidence[0] as EventOf<'hugepage_add'>), ts: 10e6 as Nanos };
    model.apply({ ...late, folio: (late.folio + 1024) as Address });
    model.apply({ ...late, folio: (late.folio + 2048) as Address, ino: 9 });
    const found = [...model.inodes.all()].map(({ ino, state, hugepages }) => {
      return [ino, state, hugepages.length];
    });
    expect(found).toEqual([
      [7, 'lost', 2],
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

describe('a line at the end', () => {
  const lifecycle = { detail: 'lifecycle' } as const;
  const auto = { detail: 'auto' } as const;
  const only = (model: Model) => {
    const inodes = [...model.inodes.all()];
    expect(inodes).toHaveLength(1);
    return inodes[0]!;
  };

  it('tells all stages of an inode that nobody had heard of', () => {
    const { model } = pipelineOf(
      `
      0   0  perl/391  tick
      60  1  perl/391  life A ino=7 blocks=4096 evict=50000000 evict_inode=49000000 clear_inode=48000000 evict_inode_end=47000000 destroy_inode=46000000 destroy_op=45000000 evict_end=44000000 i_callback=1000000 flags=4200002
    `,
      lifecycle,
    );
    const inode = only(model);
    expect(given(inode)).toEqual({
      evict: 10e6,
      evict_inode: 11e6,
      clear_inode: 12e6,
      evict_inode_end: 13e6,
      destroy_inode: 14e6,
      destroy_op: 15e6,
      evict_end: 16e6,
      i_callback: 59e6,
      free_inode: 60e6,
    });
    expect(inode).toMatchObject({
      state: 'ended',
      fs: 'hugetlbfs',
      ino: 7,
      pages: 1,
      comm: 'perl',
      tid: 391,
      first: 10e6,
      last: 60e6,
      freeCpu: 1,
      freeContext: 'softirq',
      born: false,
    });
    expect(countsOf(model)).toEqual({ hugetlbfs: { ended: 1, lost: 0, live: 0 } });
    const counts = [...model.inodes.filesystems.latencies].map(([pair, { count }]) => [
      pair,
      count,
    ]);
    expect(Object.fromEntries(counts)).toMatchObject({
      'evict..evict_end hugetlbfs': 1,
      'destroy_inode..i_callback hugetlbfs': 1,
      'i_callback..free_inode hugetlbfs': 1,
    });
    expect(model.inodes.current(inode.address)).toBeUndefined();
  });

  it('where s_op->free_inode is NULL is the callback itself', () => {
    const { model } = pipelineOf(
      '60 0 perl/391 life A magic=9041934 evict=5000000 i_callback=1 free_op=0 free_inode=0',
      lifecycle,
    );
    expect(given(only(model))).toEqual({ evict: -5e6, i_callback: 0 });
    expect(only(model)).toMatchObject({ fs: 'anon_inodefs', state: 'ended', pages: 0 });
  });

  it.each([
    ['4200040', 'ksof', 'ksoftirqd'],
    ['4208040', 'rcuo', 'rcu-thread'],
    ['4208040', 'rcu_', 'rcu-thread'],
    ['400100', 'rcuo', 'softirq'], // a process may call itself so
    ['4200040', 'kwor', 'softirq'],
  ])('tells where RCU called back: flags %s, comm %s...', (flags, by, context) => {
    const hex = Buffer.from(by).readUInt32LE(0).toString(16);
    const { model } = pipelineOf(`60 0 a/1 life A evict=1 flags=${flags} by=${hex}`, lifecycle);
    expect(only(model).freeContext).toBe(context);
  });

  it('belongs to the steps that were told before, and corrects their times', () => {
    const { model } = pipelineOf(
      `
      0      0  perl/391  alloc_inode A
      1      0  perl/391  hugepage_add F1 A ino=7
      10     0  perl/391  evict A ino=7 blocks=4096
      10.5   0  perl/391  detail steps=0 rate=9000
      10.6   0  perl/391  hugepage_remove F1 A ino=7
      30     1  perl/391  life A ino=7 blocks=4096 evict=19999000 clear_inode=15000000
    `,
      auto,
    );
    const inode = only(model);
    expect(given(inode)).toEqual({ evict: 10.001e6, clear_inode: 15e6, free_inode: 30e6 });
    expect(inode).toMatchObject({ born: true, state: 'ended', pages: 1, removed: 1, first: 0 });
    expect(model.unseen.size).toBe(0);
    expect(model.detail).toEqual({ steps: false, since: 10.5e6, rate: 9000 });
  });

  it.each([
    ['another number', 'life A ino=8 evict=5000000'],
    ['another device', 'life A ino=7 dev=18 evict=5000000'],
    ['a later eviction', 'life A ino=7 evict=5000000'],
  ])('with %s at that address is another life: the first is lost', (_, line) => {
    const { model } = pipelineOf(
      `
      0     0  perl/391  evict A ino=7 blocks=4096
      2000  0  sh/500    ${line}
    `,
      lifecycle,
    );
    expect([...model.inodes.all()].map((i) => [i.state, i.tid])).toEqual([
      ['lost', 391],
      ['ended', 500],
    ]);
    expect(Object.fromEntries(model.unseen)).toEqual({ life: 1 });
  });

  it('that is older than the inode at its address does not end that one', () => {
    const { model, late } = pipelineOf(
      `
      0      0  perl/391  tick
      100    0  perl/391  alloc_inode A
      150000  0  perl/391  tick
      60     0  sh/500    life A ino=8 evict=5000000
    `,
      lifecycle,
    );
    expect(late).toBe(1);
    expect([...model.inodes.all()].map((i) => [i.state, i.ino])).toEqual([
      ['open', 0],
      ['ended', 8],
    ]);
  });

  it('does not count what came back while the inode waited for RCU as given back before', () => {
    const { model } = pipelineOf(
      `
      0   0  perl/391  hugepage_add F1 A ino=7
      1   0  perl/391  hugepage_add F2 A ino=7
      2   0  perl/391  hugepage_remove F1 A ino=7
      3   0  perl/391  hugepage_free F1
      4   0  perl/391  hugepage_remove F2 A ino=7 refcount=514
      12  0  cat/5     hugepage_free F2
      60  0  perl/391  life A ino=7 blocks=0 evict=50000000
    `,
      lifecycle,
    );
    expect(only(model)).toMatchObject({ removed: 2, freed: 2, freedBefore: 1 });
  });

  it('contradicts no callback of the superblock that has its device number by then', () => {
    const { model } = pipelineOf(
      `
      0   0  umount/391  sb S dev=45 magic=1021994 fstype=tmpfs free_inode=shmem_free_in_core_inode
      4   0  perl/392    sb T dev=45
      20  0  umount/391  life A dev=45 magic=1021994 free_inode=shmem_free_in_core_inode evict=19000000
    `,
      lifecycle,
    );
    expect(model.superblocks.all()).toMatchObject([{ fs: 'hugetlbfs', contradicted: 0 }]);
    expect(only(model).fs).toBe('tmpfs');
  });

  it.each([
    ['its reservations are given back', '0.5 0 perl/391 unreserve A ino=7 freed=1', lifecycle],
    ['the steps are not told any more', '0.5 0 a/1 detail steps=0 rate=9000', auto],
  ])('once %s, what its task frees is not its own', (_, row, info) => {
    const { model } = pipelineOf(
      `
      0    0  perl/391  evict A ino=7 blocks=4096
      0.1  0  perl/391  hugepage_free F1
      ${row}
      5    0  perl/391  hugepage_free F2
      5.1  0  perl/391  resv_map_release R
      30   0  perl/391  life A ino=7 blocks=4096 evict=30000000
    `,
      info,
    );
    expect(model.hugepages).toMatchObject({ freed: 2, attributed: 1 });
    expect(only(model).evidence.map((event) => event.kind)).not.toContain('resv_map_release');
  });

  it('of an inode that was taken as lost, since its eviction took so long, ends it once', () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${1000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model } = pipelineOf(
      `
      0      0  perl/391  evict A ino=7 blocks=4096
      Lost 1 events
      ${rows.join('\n')}
      41000  0  perl/391  life A ino=7 blocks=4096 evict=41000000000
    `,
      lifecycle,
    );
    expect(only(model)).toMatchObject({ state: 'ended', number: 1 });
    expect(countsOf(model)).toEqual({ hugetlbfs: { ended: 1, lost: 0, live: 0 } });
    expect([...model.unseen.values()]).toEqual([0]);
  });

  it.each([
    ['its hugepages go on', 'perl/391', 'hugepage_remove F1 A ino=7'],
    ['its reservations are given back', 'perl/391', 'unreserve A ino=7 freed=1'],
    ['RCU frees it', 'swapper/0/0', 'i_callback A flags=4200002'],
    ['its memory is freed', 'swapper/0/0', 'free_inode A'],
  ])('that was taken as lost, of which %s all the same, is the same life', (_, task, line) => {
    const rows = Array.from({ length: 20 }, (_, i) => `${1000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model } = pipelineOf(`
      0      0  perl/391     evict A ino=7 blocks=4096
      Lost 1 events
      ${rows.join('\n')}
      20500  0  ${task}  ${line}
      21000  1  swapper/1/0  i_callback A flags=4200002
      21000.1 1  swapper/1/0  free_inode A
    `);
    expect(only(model)).toMatchObject({ state: 'ended', number: 1 });
    expect(countsOf(model)).toEqual({ hugetlbfs: { ended: 1, lost: 0, live: 0 } });
  });

  it('by tracepoints, whose hugepages still went when it had been taken as lost, is the same life', () => {
    const rows = Array.from({ length: 20 }, (_, i) => `${1000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model } = pipelineOf(
      `
      0      0  perl/391  tp_hugepage_add ino=7 pfn=512 index=0
      10     0  perl/391  tp_evict_inode ino=7 blocks=4096
      Lost 1 events
      ${rows.join('\n')}
      20500  0  perl/391  tp_hugepage_remove ino=7 pfn=512 index=0
      21000  0  perl/391  tp_life ino=7 blocks=4096 evict_inode=20990000000
    `,
      { ...lifecycle, plan: planOf(TRACEPOINT_STAGES) },
    );
    expect(only(model)).toMatchObject({ state: 'ended', number: 1, removed: 1 });
  });

  it('by tracepoints, of which its memory is freed when it had been taken as lost, is the same life', () => {
    const rows = Array.from({ length: 20 }, (_, i) => `${1000 + i * 1000} 0 a/1 tick seq=${i}`);
    const { model } = pipelineOf(
      `
      0      0  perl/391     tp_evict_inode ino=7 blocks=4096
      Lost 1 events
      ${rows.join('\n')}
      20500  0  swapper/0/0  tp_free_inode ino=7
    `,
      { plan: planOf(TRACEPOINT_STAGES) },
    );
    expect(only(model)).toMatchObject({ state: 'ended', number: 1 });
    expect(countsOf(model)).toEqual({ hugetlbfs: { ended: 1, lost: 0, live: 0 } });
  });

  it('by tracepoints, of an inode known by its number alone', () => {
    const { model } = pipelineOf(
      `
      0   0  perl/391  tp_hugepage_add ino=7 pfn=512 index=0
      10  0  perl/391  tp_evict_inode ino=7 blocks=4096
      30  1  perl/391  tp_life ino=7 blocks=4096 evict_inode=19990000
      40  1  perl/391  tp_life ino=8 blocks=0 evict_inode=1000000
    `,
      { ...lifecycle, plan: planOf(TRACEPOINT_STAGES) },
    );
    expect([...model.inodes.all()].map((i) => [i.ino, i.state, i.pages, given(i)])).toEqual([
      [7, 'ended', 1, { evict_inode: 10.01e6, free_inode: 30e6 }],
      [8, 'ended', 0, { evict_inode: 39e6, free_inode: 40e6 }],
    ]);
  });

  it('is taken as lost when that of a later inode of its task came, and nobody told of a loss', () => {
    const ticks = Array.from({ length: 30 }, (_, s) => `${1000 + s * 1000} 0 a/1 tick`);
    const world = (...rows: string[]) =>
      pipelineOf(
        `
        0   0  perl/391  tp_evict_inode ino=7 blocks=4096
        ${rows.join('\n')}
        ${ticks.join('\n')}
      `,
        { ...lifecycle, plan: planOf(TRACEPOINT_STAGES) },
      );
    const later = '30  1  perl/391  raw_life ino=8 blocks=0 evict_inode=20000000';
    const leftOut = world(later);
    expect([...leftOut.model.inodes.all()].map((i) => [i.ino, i.state])).toEqual([
      [7, 'lost'],
      [8, 'ended'],
    ]);
    expect(leftOut.model.gaps.list).toMatchObject([{ where: 'not_run', lost: 1 }]);
    expect(leftOut.leaks()).toEqual([]);
    expect(leftOut.model.lostEnds.count).toBe(1);
    // one of another task, or an earlier one of its own, says nothing of it: it hangs
    for (const other of [
      later.replace('perl/391', 'perl/392'),
      '30  1  perl/391  raw_life ino=8 blocks=0 evict_inode=30500000',
    ]) {
      const stuck = world(other);
      expect([...stuck.model.inodes.all()].find(({ ino }) => ino === 7)!.state).toBe('evicting');
      expect(stuck.leaks()).toMatchObject([{ kind: 'stuck', ino: 7 }]);
    }
  });

  it('is missed where an end comes alone, but not just after tracing began', () => {
    const unseenAt = (ms: number) =>
      Object.fromEntries(
        pipelineOf(`0 0 a/1 tick\n${ms} 0 a/1 tp_free_inode ino=7`, {
          ...lifecycle,
          plan: planOf(TRACEPOINT_STAGES),
        }).model.unseen,
      );
    expect(unseenAt(5000)).toEqual({});
    expect(unseenAt(60_000)).toEqual({ tp_life: 1 });
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
    expect(inodes.filesystems.counts.get('hugetlbfs')).toEqual({ ended: 10_000, lost: 0, live: 0 });
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
