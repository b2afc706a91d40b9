/** A map of bounded size that forgets its oldest entries. */
import { NumberMap } from './number-map.ts';

export class Recent<K extends number, V extends NonNullable<unknown>> {
  private readonly _max: number;
  private readonly _entries = new NumberMap<K, V>();

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
    return this._entries.get(key);
  }

  /** A key that is there keeps its place. */
  set(key: K, value: V): void {
    this._entries.set(key, value);
    if (this._entries.size > this._max) this._entries.takeOldest();
  }

  delete(key: K): boolean {
    return this._entries.delete(key);
  }

  clear(): void {
    this._entries.clear();
  }
}
