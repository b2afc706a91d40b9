/** What a pool at rest still has reserved (R16), beyond what leaks of mounts account for. */
import type { PoolSample } from '../pools.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class PoolReservationWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  /** By size, kB: the leak, and the newest sample that it was held against. */
  private readonly _bySize = new Map<number, { readonly leak: OpenLeak; sampled: number }>();
  private readonly _seen = new Set<number>();

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  tick(now: number): void {
    const { contract, pools } = this._leaks.model;
    if (this._bySize.size === 0 && contract.verdicts.count('R16').checked === 0) return;
    for (const pool of pools.latest()) if (pool.node === -1) this.#look(pool, now);
  }

  /** Reserved, and no leak yet: somebody still has it, or the pool has not rested for long enough. */
  pending(): boolean {
    return this._leaks.model.pools
      .latest()
      .some((pool) => pool.node === -1 && this.#unexplained(pool) > 0);
  }

  #look(pool: PoolSample, now: number): void {
    const { contract } = this._leaks.model;
    const what = `pool of ${pool.sizeKb} kB`;
    const findings = contract.findings.filter((f) => f.rule === 'R16' && f.what === what);
    const known = this._bySize.get(pool.sizeKb);
    if (known !== undefined) {
      if (findings.length === 0 && !contract.verdicts.isClaimed('R16', what)) {
        this._bySize.delete(pool.sizeKb);
        const why = 'later the pool at rest has none reserved';
        return this._leaks.end(known.leak, 'refuted', now, why);
      }
      if (pool.ts > known.sampled) this.#follow(pool, known);
    }
    for (const finding of findings) {
      if (this._seen.has(finding.number)) continue;
      if (now - finding.ts < this._leaks.after.reservation) continue;
      this._seen.add(finding.number);
      const pages = this.#unexplained(pool);
      const open = this._bySize.get(pool.sizeKb);
      if (pages === 0) continue;
      const { verdict, sentence } = finding;
      const text = `${what}: ${sentence}`;
      // another rest of the same pool: what is left may be more by now
      if (open !== undefined) this._leaks.change(open.leak, { pages, verdict, text });
      else {
        const leak = this._leaks.fire(
          {
            kind: 'reservation',
            inode: null,
            verdict,
            pages,
            pageBytes: pool.sizeKb * 1024,
            since: finding.ts,
            text,
            suspects: [],
          },
          now,
        );
        this._bySize.set(pool.sizeKb, { leak, sampled: pool.ts });
      }
    }
  }

  /** Fewer than were lost: some came back. More may be anybody's. */
  #follow(pool: PoolSample, known: { leak: OpenLeak; sampled: number }): void {
    known.sampled = pool.ts;
    const left = Math.min(known.leak.pages, this.#unexplained(pool));
    if (left === known.leak.pages) return;
    if (left > 0) return this._leaks.change(known.leak, { pages: left });
    this._bySize.delete(pool.sizeKb);
    this._leaks.end(known.leak, 'resolved', pool.ts);
  }

  #unexplained({ sizeKb, reserved }: PoolSample): number {
    let known = 0;
    for (const leak of this._leaks.all()) {
      const other = leak !== this._bySize.get(sizeKb)?.leak;
      if (leak.state !== 'firing' || leak.kind !== 'reservation' || !other) continue;
      if (leak.pageBytes === sizeKb * 1024) known += leak.pages;
    }
    return Math.max(0, (reserved ?? 0) - known);
  }
}
