import type { Instant, Lane, Slice } from './layout.ts';

/** Something on the canvas that can be pointed at, with where it was drawn. */
export interface Target {
  readonly x0: number;
  readonly x1: number;
  readonly y0: number;
  readonly y1: number;
  readonly lane: Lane;
  readonly slice: Slice | null;
  readonly instant: Instant | null;
}

/**
 * What is under the pointer: the nearest single event within reach, else the
 * innermost slice. Events win because they are small and lie on slices.
 */
export function findTarget(targets: readonly Target[], x: number, y: number): Target | null {
  let best: Target | null = null;
  let nearest = REACH;
  let slice: Target | null = null;
  for (const target of targets) {
    if (y < target.y0 || y > target.y1) continue;
    if (target.instant) {
      const distance = x < target.x0 ? target.x0 - x : x > target.x1 ? x - target.x1 : 0;
      if (distance <= nearest) {
        nearest = distance;
        best = target;
      }
    } else if (x >= target.x0 - 2 && x <= target.x1 + 2) {
      // Inner slices are drawn after outer ones.
      slice = target;
    }
  }
  return best ?? slice;
}

const REACH = 6;
