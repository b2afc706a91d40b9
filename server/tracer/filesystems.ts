/**
 * The filesystems that can be asked for: their superblock magic, by which the
 * kernel side filters, and the functions in their s_op. Adding one is adding a row.
 */
import type { Stage } from '../protocol/stages.ts';

export interface Filesystem {
  /** include/uapi/linux/magic.h */
  readonly magic: number;
  /** Module the functions are in. */
  readonly module: string;
  /** Operations by stage; an absent one is NULL or the generic one. */
  readonly ops: Partial<Record<Stage, string>>;
}

export const FILESYSTEMS: Readonly<Record<string, Filesystem>> = {
  hugetlbfs: {
    magic: 0x958458f6,
    module: 'vmlinux',
    ops: {
      evict_inode: 'hugetlbfs_evict_inode',
      evict_inode_end: 'hugetlbfs_evict_inode',
      destroy_op: 'hugetlbfs_destroy_inode',
      free_inode: 'hugetlbfs_free_inode',
    },
  },
  shmem: {
    magic: 0x01021994,
    module: 'vmlinux',
    ops: {
      evict_inode: 'shmem_evict_inode',
      evict_inode_end: 'shmem_evict_inode',
      destroy_op: 'shmem_destroy_inode',
      free_inode: 'shmem_free_in_core_inode',
    },
  },
  guest_memfd: {
    magic: 0x474d454d,
    module: 'kvm',
    ops: { destroy_op: 'kvm_gmem_destroy_inode', free_inode: 'kvm_gmem_free_inode' },
  },
  ext4: {
    magic: 0xef53,
    module: 'vmlinux',
    ops: {
      evict_inode: 'ext4_evict_inode',
      evict_inode_end: 'ext4_evict_inode',
      destroy_op: 'ext4_destroy_inode',
      free_inode: 'ext4_free_in_core_inode',
    },
  },
  proc: {
    magic: 0x9fa0,
    module: 'vmlinux',
    ops: {
      evict_inode: 'proc_evict_inode',
      evict_inode_end: 'proc_evict_inode',
      free_inode: 'proc_free_inode',
    },
  },
};

export const DEFAULT_FILESYSTEMS = ['hugetlbfs', 'shmem', 'guest_memfd'] as const;

/** Splits `--fs a,b`; an unknown name is an error that names the known ones. */
export function parseFilesystems(list: string): string[] {
  const names = list.split(',').map((name) => (name.trim() === 'tmpfs' ? 'shmem' : name.trim()));
  const unknown = names.find((name) => !Object.hasOwn(FILESYSTEMS, name));
  if (unknown !== undefined) {
    throw new RangeError(
      `--fs: unknown filesystem ${JSON.stringify(unknown)}; known are ${Object.keys(FILESYSTEMS).join(', ')}`,
    );
  }
  return [...new Set(names)];
}
