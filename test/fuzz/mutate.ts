/**
 * Damages a piece of text in place. A damage takes the bytes from `at` on, `length` of
 * them, and gives their new length; behind them the buffer has room for ROOM more.
 */
import type { Random } from '../support/random.ts';

/** More than any damage but `repeat` adds to a line; `repeat` is told what room there is. */
export const ROOM = 512;

export type Damage = (buf: Buffer, at: number, length: number, random: Random) => number;

const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text, 'latin1'));

/** Put in anywhere: controls, quotes, escapes, marks that turn text round, whole lines. */
const NASTY = bytes([
  ...['\n', '\n\n', '\r', '\r\n', '\0', '\t', ' ', '  ', '\x7f', '\xff', '\x1b[2J', '\x9b2J'],
  ...[
    '"',
    "'",
    '\\',
    '`',
    '%s',
    '$(x)',
    '<b>',
    '&amp;',
    '=',
    ',',
    ';',
    '\xe2\x80\xae',
    '\xef\xbb\xbf',
  ],
  ...['\nlastref 1 teardown\n', '\nlastref 9 x\n', '\n@hits[3]: 99\n', '\nLost 5 events\n'],
  ...['\nevict_end 4259000000000 0 1 1 ffff888100000000\n', '\ntick 4259000000000 0 0 0 1\n'],
  ...['\na exit 0\n', '\na died\n', '\nb ', '\na pool 1.00 2048 -1 1 1 0 0\n'],
]);

/** Put in place of a word: numbers at the ends of their ranges, and what is no number. */
const WORDS = bytes([
  ...['0', '-0', '-1', '1', '00', '007', '+1', '1e9', '1.5', 'NaN', 'Infinity', '0x0', '0x10', '-'],
  ...['2147483648', '4294967296', '9007199254740991', '9007199254740993', '9223372036854775807'],
  ...['-9223372036854775808', '18446744073709551615', '18446744073709551616'],
  ...['99999999999999999999', '999999999999999999999', '1'.repeat(40), '0'.repeat(20), ''],
  ...['ffffffffffffffff', 'FFFF888100000000', 'ffff88810000000g', 'ff00000000000000', 'ff'],
  ...['fffffffffffffffff', 'ffff888100000004', '0000000000000000', 'evict', 'tick', 'lastref'],
  ...['constructor', '__proto__', 'toString', 'a'.repeat(129), 'x'.repeat(65)],
]);

export function replaceByte(buf: Buffer, at: number, length: number, random: Random): number {
  if (length > 0) buf[at + random.below(length)] = random.next() & 0xff;
  return length;
}

/** Flips one bit: what is nearly right. */
export function flipBit(buf: Buffer, at: number, length: number, random: Random): number {
  if (length > 0) buf[at + random.below(length)]! ^= 1 << random.below(8);
  return length;
}

export function cutTail(_buf: Buffer, _at: number, length: number, random: Random): number {
  return random.below(length + 1);
}

export function remove(buf: Buffer, at: number, length: number, random: Random): number {
  const from = random.below(length + 1);
  const count = Math.min(length - from, 1 + random.below(random.once(4) ? 40 : 4));
  buf.copyWithin(at + from, at + from + count, at + length);
  return length - count;
}

export function duplicate(buf: Buffer, at: number, length: number, random: Random): number {
  const from = random.below(length + 1);
  const count = Math.min(length - from, 1 + random.below(random.once(4) ? 60 : 4));
  buf.copyWithin(at + from + count, at + from, at + length);
  return length + count;
}

function put(
  buf: Buffer,
  at: number,
  length: number,
  [from, to]: readonly [number, number],
  what: Buffer,
): number {
  buf.copyWithin(at + from + what.length, at + to, at + length);
  what.copy(buf, at + from);
  return length - (to - from) + what.length;
}

export function insert(buf: Buffer, at: number, length: number, random: Random): number {
  const from = random.below(length + 1);
  return put(buf, at, length, [from, from], random.pick(NASTY));
}

/** Bounds of the word in which a byte is. */
function wordAt(buf: Buffer, at: number, length: number, inside: number): [number, number] {
  let from = inside;
  let to = inside;
  while (from > 0 && buf[at + from - 1] !== 32) from--;
  while (to < length && buf[at + to] !== 32) to++;
  return [from, to];
}

export function replaceWord(buf: Buffer, at: number, length: number, random: Random): number {
  if (length === 0) return 0;
  const word = wordAt(buf, at, length, random.below(length));
  return put(buf, at, length, word, random.pick(WORDS));
}

export function removeWord(buf: Buffer, at: number, length: number, random: Random): number {
  if (length === 0) return 0;
  const [from, to] = wordAt(buf, at, length, random.below(length));
  const end = Math.min(length, to + 1);
  buf.copyWithin(at + from, at + end, at + length);
  return length - (end - from);
}

/** The first word becomes one of these: a line of another name. */
export function otherName(names: readonly Buffer[]): Damage {
  return (buf, at, length, random) => {
    const word = wordAt(buf, at, length, 0);
    return put(buf, at, length, word, random.pick(names));
  };
}

/** The tail becomes that of another line. */
export function splice(lines: readonly Buffer[]): Damage {
  return (buf, at, length, random) => {
    const other = random.pick(lines);
    const from = random.below(length + 1);
    const begin = random.once(2) ? Math.min(from, other.length) : random.below(other.length + 1);
    other.copy(buf, at + from, begin, Math.min(other.length, begin + ROOM));
    return from + Math.min(other.length - begin, ROOM);
  };
}

/** A piece is repeated until it is `total` bytes: lines at the bound, and streams without a newline. */
export function repeatTo(buf: Buffer, at: number, length: number, total: number): number {
  if (length === 0) return 0;
  for (let i = length; i < total; i++) buf[at + i] = buf[at + i - length]!;
  return Math.max(length, total);
}
