import type { InodeHugepage, InodeRow } from '../../../server/protocol/messages.ts';

export const FATE_TEXT: Record<InodeHugepage['fate'], string> = {
  cached: 'in page cache',
  removed: 'out of cache, not free',
  pool: 'back in pool',
  buddy: 'to page allocator',
  unknown: 'not known',
};

/** Whether this hugepage has left its inode and not come back, as far as the host shows that. */
export function isOwed(page: InodeHugepage, row: InodeRow): boolean {
  return page.fate === 'removed' && row.state !== 'open' && row.owed !== null;
}

/** What an inode held and what came back, in words. */
export function heldText(row: InodeRow): string {
  if (row.pages === 0) return 'none';
  if (row.owed === null || row.freed === null) {
    return `${row.pages} held; whether they came back cannot be seen on this host`;
  }
  return `${row.pages} held, ${row.freed} back, ${row.owed === 0 ? 'none' : row.owed} owed`;
}

/** A page frame number as the kernel prints it; its address is this times the page size. */
export function formatPfn(pfn: number | null): string {
  return pfn === null ? '–' : `0x${pfn.toString(16)}`;
}

/** References beyond the page cache's own: who holds on to it. */
export function extraRefsText(extra: number | null): string {
  if (extra === null) return 'not seen';
  if (extra <= 0) return 'none';
  // One O_DIRECT transfer pins each 4 KiB page of a 2 MiB hugepage.
  if (extra % 512 === 0) return `+${extra} (direct I/O in flight?)`;
  return `+${extra}`;
}
