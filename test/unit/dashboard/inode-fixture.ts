import type { InodeDetail, TimelineEntry } from '../../../server/protocol/messages.ts';

/** A memfd with two hugepages, one of them pinned by a pipe; numbers as a 6.12 guest showed them. */
export function memfd(): InodeDetail {
  const task = { cpu: 0, context: 'task', pid: 1309, tid: 1309, comm: 'evil\nname' } as const;
  const softirq = { cpu: 1, context: 'softirq', pid: 0, tid: 0, comm: 'swapper/1' } as const;
  const line = (what: string, ns: number, detail = ''): TimelineEntry => ({
    what,
    ns,
    ...(ns > 1e6 ? softirq : task),
    detail,
  });
  const timeline = [
    line('evict', 0, 'nlink 0 size 4194304'),
    line('evict_inode', 28_000),
    line('hugepage_remove', 62_000, 'folio ff967ea800318000 index 0 refcount 513'),
    line('hugepage_remove', 93_000, 'folio ff967ea800310000 index 1 refcount 514'),
    line('hugepage_free', 110_000, 'folio ff967ea800318000'),
    line('clear_inode', 182_000),
    line('evict_inode_end', 190_000),
    line('destroy_inode', 198_000),
    line('evict_end', 227_000),
    line('i_callback', 13_092_000),
    line('free_inode', 13_297_000),
  ];
  const at = (what: string) => timeline.find((entry) => entry.what === what) ?? null;
  const stage = (name: InodeDetail['stages'][number]['stage'], why = '') => ({
    stage: name,
    ns: at(name)?.ns ?? null,
    context: at(name)?.context ?? ('unknown' as const),
    why,
  });
  return {
    row: {
      id: '1.7',
      host: 'vm',
      fs: 'hugetlbfs',
      dev: '0:17',
      ino: 4000,
      address: 'ff4976125fc32000',
      state: 'ended',
      at_ms: 1_795_000_000_000,
      pid: 1309,
      comm: 'evil\nname',
      pages: 2,
      freed: 1,
      owed: 1,
      size: 4_194_304,
      nlink: 0,
      evict_ns: 227_000,
      grace_ns: 12_894_000,
      doubtful: false,
    },
    stages: [
      stage('evict'),
      stage('evict_inode'),
      stage('evict_inode_end'),
      stage('clear_inode'),
      stage('destroy_inode'),
      stage(
        'destroy_op',
        'not called: s_op->destroy_inode is NULL, which the documentation of file systems allows',
      ),
      stage('evict_end'),
      stage('i_callback'),
      stage('free_inode'),
    ],
    timeline,
    hugepages: [
      {
        folio: 'ff967ea800318000',
        pfn: 0x12a00,
        index: 0,
        fate: 'pool',
        extra_refs: 0,
        back_ns: 48_000,
      },
      {
        folio: 'ff967ea800310000',
        pfn: 0x12c00,
        index: 1,
        fate: 'removed',
        extra_refs: 1,
        back_ns: null,
      },
    ],
    callbacks: null,
    rules: [],
  };
}
