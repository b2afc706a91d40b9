/**
 * What can be observed of an inode's end and of hugepages: the words of the plan,
 * of `doctor` and of the page. Adding a stage is adding a row.
 */

/** The steps of one inode's end, in the order evict() and RCU take them (fs/inode.c). */
export const INODE_STAGES = [
  'evict',
  'evict_inode',
  'truncate_final',
  'clear_inode',
  'evict_inode_end',
  'destroy_inode',
  'destroy_op',
  'evict_end',
  'i_callback',
  'free_inode',
] as const;
export type InodeStage = (typeof INODE_STAGES)[number];

/** What else a plan can hold: births, callbacks, hugepages, reservations, counters. */
export const OTHER_STAGES = [
  'last_reference',
  'alloc_inode',
  'callbacks',
  'hugepage_add',
  'hugepage_remove',
  'hugepage_free',
  'hugepage_enqueue',
  'hugepage_to_buddy',
  'reserve',
  'unreserve',
  'resv_map_alloc',
  'resv_map_release',
  'remove_hugepages',
  'hugepage_alloc',
  'hugepage_alloc_nodemask',
  'hugepage_released',
  'hugepage_move',
  'hugepage_pin',
  'vm_close',
  'new_subpool',
  'subpool',
  'put_subpool',
  'fill_super',
  'shutdown_super',
  'gmem_create',
  'gmem_fallocate',
  'gmem_release',
  'lifecycle',
  'pool',
] as const;
export type OtherStage = (typeof OTHER_STAGES)[number];
export type Stage = InodeStage | OtherStage;
export const STAGES: readonly Stage[] = [...INODE_STAGES, ...OTHER_STAGES];

/** One line about each stage: what it is, and where it stands in the kernel. */
export const STAGE_TEXT: Record<Stage, string> = {
  evict: 'evict() begins: the last reference is gone and the inode leaves memory (fs/inode.c)',
  evict_inode: 's_op->evict_inode begins; HugeTLB removes its pages and frees resv_map here',
  evict_inode_end: 's_op->evict_inode returned',
  truncate_final: 'truncate_inode_pages_final(): where s_op->evict_inode is NULL, or calls it',
  clear_inode: 'clear_inode(): page cache empty, I_CLEAR set (fs/inode.c)',
  destroy_inode: 'destroy_inode(): the last thing evict() does; arms the RCU callback',
  destroy_op: 's_op->destroy_inode: undoes the containing struct',
  evict_end: 'evict() returned',
  i_callback: 'i_callback(): the grace period is over, RCU runs the callback',
  free_inode: 's_op->free_inode: the memory goes back to its slab',
  last_reference: 'iput() drops the last reference and iput_final() asks s_op->drop_inode',
  alloc_inode: 'alloc_inode(): an incarnation begins',
  callbacks: 'the s_op table of each superblock that is seen',
  hugepage_add: 'a hugepage enters the page cache of an inode (hugetlb_add_to_page_cache)',
  hugepage_remove: 'a hugepage leaves the page cache, with its reference count at that moment',
  hugepage_free: 'the last reference to a hugepage is gone (free_huge_folio)',
  hugepage_enqueue: 'a hugepage is back on the free list of the pool',
  hugepage_to_buddy: 'a hugepage leaves the pool for the page allocator',
  reserve: 'hugepages are promised to an inode or mapping (hugetlb_reserve_pages)',
  unreserve: 'reservations of an inode are given back (hugetlb_unreserve_pages)',
  resv_map_release: 'the resv_map of an inode or mapping is freed',
  resv_map_alloc: 'a resv_map is made for an inode or mapping',
  remove_hugepages: 'hugepages of a range leave an inode: evicted, truncated or punched',
  hugepage_alloc: 'a hugepage is taken for a mapping (alloc_hugetlb_folio), or refused',
  hugepage_alloc_nodemask: 'a hugepage is taken to migrate another into it, or by userfaultfd',
  hugepage_released: 'a hugepage really is with the page allocator, maybe later from a kworker',
  hugepage_move: 'a hugepage is migrated to another folio',
  hugepage_pin: 'somebody takes a reference on a hugepage: a pipe, a registered buffer, a device',
  vm_close: 'a mapping of hugepages goes, and gives private reservations back',
  new_subpool: 'a hugetlbfs mount with size= or min_size= makes a subpool',
  subpool: 'the counters of a subpool before and after each reservation',
  put_subpool: 'a hugetlbfs mount lets go of its subpool',
  fill_super: 'a hugetlbfs mount is made, or fails',
  shutdown_super: 'a mount is gone: no inode of it may be left',
  gmem_create: 'a guest_memfd is made (kvm_gmem_create)',
  gmem_fallocate: 'a guest_memfd is filled, or a hole is punched (kvm_gmem_fallocate)',
  gmem_release: 'the file of a guest_memfd is closed (kvm_gmem_release)',
  lifecycle: 'all stages of an inode in one line when it ends: survives any churn',
  pool: 'the counters of each hugepage pool, each second',
};

/** How one stage is observed on a host, or why it is not. */
export type PlanEntry =
  | { readonly probe: string; readonly note?: string }
  | { readonly missing: string; readonly help?: string };

/** For every stage, how it is observed on a host or why not. */
export type Plan = Readonly<Record<Stage, PlanEntry>>;

/** Whether a stage is shown by tracepoints, which know an inode by its device and number. */
export function isByTracepoint(entry: PlanEntry): boolean {
  return isObserved(entry) && /^(raw)?tracepoint:/.test(entry.probe);
}

export function isObserved(entry: PlanEntry): entry is Extract<PlanEntry, { probe: string }> {
  return 'probe' in entry;
}

/** In which context a stage ran. RCU callbacks borrow whatever task they interrupt. */
export type Context = 'task' | 'softirq' | 'ksoftirqd' | 'rcu-thread' | 'unknown';

/**
 * When a hugepage of an inode came back: before evict() (truncated, or a hole), while s_op->evict_inode
 * ran, in destroy_inode(), elsewhere in evict(), while RCU waited, or after i_callback(): somebody
 * else had a reference.
 */
export const BACK_WHEN = [
  'before_evict',
  'evict_inode',
  'destroy_inode',
  'evict',
  'grace_period',
  'later',
] as const;
export type BackWhen = (typeof BACK_WHEN)[number];
