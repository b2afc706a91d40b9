/**
 * Cuts the inodes of a run into slices of time. Durations that lie close together are
 * alike (they share a grace period, a busy moment, a warm cache), so not inodes but
 * slices are what a test may take as independent.
 */

/** Wanted of a run, and the fewest of which anything is said. */
export const WANTED_SLICES = 12;
export const MIN_SLICES = 8;
/** Fewer inodes than this in a run say nothing. */
export const MIN_INODES = 30;

/** A slice is at least this long, and at least so many times the usual life of an inode. */
const MIN_SLICE_NS = 100e6;
const MIN_LIVES = 4;

/** Rows `from` up to but not `to`. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

/**
 * About WANTED_SLICES slices with the same number of inodes each; fewer and longer ones
 * where such a slice would be shorter than `minSliceNs`.
 *
 * @param at when each inode ended, ns, in (nearly) that order
 */
export function slicesOf(at: readonly number[], minSliceNs: number): Slice[] {
  const rows = Math.max(1, Math.ceil(at.length / WANTED_SLICES));
  const slices: Slice[] = [];
  let from = 0;
  for (let i = 0; i < at.length; i++) {
    if (i + 1 - from < rows || at[i]! - at[from]! < minSliceNs) continue;
    slices.push({ from, to: i + 1 });
    from = i + 1;
  }
  // what is left over is no slice of its own (it is shorter, or has fewer inodes) unless it is all
  if (at.length > 0) slices.push({ from: slices.pop()?.from ?? 0, to: at.length });
  return slices;
}

/** How long a slice has to be, given the usual (median) life of an inode, ns. */
export function minSliceNs(lifeNs: number): number {
  return Math.max(MIN_SLICE_NS, MIN_LIVES * lifeNs);
}
