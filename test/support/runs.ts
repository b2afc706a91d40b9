/** How many random worlds a property is tried on; docs/fuzzing.md. */

const FACTOR = Number(process.env.LASTREF_RUNS ?? 1);
if (!(FACTOR > 0)) throw new Error(`LASTREF_RUNS=${process.env.LASTREF_RUNS} is not a number`);

/** So many runs, or as many times that as LASTREF_RUNS says. */
export function runs(count: number): number {
  return Math.max(1, Math.round(count * FACTOR));
}
