/**
 * The largest of many by a number, in order: what a window of a sorted table shows, without
 * sorting all of it.
 */
export class Largest<T> {
  readonly #room: number;
  /** A heap: the smallest of those kept is the first. Equal ones: that which came first is larger. */
  readonly #values: number[] = [];
  readonly #places: number[] = [];
  readonly #items: T[] = [];
  #count = 0;

  /** `room`: how many are kept. */
  constructor(room: number) {
    this.#room = room;
  }

  /** How many were offered. */
  get count(): number {
    return this.#count;
  }

  /** One of this value would not be kept; it is counted as offered. Spares making the item. */
  passesOver(value: number): boolean {
    const full =
      this.#values.length === this.#room && (this.#room === 0 || value <= this.#values[0]!);
    if (full) this.#count++;
    return full;
  }

  offer(value: number, item: T): void {
    const place = this.#count++;
    if (this.#room === 0) return;
    if (this.#values.length < this.#room) {
      this.#values.push(value);
      this.#places.push(place);
      this.#items.push(item);
      this.#up(this.#values.length - 1);
    } else if (value > this.#values[0]!) {
      this.#values[0] = value;
      this.#places[0] = place;
      this.#items[0] = item;
      this.#down();
    }
  }

  /** The largest first. */
  sorted(): T[] {
    const order = this.#values.map((_, i) => i);
    order.sort(
      (a, b) => this.#values[b]! - this.#values[a]! || this.#places[a]! - this.#places[b]!,
    );
    return order.map((i) => this.#items[i]!);
  }

  #less(a: number, b: number): boolean {
    const [x, y] = [this.#values[a]!, this.#values[b]!];
    return x < y || (x === y && this.#places[a]! > this.#places[b]!);
  }

  #up(at: number): void {
    for (let i = at; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!this.#less(i, parent)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(): void {
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (left < this.#values.length && this.#less(left, least)) least = left;
      if (right < this.#values.length && this.#less(right, least)) least = right;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(a: number, b: number): void {
    for (const list of [this.#values, this.#places, this.#items] as unknown[][]) {
      const kept = list[a];
      list[a] = list[b];
      list[b] = kept;
    }
  }
}
