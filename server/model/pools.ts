/** The counters of each hugepage pool, as the host's /sys shows them each second. */

/** Pages. `node` -1 is the whole host; reserved is not counted by node. */
export interface PoolSample {
  /** Nanoseconds of the epoch. */
  readonly ts: number;
  readonly sizeKb: number;
  readonly node: number;
  readonly total: number;
  readonly free: number;
  readonly reserved: number | null;
  readonly surplus: number;
}

export class Pools {
  /** HardwareCorrupted of /proc/meminfo, kB: memory that is poisoned goes to nobody any more. */
  corruptedKb = 0;
  private readonly _latest = new Map<string, PoolSample>();

  sample(sample: PoolSample): void {
    this._latest.set(`${sample.sizeKb} ${sample.node}`, sample);
  }

  /** Whether the host has a pool of hugepages of this size, KiB. */
  has(sizeKb: number): boolean {
    return this._latest.has(`${sizeKb} -1`);
  }

  /** The newest sample of each pool, by size and node. */
  latest(): PoolSample[] {
    return [...this._latest.values()].sort((a, b) => a.sizeKb - b.sizeKb || a.node - b.node);
  }
}
