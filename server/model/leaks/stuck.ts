/** Inodes whose end does not end: evict() does not return, or RCU does not call back. */
import type { Incarnation } from '../incarnation.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class StuckWatch implements LeakWatch {
  readonly #leaks: Leaks;
  readonly #byInode = new Map<Incarnation, OpenLeak>();

  constructor(leaks: Leaks) {
    this.#leaks = leaks;
  }

  tick(now: number): void {
    const { model, after } = this.#leaks;
    for (const [inode, leak] of this.#byInode) {
      if (inode.state === 'ended') {
        this.#leaks.end(leak, 'resolved', inode.last);
        this.#byInode.delete(inode);
      } else if (inode.state === 'lost') {
        this.#leaks.end(leak, 'refuted', now, 'its end fell into a gap: lines were lost then');
        this.#byInode.delete(inode);
      } else if (leak.verdict === 'suspected' && this.#leaks.isCertain(leak.since, now)) {
        this.#leaks.change(leak, { verdict: 'certain' });
      }
    }
    for (const inode of model.waiting()) {
      if (now - inode.last < after.stuck) break;
      if (inode.canary || this.#byInode.has(inode)) continue;
      const waits = inode.at('destroy_inode') !== null;
      const since = inode.last;
      const leak = this.#leaks.fire(
        {
          kind: 'stuck',
          inode,
          verdict: this.#leaks.isCertain(since, now) ? 'certain' : 'suspected',
          pages: inode.pages,
          pageBytes: model.hugepageBytes(inode),
          since,
          text: waits
            ? 'destroy_inode() handed it to RCU, and i_callback() has not come'
            : 'evict() began, and the inode has not ended',
          suspects: [
            { pid: inode.pid, comm: inode.comm, how: 'evict', evidence: 'runs evict() on it' },
          ],
        },
        now,
      );
      this.#byInode.set(inode, leak);
    }
  }
}
