/** Surplus hugepages that stay after their last user, by the pool's own counters. */
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class SurplusWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  /** By size: since when it is so, and the leak once it fired. */
  private readonly _since = new Map<number, { from: number; leak: OpenLeak | null }>();

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  pending(): boolean {
    return [...this._since.values()].some(({ leak }) => leak === null);
  }

  tick(now: number): void {
    for (const pool of this._leaks.model.pools.latest()) {
      if (pool.node !== -1) continue;
      const { sizeKb, surplus, total, free, ts } = pool;
      const left = Math.max(0, surplus - (total - free));
      const known = this._since.get(sizeKb);
      if (left === 0) {
        if (known?.leak) this._leaks.end(known.leak, 'resolved', ts);
        this._since.delete(sizeKb);
      } else if (known === undefined) {
        this._since.set(sizeKb, { from: ts, leak: null });
      } else if (known.leak === null && now - known.from >= this._leaks.after.surplus) {
        known.leak = this._leaks.fire(
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
        this._leaks.change(known.leak, { pages: left });
      }
    }
  }
}
