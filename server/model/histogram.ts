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

  copy(): Histogram {
    const copy = new Histogram();
    copy.merge(this);
    return copy;
  }

  /** What was added since `before` was copied from it; the maximum as near as a bucket can tell. */
  since(before: Histogram | undefined): Histogram {
    const more = new Histogram();
    more.count = this.count - (before?.count ?? 0);
    if (more.count === 0) return more;
    more.sum = this.sum - (before?.sum ?? 0);
    for (let i = 0; i < BUCKETS; i++) {
      more._buckets[i] = this._buckets[i]! - (before?._buckets[i] ?? 0);
      if (more._buckets[i]! > 0) more.max = Math.min(this.max, upperOf(i));
    }
    return more;
  }

  /** Cell and count by turns, `perOctave` cells for each power of two; empty ones are left out. */
  cells(perOctave: number): number[] {
    const width = SUB / perOctave;
    const out: number[] = [];
    for (let cell = 0; cell * width < BUCKETS; cell++) {
      let count = 0;
      for (let i = cell * width; i < (cell + 1) * width; i++) count += this._buckets[i]!;
      if (count > 0) out.push(cell, count);
    }
    return out;
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
        return Math.min(this.max, upperOf(i));
      }
    }
    return this.max;
  }
}

function upperOf(bucket: number): number {
  return Math.round(2 ** Math.floor(bucket / SUB) * (1 + ((bucket % SUB) + 1) / SUB));
}
