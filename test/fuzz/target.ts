/** What every target of the fuzzer has. */
import type { Random } from '../support/random.ts';

export interface Target {
  /** Makes some inputs, checks each, and says how many they were. Throws Failed. */
  batch(random: Random): number | Promise<number>;
  /** Checks one input that was kept in a file. Throws when it fails. */
  replay(input: Buffer): void | Promise<void>;
  /** The most that the heap may grow over a run, MB. */
  readonly growthMb: number;
  close(): void;
}

/** An input for which a property does not hold. */
export class Failed extends Error {
  readonly input: Buffer;

  constructor(input: Buffer, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'Failed';
    this.input = input;
  }
}

/** Throws what does not hold. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/**
 * Throws when the work takes longer, each of three times. What counts is the time of the
 * processor, which is not that of others who share it.
 */
export function mustBeQuick<T>(ms: number, work: () => T): T {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 3; ; tries--) {
    const began = process.cpuUsage();
    const value = work();
    const { user, system } = process.cpuUsage(began);
    least = Math.min(least, (user + system) / 1000);
    if (least <= ms) return value;
    must(tries > 1, `took ${least.toFixed(0)} ms, and may take ${ms}`);
  }
}
