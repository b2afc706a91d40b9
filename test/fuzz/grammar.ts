/**
 * What the lines mean, said a second time and as plainly as possible: a regular expression
 * for each kind, and how an event is written back. Slow and obviously right; shares no code
 * with the readers it is held against.
 */
import { isUtf8 } from 'node:buffer';
import type { TraceEvent } from '../../server/protocol/events.ts';
import {
  type FieldType,
  LINE_NAMES,
  LINES,
  type LineName,
  type LineSpec,
} from '../../server/protocol/grammar.ts';
import { formatAddress } from '../../server/protocol/units.ts';
import { commWords } from '../fixtures/trace.ts';

const PATTERN: Readonly<Record<FieldType, string>> = {
  u: '\\d{1,20}',
  i: '-?\\d{1,20}',
  x: '[0-9a-f]{1,16}',
  // all zeros behind it is not NULL, and nothing else
  a: '(?:0|ff(?!0{14})[0-9a-f]{13}[08])',
  s: '[A-Za-z0-9_.$+:[\\]-]{1,128}',
  c: '[0-9a-f]{1,16} [0-9a-f]{1,16}',
  t: '[\\x21-\\x7e][\\x20-\\x7e]{0,63}',
};

type Fields = readonly (readonly [string, FieldType])[];

const FIELDS = new Map<string, Fields>(
  LINE_NAMES.map((name) => {
    const { fields }: LineSpec = LINES[name];
    return [name, [['cpu', 'u'], ['pid', 'u'], ['tid', 'u'], ...fields]];
  }),
);

const PATTERNS = new Map<string, RegExp>(
  LINE_NAMES.map((name) => {
    const fields = FIELDS.get(name)!.map(([, type]) => `(${PATTERN[type]})`);
    return [name, new RegExp(`^${name} (\\d{1,20}) ${fields.join(' ')}$`)];
  }),
);

/** Whether a line is one of the grammar. */
export function isLine(text: string): boolean {
  return PATTERNS.get(text.slice(0, text.indexOf(' ')))?.test(text) ?? false;
}

export function fieldsOf(kind: LineName): Fields {
  return FIELDS.get(kind)!;
}

/** The line of an event, as bpftrace prints numbers. `origin`: the time that counts as zero. */
export function write(event: TraceEvent, origin: bigint): string {
  const values = event as unknown as Record<string, string | number>;
  let text = `${event.kind} ${timeOf(event.ts, origin)}`;
  for (const [field, type] of fieldsOf(event.kind)) {
    const value = values[field]!;
    if (type === 'x') text += ` ${value.toString(16)}`;
    else if (type === 'a') text += ` ${formatAddress(value as never)}`;
    else if (type === 'c') text += ` ${wordsOf(value as string)}`;
    else text += ` ${value}`;
  }
  return text;
}

/** Through a bigint only where a double is not enough: it is slow. */
function timeOf(ts: number, origin: bigint): string {
  const sum = ts + Number(origin);
  return Number.isSafeInteger(sum) ? String(sum) : String(origin + BigInt(ts));
}

/** Names are few: the words of each are made once. */
const words = new Map<string, string>();
function wordsOf(comm: string): string {
  let known = words.get(comm);
  if (known === undefined) {
    if (words.size > 10_000) words.clear();
    known = commWords(comm);
    words.set(comm, known);
  }
  return known;
}

/** Null, or the field in which an event does not say what its line says. */
export function differs(event: TraceEvent, text: string, origin: bigint): string | null {
  const match = PATTERNS.get(event.kind)!.exec(text);
  if (match === null) return 'the line: it is none of the grammar';
  if (!near(event.ts, Number(BigInt(match[1]!) - origin), 1e5)) return 'ts';
  const values = event as unknown as Record<string, string | number>;
  const all = fieldsOf(event.kind);
  const wrong = all.find(([field, type], i) => !says(values[field]!, type, match[i + 2]!));
  return wrong?.[0] ?? null;
}

function says(value: string | number, type: FieldType, word: string): boolean {
  switch (type) {
    case 'u':
    case 'i':
      return near(value as number, Number(word), 0);
    case 'x':
      return near(value as number, Number(BigInt(`0x${word}`)), 0);
    case 'a':
      return formatAddress(value as never) === word;
    case 's':
      return value === (word === '0x0' ? '0' : word);
    case 't':
      return value === word;
    case 'c':
      return value === commOf(word);
  }
}

/** Exact as far as a double is; beyond it the nearest, or one beside it. */
function near(value: number, wanted: number, slack: number): boolean {
  if (Number.isSafeInteger(wanted) && Number.isSafeInteger(value)) return value === wanted;
  return Math.abs(value - wanted) <= Math.abs(wanted) * 1e-15 + slack;
}

function commOf(text: string): string {
  const bytes = text.split(' ').flatMap((word) => {
    const digits = word.padStart(16, '0');
    return [7, 6, 5, 4, 3, 2, 1, 0].map((i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
  });
  const end = bytes.indexOf(0);
  const name = Buffer.from(end < 0 ? bytes : bytes.slice(0, end));
  if (isUtf8(name)) return name.toString('utf8');
  return Array.from(name, (byte) =>
    byte < 128 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  ).join('');
}
