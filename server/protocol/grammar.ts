/**
 * The grammar of the lines that the programs in bpf/ print, version 1.
 *
 *   NAME TS CPU PID TID FIELD...
 *
 * One line per event, fields separated by one space. TS is bpftrace's `nsecs`
 * (CLOCK_BOOTTIME), PID and TID are those of the task that ran on the CPU.
 * Text that a process may choose (`comm`) comes last and as hexadecimal words,
 * so that no process can split or forge a line. The decoder, the ledger, the
 * documentation and the test that holds the .bt files against this table are all
 * made from it.
 *
 * A program begins with `lastref 1 NAME`; `@hits[KEY]: N` lines (bpftrace's
 * `print(@hits)`), or `@hits_KEY: N` where each count has a map of its own, carry the
 * number of lines each probe meant to print. The key is the line's id, and HITS_PER_LINE
 * more for each further program that prints it.
 */
export const GRAMMAR_VERSION = 1;

const TRACEPOINT_FREE = [
  ['dev', 'u'],
  ['ino', 'u'],
  ['flags', 'x'],
  ['comm', 'c'],
] as const;
/** What both tracepoints and raw ones tell of an inode at its eviction. */
const TRACEPOINT_EVICTION = [
  ['dev', 'u'],
  ['ino', 'u'],
  ['nlink', 'u'],
  ['mode', 'u'],
  ['size', 'u'],
  ['blocks', 'u'],
] as const;
const TRACEPOINT_LIFE = [
  ...TRACEPOINT_EVICTION,
  ['evict_cpu', 'u'],
  ['evict_inode', 'u'],
  ['flags', 'x'],
  ['by', 'x'],
  ['comm', 'c'],
] as const;

/**
 * u: unsigned decimal; i: signed decimal; a: kernel address in hex without 0x;
 * x: mask in hex; s: kernel symbol (no blank inside, `0` for NULL); c: the 16
 * bytes of a comm as two little-endian 64-bit words in hex, separated by a
 * space; t: kernel text up to the end of the line.
 */
export type FieldType = 'u' | 'i' | 'a' | 'x' | 's' | 'c' | 't';

export interface LineSpec {
  /** Key in @hits. Never reused. */
  readonly id: number;
  readonly fields: readonly (readonly [name: string, type: FieldType])[];
  /** Kernel function and file the line comes from. */
  readonly source: string;
}

