/**
 * Evict takes microseconds, the grace period milliseconds, a pinned hugepage
 * seconds: on one linear axis all but the longest vanish. A warp maps time to
 * width piece by piece. Between two neighbouring events time stays linear, but a
 * wait longer than `long` grows with the logarithm of its length only.
 * `u` is the warped coordinate; without squeezing it equals nanoseconds.
 */
export interface Warp {
  /** In time order, without holes. Outside of them u runs on at one u per ns. */
  readonly pieces: readonly Piece[];
}

export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly u0: number;
  readonly u1: number;
  /** True when this piece is drawn shorter than its time. */
  readonly squeezed: boolean;
}

/** Time as it is. */
export function linearWarp(from: number, to: number): Warp {
  return { pieces: [{ from, to, u0: from, u1: to, squeezed: false }] };
}

/**
 * Waits much longer than `long` are squeezed; `times` are the events they lie between.
 * What lies inside `plain` is never squeezed: there every nanosecond counts.
 */
export function squeezedWarp(
  times: readonly number[],
  long: number,
  plain: { readonly from: number; readonly to: number } | null = null,
): Warp {
  const sorted = [...new Set(times)].sort((a, b) => a - b);
  const pieces: Piece[] = [];
  let u = sorted[0] ?? 0;
  for (let index = 1; index < sorted.length; index++) {
    const from = sorted[index - 1]!;
    const to = sorted[index]!;
    const length = to - from;
    // Slightly longer is not worth a break in the axis.
    const inside = plain !== null && from >= plain.from && to <= plain.to;
    const squeezed = !inside && length > long * 3;
    const width = squeezed ? long * (3 + Math.log10(length / (long * 3))) : length;
    const last = pieces.at(-1);
    if (last && !last.squeezed && !squeezed) {
      pieces[pieces.length - 1] = { ...last, to, u1: u + width };
    } else {
      pieces.push({ from, to, u0: u, u1: u + width, squeezed });
    }
    u += width;
  }
  const start = sorted[0] ?? 0;
  return pieces.length > 0 ? { pieces } : linearWarp(start, start + 1);
}

export function toU(warp: Warp, ns: number): number {
  const first = warp.pieces[0]!;
  if (ns <= first.from) return first.u0 - (first.from - ns);
  const last = warp.pieces.at(-1)!;
  if (ns > last.to) return last.u1 + (ns - last.to);
  const piece = firstWhere(warp.pieces, (candidate) => ns <= candidate.to);
  return piece.u0 + ((ns - piece.from) / (piece.to - piece.from)) * (piece.u1 - piece.u0);
}

export function toNs(warp: Warp, u: number): number {
  const first = warp.pieces[0]!;
  if (u <= first.u0) return first.from - (first.u0 - u);
  const last = warp.pieces.at(-1)!;
  if (u > last.u1) return last.to + (u - last.u1);
  const piece = firstWhere(warp.pieces, (candidate) => u <= candidate.u1);
  return piece.from + ((u - piece.u0) / (piece.u1 - piece.u0)) * (piece.to - piece.from);
}

/** Binary search: a timeline may have thousands of pieces, and each event asks. */
function firstWhere(pieces: readonly Piece[], holds: (piece: Piece) => boolean): Piece {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(pieces[middle]!)) high = middle;
    else low = middle + 1;
  }
  return pieces[low]!;
}
