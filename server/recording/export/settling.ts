/** Holds things for a while in the order they came, and gives them on when they have settled. */

export class Settling<T> {
  readonly #afterNs: number;
  readonly #max: number;
  readonly #give: (thing: T) => void;
  #things: T[] = [];
  #since: number[] = [];
  #first = 0;

  /** Each is given on `afterNs` after it came, or when more than `max` came after it. */
  constructor(afterNs: number, max: number, give: (thing: T) => void) {
    this.#afterNs = afterNs;
    this.#max = max;
    this.#give = give;
  }

  add(thing: T, now: number): void {
    this.#things.push(thing);
    this.#since.push(now);
  }

  drain(now: number): void {
    while (
      this.#first < this.#things.length &&
      (this.#since[this.#first]! + this.#afterNs <= now ||
        this.#things.length - this.#first > this.#max)
    ) {
      this.#give(this.#things[this.#first++]!);
    }
    if (this.#first > 8192) {
      this.#things = this.#things.slice(this.#first);
      this.#since = this.#since.slice(this.#first);
      this.#first = 0;
    }
  }

  flush(): void {
    this.drain(Number.POSITIVE_INFINITY);
    while (this.#first < this.#things.length) this.#give(this.#things[this.#first++]!);
  }
}
