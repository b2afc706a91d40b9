/** From counts to what a chart draws: pure. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A stair of percent over log10(ns); it begins and ends on the ground. */
export function stepsOf(edges: readonly number[], counts: readonly number[]): Point[] {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return [];
  const x = edges.map((ns) => Math.log10(Math.max(ns, 1)));
  const points: Point[] = [{ x: x[0]!, y: 0 }];
  counts.forEach((count, i) => {
    const y = (100 * count) / total;
    points.push({ x: x[i]!, y }, { x: x[i + 1]!, y });
  });
  points.push({ x: x.at(-1)!, y: 0 });
  return points;
}

/** Marks at whole powers of ten; where fewer than two are in sight, at 1, 2 and 5 of them. */
export function decadesOf(min: number, max: number): number[] {
  const marks = (of: readonly number[]) => {
    const found: number[] = [];
    for (let decade = Math.floor(min); decade <= Math.ceil(max); decade++) {
      for (const part of of) {
        const at = decade + Math.log10(part);
        if (at >= min && at <= max) found.push(at);
      }
    }
    return found;
  };
  const whole = marks([1]);
  return whole.length >= 2 ? whole : marks([1, 2, 5]);
}
