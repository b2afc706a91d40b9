/** Hosts whose pages and hugepages are not those of most: 1 GiB, and base pages of 64 KiB. */
import { describe, expect, it } from 'vitest';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { epochOf, lines, planOf, TRACEPOINT_STAGES } from '../fixtures/trace.ts';

const GIB = 2 ** 30;

function modelOf(table: string, info: Partial<EpochInfo> = {}) {
  const pipeline = new Pipeline(epochOf(info), { keep: 100 });
  pipeline.begin([]);
  pipeline.out(Buffer.from(lines('0 0 a/1 tick')));
  for (const kb of [2048, 524_288, 1_048_576]) {
    pipeline.err(Buffer.from(`a pool 478.00 ${kb} -1 4 4 0 0\n`));
  }
  pipeline.out(Buffer.from(lines(table)));
  pipeline.end(true, '');
  return pipeline.model;
}

/** Index, and references too many, of the hugepages of each inode; and its pages at evict. */
function pagesOf(table: string, info: Partial<EpochInfo> = {}) {
  return [...modelOf(table, info).inodes.all()].map(({ pages, hugepages }) => ({
    pages,
    hugepages: hugepages.map(({ index, extraRefs }) => [index, extraRefs]),
  }));
}

describe('hugepages of 1 GiB', () => {
  const SECOND = `
    5  0  perl/1  hugepage_remove F2 A ino=7 index=262144 refcount=262146
    6  0  perl/1  evict A ino=7 blocks=4194304
    7  0  perl/1  hugepage_remove F1 A ino=7 index=0 refcount=262145
  `;

  const SIZED = `1 0 perl/1 sb_size S dev=17 blocksize=${GIB}\n`;
  const FIRST = `
    1  0  perl/1  alloc_inode A
    2  0  perl/1  hugepage_add F1 A ino=7 index=0 blocks=2097152
    3  0  perl/1  hugepage_add F2 A ino=7 index=1 blocks=4194304
  `;

  it.each([
    ['the size of their superblock', SIZED],
    ['the first one of an inode that was seen made, before that was told', FIRST],
  ])('are known by %s', (_, before) => {
    const [{ pages, hugepages }] = pagesOf(before + SECOND) as [ReturnType<typeof pagesOf>[0]];
    expect(pages).toBe(2);
    // in the order in which they were told of
    expect(new Map(hugepages as [number, number][])).toEqual(
      new Map([
        [0, 0],
        [1, 1],
      ]),
    );
  });

  it('but not by what no pool of the host has', () => {
    const two = `
      1  0  perl/1  alloc_inode A
      2  0  perl/1  hugepage_add F1 A ino=7 index=0 blocks=8192
      3  0  perl/1  hugepage_remove F1 A ino=7 index=0 refcount=514
    `;
    expect(pagesOf(two)[0]!.hugepages).toEqual([[0, 1]]);
  });

  it('where tracepoints alone tell of them, by the order of the folio', () => {
    const rows = `
      1  0  perl/1  tp_alloc_inode dev=17 ino=7
      2  0  perl/1  tp_hugepage_add pfn=1048576 dev=17 ino=7 index=262144 order=18
      3  0  perl/1  tp_evict_inode dev=17 ino=7 blocks=2097152
      4  0  perl/1  tp_life dev=17 ino=8 blocks=4194304
    `;
    const info = { plan: planOf(TRACEPOINT_STAGES) };
    expect(pagesOf(rows, info)).toEqual([
      { pages: 1, hugepages: [[1, null]] },
      { pages: 2, hugepages: [] },
    ]);
  });
});

describe('base pages of 64 KiB, hugepages of 512 MiB', () => {
  const HOST = { page_bytes: 65_536, hugepage_kb: 524_288 };
  const LIFE = `
    0     0  perl/1  sb S
    0.1   0  perl/1  sb_size S dev=17 blocksize=536870912
    1     0  perl/1  alloc_inode A
    2     0  perl/1  hugepage_add F1 A ino=7 index=0 blocks=1048576
    30.1  0  perl/1  evict A ino=7 blocks=1048576 nrpages=8192
    30.2  0  perl/1  evict_inode A
    30.25 0  perl/1  remove_hugepages A
    30.3  0  perl/1  hugepage_remove F1 A ino=7 refcount=8193
    30.4  0  perl/1  hugepage_free F1
    30.5  0  perl/1  hugepage_enqueue F1
    30.55 0  perl/1  unreserve A ino=7 freed=1
    30.57 0  perl/1  resv_map_release R
    30.6  0  perl/1  clear_inode A
    30.8  0  perl/1  destroy_inode A
    31    0  perl/1  evict_end A
    47    1  swap/0  i_callback A
    47.1  1  swap/0  free_inode A
    47.2  0  a/1     tick
  `;

  it('count as many pages as the kernel does (R11), and each hugepage with its references (R12)', () => {
    const { contract } = modelOf(LIFE, HOST);
    const checked = (id: string) => contract.results().find(({ rule }) => rule.id === id);
    expect(contract.findings.filter(({ rule }) => rule === 'R11' || rule === 'R12')).toEqual([]);
    for (const id of ['R11', 'R12'])
      expect(checked(id), id).toMatchObject({ checked: 1, broken: 0 });
    expect(pagesOf(LIFE, HOST)).toEqual([{ pages: 1, hugepages: [[0, 0]] }]);
  });
});
