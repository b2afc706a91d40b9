/**
 * A Set of things that have a number each, in the order in which they came. The engine's own
 * Set gives each object a hash when it comes first, which takes far longer than to look it up.
 */
import { NumberMap } from './number-map.ts';

export class NumberedSet<T extends { readonly number: number }> {
  private readonly _items = new NumberMap<number, T>();

  get size(): number {
    return this._items.size;
  }

  has(item: T): boolean {
    return this._items.has(item.number);
  }

  /** One that is there keeps its place. */
  add(item: T): void {
    this._items.set(item.number, item);
  }

  delete(item: T): boolean {
    return this._items.delete(item.number);
  }

  clear(): void {
    this._items.clear();
  }

  [Symbol.iterator](): Iterator<T> {
    return this._items.values();
  }
}
