/** Each target of the fuzzer for a moment, and everything that ever failed; see test/fuzz. */
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Target } from '../fuzz/target.ts';
import { makeTarget, TARGETS, type TargetName } from '../fuzz/targets.ts';
import { Random } from '../support/random.ts';

const CORPUS = new URL('../fuzz/corpus/', import.meta.url).pathname;
const SEED = randomInt(2 ** 32);

/** Batches of each: inputs that take about a second. */
const BATCHES: Readonly<Record<TargetName, number>> = {
  decoder: 40,
  agent: 100,
  filter: 5,
  config: 2,
  recording: 2,
  ws: 5,
};

function corpusOf(name: TargetName): string[] {
  const folder = CORPUS + name;
  return existsSync(folder) ? readdirSync(folder).map((file) => `${folder}/${file}`) : [];
}

describe.each(TARGETS)('the target %s', (name) => {
  let target: Target;
  beforeAll(async () => {
    target = await makeTarget(name);
  });
  afterAll(() => target.close());

  it('holds for what is kept in its corpus', async () => {
    const files = corpusOf(name);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      try {
        await target.replay(readFileSync(file));
      } catch (error) {
        throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
      }
    }
  });

  it('holds for some inputs of a seed that nobody chose', async () => {
    for (let batch = 0; batch < BATCHES[name]; batch++) {
      try {
        await target.batch(new Random(SEED, batch));
      } catch (error) {
        const again = `./scripts/fuzz ${name} --seed ${SEED}`;
        throw new Error(`${(error as Error).message}; again: ${again}`, { cause: error });
      }
    }
  });
});

it('gives the same inputs for the same seed, and others for another', () => {
  const some = (seed: number, stream: number) => {
    const random = new Random(seed, stream);
    return Array.from({ length: 8 }, () => random.next());
  };
  expect(some(SEED, 1)).toEqual(some(SEED, 1));
  expect(some(SEED, 2)).not.toEqual(some(SEED, 1));
  expect(some(SEED + 1, 1)).not.toEqual(some(SEED, 1));
});
