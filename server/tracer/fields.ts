/**
 * Readers of single fields, over bytes. Each takes the buffer and the bounds of
 * the field; `bad` is returned for what is not such a field, so that the caller
 * can say which field of which line was wrong. No allocation but for text.
 */
import type { Address } from '../protocol/units.ts';

/** What a reader of numbers returns for text that is no number. */
export const BAD = Number.NaN;

/** By byte: the value of a hexadecimal digit in lower case, -1 for all else. */
export const HEX_DIGIT = new Int8Array(256).fill(-1);
for (let i = 0; i < 10; i++) HEX_DIGIT[0x30 + i] = i;
for (let i = 0; i < 6; i++) HEX_DIGIT[0x61 + i] = 10 + i;

/** Unsigned decimal, at most 20 digits. Beyond 2^53 the nearest double. */
export function readUnsigned(buf: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 20) return BAD;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = buf[i]! - 0x30;
    if (digit < 0 || digit > 9) return BAD;
    value = value * 10 + digit;
  }
  return value;
}

/** Decimal with an optional minus. */
export function readSigned(buf: Uint8Array, start: number, end: number): number {
  if (buf[start] !== 0x2d) return readUnsigned(buf, start, end);
  return -readUnsigned(buf, start + 1, end);
}

/** Hexadecimal without 0x, at most 16 digits. Beyond 2^53 the nearest double. */
export function readHex(buf: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 16) return BAD;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = HEX_DIGIT[buf[i]!]!;
    if (digit < 0) return BAD;
    value = value * 16 + digit;
  }
  return value;
}

/** A kernel address (see units.ts), or 0. Not 8-aligned or without the top byte 0xff: BAD. */
export function readAddress(buf: Uint8Array, start: number, end: number): Address {
  if (end - start === 1 && buf[start] === 0x30) return 0 as Address;
  if (end - start !== 16 || buf[start] !== 0x66 || buf[start + 1] !== 0x66) return BAD as Address;
  let value = 0;
  for (let i = start + 2; i < end - 1; i++) {
    const digit = HEX_DIGIT[buf[i]!]!;
    if (digit < 0) return BAD as Address;
    value = value * 16 + digit;
  }
  const last = HEX_DIGIT[buf[end - 1]!]!;
  if (last !== 0 && last !== 8) return BAD as Address;
  const address = value * 2 + (last >> 3);
  // only `0` is NULL
  return (address === 0 ? BAD : address) as Address;
}

/** Text of few distinct values (symbols, comms) is made once. Bounded: a host may invent names forever. */
class Interned {
  readonly #limit = 8192;
  #values = new Map<string, string>();
  get(key: string, make: (key: string) => string): string {
    let value = this.#values.get(key);
    if (value === undefined) {
      if (this.#values.size >= this.#limit) this.#values = new Map();
      value = make(key);
      this.#values.set(key, value);
    }
    return value;
  }
}

const symbols = new Interned();
const comms = new Interned();

/** A kernel symbol; `0` for NULL. Empty string for what is none. */
export function readSymbol(buf: Buffer, start: number, end: number): string {
  if (end - start > 128) return '';
  return symbols.get(buf.toString('latin1', start, end), (text) => {
    if (text === '0' || text === '0x0') return '0';
    return /^[A-Za-z0-9_.$+:[\]-]+$/.test(text) ? text : '';
  });
}

/** A comm of two hexadecimal words, as text; null for what is none. */
export function readComm(buf: Buffer, start: number, end: number): string | null {
  if (end - start > 33) return null;
  const text = comms.get(buf.toString('latin1', start, end), (words) => {
    const match = /^([0-9a-f]{1,16}) ([0-9a-f]{1,16})$/.exec(words);
    if (match === null) return '!';
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(BigInt(`0x${match[1]}`), 0);
    bytes.writeBigUInt64LE(BigInt(`0x${match[2]}`), 8);
    const nul = bytes.indexOf(0);
    return `=${bytesToText(nul < 0 ? bytes : bytes.subarray(0, nul))}`;
  });
  return text === '!' ? null : text.slice(1);
}

/** What /proc/PID/comm holds, as the agent says it in hexadecimal; null for what is none. */
export function commOfHex(hex: string): string | null {
  if (!/^(?:[0-9a-f]{2}){0,64}0a$/.test(hex)) return null;
  return bytesToText(Buffer.from(hex.slice(0, -2), 'hex'));
}

// a byte order mark is part of a name: without it one process could look like another
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 where it is valid; otherwise every byte above ASCII as \xNN. */
function bytesToText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return Array.from(bytes, (b) =>
      b < 0x80 ? String.fromCharCode(b) : `\\x${b.toString(16)}`,
    ).join('');
  }
}
