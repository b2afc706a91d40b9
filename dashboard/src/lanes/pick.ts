import { type Band, rowBottom, rowTop } from './bands.ts';
import type { LaneStore } from './laneStore.ts';
import { noParts, readParts, type Sight, type Window } from './sight.ts';

/** Pixels beside an inode in which it is still meant. */
const REACH = 4;

export interface PickFrom {
  readonly store: LaneStore;
  readonly sight: Sight;
  readonly bands: readonly Band[];
  readonly window: Window;
  readonly width: number;
}

/** The inode at a place, CSS pixels: the one there, else the nearest in its lane; -1 without one. */
export function pick(
  { store, sight, bands, window, width }: PickFrom,
  x: number,
  y: number,
): number {
  const band = bands.find(
    ({ lanesTop, rows, laneHeight }) => y >= lanesTop && y < lanesTop + rows * laneHeight,
  );
  if (band === undefined) return -1;
  const perPixel = (window.to - window.from) / width;
  const at = window.from + x * perPixel;
  const { group, lane } = store.columns;
  let best = -1;
  let nearest = REACH * perPixel;
  for (let k = 0; k < sight.count; k++) {
    const i = sight.items[k]!;
    if (group[i] !== band.group) continue;
    const top = rowTop(band, lane[i]!, 1);
    if (y < top || y > rowBottom(band, lane[i]!, 1, top)) continue;
    readParts(store, i, window.now, parts);
    const distance = at < parts.evictFrom ? parts.evictFrom - at : Math.max(0, at - parts.last);
    if (distance < nearest || (distance === 0 && nearest === 0)) {
      best = i;
      nearest = distance;
    }
  }
  return best;
}

const parts = noParts();

/** The one that began next after another, or before it; of those that began together, each once. */
export function neighbour(store: LaneStore, from: number, step: 1 | -1): number {
  const { begin, gone } = store.columns;
  let best = -1;
  for (let i = 0; i < store.count; i++) {
    if (gone[i] === 1 || i === from) continue;
    if (from >= 0 && order(begin, i, from) * step <= 0) continue;
    // without a place to begin from, the newest
    const better = from >= 0 ? order(begin, i, best) * step < 0 : order(begin, i, best) > 0;
    if (best < 0 || better) best = i;
  }
  return best;
}

function order(begin: Float64Array, a: number, b: number): number {
  return begin[a]! - begin[b]! || a - b;
}
