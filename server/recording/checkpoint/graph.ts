/**
 * What the two halves of the codec share: the tags of the stream, and which object of a
 * fresh pipeline stands where the saved one stood.
 *
 * Both halves walk the same paths. The encoder goes through the live state beside a
 * `twin`, a pipeline as its constructor leaves it; the decoder goes through the stream
 * beside another such pipeline, and fills it. So what a constructor makes (closures,
 * tables, the parts of the model that know each other) stays what it is, and only what
 * differs is in the stream.
 */

/** A state that cannot be saved, or a stream that is none of ours. */
export class CheckpointError extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'CheckpointError';
  }
}

/** One byte before each value; from SMALL on it is a whole number below 128 itself. */
export const TAG = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  int32: 4,
  float64: 5,
  latin1: 6,
  utf16: 7,
  /** A string that was in the stream before, by its place among them. */
  string: 8,
  bigint: 9,
  /** An object that was in the stream before, by its place among them. */
  seen: 10,
  /** What the fresh pipeline has at this place: a function, or the very same object. */
  same: 11,
  array: 12,
  map: 13,
  set: 14,
  bytes: 15,
  typed: 16,
  /** An object whose values are all primitive. */
  flat: 17,
  object: 18,
  /** A NumberMap. */
  numbers: 19,
  SMALL: 128,
} as const;

/** The arrays of numbers that may be in a state, by place in the stream. */
export const TYPED_ARRAYS = [
  Float64Array,
  Uint32Array,
  Int32Array,
  Uint16Array,
  Float32Array,
  Uint8Array,
  Int8Array,
  Int16Array,
  BigUint64Array,
  BigInt64Array,
] as const;

export type TypedArray = InstanceType<(typeof TYPED_ARRAYS)[number]>;

/** Each object of the fresh pipeline stands for one object, the first at its place. */
export class Places {
  readonly #taken = new Set<object>();

  /** `there`, if it may stand for an object of this prototype; undefined otherwise. */
  take(there: unknown, prototype: object | null): object | undefined {
    if (typeof there !== 'object' || there === null) return undefined;
    if (Object.getPrototypeOf(there) !== prototype || this.#taken.has(there)) return undefined;
    this.#taken.add(there);
    return there;
  }
}

/** A plain object stands for another only when it has the same keys in the same order. */
export function sameKeys(there: object, keys: readonly string[]): boolean {
  const own = Object.keys(there);
  return own.length === keys.length && own.every((key, i) => key === keys[i]);
}

export function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function');
}
