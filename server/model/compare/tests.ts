/** All tests of one comparison: they are corrected together. */
import { holm, PERMUTATIONS, permutationTest, type SliceSum, smallestP } from './permutation.ts';
import { mix, type Random, randomFrom } from './random.ts';
import { MIN_INODES, MIN_SLICES } from './slices.ts';

/** A test after the correction; null: there was too little to test. */
export interface TestResult {
  p: number | null;
  adjusted: number | null;
}

export class Tests {
  readonly alpha: number;
  readonly seed: number;
  readonly permutations: number;
  private readonly _done: { result: TestResult; smallest: number }[] = [];

  constructor(alpha: number, seed: number, permutations = PERMUTATIONS) {
    this.alpha = alpha;
    this.seed = seed;
    this.permutations = permutations;
  }

  /** How many were done. */
  get size(): number {
    return this._done.length;
  }

  /** Random numbers that depend on the seed and a name, and on no other test. */
  randomOf(name: string): Random {
    let state = this.seed;
    for (let i = 0; i < name.length; i++) state = mix(state ^ name.charCodeAt(i));
    return randomFrom(state);
  }

  test(name: string, a: readonly SliceSum[], b: readonly SliceSum[]): TestResult {
    const result: TestResult = { p: null, adjusted: null };
    if (tooFew(a, b) !== null) return result;
    const { permutations } = this;
    result.p = permutationTest(a, b, this.randomOf(name), permutations);
    this._done.push({ result, smallest: smallestP(slices(a), slices(b), permutations) });
    return result;
  }

  /** After the last test. One that could not become significant, however it came out, says nothing. */
  correct(): void {
    const adjusted = holm(this._done.map(({ result }) => result.p!));
    this._done.forEach(({ result, smallest }, i) => {
      if (smallest * this._done.length > this.alpha) result.p = null;
      else result.adjusted = adjusted[i]!;
    });
  }

  /** Whether a test says that the runs differ. */
  significant({ adjusted }: TestResult): boolean {
    return adjusted !== null && adjusted <= this.alpha;
  }
}

/** Why nothing can be said with so little; null when there is enough. */
export function tooFew(a: readonly SliceSum[], b: readonly SliceSum[]): string | null {
  const count = (of: readonly SliceSum[]) => of.reduce((sum, slice) => sum + slice.count, 0);
  for (const [name, run] of [
    ['A', a],
    ['B', b],
  ] as const) {
    if (count(run) < MIN_INODES) return `${count(run)} inodes in ${name}; it takes ${MIN_INODES}`;
    if (slices(run) < MIN_SLICES) {
      return `${name} can be cut into ${slices(run)} slices of time; it takes ${MIN_SLICES}`;
    }
  }
  return null;
}

function slices(of: readonly SliceSum[]): number {
  return of.filter((slice) => slice.count > 0).length;
}
