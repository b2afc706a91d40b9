import type { Column } from '../series.ts';
import { firstAtOrAfter } from './timeAxis.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * The points of one line from `from` on. A value that is not known, and a hole in
 * time (the tracer was away), break the line instead of being bridged.
 */
export function pointsOf(times: readonly number[], values: Column, from: number): Point[] {
  const points: Point[] = [];
  // One point before the edge, so that the line enters the picture.
  for (let index = Math.max(0, firstAtOrAfter(times, from) - 1); index < times.length; index++) {
    const x = times[index]!;
    const previous = times[index - 1];
    if (previous !== undefined && x - previous > HOLE_MS) {
      points.push({ x: previous + 1, y: Number.NaN });
    }
    points.push({ x, y: values[index] ?? Number.NaN });
  }
  return points;
}

/** Stretches in which events were lost or no second was reported, as [from, to] in ms. */
export function gapsOf(times: readonly number[], lost: readonly number[], from: number): Point2[] {
  const gaps: Point2[] = [];
  for (let index = firstAtOrAfter(times, from); index < times.length; index++) {
    const t = times[index]!;
    const previous = times[index - 1];
    const hole = previous !== undefined && t - previous > HOLE_MS;
    if (hole) extend(gaps, previous, t);
    if ((lost[index] ?? 0) > 0) extend(gaps, t - 1000, t);
  }
  return gaps;
}

type Point2 = [from: number, to: number];

/** Points are a second apart; a little late is not a hole. */
const HOLE_MS = 2500;

function extend(gaps: Point2[], from: number, to: number): void {
  const last = gaps.at(-1);
  if (last && from - last[1] < 100) last[1] = to;
  else gaps.push([from, to]);
}
