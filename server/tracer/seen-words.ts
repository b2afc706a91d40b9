/**
 * Text that was seen before, found again by its bytes without making a string: symbols
 * and comms are few. A word that shares its place with another is read anew.
 */
const PLACES = 1024;
/** Bytes of a word that is kept: no symbol, comm or text is longer. */
const LONGEST = 128;

type Read<T> = (buf: Buffer, start: number, end: number) => T;

interface Word<T> {
  readonly bytes: Uint8Array;
  readonly value: T;
}

export class SeenWords<T> {
  readonly #read: Read<T>;
  readonly #words: (Word<T> | null)[] = new Array<Word<T> | null>(PLACES).fill(null);

  constructor(read: Read<T>) {
    this.#read = read;
  }

  /** What is read from these bytes; `hash` is any number that is the same for the same bytes. */
  get(buf: Buffer, start: number, end: number, hash: number): T {
    const place = hash & (PLACES - 1);
    const word = this.#words[place]!;
    if (word !== null && isSame(word.bytes, buf, start, end)) return word.value;
    const value = this.#read(buf, start, end);
    if (end - start <= LONGEST) {
      // a Buffer would keep 8 KB, of which it is a part
      this.#words[place] = { bytes: new Uint8Array(buf.subarray(start, end)), value };
    }
    return value;
  }
}

function isSame(bytes: Uint8Array, buf: Buffer, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false;
  for (let i = 0, at = start; at < end; i++, at++) if (bytes[i] !== buf[at]) return false;
  return true;
}