export const LINES = {
  tick: { id: 0, fields: [['seq', 'u']], source: 'an interval of the program itself' },
  beat: {
    id: 25,
    fields: [['track', 'u']],
    source:
      'a timer of a program that has no tick; on each CPU, where each has a buffer of its own',
  },
  vmemmap: {
    id: 26,
    fields: [
      ['base', 'a'],
      ['size', 'u'],
    ],
    source: 'vmemmap_base and sizeof(struct page): turns a folio into a page frame number (x86-64)',
  },
  sb: {
    id: 1,
    fields: [
      ['sb', 'a'],
      ['dev', 'u'],
      ['magic', 'x'],
      ['drop_inode', 's'],
      ['evict_inode', 's'],
      ['destroy_inode', 's'],
      ['free_inode', 's'],
      ['fstype', 't'],
    ],
    source: 'struct super_block and its s_op, read in evict() (fs/inode.c)',
  },
  alloc_inode: {
    id: 2,
    fields: [
      ['inode', 'a'],
      ['dev', 'u'],
      ['magic', 'x'],
    ],
    source: 'alloc_inode() returned (fs/inode.c)',
  },
  evict: {
    id: 3,
    fields: [
      ['inode', 'a'],
      ['dev', 'u'],
      ['magic', 'x'],
      ['ino', 'u'],
      ['nlink', 'u'],
      ['mode', 'u'],
      ['size', 'u'],
      ['blocks', 'u'],
      ['nrpages', 'u'],
      ['comm', 'c'],
    ],
    source: 'evict() entered (fs/inode.c)',
  },
  evict_inode: {
    id: 4,
    fields: [['inode', 'a']],
    source: 's_op->evict_inode entered, e.g. hugetlbfs_evict_inode() (fs/hugetlbfs/inode.c)',
  },
  evict_inode_end: { id: 5, fields: [['inode', 'a']], source: 's_op->evict_inode returned' },
  clear_inode: {
    id: 6,
    fields: [
      ['inode', 'a'],
      ['nrpages', 'u'],
      ['state', 'x'],
    ],
    source: 'clear_inode() entered (fs/inode.c)',
  },
  destroy_inode: {
    id: 7,
    fields: [
      ['inode', 'a'],
      ['state', 'x'],
    ],
    source: 'destroy_inode() entered (fs/inode.c)',
  },
  destroy_op: {
    id: 8,
    fields: [['inode', 'a']],
    source: 's_op->destroy_inode entered, e.g. hugetlbfs_destroy_inode()',
  },
  evict_end: { id: 9, fields: [['inode', 'a']], source: 'evict() returned (fs/inode.c)' },
  i_callback: {
    id: 10,
    fields: [
      ['inode', 'a'],
      ['free_inode', 's'],
      ['flags', 'x'],
      ['comm', 'c'],
    ],
    source: 'i_callback() entered (fs/inode.c); flags are those of the interrupted task',
  },
  free_inode: {
    id: 11,
    fields: [['inode', 'a']],
    source: 's_op->free_inode entered, e.g. hugetlbfs_free_inode()',
  },
  hugepage_add: {
    id: 12,
    fields: [
      ['folio', 'a'],
      ['inode', 'a'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['index', 'u'],
      ['blocks', 'u'],
      ['ret', 'i'],
    ],
    source: 'hugetlb_add_to_page_cache() returned (mm/hugetlb.c)',
  },
  hugepage_remove: {
    id: 13,
    fields: [
      ['folio', 'a'],
      ['inode', 'a'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['index', 'u'],
      ['refcount', 'i'],
    ],
    source: 'filemap_remove_folio() entered for a hugetlb folio (mm/filemap.c)',
  },
  hugepage_free: {
    id: 14,
    fields: [
      ['folio', 'a'],
      ['anon', 'u'],
      ['private', 'x'],
      ['refcount', 'i'],
      ['comm', 'c'],
    ],
    source: 'free_huge_folio() entered (mm/hugetlb.c)',
  },
  hugepage_enqueue: {
    id: 15,
    fields: [
      ['folio', 'a'],
      ['free', 'u'],
      ['reserved', 'u'],
    ],
    source: 'enqueue_hugetlb_folio() entered: counters before the increment (mm/hugetlb.c)',
  },
  hugepage_to_buddy: {
    id: 16,
    fields: [['folio', 'a']],
    source: 'update_and_free_hugetlb_folio() entered (mm/hugetlb.c)',
  },
  reserve: {
    id: 17,
    fields: [
      ['inode', 'a'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['from', 'i'],
      ['to', 'i'],
      ['vma', 'a'],
      ['ret', 'i'],
    ],
    source: 'hugetlb_reserve_pages() returned (mm/hugetlb.c)',
  },
  unreserve: {
    id: 18,
    fields: [
      ['inode', 'a'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['start', 'i'],
      ['end', 'i'],
      ['freed', 'i'],
    ],
    source: 'hugetlb_unreserve_pages() entered (mm/hugetlb.c)',
  },
  resv_map_release: {
    id: 19,
    fields: [['resv_map', 'a']],
    source: 'resv_map_release() entered (mm/hugetlb.c)',
  },
  tp_alloc_inode: {
    id: 20,
    fields: [
      ['dev', 'u'],
      ['ino', 'u'],
      ['mode', 'u'],
    ],
    source: 'tracepoint hugetlbfs:hugetlbfs_alloc_inode (6.13 and newer)',
  },
  tp_evict_inode: {
    id: 21,
    fields: [...TRACEPOINT_EVICTION, ['comm', 'c']],
    source: 'tracepoint hugetlbfs:hugetlbfs_evict_inode: first thing in hugetlbfs_evict_inode()',
  },
  tp_free_inode: {
    id: 22,
    fields: TRACEPOINT_FREE,
    source: 'tracepoint hugetlbfs:hugetlbfs_free_inode, in hugetlbfs_free_inode() after RCU',
  },
  tp_hugepage_add: {
    id: 23,
    fields: [
      ['pfn', 'u'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['index', 'u'],
      ['order', 'u'],
    ],
    source: 'tracepoint filemap:mm_filemap_add_to_page_cache',
  },
  tp_hugepage_remove: {
    id: 24,
    fields: [
      ['pfn', 'u'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['index', 'u'],
      ['order', 'u'],
    ],
    source: 'tracepoint filemap:mm_filemap_delete_from_page_cache',
  },
  sb_size: {
    id: 27,
    fields: [
      ['sb', 'a'],
      ['dev', 'u'],
      ['blocksize', 'u'],
    ],
    source: 'super_block.s_blocksize, with each sb line: the size of a hugepage on hugetlbfs',
  },
  truncate_final: {
    id: 28,
    fields: [
      ['inode', 'a'],
      ['nrpages', 'u'],
    ],
    source: 'truncate_inode_pages_final() entered (mm/truncate.c)',
  },
  remove_hugepages: {
    id: 29,
    fields: [
      ['inode', 'a'],
      ['start', 'i'],
      ['end', 'i'],
    ],
    source: 'remove_inode_hugepages() entered: offsets in bytes (fs/hugetlbfs/inode.c)',
  },
  resv_map_alloc: {
    id: 30,
    fields: [['resv_map', 'a']],
    source: 'resv_map_alloc() returned (mm/hugetlb.c)',
  },
  fill_super: {
    id: 31,
    fields: [
      ['sb', 'a'],
      ['dev', 'u'],
      ['ret', 'i'],
    ],
    source: 'hugetlbfs_fill_super() returned: 0, or -errno of a mount that failed',
  },
  new_subpool: {
    id: 32,
    fields: [
      ['subpool', 'a'],
      ['max', 'i'],
      ['min', 'i'],
    ],
    source: 'hugepage_new_subpool() returned: hugepages, -1 for none (mm/hugetlb.c)',
  },
  put_subpool: {
    id: 33,
    fields: [
      ['subpool', 'a'],
      ['count', 'i'],
      ['max', 'i'],
      ['used', 'i'],
      ['min', 'i'],
      ['reserved', 'i'],
    ],
    source: 'hugepage_put_subpool() entered: the struct before the put (mm/hugetlb.c)',
  },
  subpool: {
    id: 34,
    fields: [
      ['subpool', 'a'],
      ['inode', 'a'],
      ['at', 'u'],
      ['max', 'i'],
      ['used', 'i'],
      ['min', 'i'],
      ['reserved', 'i'],
    ],
    source:
      'the subpool of an inode as hugetlb_reserve_pages() is entered (at 0) and returns (at 1), if it has one',
  },
  shutdown_super: {
    id: 35,
    fields: [
      ['sb', 'a'],
      ['dev', 'u'],
      ['magic', 'x'],
    ],
    source: 'generic_shutdown_super() returned: no inode of it may be left (fs/super.c)',
  },
  vm_close: {
    id: 36,
    fields: [
      ['vma', 'a'],
      ['inode', 'a'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['start', 'u'],
      ['end', 'u'],
      ['flags', 'x'],
    ],
    source: 'hugetlb_vm_op_close() entered: a mapping of hugepages goes (mm/hugetlb.c)',
  },
  hugepage_released: {
    id: 37,
    fields: [['folio', 'a']],
    source: '__update_and_free_hugetlb_folio() entered, maybe from a kworker (mm/hugetlb.c)',
  },
  gmem_create: {
    id: 38,
    fields: [['ret', 'i']],
    source: 'kvm_gmem_create() returned a descriptor or -errno (virt/kvm/guest_memfd.c)',
  },
  gmem_release: {
    id: 39,
    fields: [
      ['inode', 'a'],
      ['nrpages', 'u'],
    ],
    source: 'kvm_gmem_release() entered: the file is closed (virt/kvm/guest_memfd.c)',
  },
  gmem_fallocate: {
    id: 40,
    fields: [
      ['inode', 'a'],
      ['mode', 'x'],
      ['offset', 'i'],
      ['len', 'i'],
    ],
    source: 'kvm_gmem_fallocate() entered: bytes (virt/kvm/guest_memfd.c)',
  },
  life: {
    id: 41,
    fields: [
      ['inode', 'a'],
      ['dev', 'u'],
      ['magic', 'x'],
      ['ino', 'u'],
      ['nlink', 'u'],
      ['mode', 'u'],
      ['size', 'u'],
      ['blocks', 'u'],
      ['nrpages', 'u'],
      ['evict_cpu', 'u'],
      ['state', 'x'],
      ['nrpages_end', 'u'],
      ['evict', 'u'],
      ['evict_inode', 'u'],
      ['truncate_final', 'u'],
      ['clear_inode', 'u'],
      ['evict_inode_end', 'u'],
      ['destroy_inode', 'u'],
      ['destroy_op', 'u'],
      ['evict_end', 'u'],
      ['i_callback', 'u'],
      ['free_op', 'u'],
      ['free_inode', 's'],
      ['flags', 'x'],
      ['by', 'x'],
      ['comm', 'c'],
    ],
    source:
      'i_callback() returned: all stages of one inode, each as nanoseconds before TIME, 0 for not seen. ' +
      'PID, TID and comm are those of evict(), CPU that of i_callback(); by: first four bytes of the comm RCU borrowed',
  },
  tp_life: {
    id: 42,
    fields: TRACEPOINT_LIFE,
    source:
      'tracepoint hugetlbfs:hugetlbfs_free_inode, with what hugetlbfs_evict_inode said before',
  },
  detail: {
    id: 43,
    fields: [
      ['steps', 'u'],
      ['rate', 'u'],
    ],
    source:
      'a timer: 1 each stage is printed at once, 0 only in one line when the inode ends; inodes/s',
  },
  hugepage_alloc: {
    id: 44,
    fields: [
      ['folio', 'a'],
      ['error', 'i'],
      ['inode', 'a'],
      ['dev', 'u'],
      ['ino', 'u'],
      ['flags', 'x'],
      ['comm', 'c'],
    ],
    source:
      'alloc_hugetlb_folio() returned a folio (0 and -errno if none); inode and vm_flags of the mapping',
  },
  hugepage_move: {
    id: 45,
    fields: [
      ['from', 'a'],
      ['to', 'a'],
      ['reason', 'u'],
    ],
    source: 'move_hugetlb_state() entered: a hugepage is migrated to another folio (mm/hugetlb.c)',
  },
  hugepage_pin: {
    id: 46,
    fields: [
      ['folio', 'a'],
      ['refs', 'i'],
      ['flags', 'x'],
      ['comm', 'c'],
    ],
    source:
      'try_grab_folio_fast() returned, or try_grab_folio() was entered, for a hugepage of a file (mm/gup.c); ' +
      'the kernel stack follows, a frame to a line that begins with blanks',
  },
  raw_free_inode: {
    id: 47,
    fields: TRACEPOINT_FREE,
    source: 'as tp_free_inode, from the raw tracepoint; its eviction was not seen',
  },
  raw_life: {
    id: 48,
    fields: TRACEPOINT_LIFE,
    source:
      'as tp_life, from the raw tracepoints, which are given the inode itself; by: 0 where that is no thread of the kernel',
  },
  hugepage_alloc_nodemask: {
    id: 49,
    fields: [
      ['folio', 'a'],
      ['comm', 'c'],
    ],
    source:
      'alloc_hugetlb_folio_nodemask() returned a folio (mm/hugetlb.c): for no mapping, to migrate another into it, or for ' +
      'userfaultfd to copy into; it is freed again where that fails',
  },
} as const satisfies Record<string, LineSpec>;

export type LineName = keyof typeof LINES;
export const LINE_NAMES = Object.keys(LINES) as LineName[];
