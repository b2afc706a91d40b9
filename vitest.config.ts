import { defineConfig } from 'vitest/config';

/** Tests on real hosts: one at a time, and patient, since the guest may be emulated. */
const slow = { testTimeout: 180_000, hookTimeout: 300_000, fileParallelism: false };

export default defineConfig({
  test: {
    env: { TZ: 'UTC', LC_ALL: 'C' },
    reporters: ['default', './test/support/summary-reporter.ts'],
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { extends: true, test: { name: 'host', include: ['test/host/**/*.test.ts'], ...slow } },
      { extends: true, test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...slow } },
    ],
  },
});
