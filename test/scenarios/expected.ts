/**
 * What each scenario does, whatever looks at it: established on real kernels with
 * probes of their own, and by the counters that the scenario prints at each step.
 * A scenario is a row here and a C file beside it.
 */

import type { Leak, LeakKind } from '../../server/protocol/leaks.ts';
import type { Stage } from '../../server/protocol/stages.ts';

/** The bundled guests' kernels. */
export type Kernel = '6.1' | '6.12' | '6.18' | '7';

/** What a scenario found when it began, and said of itself. */
export interface Given {
  readonly kernel: Kernel;
  /** Hugepages that are free and not reserved. */
  readonly available: number;
  /** The number in a line `"KEY":N` that the scenario printed; null when it printed none. */
  said(key: string): number | null;
}

export interface ExpectedInode {
  /** The step line that names it by device and number; absent where no line can. */
  readonly step?: string;
  readonly fs: string;
  /** Hugepages in its page cache when evict() began, and how many of them came back in it. */
  readonly pages: number;
  readonly freedInEvict: number;
  /** Hugepages that came back after it was evicted: somebody else held a reference. */
  readonly outlived: number;
  /** Hugepages that went to the page allocator, not to the pool's free list. */
  readonly toBuddy: number;
  /**
   * What happened to it, in order: stages and the lines that name it. `NAME*N` is N
   * times in a row.
   */
  readonly path: string;
}

export interface Expected {
  /** In the order in which evict() took them, all by a task of the scenario. */
  readonly inodes: readonly ExpectedInode[];
  /** Of the whole scenario, whosever they are. */
  readonly hugepages: {
    readonly allocated: number;
    readonly freed: number;
    /** Those of `freed` that were an inode's. */
    readonly attributed: number;
  };
  /** What did not come back, as lastref tells it; absent: not a word. */
  readonly leaks?: readonly ExpectedLeak[];
  /** Lines that belong to no inode, and how many of each; those not named: none. */
  readonly lines: Readonly<Partial<Record<LineOfNoInode, number>>>;
}

export interface ExpectedLeak {
  readonly kind: LeakKind;
  /** At the end of the scenario. */
  readonly state: Leak['state'];
  readonly pages: number;
  /** The step line that names the inode; absent where it has none. */
  readonly step?: string;
  /** What the first suspect did, who is a task of the scenario. */
  readonly how: string;
  /** The stages without which it is not seen, or the suspect is not. */
  readonly needs: readonly Stage[];
  readonly needsForSuspect: readonly Stage[];
}

export const LINES_OF_NO_INODE = [
  'new_subpool',
  'put_subpool',
  'fill_super',
  'shutdown_super',
  'gmem_create',
] as const;
export type LineOfNoInode = (typeof LINES_OF_NO_INODE)[number];

/** An inode that a task of the scenario evicted; `born`: while it was traced. */
export interface Taken {
  readonly fs: string;
  readonly born: boolean;
  readonly size: number;
}

export interface Scenario {
  readonly name: string;
  readonly what: string;
  /** A shell command before it; its output is the scenario's argument. */
  readonly prepare?: string;
  readonly cleanUp?: string;
  /** It also takes inodes away that are not its own: whether one is. */
  readonly own?: (inode: Taken) => boolean;
  /** Kernels that have what it needs; all, when absent. */
  readonly kernels?: readonly Kernel[];
  /** It can only be judged where this stage is observed. */
  readonly needs?: 'alloc_inode';
  readonly expected: (given: Given) => Expected;
}

// --- what the paths are made of ----------------------------------------------

const FREED = 'evict_end i_callback free_inode';
const EMPTY = `remove_hugepages unreserve`;
const HUGETLB_END = `clear_inode evict_inode_end destroy_inode destroy_op ${FREED}`;
/** A hugetlbfs file whose evict() finds nothing to remove. */
const HUGETLB_EMPTY = `evict evict_inode ${EMPTY} resv_map_release ${HUGETLB_END}`;
/** A directory has no resv_map. */
const HUGETLB_ROOT = `alloc_inode evict evict_inode ${EMPTY} ${HUGETLB_END}`;
const hugetlb = (pages: string) =>
  `evict evict_inode remove_hugepages ${pages} unreserve resv_map_release ${HUGETLB_END}`;
