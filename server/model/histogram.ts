/**
 * A distribution of durations in fixed memory: each power of two is cut into 32
 * buckets of equal width, so that a percentile is at most 1/32 (3.2 %) too high.
 * Deterministic.
 */
const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
const BUCKETS = 54 * SUB;

/** One double, and its bits in two words of which the second is the higher (little endian). */
const DOUBLE = new Float64Array(1);
const WORDS = new Uint32Array(DOUBLE.buffer);
const EXPONENT_BIAS = 1023;

export class Histogram {
  count = 0;
  max = 0;
  /** Of all durations, ns. */
  sum = 0;
  private readonly _buckets = new Uint32Array(BUCKETS);

  add(ns: number): void {
    // a double is its exponent and then its fraction: their first bits are the bucket
    DOUBLE[0] = Math.max(ns, 1);
    const bucket = (WORDS[1]! >>> (20 - SUB_BITS)) - (EXPONENT_BIAS << SUB_BITS);
    this._buckets[Math.min(BUCKETS - 1, bucket)]!++;
    this.count++;
    this.sum += ns;
    if (ns > this.max) this.max = ns;
  }

  /** Adds all of another distribution. */
  merge(other: Histogram): void {
    for (let i = 0; i < BUCKETS; i++) this._buckets[i]! += other._buckets[i]!;
    this.count += other.count;
    this.sum += other.sum;
    this.max = Math.max(this.max, other.max);
  }

  /** How many are shorter than each of 2 ** exponent ns; exponents ascend. Exact. */
  below(exponents: readonly number[]): number[] {
    let at = 0;
    let count = 0;
    return exponents.map((exponent) => {
      for (const end = Math.min(BUCKETS, exponent * SUB); at < end; at++) {
        count += this._buckets[at]!;
      }
      return count;
    });
  }

  /** The upper end of the bucket that holds the quantile, at most the maximum; 0 when empty. */
  quantile(q: number): number {
    if (this.count === 0) return 0;
    let left = Math.max(1, Math.ceil(q * this.count));
    for (let i = 0; i < BUCKETS; i++) {
      left -= this._buckets[i]!;
      if (left <= 0) {
        const upper = 2 ** Math.floor(i / SUB) * (1 + ((i % SUB) + 1) / SUB);
        return Math.min(this.max, Math.round(upper));
      }
    }
    return this.max;
  }
}
