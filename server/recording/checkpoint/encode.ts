/** The state of an object graph as bytes; see graph.ts. */
import { NumberMap } from '../../model/number-map.ts';
import { CLASSES } from './classes.ts';
import {
  CheckpointError,
  isPrimitive,
  Places,
  sameKeys,
  TAG,
  TYPED_ARRAYS,
  type TypedArray,
} from './graph.ts';
import { ByteWriter } from './writer.ts';

/** What a Map and a NumberMap have in common. */
type AnyMap = Pick<ReadonlyMap<unknown, unknown>, 'size' | 'get' | typeof Symbol.iterator>;

/** The keys of an object in their order; one for all objects that have the same. */
interface Shape {
  readonly number: number;
  readonly className: string;
  readonly keys: readonly string[];
}

/** A node in the tree of keys, so that a shape is found without making a string of it. */
interface KeyNode {
  readonly next: Map<string, KeyNode>;
  shape: Shape | null;
}

export class GraphEncoder {
  readonly #out = new ByteWriter();
  readonly #places = new Places();
  readonly #seen = new Map<object, number>();
  readonly #strings = new Map<string, number>();
  readonly #roots = new Map<object | null, KeyNode>();
  /** Objects that are left as the fresh pipeline has them. */
  readonly #left: ReadonlySet<object>;
  #shapes = 0;
  /** From the root to the value at hand: for the message of an error. */
  readonly #path: string[] = [];

  constructor(left: ReadonlySet<object> = new Set()) {
    this.#left = left;
  }

  get bytes(): Buffer {
    return this.#out.bytes;
  }

  /** Whether an object is in the stream already. */
  has(value: object): boolean {
    return this.#seen.has(value);
  }

  /**
   * `twin`: what the fresh pipeline has at this place. Throws CheckpointError for a class
   * that is not registered, and for a function that no constructor would make again.
   */
  value(value: unknown, twin: unknown): void {
    const out = this.#out;
    switch (typeof value) {
      case 'number':
        return this.#number(value);
      case 'string':
        return this.#string(value);
      case 'undefined':
        return out.u8(TAG.undefined);
      case 'boolean':
        return out.u8(value ? TAG.true : TAG.false);
      case 'bigint':
        out.u8(TAG.bigint);
        return out.block(Buffer.from(String(value), 'latin1'));
      case 'object':
        if (value === null) return out.u8(TAG.null);
        return this.#reference(value, twin);
      default:
        if (typeof twin === typeof value) return out.u8(TAG.same);
        throw this.#error(`a ${typeof value} that no constructor makes`);
    }
  }

