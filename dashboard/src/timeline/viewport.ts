/** What is in sight, in warped coordinates. */
export interface Viewport {
  readonly from: number;
  readonly to: number;
}

/** Everything, with a little air at both ends. */
export function fitAll(from: number, to: number): Viewport {
  const span = Math.max(to - from, MIN_SPAN);
  return { from: from - span * MARGIN, to: from + span * (1 + MARGIN) };
}

/** Zooms by `factor` (below 1: closer) so that `at` stays where it is on the screen. */
export function zoomAt(view: Viewport, factor: number, at: number, bounds: Viewport): Viewport {
  const span = view.to - view.from;
  const wide = Math.min(Math.max(span * factor, MIN_SPAN), bounds.to - bounds.from);
  const share = (at - view.from) / span;
  return keepInside({ from: at - wide * share, to: at + wide * (1 - share) }, bounds);
}

export function pan(view: Viewport, by: number, bounds: Viewport): Viewport {
  return keepInside({ from: view.from + by, to: view.to + by }, bounds);
}

export function xOf(view: Viewport, u: number, width: number): number {
  return ((u - view.from) / (view.to - view.from)) * width;
}

export function uOf(view: Viewport, x: number, width: number): number {
  return view.from + (x / width) * (view.to - view.from);
}

/** Ten nanoseconds across the screen is as close as a clock can tell. */
const MIN_SPAN = 10;
const MARGIN = 0.03;

/** Never beyond the ends: there is nothing to see there, and people get lost. */
export function keepInside(view: Viewport, bounds: Viewport): Viewport {
  const span = view.to - view.from;
  if (span >= bounds.to - bounds.from) return bounds;
  const from = Math.min(Math.max(view.from, bounds.from), bounds.to - span);
  return { from, to: from + span };
}
