import { defineConfig } from 'vitest/config';
import { runs } from './test/support/runs.ts';

/** Tests on real hosts: one at a time, and patient, since the guest may be emulated. */
const slow = { testTimeout: 180_000, hookTimeout: 300_000, fileParallelism: false };

/** LASTREF_RUNS tries more random worlds (docs/fuzzing.md). */
const unitTimeout = Math.max(180_000, runs(180_000));

/** One after the other: what traces this machine would see the inodes of the others. */
function part(name: string, groupOrder: number, options = {}) {
  const include = [`test/${name}/**/*.test.ts`];
  return { extends: true as const, test: { name, include, sequence: { groupOrder }, ...options } };
}

export default defineConfig({
  test: {
    env: { TZ: 'UTC', LC_ALL: 'C' },
    reporters: ['default', './test/support/summary-reporter.ts'],
    projects: [
      part('unit', 0, { testTimeout: unitTimeout }),
      part('host', 1, slow),
      part('e2e', 2, slow),
      part('matrix', 3, slow),
    ],
  },
});
