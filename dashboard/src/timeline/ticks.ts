import { formatOffset } from '../format/duration.ts';
import { type Viewport, xOf } from './viewport.ts';
import { toNs, toU, type Warp } from './warp.ts';

export interface Tick {
  readonly x: number;
  readonly label: string;
}

/**
 * Axis marks at round times. Each linear piece in sight gets its own step, so that
 * microseconds are marked inside evict while a squeezed wait shows its ends only.
 */
export function axisTicks(warp: Warp, view: Viewport, width: number, room: number): Tick[] {
  const ticks: Tick[] = [];
  for (const piece of extended(warp, view)) {
    const from = Math.max(piece.from, toNs(warp, view.from));
    const to = Math.min(piece.to, toNs(warp, view.to));
    if (to <= from || piece.squeezed) continue;
    const pixels = xOf(view, toU(warp, to), width) - xOf(view, toU(warp, from), width);
    const step = niceStep(((to - from) / pixels) * room);
    for (let n = Math.ceil(from / step); n * step <= to; n++) {
      const x = xOf(view, toU(warp, n * step), width);
      const last = ticks.at(-1);
      if (!last || x - last.x >= room * 0.75) ticks.push({ x, label: formatOffset(n * step) });
      if (ticks.length > 200) return ticks;
    }
  }
  return ticks;
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `least`. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  for (const factor of [1, 2, 5]) {
    if (factor * power >= least) return factor * power;
  }
  return 10 * power;
}

/** The warp's pieces and the linear ends beyond them. */
function extended(warp: Warp, view: Viewport) {
  const first = warp.pieces[0]!;
  const last = warp.pieces.at(-1)!;
  const before = { from: toNs(warp, view.from), to: first.from, squeezed: false };
  const after = { from: last.to, to: toNs(warp, view.to), squeezed: false };
  return [before, ...warp.pieces, after];
}
