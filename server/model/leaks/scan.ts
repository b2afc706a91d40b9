/** What a look at the host showed: who holds files of hugetlbfs, and who may pin memory. */

/** One fd or one mapping of a file of hugetlbfs. */
export interface Holder {
  /** s_dev as the kernel keeps it. */
  readonly dev: number;
  readonly ino: number;
  /** It has no name: i_nlink is 0. */
  readonly deleted: boolean;
  /** Hugepages in its page cache (i_blocks), and the size of one, bytes. */
  readonly pages: number;
  readonly pageBytes: number;
  readonly pid: number;
  readonly comm: string;
  /** `fd 5`, or `mapping START-END` as in /proc/PID/map_files. */
  readonly how: string;
}

/** A process that can have references on pages without a line of ours having told. */
export interface Pinner {
  readonly pid: number;
  readonly comm: string;
  readonly fd: number;
  readonly way: PinWay;
  /** Of io_uring: registered buffers. */
  readonly buffers: number | null;
}

/** A System V segment of shared memory, of whatever pages. */
export interface Segment {
  readonly id: number;
  /** Who made it; its comm is empty when it has ended. */
  readonly pid: number;
  readonly comm: string;
  readonly attached: number;
}

/** Those that name the most likely first. */
export const PIN_WAYS = ['io_uring', 'vfio', 'RDMA', 'udmabuf', 'iommufd', 'kvm'] as const;
export type PinWay = (typeof PIN_WAYS)[number];

export interface HostScan {
  /** When it ended, ns of the epoch. */
  readonly ts: number;
  /** Nothing was left out: who is not in it, was not there. */
  readonly whole: boolean;
  readonly holders: readonly Holder[];
  readonly pinners: readonly Pinner[];
  readonly segments: readonly Segment[];
}
