/** The pool has more in use than was seen being taken, less what was seen coming back. */
import type { Leak } from '../../protocol/leaks.ts';
import { isObserved } from '../../protocol/stages.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

/**
 * A sample counts when no hugepage moved for so long before it, and until it is looked at
 * so long after it: by then the lines of its time have come. Samples come each second.
 */
const BEFORE_NS = 0.2e9;
const AFTER_NS = 0.5e9;

export class PoolDriftWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  /** In use less (taken less freed) at the first quiet sample: what was in use before us. */
  private _before: number | null = null;
  private _beforeAt = 0;
  private _since: number | null = null;
  private _leak: OpenLeak | null = null;
  private _looked = 0;

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  tick(now: number): void {
    const { model, after } = this._leaks;
    const { plan, hugepages, pools } = model;
    if (!isObserved(plan.hugepage_alloc) || !isObserved(plan.hugepage_free)) return;
    const whole = pools.latest().filter((pool) => pool.node === -1);
    const ts = Math.min(...whole.map((pool) => pool.ts));
    // the events of its time have come when the tick is well past it
    if (whole.length === 0 || ts === this._looked || now < ts + AFTER_NS) return;
    if (hugepages.lastEvent > ts - BEFORE_NS || !model.contract.watch.watched(ts, ts, false))
      return;
    this._looked = ts;
    const inUse = whole.reduce((sum, pool) => sum + pool.total - pool.free, 0);
    const seen = hugepages.allocated - hugepages.freed;
    if (this._before === null) {
      this._before = inUse - seen;
      this._beforeAt = ts;
      return;
    }
    // more came back than were there: some were taken unseen, and are back
    if (this._before + seen < 0) this._before = -seen;
    const drift = inUse - seen - this._before;
    if (drift < 0) {
      // some that were in use before us came back unseen: a lower line from now on
      this._before += drift;
    }
    if (drift <= 0) {
      if (this._leak !== null) this._leaks.end(this._leak, 'resolved', ts);
      this._leak = null;
      this._since = null;
      return;
    }
    this._since ??= ts;
    if (this._leak === null && ts - this._since >= after['pool drift']) {
      this._leak = this._leaks.fire(
        {
          kind: 'pool drift',
          inode: null,
          verdict: this.#verdict(ts),
          pages: drift,
          pageBytes: whole[0]!.sizeKb * 1024,
          since: this._since,
          text: this.#text(inUse, drift),
          suspects: [],
        },
        now,
      );
    } else if (this._leak !== null) {
      const verdict = this.#verdict(ts);
      if (this._leak.pages !== drift || this._leak.verdict !== verdict) {
        this._leaks.change(this._leak, { pages: drift, verdict, text: this.#text(inUse, drift) });
      }
    }
  }

  pending(): boolean {
    return this._since !== null && this._leak === null;
  }

  #text(inUse: number, drift: number): string {
    const { allocated, freed } = this._leaks.model.hugepages;
    const account = `${this._before} before tracing, ${allocated} seen being taken since, ${freed} given back`;
    return `${inUse} hugepages are in use, ${drift} too many: ${account}`;
  }

  /**
   * Certain: no line of a hugepage that was taken or given back was lost since the first sample.
   * Whoever gives back what is seen only then, looks like that many that are in use from then on.
   */
  #verdict(ts: number): Leak['verdict'] {
    const { plan } = this._leaks.model;
    if (!isObserved(plan.hugepage_alloc_nodemask)) return 'suspected';
    return this._leaks.isCertain(this._beforeAt, ts) ? 'certain' : 'suspected';
  }
}
