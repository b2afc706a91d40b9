/**
 * A map of bounded size that forgets its oldest entries. A Map alone would do, but for
 * the time it takes to find its first key: it steps over every place that was deleted.
 */
interface Entry<K, V> {
  readonly key: K;
  /** Undefined once it is not in the map any more: what was forgotten is not kept alive. */
  value: V | undefined;
  known: boolean;
}

export class Recent<K, V> {
  private readonly _max: number;
  private readonly _entries = new Map<K, Entry<K, V>>();
  /** Oldest first, from _head on, with those that are not known any more. */
  private _queue: Entry<K, V>[] = [];
  private _head = 0;

  constructor(max: number) {
    this._max = max;
  }

  get size(): number {
    return this._entries.size;
  }

  has(key: K): boolean {
    return this._entries.has(key);
  }

  get(key: K): V | undefined {
    return this._entries.get(key)?.value;
  }

  /** A key that is there keeps its place. */
  set(key: K, value: V): void {
    const before = this._entries.get(key);
    if (before !== undefined) {
      before.value = value;
      return;
    }
    const entry = { key, value, known: true };
    this._entries.set(key, entry);
    this._queue.push(entry);
    if (this._entries.size > this._max) this.#forgetOldest();
    else if (this._queue.length > 2 * this._max) this.#compact();
  }

  delete(key: K): boolean {
    const entry = this._entries.get(key);
    if (entry === undefined) return false;
    entry.known = false;
    entry.value = undefined;
    return this._entries.delete(key);
  }

  #forgetOldest(): void {
    while (!this._queue[this._head]!.known) this._head++;
    this.delete(this._queue[this._head]!.key);
    this._head++;
    if (this._head > this._max) this.#compact();
  }

  #compact(): void {
    this._queue = this._queue.filter((entry) => entry.known);
    this._head = 0;
  }
}
