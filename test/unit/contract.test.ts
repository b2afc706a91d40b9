/** Each rule of the contract on a life that keeps it and on lives that break it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { contractDoc } from '../../scripts/contract-doc.ts';
import { RULES } from '../../server/model/contract/rules.ts';
import {
  CLEAN,
  changed,
  contractOfRows,
  found,
  pipelineOfRows,
  type Told,
  without,
  withRows,
} from '../fixtures/contract.ts';

const foundIn = (rows: readonly string[], told?: Told) => found(contractOfRows(rows, told));

it('every rule is checked on the clean table, and holds', () => {
  const contract = contractOfRows(CLEAN);
  expect(contract.findings.map((f) => f.sentence)).toEqual([]);
  for (const { rule, checked, notCheckable } of contract.results()) {
    // of R5 only the callback that should not come can be seen
    expect([rule.id, notCheckable, checked > 0]).toEqual([rule.id, null, rule.id !== 'R5']);
  }
});

describe.each<[string, readonly string[], readonly string[]]>([
  ['clear_inode() is left out', without('clear_inode A state=b8'), ['R1 certain']],
  ['destroy_inode() is left out', without('destroy_inode G'), ['R1 certain']],
  [
    'clear_inode() runs in another task',
    changed('clear_inode A state=b8', 'perl/391', 'sh/444'),
    ['R1 certain'],
  ],
  [
    'evict() runs twice',
    withRows('80.25 0 sh/444 evict A dev=20 ino=9 mode=16877'),
    ['R1 certain'],
  ],
  ['destroy_inode() runs twice', withRows('30.87 0 perl/391 destroy_inode A'), ['R1 certain']],
  ['clear_inode() runs after it', withRows('31 0 perl/391 clear_inode A'), ['R1 certain']],
  [
    'a page is left in the cache',
    changed('clear_inode A state=b8', 'state', 'nrpages=512 state'),
    ['R2 certain'],
  ],
  [
    'the inode is dirty',
    changed('30.8 0 perl/391 destroy_inode A', 'A', 'A state=187'),
    ['R3 certain'],
  ],
  ['i_callback() comes a second time', withRows('60 1 swapper/0 i_callback A'), ['R4 certain']],
  [
    'i_callback() comes though the filesystem frees the inode',
    withRows('107 1 swapper/0 i_callback B free_inode=0'),
    ['R5 certain'],
  ],
  [
    'i_callback() finds another free_inode',
    changed('47 1 swapper/0 i_callback A', 'A', 'A free_inode=shmem_free_in_core_inode'),
    ['R6 certain'],
  ],
  [
    'i_callback() comes before destroy_inode()',
    changed('47 1 swapper/0 i_callback A', '47', '30.75').map((row) =>
      row.startsWith('47.1') ? row.replace('47.1', '30.76') : row,
    ),
    ['R7 certain'],
  ],
  [
    'i_callback() comes before s_op->destroy_inode',
    changed('47 1 swapper/0 i_callback A', '47', '30.82').map((row) =>
      row.startsWith('47.1') ? row.replace('47.1', '30.83') : row,
    ),
    ['R7 certain'],
  ],
  ['s_op->free_inode runs alone', without('70 1 swapper/0 i_callback R'), ['R7 certain']],
  [
    'alloc_inode() returns an inode in use',
    [
      ...without('47 1 swapper/0 i_callback A', '47.1 1 swapper/0 free_inode A').filter(
        (row) => !/^(8\d|9\d)/.test(row),
      ),
      '200 1 swapper/0 i_callback C',
      '300 0 tmp/393 alloc_inode A',
    ],
    ['R8 certain'],
  ],
  [
    'a page is added after destroy_inode()',
    withRows('33 0 sh/444 hugepage_add F9 A ino=7'),
    ['R9 certain'],
  ],
  [
    'a reservation is made after the inode was freed',
    withRows('75 0 sh/444 reserve R ino=6'),
    ['R9 certain'],
  ],
  [
    'one hugepage too few is told to be free',
    changed('unreserve A ino=7 freed=1', 'freed=1', 'freed=0'),
    ['R10 certain'],
  ],
  ['reservations are not given back', without('unreserve A ino=7 freed=1'), ['R10 certain']],
  [
    'i_blocks is too high',
    changed('30.1 0 perl/391 evict A ino=7', 'blocks=4096', 'blocks=8192'),
    ['R11 certain'],
  ],
  [
    'nrpages is too high',
    changed('30.1 0 perl/391 evict A ino=7', 'nrpages=512', 'nrpages=1024'),
    ['R11 certain'],
  ],
  [
    'a hugepage that nobody holds is not freed',
    without('hugepage_free F1 refcount=0', 'hugepage_enqueue F1'),
    ['R12 certain'],
  ],
  [
    'a hugepage is freed in the page cache',
    withRows('10 0 sh/444 hugepage_free F1 refcount=0 anon=1', '10.1 0 sh/444 hugepage_enqueue F1'),
    ['R12 certain'],
  ],
  ['a freed hugepage goes nowhere', without('hugepage_enqueue F1'), ['R13 certain']],
  [
    'a freed hugepage is free again before it got anywhere',
    [
      ...without('hugepage_enqueue F1'),
      '31 0 perl/391 hugepage_free F1 refcount=0',
      '31.1 0 perl/391 hugepage_enqueue F1',
    ],
    ['R13 certain'],
  ],
  [
    'the page allocator does not get a hugepage',
    withRows(
      '60 0 sh/444 hugepage_to_buddy F8',
      '2000 0 sh/444 hugepage_to_buddy F9',
      '2001 0 kworker/5 hugepage_released F9',
    ),
    ['R14 certain'],
  ],
  [
    'a hugepage with a reference is freed',
    changed('hugepage_free F1 refcount=0', 'refcount=0', 'refcount=1'),
    ['R15 certain'],
  ],
  [
    'a hugepage on the free list is freed',
    changed('hugepage_free F1 refcount=0', 'refcount=0', 'refcount=0 private=a'),
    ['R15 certain'],
  ],
  [
    'a refused reservation stays counted',
    withRows(
      '2000 0 sh/500 subpool Q E at=0 used=1',
      '2000.1 0 sh/500 subpool Q E at=1 used=3',
      '2000.2 0 sh/500 reserve E ret=-12',
    ),
    ['R17 certain'],
  ],
  [
    'used_hpages is below zero',
    changed('put_subpool P max=4 min=2 reserved=2', 'max=4', 'max=4 used=-1'),
    ['R18 certain'],
  ],
  [
    'rsv_hpages is above min_hpages',
    changed('put_subpool P max=4 min=2 reserved=2', 'reserved=2', 'reserved=3'),
    ['R18 certain'],
  ],
  [
    'resv_huge_pages is below zero',
    changed('hugepage_enqueue F1', 'F1', 'F1 reserved=18446744073709551615'),
    ['R18 certain'],
  ],
  [
    'a subpool is not put with its mount',
    without('put_subpool P max=4 min=2 reserved=2'),
    ['R19 certain'],
  ],
  [
    'a subpool is not put when the mount fails',
    withRows(
      '200 0 mount/390 new_subpool Q max=-1 min=2',
      '200.1 0 mount/390 fill_super X ret=-12',
      '200.2 0 mount/390 shutdown_super X',
    ),
    ['R19 certain'],
  ],
  ['a resv_map of a mapping stays', without('resv_map_release M2'), ['R20 certain']],
  ['a resv_map is released twice', withRows('60 0 sh/444 resv_map_release M'), ['R20 certain']],
  ['a resv_map is given out twice', withRows('20 0 sh/444 resv_map_alloc M'), ['R20 certain']],
  ['a guest_memfd is not released', without('gmem_release G'), ['R21 certain']],
  [
    'an inode outlives its mount',
    withRows('20 0 sh/444 alloc_inode D', '20.1 0 sh/444 hugepage_add F7 D ino=12'),
    ['R22 certain'],
  ],
])('%s', (_, rows, expected) => {
  const rule = expected[0]!.split(' ')[0];

  it(`breaks ${rule}, with the lines that show it`, () => {
    const contract = contractOfRows(rows);
    expect(found(contract)).toEqual(expected);
    for (const finding of contract.findings) {
      expect(finding.lines.length).toBeGreaterThan(0);
      const times = finding.lines.map((line) => line.ts);
      expect([...times].sort((a, b) => a - b)).toEqual(times);
      expect(finding.sentence).toMatch(/; expected .*\.$/);
    }
    const counts = contract.results().find((r) => r.rule.id === rule)!;
    expect(counts.broken).toBe(contract.findings.length);
    expect(counts.checked).toBeGreaterThanOrEqual(counts.broken);
  });

  it('is certain only where a single line shows it, when anything may be lost', () => {
    const told = { lost: [[-5000, 1e6]] as const };
    const contract = contractOfRows(rows, told);
    const alone = ['R2', 'R15', 'R18'].includes(rule!);
    // who lost track may suspect more
    expect(found(contract)).toContain(`${rule} ${alone ? 'certain' : 'suspected'}`);
    expect(contract.findings.some((f) => f.verdict === 'certain')).toBe(alone);
  });

  it('is not certain before all losses are known', () => {
    const contract = contractOfRows(rows, { settled: false });
    const alone = ['R2', 'R15', 'R18'].includes(rule!);
    expect(found(contract)).toEqual([`${rule} ${alone ? 'certain' : 'suspected'}`]);
  });
});

describe('what is easily taken for a breach', () => {
  it.each<[string, readonly string[]]>([
    [
      'i_callback() before evict() returned, on another CPU',
      changed('47 1 swapper/0 i_callback A', '47', '30.87').map((row) =>
        row.startsWith('47.1') ? row.replace('47.1', '30.88') : row,
      ),
    ],
    [
      'an inode that lost a race is destroyed without evict()',
      withRows(
        '200 0 ls/500 alloc_inode E dev=17',
        '200.1 0 ls/500 destroy_inode E state=1',
        '210 0 a/1 i_callback E',
        '210.1 0 a/1 free_inode E',
      ),
    ],
    [
      'alloc_inode() that fails calls i_callback() itself',
      withRows('60 0 sh/444 i_callback A', '60.1 0 sh/444 alloc_inode NULL'),
    ],
    [
      'a pinned hugepage that is never freed',
      changed('hugepage_remove F1 A ino=7', 'ino=7', 'ino=7 refcount=514').filter(
        (row) => !row.endsWith('hugepage_free F1 refcount=0') && !row.endsWith('enqueue F1'),
      ),
    ],
    [
      'a hugepage that another task frees a moment later',
      CLEAN.map((row) =>
        row.endsWith('hugepage_free F1 refcount=0')
          ? '90 0 kcompactd/30 hugepage_free F1 refcount=0'
          : row.endsWith('hugepage_enqueue F1')
            ? '90.1 0 kcompactd/30 hugepage_enqueue F1'
            : row,
      ),
    ],
    [
      'a hugepage that was migrated: the old one is freed, the new one is in the page cache',
      [
        ...changed('hugepage_remove F1 A ino=7', 'F1', 'F6').map((row) =>
          /hugepage_(free|enqueue) F1/.test(row) && row.startsWith('30')
            ? row.replace('F1', 'F6')
            : row,
        ),
        '10 0 kcompactd/30 hugepage_move F1 F6',
        '10.1 0 kcompactd/30 hugepage_free F1 refcount=0',
        '10.2 0 kcompactd/30 hugepage_enqueue F1',
      ],
    ],
    [
      'a guest_memfd that failed is evicted without release',
      changed('gmem_create ret=4', 'ret=4', 'ret=-24').filter(
        (row) => !/gmem_(fall|rel)/.test(row),
      ),
    ],
    [
      'the pool shrinks and grows without free_huge_folio()',
      withRows(
        '60 0 sysctl/9 hugepage_to_buddy F8',
        '60.1 0 sysctl/9 hugepage_released F8',
        '61 0 sysctl/9 hugepage_enqueue F8',
      ),
    ],
    [
      'a refused reservation while another task uses the subpool',
      [
        ...changed('3.1 0 perl/391 subpool P A at=1', 'used=1', 'used=3'),
        '3.05 1 sh/444 hugepage_alloc F7 A',
      ],
    ],
    ['what was there before tracing', CLEAN.filter((row) => Number.parseFloat(row) > 30.3)],
    [
      'a mount without min_size=',
      changed('put_subpool P max=4 min=2', 'min=2 reserved=2', 'min=-1 reserved=-1'),
    ],
  ])('%s', (_, rows) => {
    const contract = contractOfRows(rows);
    expect(contract.findings.map((f) => `${f.rule} ${f.sentence}`)).toEqual([]);
  });
});

describe('a callback that does not come', () => {
  const rows = without('95 1 swapper/0 i_callback A');

  it('is suspicious after 15 s, for a grace period may be stalled', () => {
    expect(foundIn(rows)).toEqual(['R4 suspected']);
  });

  const later = [
    '2000 0 sh/500 alloc_inode E',
    '2001 0 sh/500 evict E mode=16877',
    '2001.1 0 sh/500 remove_hugepages E',
    '2001.2 0 sh/500 unreserve E',
    '2002 0 sh/500 clear_inode E',
    '2003 0 sh/500 destroy_inode E',
    '2004 0 sh/500 evict_end E',
    '2020 1 a/0 i_callback E',
    '2020.1 1 a/0 free_inode E',
  ];

  it('is certain when one that was armed later on the same CPU has run', () => {
    expect(foundIn([...rows, ...later])).toEqual(['R4 certain']);
    const elsewhere = later.map((row) => row.replace(' 0 sh', ' 1 sh'));
    expect(foundIn([...rows, ...elsewhere])).toEqual(['R4 suspected']);
  });

  it.each([
    ['its task was held up before it armed', /^80.7 +0( +tmp.393 +evict_end A)$/, '3000 0$1'],
    ['its task went on elsewhere', /^80.7 +0( +tmp.393 +evict_end A)$/, '80.7 1$1'],
    ['that one went on elsewhere', /^2004 0( sh.500 evict_end E)$/, '2004 1$1'],
  ])('is not certain when %s', (_, from, to) => {
    const all = [...rows, ...later];
    const otherwise = all.map((row) => row.trim().replace(from, to));
    expect(otherwise.filter((row, i) => row !== all[i]!.trim())).toHaveLength(1);
    expect(foundIn(otherwise)).toEqual(['R4 suspected']);
  });

  it('and comes in the end: the suspicion is withdrawn, and counted as such', () => {
    const contract = contractOfRows([...rows, '25000 1 swapper/0 i_callback A']);
    expect(found(contract)).toEqual([]);
    expect(contract.results().find((r) => r.rule.id === 'R4')).toMatchObject({
      broken: 0,
      suspected: 0,
      withdrawn: 1,
    });
  });
});

describe('the pool at rest', () => {
  it('with reservations nobody can have breaks R16', () => {
    expect(foundIn(CLEAN, { reservedAtRest: 2 })).toEqual(['R16 certain']);
  });

  it('is not at rest while a mount with a subpool, or an inode with reservations, is left', () => {
    const mounted = withRows('200 0 mount/390 new_subpool Q max=-1 min=2');
    expect(foundIn(mounted, { reservedAtRest: 2 })).toEqual([]);
    const open = withRows('200 0 sh/500 alloc_inode E', '201 0 sh/500 reserve E ino=9');
    expect(foundIn(open, { reservedAtRest: 2 })).toEqual([]);
  });

  it('with what a failed mount left behind breaks R16 and R19', () => {
    const rows = withRows(
      '200 0 mount/390 new_subpool Q max=-1 min=2',
      '200.1 0 mount/390 fill_super X ret=-12',
      '200.2 0 mount/390 shutdown_super X',
    );
    expect(foundIn(rows, { reservedAtRest: 2 })).toEqual(['R16 certain', 'R19 certain']);
  });
});

describe('one line for a life', () => {
  const life = (values: string) =>
    `47.2 1 perl/391 life A ino=7 blocks=0 nrpages=0 evict_cpu=0 nrpages_end=0 evict=17100000 evict_inode=17000000 truncate_final=0 clear_inode=16600000 evict_inode_end=16500000 destroy_inode=16400000 destroy_op=16300000 evict_end=16200000 i_callback=200000 free_op=1 by=0 ${values}`;
  const rowsWith = (values: string) => [
    ...CLEAN.slice(0, 3),
    '29 0 perl/391 sb S',
    life(values),
    '49 0 a/1 detail steps=0 rate=0',
  ];
  const inDetail = (values: string) => foundIn(rowsWith(values), { detail: 'lifecycle' });

  it('is checked as far as it tells', () => {
    const contract = contractOfRows(rowsWith(''), { detail: 'lifecycle' });
    expect(contract.findings).toEqual([]);
    const checked = contract.results().filter((r) => r.checked > 0);
    expect(checked.map((r) => r.rule.id)).toEqual(
      expect.arrayContaining(['R1', 'R2', 'R3', 'R4', 'R6', 'R7', 'R9']),
    );
  });

  it.each([
    ['clear_inode=0', 'R1 certain'],
    ['destroy_inode=16700000', 'R1 certain'],
    ['nrpages_end=3', 'R2 certain'],
    ['state=187', 'R3 certain'],
    ['destroy_inode=0', 'R1 certain,R4 certain'],
    ['free_inode=proc_free_inode', 'R6 certain'],
    ['i_callback=0', 'R7 certain'],
    ['i_callback=16350000', 'R7 certain'],
  ])('%s: %s', (values, expected) => {
    expect(inDetail(values)).toEqual(expected.split(','));
  });

  it('in the middle of steps: what the steps did not tell is in the line', () => {
    const rows = [
      ...CLEAN.filter((row) => Number.parseFloat(row) <= 30.25),
      '30.28 0 a/1 detail steps=0 rate=9000',
      ...CLEAN.filter((row) => /^30\.(3|4|5)/.test(row)),
      life('').replace(' blocks=0 nrpages=0', ' blocks=4096 nrpages=512'),
    ];
    const contract = contractOfRows(rows, { detail: 'auto' });
    expect(contract.findings.map((f) => f.sentence)).toEqual([]);
    const checked = contract
      .results()
      .filter((r) => r.checked > 0)
      .map((r) => r.rule.id);
    expect(checked).toEqual(expect.arrayContaining(['R1', 'R4', 'R10', 'R11', 'R12']));
  });
});

describe('findings', () => {
  it('are bounded, and those beyond are counted', () => {
    const rows = Array.from(
      { length: 50 },
      (_, i) => `${200 + i} 0 perl/391 clear_inode A${i} nrpages=1`,
    );
    const contract = contractOfRows(rows);
    const count = contract.results().find((r) => r.rule.id === 'R2')!;
    expect(count.broken).toBe(50);
    expect(contract.findings.length).toBe(20);
    expect(count.dropped).toBe(30);
  });

  it('mark the inode they are about', () => {
    const pipeline = pipelineOfRows(without('clear_inode A state=b8'));
    pipeline.end(true, '');
    const { contract, inodes } = pipeline.model;
    const [finding] = contract.findings;
    expect(finding).toMatchObject({ rule: 'R1', inode: { ino: 7 } });
    expect(contract.verdictOn(finding!.inode!, 'R1')).toBe('broken');
    const other = [...inodes.all()].find((inode) => inode.ino === 9)!;
    expect(contract.verdictOn(other, 'R1')).toBe('held');
    expect(contract.verdictOn(other, 'R12')).toBeNull();
  });

  it('say nothing of the canary', () => {
    const pipeline = pipelineOfRows([]);
    pipeline.err(Buffer.from('a canary hugetlbfs 17 7\n'));
    const { contract } = pipelineOfRows(CLEAN).model;
    const checked = contract.results()[0]!.checked;
    expect(checked).toBeGreaterThan(0);
  });
});

it('docs/contract.md is made from the table', () => {
  const path = new URL('../../docs/contract.md', import.meta.url);
  expect(readFileSync(path, 'utf8')).toBe(contractDoc());
});

it('the table of rules is complete', () => {
  expect(RULES.map((rule) => rule.id)).toEqual(Array.from({ length: 22 }, (_, i) => `R${i + 1}`));
});

describe('a device number that is given to another mount', () => {
  const mount = [
    ...CLEAN.filter((row) => /^30\b/.test(row)).map((row) => row.replace('30', '230')),
    '100.8 0 umount/9 shutdown_super S',
    '110 0 mount/9 fill_super S',
  ];
  const checked = (rows: readonly string[]) =>
    contractOfRows(rows)
      .results()
      .find((r) => r.rule.id === 'R11')!.checked;

  it('does not keep the size of the hugepages of the one before', () => {
    const again = mount;
    const untold = again.filter((row) => !row.includes(' sb'));
    // the file and the root of the first mount, and the file of the new one where its size was told
    expect(checked([...CLEAN, ...untold])).toBe(2);
    expect(checked([...CLEAN, ...again])).toBe(3);
  });

  it('nor that of another filesystem', () => {
    const rows = CLEAN.map((row) =>
      row.endsWith('sb S') ? '30 0 perl/391 sb S magic=1021994 fstype=tmpfs' : row,
    );
    const contract = contractOfRows(rows);
    expect(found(contract)).toEqual([]);
    expect(contract.results().find((r) => r.rule.id === 'R11')!.checked).toBe(0);
  });
});

describe('an address that was freed long ago, and many others since', () => {
  /** A whole life in a millisecond or so. */
  const life = (name: string, ms: number) => [
    `${ms} 0 rm/7 alloc_inode ${name}`,
    `${ms + 0.1} 0 rm/7 evict ${name} ino=5 mode=16877`,
    `${ms + 0.2} 0 rm/7 remove_hugepages ${name}`,
    `${ms + 0.3} 0 rm/7 unreserve ${name}`,
    `${ms + 0.4} 0 rm/7 clear_inode ${name}`,
    `${ms + 0.5} 0 rm/7 destroy_inode ${name}`,
    `${ms + 0.6} 0 rm/7 evict_end ${name}`,
    `${ms + 20} 1 swapper/0 i_callback ${name}`,
  ];
  // addresses of their own, and never again
  const others = Array.from({ length: 3000 }, (_, i) => life(`O${i + 100}`, 200 + i)).flat();
  const rows = [...life('N', 190), ...others];

  it('is told when it is freed again, or used', () => {
    expect(foundIn(rows)).toEqual([]);
    expect(foundIn([...rows, '9000 1 swapper/0 i_callback N'])).toEqual(['R4 certain']);
    const again = contractOfRows([...rows, '9000 1 swapper/0 i_callback N']).findings;
    // its inode is among those that are not listed any more
    expect(again[0]).toMatchObject({
      inode: null,
      what: expect.stringMatching(/^inode ff/),
      sentence: expect.stringMatching(/a second time/),
    });
    const used = [...rows, '9000 0 sh/8 hugepage_add F9 N ino=5 index=0'];
    expect(foundIn(used)).toContain('R9 certain');
  });

  it('is known to be free when it is given out again', () => {
    const checks = (of: readonly string[]) =>
      contractOfRows(of)
        .results()
        .find(({ rule }) => rule.id === 'R8')!.checked;
    expect(checks([...rows, ...life('N', 9000)])).toBe(checks(rows) + 1);
  });
});