const both = (count: number) => `hugepage_remove*${count} hugepage_free*${count}`;
/** memfd_create() reserves nothing, ftruncate() looks for pages to remove. */
const MEMFD = `alloc_inode reserve ${EMPTY}`;
const ANON_MAPPING = `alloc_inode reserve*2 vm_close ${HUGETLB_EMPTY}`;
const SHMEM = `alloc_inode evict evict_inode clear_inode evict_inode_end destroy_inode destroy_op ${FREED}`;
const EXT4 = `alloc_inode evict evict_inode truncate_final clear_inode evict_inode_end destroy_inode destroy_op ${FREED}`;
const PROC = `alloc_inode evict evict_inode truncate_final clear_inode evict_inode_end destroy_inode ${FREED}`;

const inode = (fs: string, path: string, more: Partial<ExpectedInode> = {}): ExpectedInode => ({
  fs,
  path,
  pages: 0,
  freedInEvict: 0,
  outlived: 0,
  toBuddy: 0,
  ...more,
});
const root = inode('hugetlbfs', HUGETLB_ROOT);
const none = { allocated: 0, freed: 0, attributed: 0 };
const shared = (count: number) => ({ allocated: count, freed: count, attributed: count });
const priv = (count: number) => ({ allocated: count, freed: count, attributed: 0 });
const MOUNT = { fill_super: 1, shutdown_super: 1 };
const NO_LINES = {};
/** Reservations of a mount that failed. */
const leftBehind = (pages: number): readonly ExpectedLeak[] =>
  pages === 0
    ? []
    : [
        {
          kind: 'reservation',
          state: 'firing',
          pages,
          how: 'mount',
          needs: ['new_subpool', 'put_subpool', 'shutdown_super'],
          needsForSuspect: ['fill_super'],
        },
      ];

/**
 * hugetlbfs removes and frees a folio batch at a time: 15 entries (PAGEVEC_SIZE) up
 * to 6.8, 31 (PAGEVEC_SIZE, include/linux/pagevec.h) since.
 */
function batches(count: number, kernel: Kernel): string {
  const size = kernel === '6.1' ? 15 : 31;
  const out: string[] = [];
  for (let left = count; left > 0; left -= size) out.push(both(Math.min(left, size)));
  return out.join(' ');
}