  #number(value: number): void {
    const out = this.#out;
    if ((value | 0) !== value || Object.is(value, -0)) {
      out.u8(TAG.float64);
      out.f64(value);
    } else if (value >= 0 && value < 128) {
      out.u8(TAG.SMALL | value);
    } else {
      out.u8(TAG.int32);
      out.i32(value);
    }
  }

  #string(value: string): void {
    const out = this.#out;
    const known = this.#strings.get(value);
    if (known !== undefined) {
      out.u8(TAG.string);
      return out.u32(known);
    }
    this.#strings.set(value, this.#strings.size);
    const latin1 = /^[\x00-\xff]*$/.test(value);
    out.u8(latin1 ? TAG.latin1 : TAG.utf16);
    out.block(Buffer.from(value, latin1 ? 'latin1' : 'utf16le'));
  }

  #reference(value: object, twin: unknown): void {
    const out = this.#out;
    const seen = this.#seen.get(value);
    if (seen !== undefined) {
      out.u8(TAG.seen);
      return out.u32(seen);
    }
    this.#seen.set(value, this.#seen.size);
    if (value === twin || this.#left.has(value)) return out.u8(TAG.same);
    const prototype = Object.getPrototypeOf(value) as object | null;
    const place = this.#places.take(twin, prototype);
    if (Array.isArray(value)) return this.#array(value, place as unknown[] | undefined);
    if (prototype === Map.prototype) {
      return this.#map(TAG.map, value as AnyMap, place as AnyMap | undefined);
    }
    if (prototype === NumberMap.prototype) {
      return this.#map(TAG.numbers, value as AnyMap, place as AnyMap | undefined);
    }
    if (prototype === Set.prototype) return this.#set(value as Set<unknown>);
    if (ArrayBuffer.isView(value)) return this.#view(value);
    this.#object(value as Record<string, unknown>, prototype, place);
  }

  #array(value: readonly unknown[], place: readonly unknown[] | undefined): void {
    this.#out.u8(TAG.array);
    this.#out.u32(value.length);
    this.#path.push('[]');
    for (let i = 0; i < value.length; i++) this.value(value[i], place?.[i]);
    this.#path.pop();
  }

  #map(tag: number, value: AnyMap, place: AnyMap | undefined): void {
    this.#out.u8(tag);
    this.#out.u32(value.size);
    this.#path.push('{}');
    for (const [key, entry] of value) {
      this.value(key, undefined);
      this.value(entry, isPrimitive(key) ? place?.get(key) : undefined);
    }
    this.#path.pop();
  }

  #set(value: ReadonlySet<unknown>): void {
    this.#out.u8(TAG.set);
    this.#out.u32(value.size);
    this.#path.push('{}');
    for (const entry of value) this.value(entry, undefined);
    this.#path.pop();
  }

  #view(value: ArrayBufferView): void {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (Buffer.isBuffer(value)) {
      this.#out.u8(TAG.bytes);
    } else {
      const type = TYPED_ARRAYS.indexOf(
        (value as TypedArray).constructor as (typeof TYPED_ARRAYS)[number],
      );
      if (type < 0) throw this.#error(`a ${value.constructor.name}`);
      this.#out.u8(TAG.typed);
      this.#out.u8(type);
    }
    this.#out.block(bytes);
  }

  #object(value: Record<string, unknown>, prototype: object | null, place: object | undefined) {
    const shape = this.#shapeOf(value, prototype);
    const { keys, className } = shape;
    const plain = className === '';
    const there = place !== undefined && (!plain || sameKeys(place, keys)) ? place : undefined;
    if (!plain && there === undefined && !CLASSES.has(className)) {
      throw this.#error(`an object of the class ${className}, which is not in classes.ts`);
    }
    const flat = plain && there === undefined && keys.every((key) => isPrimitive(value[key]));
    this.#out.u8(flat ? TAG.flat : TAG.object);
    this.#defined(shape);
    const twin = there as Record<string, unknown> | undefined;
    if (flat) {
      for (const key of keys) this.value(value[key], undefined);
      return;
    }
    for (const key of keys) {
      this.#path.push(key);
      this.value(value[key], twin?.[key]);
      this.#path.pop();
    }
  }

  /** The number of a shape; its keys follow where it comes first. */
  #defined({ number, className, keys }: Shape): void {
    this.#out.u32(number);
    if (number < this.#shapes) return;
    // an object literal with it would set the prototype
    if (keys.includes('__proto__')) throw this.#error('a field __proto__');
    this.#shapes++;
    this.#out.block(Buffer.from(JSON.stringify([className, ...keys]), 'utf8'));
  }

  #shapeOf(value: object, prototype: object | null): Shape {
    let node = nextNode(this.#roots, prototype);
    for (const key in value) node = nextNode(node.next, key);
    // numbered when it is written, which is at once
    node.shape ??= {
      number: this.#shapes,
      className: prototype === Object.prototype ? '' : (prototype?.constructor.name ?? 'null'),
      keys: Object.keys(value),
    };
    return node.shape;
  }

  #error(what: string): CheckpointError {
    return new CheckpointError(`cannot save ${what}, at ${this.#path.join('.') || 'the root'}`);
  }
}

function nextNode<K>(nodes: Map<K, KeyNode>, key: K): KeyNode {
  let node = nodes.get(key);
  if (node === undefined) {
    node = { next: new Map(), shape: null };
    nodes.set(key, node);
  }
  return node;
}
