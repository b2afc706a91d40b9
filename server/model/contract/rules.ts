/**
 * The contract of an inode's end and of the hugepages it gives back, rule by rule:
 * what the kernel's own sources promise, where, and what has to be observed to check
 * it. docs/contract.md is made from this table.
 */
import { isObserved, type Plan, type Stage } from '../../protocol/stages.ts';

export interface Rule {
  readonly id: string;
  readonly name: string;
  readonly statement: string;
  /** Kernel file and function. */
  readonly source: string;
  /** Kernels on which the rule was tried. */
  readonly kernels: string;
  /** Without one of these the rule cannot be checked. */
  readonly needs: readonly Stage[];
  /** Where a kernel was seen to break it, and how. */
  readonly seen?: string;
}

/** Kernels whose sources and traces the rules were tried on. */
const ALL = '6.1, 6.12, 6.18, 7.3';

export const RULES = [
  {
    id: 'R1',
    name: 'evict order',
    statement:
      'evict(), clear_inode() and destroy_inode() of an inode run in this order, in one task, once each.',
    source: 'fs/inode.c: evict()',
    kernels: ALL,
    needs: ['evict', 'clear_inode', 'destroy_inode'],
  },
  {
    id: 'R2',
    name: 'page cache empty',
    statement: 'clear_inode() finds nrpages 0: nothing is left in the page cache.',
    source: 'fs/inode.c: clear_inode(), BUG_ON(inode->i_data.nrpages)',
    kernels: ALL,
    needs: ['clear_inode'],
  },
  {
    id: 'R3',
    name: 'final state',
    statement: 'i_state is exactly I_FREEING | I_CLEAR when evict() calls destroy_inode().',
    source: 'fs/inode.c: evict(), BUG_ON(inode->i_state != (I_FREEING | I_CLEAR))',
    kernels: ALL,
    needs: ['evict', 'destroy_inode'],
  },
  {
    id: 'R4',
    name: 'one RCU callback',
    statement:
      'Each destroy_inode() is followed by one i_callback() of that inode, unless s_op->destroy_inode is set and s_op->free_inode is NULL. RCU sets no time limit: 15 s without it are suspicious, and certain once a callback armed later on the same CPU has run.',
    source: 'fs/inode.c: destroy_inode(); Documentation/filesystems/porting.rst',
    kernels: ALL,
    needs: ['callbacks', 'destroy_inode', 'i_callback'],
  },
  {
    id: 'R5',
    name: 'no RCU callback',
    statement:
      'Where s_op->destroy_inode is set and s_op->free_inode is NULL, the VFS calls no i_callback(): the filesystem frees the inode itself. Counted only where one comes: that none does shows nowhere.',
    source: 'fs/inode.c: destroy_inode(); Documentation/filesystems/porting.rst',
    kernels: 'none yet: by the sources of 6.1, 6.12 and 7.3',
    needs: ['callbacks', 'destroy_inode', 'i_callback'],
  },
  {
    id: 'R6',
    name: 'free_inode unchanged',
    statement:
      'The inode->free_inode that i_callback() calls is the s_op->free_inode of its superblock.',
    source: 'fs/inode.c: destroy_inode(), inode->free_inode = ops->free_inode',
    kernels: ALL,
    needs: ['callbacks', 'evict', 'i_callback'],
  },
  {
    id: 'R7',
    name: 'after the grace period',
    statement:
      'i_callback() comes after destroy_inode() and s_op->destroy_inode of that inode, and s_op->free_inode comes from i_callback(). It may come before evict() returns.',
    source: 'fs/inode.c: destroy_inode(), call_rcu()',
    kernels: ALL,
    needs: ['destroy_inode', 'i_callback'],
  },
  {
    id: 'R8',
    name: 'no second life',
    statement: 'alloc_inode() does not return an inode that was not freed.',
    source: 'fs/inode.c: alloc_inode(); mm/slub.c',
    kernels: ALL,
    needs: ['alloc_inode', 'callbacks', 'i_callback'],
  },
  {
    id: 'R9',
    name: 'not used after destroy',
    statement:
      'Nothing names a hugetlbfs inode after its destroy_inode(): no page cache, reservation or mapping.',
    source: 'fs/inode.c: destroy_inode()',
    kernels: ALL,
    needs: ['alloc_inode', 'destroy_inode', 'i_callback'],
  },
  {
    id: 'R10',
    name: 'hugetlbfs evict order',
    statement:
      'Evicting a hugetlbfs inode calls remove_inode_hugepages(), removes n hugepages from the page cache, then hugetlb_unreserve_pages() with freed = n, then resv_map_release() where there is a resv_map, then clear_inode().',
    source: 'fs/hugetlbfs/inode.c: hugetlbfs_evict_inode(), remove_inode_hugepages()',
    kernels: ALL,
    needs: ['evict', 'remove_hugepages', 'hugepage_remove', 'unreserve', 'resv_map_release'],
  },
  {
    id: 'R11',
    name: 'page cache accounted',
    statement:
      'nrpages and i_blocks at evict() are those of the hugepages that evict() then removes.',
    source: 'mm/hugetlb.c: hugetlb_add_to_page_cache(), hugetlb_unreserve_pages()',
    kernels: ALL,
    needs: ['callbacks', 'evict', 'hugepage_remove', 'shutdown_super'],
  },
  {
    id: 'R12',
    name: 'hugepage comes back',
    statement:
      'A hugepage is freed only after it left the page cache. One that evict() removes while nobody but the page cache and the caller holds a reference is freed within 5 s, by evict() itself but for a passing reference. One with more references is pinned, which breaks no rule.',
    source: 'fs/hugetlbfs/inode.c: remove_inode_hugepages(); mm/swap.c: folio_batch_release()',
    kernels: ALL,
    needs: ['callbacks', 'evict', 'hugepage_remove', 'hugepage_free', 'shutdown_super'],
  },
  {
    id: 'R13',
    name: 'to the pool or the allocator',
    statement:
      'free_huge_folio() puts the hugepage on the free list of the pool or gives it to the page allocator, in the same task.',
    source: 'mm/hugetlb.c: free_huge_folio()',
    kernels: ALL,
    needs: ['hugepage_free', 'hugepage_enqueue', 'hugepage_to_buddy'],
  },
  {
    id: 'R14',
    name: 'page allocator gets it',
    statement:
      'update_and_free_hugetlb_folio() is followed by __update_and_free_hugetlb_folio(), at once or from a kworker within 15 s.',
    source: 'mm/hugetlb.c: update_and_free_hugetlb_folio(), free_hpage_workfn()',
    kernels: '6.12, 7.3',
    needs: ['hugepage_to_buddy', 'hugepage_released'],
  },
  {
    id: 'R15',
    name: 'no reference left',
    statement:
      'free_huge_folio() finds reference count 0 and a hugepage that is not free already (HPG_freed clear).',
    source: 'mm/hugetlb.c: free_huge_folio(), VM_BUG_ON_FOLIO()',
    kernels: ALL,
    needs: ['hugepage_free'],
  },
  {
    id: 'R16',
    name: 'no reservation left',
    statement:
      'When no inode with hugepages or reservations and no subpool is left, no hugepage of the pool is reserved.',
    source: 'Documentation/mm/hugetlbfs_reserv.rst',
    kernels: ALL,
    needs: ['pool', 'reserve', 'new_subpool', 'put_subpool', 'evict', 'destroy_inode'],
  },
  {
    id: 'R17',
    name: 'refusal changes nothing',
    statement: 'A refused hugetlb_reserve_pages() leaves the counters of the subpool as they were.',
    source: 'mm/hugetlb.c: hugetlb_reserve_pages()',
    kernels: '6.1, 6.12, 6.18',
    needs: ['reserve', 'subpool'],
  },
  {
    id: 'R18',
    name: 'counters in range',
    statement:
      'A subpool has used_hpages >= 0 and 0 <= rsv_hpages <= min_hpages; resv_huge_pages is not below 0.',
    source: 'mm/hugetlb.c: hugepage_subpool_get_pages(), hugepage_subpool_put_pages()',
    kernels: ALL,
    needs: ['subpool'],
    seen: '6.18, tasks that map, fault, punch, fallocate and truncate one memfd at the same time: resv_huge_pages was -1 for some milliseconds and right at the end; a fault had taken its hugepage (hugepage_alloc) and not yet added it (hugepage_add) when a truncation deleted the reservation',
  },
  {
    id: 'R19',
    name: 'subpool put',
    statement:
      'A subpool made by hugepage_new_subpool() is put when its mount goes, and when the mount fails.',
    source: 'fs/hugetlbfs/inode.c: hugetlbfs_fill_super(), hugetlbfs_put_super()',
    kernels: ALL,
    needs: ['new_subpool', 'put_subpool', 'fill_super', 'shutdown_super'],
  },
  {
    id: 'R20',
    name: 'resv_map released',
    statement:
      'Each resv_map is released once, and before its inode, or the inode of its mapping, is destroyed.',
    source: 'mm/hugetlb.c: resv_map_alloc(), resv_map_release()',
    kernels: ALL,
    needs: ['resv_map_alloc', 'resv_map_release', 'alloc_inode', 'destroy_inode'],
  },
  {
    id: 'R21',
    name: 'guest_memfd released first',
    statement: 'A guest_memfd that was given to a process is released before its inode is evicted.',
    source: 'virt/kvm/guest_memfd.c: kvm_gmem_release()',
    kernels: '7.3',
    needs: ['gmem_create', 'gmem_release', 'alloc_inode', 'evict'],
  },
  {
    id: 'R22',
    name: 'no inode after unmount',
    statement: 'When generic_shutdown_super() returns, every inode of the superblock is evicted.',
    source: 'fs/super.c: generic_shutdown_super()',
    kernels: ALL,
    needs: ['alloc_inode', 'evict', 'shutdown_super'],
  },
] as const satisfies readonly Rule[];

/** A rule of the table. */
export type ContractRule = (typeof RULES)[number];
export type RuleId = ContractRule['id'];

/** Place of a rule in the table: its bit in the marks of an inode. */
export const RULE_INDEX = Object.fromEntries(RULES.map((rule, i) => [rule.id, i])) as Readonly<
  Record<RuleId, number>
>;

/** Why a rule cannot be checked under a plan; null when it can. */
export function notCheckable(rule: Rule, plan: Plan, freedState: number | null): string | null {
  for (const stage of rule.needs) {
    const entry = plan[stage];
    if (!isObserved(entry)) return `${stage}: ${entry.missing}`;
  }
  if (rule.id === 'R3' && freedState === null) {
    return 'the values of I_FREEING and I_CLEAR on this kernel are not known';
  }
  return null;
}
