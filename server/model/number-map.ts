/**
 * A Map whose keys are numbers, in the order in which they came. Addresses are doubles to
 * the engine, and its own Map takes ten times as long with those: each key is an object on
 * the heap. Here they lie in one array, beside the values, and are found by open addressing.
 * Not to be added to while it is iterated.
 */
const SMALLEST = 8;

export class NumberMap<K extends number, V extends NonNullable<unknown>> {
  private _size = 0;
  /** By hash: the place of an entry, from 1; 0 for none. Twice as long as there may be entries. */
  private _places = new Int32Array(2 * SMALLEST);
  /** In the order in which they came; NaN where one was deleted. */
  private _keys = new Float64Array(SMALLEST);
  private _values: (V | undefined)[] = [];
  /** Entries from here on may be there; those before were deleted. */
  private _first = 0;
  /** The key that was looked for last, and where it is: it is often asked for again. */
  private _lastKey = Number.NaN;
  private _lastAt = -1;

  get size(): number {
    return this._size;
  }

  has(key: K): boolean {
    return this.#find(key) >= 0;
  }

  get(key: K): V | undefined {
    const at = this.#find(key);
    return at < 0 ? undefined : this._values[at];
  }

  /** A key that is there keeps its place in the order. */
  set(key: K, value: V): void {
    const at = this.#find(key);
    if (at >= 0) {
      this._values[at] = value;
      return;
    }
    if (this._values.length === this._keys.length) this.#rebuild();
    this.#add(key, value);
    this._size++;
  }

  delete(key: K): boolean {
    return this.take(key) !== undefined;
  }

  /** Deletes a key, and gives its value; undefined when it was not there. */
  take(key: K): V | undefined {
    const at = this.#find(key);
    if (at < 0) return undefined;
    const value = this._values[at];
    // its place stays taken until all is rebuilt: NaN is no key
    this._keys[at] = Number.NaN;
    this._values[at] = undefined;
    this._size--;
    this._lastAt = -1;
    return value;
  }

  /** Forgets the key that came first of those that are there, and gives its value. */
  takeOldest(): V | undefined {
    this.#skipDeleted();
    return this._size === 0 ? undefined : this.take(this._keys[this._first] as K);
  }

  clear(): void {
    this._size = 0;
    this.#rebuild();
  }

  *[Symbol.iterator](): Generator<[K, V]> {
    this.#skipDeleted();
    const [keys, values] = [this._keys, this._values];
    for (let at = this._first; at < values.length; at++) {
      const value = values[at];
      if (value !== undefined) yield [keys[at] as K, value];
    }
  }

  *values(): Generator<V> {
    this.#skipDeleted();
    const values = this._values;
    for (let at = this._first; at < values.length; at++) {
      const value = values[at];
      if (value !== undefined) yield value;
    }
  }

  /** The values that came last come first. */
  *newestFirst(): Generator<V> {
    const values = this._values;
    for (let at = values.length - 1; at >= this._first; at--) {
      const value = values[at];
      if (value !== undefined) yield value;
    }
  }

  /** Where an entry is; -1 for none. */
  #find(key: number): number {
    if (this._size === 0) return -1;
    if (key === this._lastKey) return this._lastAt;
    const places = this._places;
    const keys = this._keys;
    const mask = places.length - 1;
    for (let at = hashOf(key) & mask; ; at = (at + 1) & mask) {
      const entry = places[at]! - 1;
      if (entry >= 0 && keys[entry] !== key) continue;
      this._lastKey = key;
      this._lastAt = entry;
      return entry;
    }
  }

  /** A key that is not there. */
  #add(key: number, value: V): void {
    const places = this._places;
    const mask = places.length - 1;
    let at = hashOf(key) & mask;
    while (places[at] !== 0) at = (at + 1) & mask;
    this._lastKey = key;
    this._lastAt = this._values.length;
    this._keys[this._lastAt] = key;
    places[at] = this._values.push(value);
  }

  /** Anew with what is there; mostly that is far less than had room, and it is not moved elsewhere. */
  #rebuild(): void {
    const [keys, values] = [this._keys, this._values];
    let room = SMALLEST;
    while (room < 4 * this._size) room *= 2;
    if (room > keys.length || room * 4 < keys.length) {
      this._places = new Int32Array(2 * room);
      this._keys = new Float64Array(room);
    } else this._places.fill(0);
    this._values = [];
    this._lastKey = Number.NaN;
    const first = this._size === 0 ? values.length : this._first;
    this._first = 0;
    for (let at = first; at < values.length; at++) {
      const value = values[at];
      if (value !== undefined) this.#add(keys[at]!, value);
    }
  }

  #skipDeleted(): void {
    const values = this._values;
    while (this._first < values.length && values[this._first] === undefined) this._first++;
  }
}

/** Of both halves of a whole number of up to 53 bits. */
function hashOf(key: number): number {
  const hash = Math.imul((key | 0) ^ Math.imul((key / 2 ** 32) | 0, 0x85ebca6b), 0x9e3779b1);
  return hash ^ (hash >>> 15);
}
