/** Inodes whose end does not end: evict() does not return, or RCU does not call back. */
import type { Leak } from '../../protocol/leaks.ts';
import type { Incarnation } from '../incarnation.ts';
import { owed } from '../unseen.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class StuckWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  private readonly _byInode = new Map<Incarnation, OpenLeak>();

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  tick(now: number): void {
    const { model, after } = this._leaks;
    for (const [inode, leak] of this._byInode) {
      if (inode.state === 'ended') {
        this._leaks.end(leak, 'resolved', inode.last);
        this._byInode.delete(inode);
      } else if (inode.state === 'lost') {
        this._leaks.end(leak, 'refuted', now, 'its end fell into a gap: lines were lost then');
        this._byInode.delete(inode);
      } else this.#update(inode, leak);
    }
    for (const inode of model.waitingFor(after.stuck)) {
      if (inode.canary || this._byInode.has(inode) || !model.wasWatched(inode)) continue;
      const waits = inode.at('destroy_inode') !== null && !model.superblocks.freesItself(inode);
      const evidence = waits ? 'ran evict() on it' : 'runs evict() on it';
      const since = inode.progress;
      const leak = this._leaks.fire(
        {
          kind: 'stuck',
          inode,
          verdict: this.#verdict(inode, since),
          pages: this.#pages(inode),
          pageBytes: model.pageSizes.of(inode),
          since,
          text: waits
            ? 'destroy_inode() handed it to RCU, and i_callback() has not come'
            : 'evict() began, and the inode has not ended',
          suspects: [{ pid: inode.pid, comm: inode.comm, how: 'evict', evidence }],
        },
        now,
      );
      this._byInode.set(inode, leak);
    }
  }

  pending(): boolean {
    const { model } = this._leaks;
    for (const inode of model.waiting()) {
      if (!inode.canary && !this._byInode.has(inode) && model.wasWatched(inode)) return true;
    }
    return false;
  }

  /** Its hugepages come back as they do; evict() may have given all of them back before. */
  #update(inode: Incarnation, leak: OpenLeak): void {
    const [pages, verdict] = [this.#pages(inode), this.#verdict(inode, leak.since)];
    if (leak.pages === pages && leak.verdict === verdict) return;
    this._leaks.change(leak, { pages, verdict });
  }

  /** Those that it still keeps; where nobody tells of their return, those that it had. */
  #pages(inode: Incarnation): number {
    return this._leaks.model.seesFree ? owed(inode) : inode.pages;
  }

  #verdict(inode: Incarnation, since: number): Leak['verdict'] {
    const from = this._leaks.model.owesSince(inode);
    const until = since + this._leaks.after.stuck;
    return from !== null && this._leaks.isCertain(Math.min(from, since), until)
      ? 'certain'
      : 'suspected';
  }
}
