/** The pool has more in use than was seen being taken, less what was seen coming back. */
import { isObserved } from '../../protocol/stages.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

/** A sample counts when no hugepage moved for so long before it, and until it is looked at. */
const QUIET_NS = 1e9;

export class PoolDriftWatch implements LeakWatch {
  readonly #leaks: Leaks;
  /** In use less (taken less freed) at the first quiet sample: what was in use before us. */
  #before: number | null = null;
  #beforeAt = 0;
  #since: number | null = null;
  #leak: OpenLeak | null = null;
  #looked = 0;

  constructor(leaks: Leaks) {
    this.#leaks = leaks;
  }

  tick(now: number): void {
    const { model, after } = this.#leaks;
    const { plan, hugepages, pools } = model;
    if (!isObserved(plan.hugepage_alloc) || !isObserved(plan.hugepage_free)) return;
    const whole = pools.latest().filter((pool) => pool.node === -1);
    const ts = Math.min(...whole.map((pool) => pool.ts));
    // the events of its time have come when the tick is well past it
    if (whole.length === 0 || ts === this.#looked || now < ts + QUIET_NS) return;
    if (hugepages.lastEvent > ts - QUIET_NS / 5 || !model.contract.watch.watched(ts, ts, false))
      return;
    this.#looked = ts;
    const inUse = whole.reduce((sum, pool) => sum + pool.total - pool.free, 0);
    const seen = hugepages.allocated - hugepages.freed;
    if (this.#before === null) {
      this.#before = inUse - seen;
      this.#beforeAt = ts;
      return;
    }
    const drift = inUse - seen - this.#before;
    if (drift < 0) {
      // some that were in use before us came back unseen: a lower line from now on
      this.#before += drift;
    }
    if (drift <= 0) {
      if (this.#leak !== null) this.#leaks.end(this.#leak, 'resolved', ts);
      this.#leak = null;
      this.#since = null;
      return;
    }
    this.#since ??= ts;
    if (this.#leak === null && ts - this.#since >= after['pool drift']) {
      this.#leak = this.#leaks.fire(
        {
          kind: 'pool drift',
          inode: null,
          verdict: this.#leaks.isCertain(this.#beforeAt, now) ? 'certain' : 'suspected',
          pages: drift,
          pageBytes: whole[0]!.sizeKb * 1024,
          since: this.#since,
          text: `${inUse} hugepages are in use, ${drift} more than was seen being taken and not given back`,
          suspects: [],
        },
        now,
      );
    } else if (this.#leak !== null && this.#leak.pages !== drift) {
      this.#leaks.change(this.#leak, { pages: drift });
    }
  }
}