// --- the scenarios -------------------------------------------------------------

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 's01_hugetlbfs_unlink',
    what: 'a file on a hugetlbfs mount: evicted by unlink(), its directory by umount()',
    expected: () => ({
      inodes: [
        inode(
          'hugetlbfs',
          `alloc_inode ${EMPTY} reserve hugepage_add*4 vm_close ${hugetlb(both(4))}`,
          { step: 'faulted', pages: 4, freedInEvict: 4 },
        ),
        root,
      ],
      hugepages: shared(4),
      lines: MOUNT,
    }),
  },
  {
    name: 's02_memfd_hugetlb',
    what: 'a memfd of hugepages: evicted by the last close()',
    expected: () => ({
      inodes: [
        inode('hugetlbfs', `${MEMFD} reserve hugepage_add*4 vm_close ${hugetlb(both(4))}`, {
          step: 'faulted',
          pages: 4,
          freedInEvict: 4,
        }),
      ],
      hugepages: shared(4),
      lines: NO_LINES,
    }),
  },
  {
    name: 's03_private_hugetlb',
    what: 'private hugepages, of a memfd and of no file: freed by munmap(), never an inode’s',
    expected: () => ({
      inodes: [
        inode('hugetlbfs', ANON_MAPPING),
        inode('hugetlbfs', `${MEMFD} reserve vm_close ${HUGETLB_EMPTY}`, { step: 'priv_faulted' }),
      ],
      hugepages: priv(4),
      lines: NO_LINES,
    }),
  },
  {
    name: 's04_shm_hugetlb',
    what: 'a SysV segment of three hugepages, two touched: evicted by shmdt() after IPC_RMID',
    expected: () => ({
      inodes: [
        inode('hugetlbfs', `alloc_inode reserve*2 hugepage_add*2 vm_close ${hugetlb(both(2))}`, {
          pages: 2,
          freedInEvict: 2,
        }),
      ],
      hugepages: shared(2),
      lines: NO_LINES,
    }),
  },
  {
    name: 's05_punch_hole',
    what: 'six hugepages: two punched out, three truncated, one left for evict()',
    expected: () => ({
      inodes: [
        inode(
          'hugetlbfs',
          `${MEMFD} hugepage_add*6 ` +
            'remove_hugepages hugepage_remove unreserve hugepage_remove unreserve hugepage_free*2 ' +
            `remove_hugepages ${both(3)} unreserve ` +
            hugetlb('hugepage_remove hugepage_free'),
          { step: 'allocated', pages: 1, freedInEvict: 1 },
        ),
      ],
      hugepages: shared(6),
      lines: NO_LINES,
    }),
  },
  {
    name: 's06_unlinked_open',
    what: 'unlinked while open and mapped: evicted by munmap(), the last to hold it',
    expected: () => ({
      inodes: [
        inode(
          'hugetlbfs',
          `alloc_inode ${EMPTY} reserve hugepage_add*2 vm_close ${hugetlb(both(2))}`,
          { step: 'faulted', pages: 2, freedInEvict: 2 },
        ),
        root,
      ],
      hugepages: shared(2),
      lines: MOUNT,
    }),
  },
  {
    name: 's07_vmsplice_pin',
    what: 'one of four hugepages in a pipe: it comes back two seconds after its inode is freed',
    expected: () => ({
      inodes: [
        inode(
          'hugetlbfs',
          `${MEMFD} reserve hugepage_add*4 vm_close ` +
            `${hugetlb('hugepage_remove*4 hugepage_free*3')} hugepage_free`,
          { step: 'pinned', pages: 4, freedInEvict: 3, outlived: 1 },
        ),
      ],
      hugepages: shared(4),
      leaks: [
        {
          kind: 'pinned',
          state: 'resolved',
          pages: 1,
          step: 'pinned',
          how: 'vmsplice',
          needs: ['hugepage_remove', 'hugepage_free'],
          needsForSuspect: ['hugepage_pin'],
        },
      ],
      lines: NO_LINES,
    }),
  },
  {
    name: 's10_subpool_mount',
    what: 'a mount with size= and min_size=, unmounted lazily: its subpool goes with the last close()',
    expected: () => ({
      inodes: [
        inode(
          'hugetlbfs',
          // the second mapping asks for more than size= allows
          `alloc_inode ${EMPTY} reserve hugepage_add*3 ${EMPTY} reserve ` +
            `vm_close ${hugetlb(both(3))}`,
          { step: 'faulted3', pages: 3, freedInEvict: 3 },
        ),
        root,
      ],
      hugepages: shared(3),
      lines: { ...MOUNT, new_subpool: 1, put_subpool: 1 },
    }),
  },
  {
    name: 's11_fork_private_sigbus',
    what: 'the pool is empty when a parent writes to a private hugepage that its child shares',
    expected: ({ available }) => ({
      inodes: [
        // the child's mapping of it goes too
        inode('hugetlbfs', ANON_MAPPING.replace('vm_close', 'vm_close*2')),
        inode('hugetlbfs', ANON_MAPPING),
      ],
      hugepages: priv(available),
      lines: NO_LINES,
    }),
  },
  {
    name: 's12_reserve_nofault',
    what: 'five hugepages reserved and none used',
    expected: () => ({
      inodes: [
        inode('hugetlbfs', ANON_MAPPING),
        inode('hugetlbfs', `${MEMFD} reserve vm_close ${HUGETLB_EMPTY}`, {
          step: 'shared_reserved',
        }),
      ],
      hugepages: none,
      lines: NO_LINES,
    }),
  },
  {
    name: 's13_shmem_thp',
    what: 'transparent hugepages of tmpfs, which no hugepage pool knows',
    expected: () => ({
      inodes: [inode('tmpfs', SHMEM, { step: 'faulted' }), inode('tmpfs', SHMEM)],
      hugepages: none,
      lines: { shutdown_super: 1 },
    }),
  },
  {
    name: 's14_ext4_unlink',
    what: 'ext4: evicted by unlink() when closed, by close() when unlinked',
    expected: () => ({
      inodes: [
        inode('ext4', EXT4, { step: 'a_created' }),
        inode('ext4', EXT4, { step: 'b_created' }),
      ],
      hugepages: none,
      lines: NO_LINES,
    }),
  },
  {
    name: 's15_procfs_churn',
    what: 'twenty children come and go: a directory and a file of /proc for each',
    expected: () => ({
      inodes: Array.from({ length: 40 }, () => inode('proc', PROC)),
      hugepages: none,
      lines: NO_LINES,
    }),
  },
  {
    name: 's16_guest_memfd',
    what: 'a guest_memfd of 16 pages, four punched out, closed before its VM',
    kernels: ['6.18', '7'],
    expected: ({ kernel }) => ({
      inodes: [
        inode(
          'guest_memfd',
          kernel === '7'
            ? 'alloc_inode gmem_fallocate*2 gmem_release evict truncate_final clear_inode ' +
                `destroy_inode destroy_op ${FREED}`
            : // an inode of anon_inodefs, whose callbacks are all NULL: its birth tells nothing
              'gmem_fallocate*2 gmem_release evict truncate_final clear_inode ' +
                'destroy_inode evict_end i_callback',
          { step: 'created' },
        ),
      ],
      hugepages: none,
      lines: { gmem_create: 1 },
    }),
  },
  {
    name: 's17_surplus',
    what: 'two hugepages more than the pool has: two go to the page allocator, the others back',
    expected: ({ available, kernel }) => ({
      inodes: [
        inode(
          'hugetlbfs',
          `${MEMFD} reserve hugepage_add*${available + 2} vm_close ` +
            hugetlb(batches(available + 2, kernel)),
          {
            step: 'faulted_with_surplus',
            pages: available + 2,
            freedInEvict: available + 2,
            toBuddy: 2,
          },
        ),
      ],
      hugepages: shared(available + 2),
      lines: NO_LINES,
    }),
  },
  {
    name: 's19_drop_caches',
    what: 'drop_caches takes fifty empty ext4 files that still have a name',
    needs: 'alloc_inode',
    own: ({ fs, born, size }) => fs === 'ext4' && born && size === 0,
    expected: () => ({
      inodes: Array.from({ length: 50 }, () => inode('ext4', EXT4)),
      hugepages: none,
      lines: NO_LINES,
    }),
  },
  {
    name: 's20_umount_evict',
    what: 'umount() of ext4 evicts ten files, the root, the journal and one inode of its own',
    prepare:
      'modprobe loop; truncate -s 64M /var/tmp/s20.img; mkfs.ext4 -q -F -O ^orphan_file /var/tmp/s20.img >&2; losetup -f --show /var/tmp/s20.img',
    cleanUp: 'losetup -D; rm /var/tmp/s20.img',
    expected: () => ({
      inodes: Array.from({ length: 13 }, () => inode('ext4', EXT4)),
      hugepages: none,
      lines: { shutdown_super: 1 },
    }),
  },
  {
    name: 's25_fill_super_leak',
    what: 'a hugetlbfs mount that fails after it has made its subpool',
    expected: ({ said }) => ({
      inodes: [],
      hugepages: none,
      leaks: leftBehind(said('leaked_rsvd') ?? 0),
      // a kernel with the bug frees the subpool without putting it: its reservations stay
      lines: {
        ...MOUNT,
        new_subpool: 1,
        put_subpool: said('leaked_rsvd') === 0 ? 1 : 0,
      },
    }),
  },
  {
    name: 's26_userfaultfd',
    what: 'a memfd that userfaultfd fills, once from memory that is not there yet',
    expected: () => ({
      inodes: [
        inode('hugetlbfs', `${MEMFD} reserve hugepage_add*2 vm_close ${hugetlb(both(2))}`, {
          step: 'copied',
          pages: 2,
          freedInEvict: 2,
        }),
      ],
      hugepages: { allocated: 4, freed: 4, attributed: 2 },
      lines: NO_LINES,
    }),
  },
];