it('an inode whose end was lost takes no line from the next one that its task has at its address', () => {
  const lost = without('destroy_inode A', 'destroy_op A', 'evict_end A').filter(
    (row) => !row.startsWith('80'),
  );
  const rows = [
    ...lost,
    '60   0 perl/391  alloc_inode A',
    '60.1 0 perl/391  destroy_inode A', // it lost a race in iget_locked(): no evict()
    '60.2 0 perl/391  destroy_op A',
    '61   1 swapper/0 i_callback A',
  ];
  const before = foundIn(lost, { lost: [[30.7, 31]] });
  expect(before.every((found) => found.endsWith('suspected'))).toBe(true);
  expect(foundIn(rows, { lost: [[30.7, 31]] })).toEqual(before);
});

it('an inode that was destroyed without evict() is not the one that evict() has at its address later', () => {
  const lost = without(
    ' evict A ino=7',
    'i_callback A',
    'free_inode A',
    'clear_inode A state=b8',
  ).filter((row) => !row.startsWith('80') && !row.startsWith('95'));
  const next = CLEAN.filter((row) => /^30/.test(row)).map((row) =>
    row.replace(/^30/, '60').replace('ino=7', 'ino=8'),
  );
  const told = { lost: [[29, 48]] as const };
  const before = foundIn(lost, told);
  expect(before.every((found) => found.endsWith('suspected'))).toBe(true);
  const after = contractOfRows([...lost, ...next, '80 1 swapper/0 i_callback A'], told);
  expect(found(after).filter((one) => one.endsWith('certain'))).toEqual([]);
  const r10 = after.results().find(({ rule }) => rule.id === 'R10')!;
  expect([r10.checked, r10.broken, r10.suspected]).toEqual([
    contractOfRows(lost, told)
      .results()
      .find(({ rule }) => rule.id === 'R10')!.checked + 1,
    0,
    0,
  ]);
});
