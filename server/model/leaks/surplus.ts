/** Surplus hugepages that stay after their last user, by the pool's own counters. */
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class SurplusWatch implements LeakWatch {
  readonly #leaks: Leaks;
  /** By size: since when it is so, and the leak once it fired. */
  readonly #since = new Map<number, { from: number; leak: OpenLeak | null }>();

  constructor(leaks: Leaks) {
    this.#leaks = leaks;
  }

  tick(now: number): void {
    for (const pool of this.#leaks.model.pools.latest()) {
      if (pool.node !== -1) continue;
      const { sizeKb, surplus, total, free, ts } = pool;
      const left = Math.max(0, surplus - (total - free));
      const known = this.#since.get(sizeKb);
      if (left === 0) {
        if (known?.leak) this.#leaks.end(known.leak, 'resolved', ts);
        this.#since.delete(sizeKb);
      } else if (known === undefined) {
        this.#since.set(sizeKb, { from: ts, leak: null });
      } else if (known.leak === null && now - known.from >= this.#leaks.after.surplus) {
        known.leak = this.#leaks.fire(
          {
            kind: 'surplus',
            inode: null,
            verdict: 'certain',
            pages: left,
            pageBytes: sizeKb * 1024,
            since: known.from,
            text: `the pool of ${sizeKb} kB has ${surplus} surplus hugepages, and only ${total - free} of all are in use`,
            suspects: [],
          },
          now,
        );
      } else if (known.leak !== null && known.leak.pages !== left) {
        this.#leaks.change(known.leak, { pages: left });
      }
    }
  }
}
