/** Bytes of GraphEncoder back into objects, those of a fresh pipeline where it has them. */
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

/** What a Map and a NumberMap have in common. */
type AnyMap = Pick<
  Map<unknown, unknown>,
  'size' | 'clear' | 'get' | 'set' | typeof Symbol.iterator
>;

type Fields = Record<string, unknown>;

/** How objects of one shape are read. Compiled, so that all of them have one layout in memory. */
interface Reader {
  readonly className: string;
  readonly keys: readonly string[];
  /** An object literal of values that are read in the order of the keys. */
  readonly flat: (read: () => unknown) => object;
  readonly empty: () => object;
  /** Reads the fields into `object`; `there`: what stands at this place. */
  readonly fill: (
    object: object,
    read: (there: unknown) => unknown,
    there: Fields | undefined,
  ) => void;
}

const READERS = new Map<string, Reader>();

export class GraphDecoder {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #places = new Places();
  readonly #objects: object[] = [];
  readonly #strings: string[] = [];
  readonly #shapes: Reader[] = [];
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The next value. `there`: what the fresh pipeline has at this place. Throws CheckpointError. */
  value(there: unknown): unknown {
    try {
      return this.#read(there);
    } catch (error) {
      if (error instanceof CheckpointError) throw error;
      throw new CheckpointError(`a checkpoint cannot be read: ${(error as Error).message}`);
    }
  }

