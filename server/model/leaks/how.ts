/** What somebody did who took a reference on a hugepage, from the kernel functions on the stack. */

/** What memory failure does: it never comes back. */
export const POISONED = 'poisoned (memory failure)';

/** Functions, a line each, any of which says what it was; the first row that matches. */
const WAYS: readonly (readonly [RegExp, string])[] = [
  [/get_futex_key/, 'futex'],
  [/get_dump_page|dump_user_range/, 'core dump'],
  [/vmsplice/, 'vmsplice'],
  [/io_sqe_buffer|io_pin_pages|io_register|__io_uring_register/, 'io_uring registered buffer'],
  [/^io_uring|^io_submit_sqes|^io_(read|write|issue)/m, 'io_uring'],
  [/iommufd|^iopt_/m, 'iommufd'],
  [/vfio|vaddr_get_pfns/, 'vfio'],
  [/^ib_umem|^rdma/m, 'RDMA'],
  [/udmabuf|memfd_pin_folios/, 'udmabuf'],
  [/process_vm_rw/, 'process_vm_readv'],
  [/access_remote_vm|mem_rw|ptrace/, 'ptrace or /proc/PID/mem'],
  [/^kvm_|^hva_to_pfn/m, 'kvm'],
  [/direct_IO|iomap_dio|bio_iov_iter_get_pages|dio_/, 'direct I/O'],
  [/tcp_zerocopy|zerocopy_sg|msg_zerocopy/i, 'zero-copy send'],
  [/splice/, 'splice'],
  // of what madvise() does, only its poisoning (MADV_HWPOISON) looks a page up like this
  [/memory_failure|madvise_inject_error|soft_offline|do_madvise/, POISONED],
];

/** A frame is `sym+off`. The words are those of the field; else the system call's name. */
export function howOf(stack: readonly string[]): string {
  const functions = stack.map((frame) => frame.replace(/\+\d+$/, ''));
  const text = functions.join('\n');
  for (const [pattern, way] of WAYS) if (pattern.test(text)) return way;
  for (const name of functions) {
    const call = /^(?:__)?(?:do_sys|se_sys|x64_sys|arm64_sys)_(\w+)$/.exec(name)?.[1];
    if (call !== undefined) return call;
  }
  return 'a reference';
}

/** Those that give the reference back before they return. */
const BRIEF: ReadonlySet<string> = new Set([
  'futex',
  'core dump',
  'get_mempolicy',
  'process_vm_readv',
  'ptrace or /proc/PID/mem',
]);

/** Whether who took a reference in this way has it for a moment only: others are likelier to have it still. */
export function isBrief(how: string): boolean {
  return BRIEF.has(how);
}

/** The functions that tell, without bpftrace's own and those that every pin goes through. */
export function tellingFrames(stack: readonly string[]): string[] {
  return stack
    .map((frame) => frame.replace(/\+\d+$/, ''))
    .filter((name) => !/^(bpf_|try_grab|entry_SYSCALL|do_syscall_64|x64_sys_call)/.test(name));
}
