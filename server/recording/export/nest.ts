/** Puts the slices and points of one row into the order in which a viewer needs them. */
import type { Point, Row, Slice } from './picture.ts';

export type Edge =
  | { readonly kind: 'begin'; readonly at: number; readonly slice: Slice }
  | { readonly kind: 'end'; readonly at: number }
  | { readonly kind: 'point'; readonly at: number; readonly point: Point };

/**
 * Begins, ends and points by time. A slice lies within another one or beside it; one
 * that crosses another (times that disagree) becomes two points instead.
 */
export function edgesOf(row: Row): Edge[] {
  const { slices, points } = nested(row);
  const edges: Edge[] = [];
  const open: Slice[] = [];
  const endUntil = (past: (slice: Slice) => boolean) => {
    while (open.length > 0 && past(open.at(-1)!)) {
      edges.push({ kind: 'end', at: open.pop()!.to });
    }
  };
  let next = 0;
  const pointsBefore = (isBefore: (point: Point) => boolean) => {
    while (next < points.length && isBefore(points[next]!)) {
      const point = points[next++]!;
      endUntil((slice) => slice.to < point.at);
      edges.push({ kind: 'point', at: point.at, point });
    }
  };
  for (const slice of slices) {
    pointsBefore((point) => point.at < slice.from);
    endUntil((outer) => outer.to <= slice.from);
    edges.push({ kind: 'begin', at: slice.from, slice });
    open.push(slice);
  }
  pointsBefore(() => true);
  endUntil(() => true);
  return edges;
}

/** Slices by begin, the longer first; none of them crosses another. Points by time. */
export function nested({ slices, points }: Row): Row {
  const sorted = [...slices].sort((a, b) => a.from - b.from || b.to - a.to);
  const kept: Slice[] = [];
  const more: Point[] = [];
  const open: Slice[] = [];
  for (const slice of sorted) {
    while (open.length > 0 && open.at(-1)!.to <= slice.from) open.pop();
    const outer = open.at(-1);
    if (outer !== undefined && slice.to > outer.to) {
      const { name, from, to, args } = slice;
      more.push({ name: `${name} begins`, at: from, args }, { name: `${name} ends`, at: to, args });
      continue;
    }
    kept.push(slice);
    open.push(slice);
  }
  return { slices: kept, points: [...points, ...more].sort((a, b) => a.at - b.at) };
}
