/**
 * Readers of single fields at a cursor, each with the blank before it. All kinds of lines
 * share them, so that they are few, and soon compiled. Where a field is not of the ordinary
 * form they leave the cursor at MISS; there is always a newline ahead.
 */
import type { Address } from '../protocol/units.ts';
import { HEX_DIGIT, readComm, readSymbol } from './fields.ts';
import type { LineHead } from './line-head.ts';
import { readText } from './line-reader.ts';
import { SeenWords } from './seen-words.ts';

/** Where the scanner is, the time that counts as zero, and the head of the line it read last. */
export interface Cursor extends LineHead {
  /** The epoch's first time: seconds, -1 before the first line, and nanoseconds. */
  originS: number;
  originNs: number;
  /** Behind what was read last; MISS: it was not of the ordinary form. */
  next: number;
}

export const MISS = -1;

const BLANK = 32;
const NEWLINE = 10;
const ZERO = 48;
const MINUS = 45;

export function scanUnsigned(buf: Buffer, cursor: Cursor): number {
  let p = cursor.next;
  if (buf[p++] !== BLANK) return miss(cursor);
  const from = p;
  // small integers as far as nine digits go: by far the most are smaller
  const small = p + 9;
  let value = 0;
  for (; p < small; p++) {
    const digit = buf[p]! - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (p === from) return miss(cursor);
  cursor.next = p;
  return p < small ? value : longUnsigned(buf, cursor, value);
}

/** Goes on behind nine digits. */
function longUnsigned(buf: Buffer, cursor: Cursor, first: number): number {
  const from = cursor.next;
  const value = digitsFrom(buf, from, cursor, first);
  if (cursor.next - from > 20 - 9) cursor.next = MISS;
  return value;
}

/** As many as there are, behind those of a number that are known already. */
function digitsFrom(buf: Buffer, from: number, cursor: Cursor, first: number): number {
  let value = first;
  for (let p = from; ; p++) {
    const digit = buf[p]! - ZERO;
    if (digit < 0 || digit > 9) {
      cursor.next = p;
      return value;
    }
    value = value * 10 + digit;
  }
}

export function scanSigned(buf: Buffer, cursor: Cursor): number {
  const p = cursor.next;
  if (buf[p + 1] !== MINUS || buf[p] !== BLANK) return scanUnsigned(buf, cursor);
  const value = digitsFrom(buf, p + 2, cursor, 0);
  const digits = cursor.next - p - 2;
  if (digits === 0 || digits > 20) cursor.next = MISS;
  return -value;
}

export function scanHex(buf: Buffer, cursor: Cursor): number {
  let p = cursor.next;
  if (buf[p++] !== BLANK) return miss(cursor);
  const from = p;
  const small = p + 7;
  let value = 0;
  for (; p < small; p++) {
    const digit = HEX_DIGIT[buf[p]!]!;
    if (digit < 0) break;
    value = (value << 4) | digit;
  }
  if (p === from) return miss(cursor);
  cursor.next = p;
  return p < small ? value : longHex(buf, cursor, value);
}

/** Goes on behind seven digits. */
function longHex(buf: Buffer, cursor: Cursor, first: number): number {
  let p = cursor.next;
  let value = first;
  for (; ; p++) {
    const digit = HEX_DIGIT[buf[p]!]!;
    if (digit < 0) break;
    value = value * 16 + digit;
  }
  cursor.next = p - cursor.next > 16 - 7 ? MISS : p;
  return value;
}

/** See readAddress: 53 bits, of which each half is a small integer here. */
export function scanAddress(buf: Buffer, cursor: Cursor): Address {
  const p = cursor.next + 1;
  if (buf[p] === ZERO && buf[p + 1]! <= BLANK && buf[p - 1] === BLANK) {
    cursor.next = p + 1;
    return 0 as Address;
  }
  if (buf[p - 1] !== BLANK || p + 16 > buf.length || buf[p] !== 102 || buf[p + 1] !== 102) {
    return miss(cursor) as Address;
  }
  let high = 0;
  let low = 0;
  let all = 0;
  for (let q = p + 2; q < p + 9; q++) {
    const digit = HEX_DIGIT[buf[q]!]!;
    all |= digit;
    high = (high << 4) | digit;
  }
  for (let q = p + 9; q < p + 15; q++) {
    const digit = HEX_DIGIT[buf[q]!]!;
    all |= digit;
    low = (low << 4) | digit;
  }
  const last = HEX_DIGIT[buf[p + 15]!]!;
  // one that is no digit is -1, and makes all of them negative
  const address = high * 2 ** 25 + ((low << 1) | (last >> 3));
  if (all < 0 || (last !== 0 && last !== 8) || address === 0) return miss(cursor) as Address;
  cursor.next = p + 16;
  return address as Address;
}

/** As Decoder reads it: the last nine digits are nanoseconds. */
export function scanTime(buf: Buffer, cursor: Cursor): number {
  const from = cursor.next + 1;
  let end = from;
  while (buf[end]! > BLANK) end++;
  const digits = end - from;
  if (digits < 10 || digits > 18 || cursor.originS < 0) return miss(cursor);
  let p = from;
  let s = 0;
  let ns = 0;
  for (const to = end - 9; p < to; p++) {
    const digit = buf[p]! - ZERO;
    if (digit < 0 || digit > 9) return miss(cursor);
    s = s * 10 + digit;
  }
  for (; p < end; p++) {
    const digit = buf[p]! - ZERO;
    if (digit < 0 || digit > 9) return miss(cursor);
    ns = ns * 10 + digit;
  }
  cursor.next = p;
  return (s - cursor.originS) * 1e9 + (ns - cursor.originNs);
}

export function scanSymbol(buf: Buffer, cursor: Cursor): string {
  const from = cursor.next + 1;
  let hash = 0;
  let p = from;
  for (; buf[p]! > BLANK; p++) hash = (Math.imul(hash, 31) + buf[p]!) | 0;
  const symbol = symbols.get(buf, from, p, hash);
  cursor.next = symbol === '' || buf[from - 1] !== BLANK ? MISS : p;
  return symbol;
}

export const scanComm = toTheEnd(new SeenWords(readComm));
export const scanText = toTheEnd(new SeenWords(readText));

const symbols = new SeenWords(readSymbol);

function toTheEnd(words: SeenWords<string | null>): (buf: Buffer, cursor: Cursor) => string {
  return (buf, cursor) => {
    const from = cursor.next + 1;
    if (buf[from - 1] !== BLANK) {
      cursor.next = MISS;
      return '';
    }
    let hash = 0;
    let p = from;
    for (; buf[p] !== NEWLINE; p++) hash = (Math.imul(hash, 31) + buf[p]!) | 0;
    const text = words.get(buf, from, p, hash);
    cursor.next = text === null ? MISS : p;
    return text ?? '';
  };
}

export function newCursor(): Cursor {
  return { originS: -1, originNs: 0, next: 0, kind: 'tick', place: 0, track: 0, ts: 0, cpu: 0 };
}

function miss(cursor: Cursor): number {
  cursor.next = MISS;
  return 0;
}
