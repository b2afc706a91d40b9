/** The Hugepages view: pools, what is known of the hugepages outside of them, and what is promised. */
import type { LeakKind, Suspect } from './leaks.ts';

/** Counters of one pool, as the host's /sys shows them each second. Hugepages. */
export interface PoolRow {
  readonly host: string;
  readonly size_kb: number;
  /** -1: the whole host. */
  readonly node: number;
  readonly total: number;
  readonly free: number;
  /** Null where it is not counted: of a single node. */
  readonly reserved: number | null;
  readonly surplus: number;
}

export interface PoolsView {
  readonly pools: readonly PoolRow[];
  readonly subpools: readonly SubpoolRow[];
  /** Promised hugepages of each inode that has some, the most first. */
  readonly promised: readonly PromisedRow[];
  /** Why subpools or promises cannot be seen: stages that a host does not show; empty where all do. */
  readonly unseen: readonly {
    readonly host: string;
    readonly what: 'subpools' | 'promises';
    readonly why: string;
  }[];
}

/** What a hugetlbfs mount with size= or min_size= may use, and what is kept for it. */
export interface SubpoolRow {
  readonly host: string;
  /** Sixteen hexadecimal digits. */
  readonly subpool: string;
  /** `major:minor` of the mount; empty when not known. */
  readonly dev: string;
  /** Hugepages; null where the mount has no such limit. */
  readonly max: number | null;
  readonly min: number | null;
  /** Counted by the kernel only where there is a `max`. */
  readonly used: number | null;
  readonly reserved: number | null;
  /** When used and reserved were told, wall clock, ms. */
  readonly told_ms: number;
  /**
   * failed: the mount failed, and the subpool was not put (yet). kept: the mount is gone,
   * hugepages of it were still in use. leaked: nobody will put it; `finding` shows why.
   */
  readonly state: 'mounting' | 'mounted' | 'failed' | 'kept' | 'gone' | 'leaked';
  readonly verdict: 'certain' | 'suspected' | null;
  /** The `id` of a FindingRow; empty without one. */
  readonly finding: string;
  /** Lines were lost since the first of it. */
  readonly doubtful: boolean;
}

/** Hugepages that an inode, and the private mappings of it, may still take. */
export interface PromisedRow {
  readonly host: string;
  readonly inode: string;
  readonly fs: string;
  readonly dev: string;
  readonly ino: number;
  readonly size_kb: number;
  readonly pages: number;
  /** That many; otherwise at most that many. */
  readonly exact: boolean;
  readonly doubtful: boolean;
}

/** What a hugepage outside the pool is; the codes of the column `state`. */
export const PAGE_STATES = ['cached', 'private', 'removed'] as const;
export type PageState = (typeof PAGE_STATES)[number];

/**
 * The hugepages of one size that are known to be outside of one host's pool, as
 * columns of one length. Oldest first; what is beyond MAX_PAGES is only counted.
 */
export interface HugepagesOfPool {
  readonly host: string;
  readonly size_kb: number;
  /** Inodes that the column `inode` counts from 0. */
  readonly inodes: readonly PageInode[];
  /** Tasks that the column `taker` counts from 0. */
  readonly tasks: readonly { readonly pid: number; readonly comm: string }[];
  /** Leaks that the column `leak` counts from 0: ids of LeakRows. */
  readonly leaks: readonly string[];
  /** Page frame number; null where it cannot be computed. */
  readonly pfn: readonly (number | null)[];
  /** Sixteen hexadecimal digits; empty where the host shows no address. */
  readonly folio: readonly string[];
  /** An index into PAGE_STATES. */
  readonly state: readonly number[];
  /** In whose page cache it is or was, or whose mapping took it; -1: not known. */
  readonly inode: readonly number[];
  /** Of the page cache, in hugepages; -1 for a private one. */
  readonly index: readonly number[];
  /** References beyond the page cache's own when it left; null: not seen. */
  readonly extra_refs: readonly (number | null)[];
  /** Wall clock, ms, since when it is in this state. */
  readonly since_ms: readonly number[];
  /** Who took it from the pool; -1: not seen. */
  readonly taker: readonly number[];
  /** -1: in none. */
  readonly leak: readonly number[];
  /** Known ones that are not listed. */
  readonly left_out: number;
}

export const MAX_PAGES = 65_536;

export interface PageInode {
  /** The `id` of an InodeRow; empty where no line has named the inode itself. */
  readonly id: string;
  readonly fs: string;
  readonly dev: string;
  readonly ino: number;
}

/** A leak that is about hugepages of an inode. */
export interface LeakRow {
  readonly id: string;
  readonly kind: LeakKind;
  readonly state: 'firing' | 'resolved' | 'refuted';
  readonly verdict: 'certain' | 'suspected';
  readonly host: string;
  readonly fs: string;
  readonly ino: number;
  /** The `id` of an InodeRow; null where there is none. */
  readonly inode: string | null;
  readonly pages: number;
  readonly bytes: number;
  readonly text: string;
  readonly suspects: readonly Suspect[];
  /** Wall clock, ms. */
  readonly since_ms: number;
  readonly until_ms: number | null;
  /** Of its alert, for a link; empty when no rule raises one. */
  readonly alert: string;
}
