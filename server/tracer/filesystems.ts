/**
 * The filesystems that can be asked for: their superblock magic, by which the kernel side
 * filters, and the functions in their s_op. Those in the table are known without asking; of
 * all others that are mounted the host tells both (survey.ts).
 */

/** Stages that are a function of the filesystem's own. */
export const OP_STAGES = ['evict_inode', 'evict_inode_end', 'destroy_op', 'free_inode'] as const;
export type OpStage = (typeof OP_STAGES)[number];

export interface Filesystem {
  /** include/uapi/linux/magic.h */
  readonly magic: number;
  /** Module that its functions are in, where that may not be loaded yet; `vmlinux`. */
  readonly module: string;
  /** Operations by stage; an absent one is NULL or the generic one. */
  readonly ops: Readonly<Partial<Record<OpStage, string>>>;
}

export type Filesystems = Readonly<Record<string, Filesystem>>;

export const FILESYSTEMS: Filesystems = {
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
  pipefs: {
    magic: 0x50495045,
    module: 'vmlinux',
    ops: { destroy_op: 'free_inode_nonrcu' },
  },
};

export const DEFAULT_FILESYSTEMS = ['hugetlbfs', 'shmem', 'guest_memfd'] as const;

/**
 * s_op->destroy_inode frees the inode by itself: no grace period of the VFS follows, and no
 * i_callback() (destroy_inode() of fs/inode.c).
 */
export function freesItself({ ops }: Filesystem): boolean {
  return ops.destroy_op !== undefined && ops.free_inode === undefined;
}

/** Names of types, as in /proc/filesystems: `fuse.sshfs` is of the type fuse. */
const TYPE = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/;

/**
 * Splits `--fs a,b`. Throws RangeError for what cannot be the name of a type; whether the host
 * has one of that name, it says itself.
 */
export function parseFilesystems(list: string): string[] {
  const names = list.split(',').map((name) => (name.trim() === 'tmpfs' ? 'shmem' : name.trim()));
  const wrong = names.find((name) => !TYPE.test(name));
  if (wrong !== undefined) {
    throw new RangeError(
      `--fs: ${JSON.stringify(wrong)} is no type of a filesystem; expected ${Object.keys(FILESYSTEMS).join(', ')}, or any other that is mounted on the host, by comma: --fs hugetlbfs,xfs`,
    );
  }
  return [...new Set(names)];
}
