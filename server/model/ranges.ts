/** A set of whole numbers, kept as ranges `[from, to)` in order that do not touch. */
export class Ranges {
  private _list: { from: number; to: number }[] = [];

  /** How many numbers are in it. */
  get size(): number {
    return this._list.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** Adds `[from, to)`; nothing when it is empty. */
  add(from: number, to: number): void {
    if (to <= from) return;
    const first = this.#firstEndingAt(from);
    let last = first;
    const joined = { from, to };
    while (last < this._list.length && this._list[last]!.from <= to) {
      joined.from = Math.min(joined.from, this._list[last]!.from);
      joined.to = Math.max(joined.to, this._list[last]!.to);
      last++;
    }
    this._list.splice(first, last - first, joined);
  }

  /** Takes `[from, to)` out. */
  remove(from: number, to: number): void {
    if (to <= from) return;
    const first = this.#firstEndingAt(from);
    let last = first;
    const left: { from: number; to: number }[] = [];
    while (last < this._list.length && this._list[last]!.from < to) {
      const range = this._list[last++]!;
      if (range.from < from) left.push({ from: range.from, to: from });
      if (range.to > to) left.push({ from: to, to: range.to });
    }
    if (last > first) this._list.splice(first, last - first, ...left);
  }

  /** Place of the first range that ends at `value` or later. */
  #firstEndingAt(value: number): number {
    let low = 0;
    let high = this._list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this._list[middle]!.to < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