  readonly #read = (there: unknown): unknown => {
    const tag = this.#bytes[this.#at++]!;
    if (tag >= TAG.SMALL) return tag - TAG.SMALL;
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.true:
        return true;
      case TAG.false:
        return false;
      case TAG.int32:
        this.#at += 4;
        return this.#view.getInt32(this.#at - 4, true);
      case TAG.float64:
        this.#at += 8;
        return this.#view.getFloat64(this.#at - 8, true);
      case TAG.string:
        return this.#strings[this.#u32()]!;
      case TAG.latin1:
      case TAG.utf16: {
        const text = this.#block().toString(tag === TAG.latin1 ? 'latin1' : 'utf16le');
        this.#strings.push(text);
        return text;
      }
      case TAG.bigint:
        return BigInt(this.#block().toString('latin1'));
      case TAG.seen:
        return this.#known(this.#u32());
      case TAG.same:
        return this.#same(there);
      default:
        return this.#object(tag, there);
    }
  };

  readonly #primitive = (): unknown => this.#read(undefined);

  /** A function, or an object that is the same in every pipeline of this epoch. */
  #same(there: unknown): unknown {
    if (typeof there === 'object' && there !== null) this.#objects.push(there);
    else if (typeof there !== 'function') throw new CheckpointError('nothing stands at this place');
    return there;
  }

  #object(tag: number, there: unknown): object {
    switch (tag) {
      case TAG.array:
        return this.#array(this.#places.take(there, Array.prototype) as unknown[] | undefined);
      case TAG.map:
        return this.#map((this.#places.take(there, Map.prototype) as AnyMap) ?? new Map());
      case TAG.numbers:
        return this.#map(
          (this.#places.take(there, NumberMap.prototype) as AnyMap) ?? new NumberMap(),
        );
      case TAG.set:
        return this.#set(this.#places.take(there, Set.prototype) as Set<unknown>);
      case TAG.bytes: {
        this.#places.take(there, Buffer.prototype);
        return this.#keep(Buffer.from(this.#block()));
      }
      case TAG.typed:
        return this.#typed(there);
      case TAG.flat: {
        const place = this.#objects.length;
        this.#objects.push(this.#bytes);
        const object = this.#shape().flat(this.#primitive);
        this.#objects[place] = object;
        this.#places.take(there, Object.prototype);
        return object;
      }
      case TAG.object:
        return this.#fields(there);
      default:
        throw new CheckpointError(`a checkpoint is damaged: tag ${tag} at byte ${this.#at - 1}`);
    }
  }

  #array(place: unknown[] | undefined): unknown[] {
    const array = this.#keep(place ?? []);
    const length = this.#u32();
    for (let i = 0; i < length; i++) array[i] = this.#read(place?.[i]);
    array.length = length;
    return array;
  }

  #map(empty: AnyMap): AnyMap {
    const map = this.#keep(empty);
    const before = map.size === 0 ? null : new Map(map);
    map.clear();
    for (let left = this.#u32(); left > 0; left--) {
      const key = this.#read(undefined);
      map.set(key, this.#read(isPrimitive(key) ? before?.get(key) : undefined));
    }
    return map;
  }

  #set(place: Set<unknown> | undefined): Set<unknown> {
    const set = this.#keep(place ?? new Set<unknown>());
    set.clear();
    for (let left = this.#u32(); left > 0; left--) set.add(this.#read(undefined));
    return set;
  }

  #typed(there: unknown): TypedArray {
    const Type = TYPED_ARRAYS[this.#bytes[this.#at++]!];
    if (Type === undefined) throw new CheckpointError('a checkpoint is damaged: unknown array');
    const bytes = this.#block();
    const place = this.#places.take(there, Type.prototype) as TypedArray | undefined;
    const length = bytes.length / Type.BYTES_PER_ELEMENT;
    const array = place?.length === length ? place : new Type(length);
    new Uint8Array(array.buffer, array.byteOffset, bytes.length).set(bytes);
    return this.#keep(array);
  }

  #fields(there: unknown): object {
    const place = this.#objects.length;
    this.#objects.push(this.#bytes);
    const shape = this.#shape();
    let at = this.#places.take(there, prototypeOf(shape.className, there));
    if (shape.className === '' && at !== undefined && !sameKeys(at, shape.keys)) at = undefined;
    const object = at ?? shape.empty();
    this.#objects[place] = object;
    shape.fill(object, this.#read, at as Fields | undefined);
    return object;
  }

  #shape(): Reader {
    const number = this.#u32();
    if (number === this.#shapes.length) this.#shapes.push(readerOf(this.#block().toString('utf8')));
    const shape = this.#shapes[number];
    if (shape === undefined) throw new CheckpointError('a checkpoint is damaged: unknown shape');
    return shape;
  }

  #keep<T extends object>(object: T): T {
    this.#objects.push(object);
    return object;
  }

  #known(number: number): object {
    const object = this.#objects[number];
    if (object === undefined) throw new CheckpointError('a checkpoint is damaged: unknown object');
    return object;
  }

  #u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #block(): Buffer {
    const length = this.#u32();
    if (length > this.#bytes.length - this.#at)
      throw new CheckpointError('a checkpoint is cut off');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** Of a class that only constructors of the pipeline make, the fresh object knows the prototype. */
function prototypeOf(className: string, there: unknown): object {
  if (className === '' || typeof there !== 'object' || there === null) return Object.prototype;
  const prototype = Object.getPrototypeOf(there) as object;
  return prototype.constructor.name === className ? prototype : Object.prototype;
}

function readerOf(definition: string): Reader {
  const known = READERS.get(definition);
  if (known !== undefined) return known;
  const [className = '', ...keys] = JSON.parse(definition) as string[];
  // in the literals below it would be no field; the encoder writes none
  if (keys.includes('__proto__')) throw new CheckpointError('a checkpoint is damaged: __proto__');
  const name = (key: string) => JSON.stringify(key);
  const literal = (value: string) => `({ ${keys.map((k) => `${name(k)}: ${value}`).join(', ')} })`;
  const make = CLASSES.get(className);
  const reader: Reader = {
    className,
    keys,
    flat: new Function('read', `return ${literal('read()')};`) as Reader['flat'],
    empty:
      className === ''
        ? (new Function(`return ${literal('undefined')};`) as Reader['empty'])
        : () => {
            if (make === undefined) throw new CheckpointError(`unknown class ${className}`);
            return make();
          },
    fill: new Function(
      'object',
      'read',
      'there',
      keys.map((k) => `object[${name(k)}] = read(there?.[${name(k)}]);`).join('\n'),
    ) as Reader['fill'],
  };
  READERS.set(definition, reader);
  return reader;
}
