/**
 * Reads lines as they nearly always are, in one pass over their bytes: the name is
 * found by a hash, and a function compiled from the grammar reads the fields up to the
 * newline and makes the event. Whatever is out of the ordinary (another name, a field
 * of another form) is left to line-reader.ts, which is slower and says what was wrong.
 * Both give the same event for the same line; a property test holds them together.
 */
import type { TraceEvent } from '../protocol/events.ts';
import { type FieldType, LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';
import { HEX_DIGIT, readComm, readSymbol } from './fields.ts';
import { readText } from './line-reader.ts';
import { SeenWords } from './seen-words.ts';

/** Where the scanner is, and the time that counts as zero. */
export interface Cursor {
  /** The epoch's first time: seconds, -1 before the first line, and nanoseconds. */
  originS: number;
  originNs: number;
  /** Behind the newline of the line that was read last. */
  next: number;
}

/** Reads the line at `start`, of which a newline must be in the buffer. */
type Scan = (buf: Buffer, start: number, blank: number, cursor: Cursor) => TraceEvent | null;

const LONGEST_NAME = Math.max(...LINE_NAMES.map((name) => name.length));

/**
 * The event of the line at `start`, with `cursor.next` behind it; null when the line is
 * not an ordinary one. There must be a newline at or after `start`.
 */
export function scanLine(buf: Buffer, start: number, cursor: Cursor): TraceEvent | null {
  let blank = start;
  let hash = 0;
  const limit = start + LONGEST_NAME;
  for (; blank < limit; blank++) {
    const byte = buf[blank]!;
    if (byte <= 32) break;
    hash = (Math.imul(hash, FACTOR) + byte) | 0;
  }
  if (buf[blank] !== 32) return null;
  const place = PLACES[slotOf(hash)]!;
  return place === 0 ? null : SCANS[place - 1]!(buf, start, blank, cursor);
}

function slotOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 22;
}

/** The slot of each name when its bytes are multiplied by this; null where two share one. */
function slotsBy(factor: number): number[] | null {
  const slots = LINE_NAMES.map((name) =>
    slotOf(Buffer.from(name).reduce((hash, byte) => (Math.imul(hash, factor) + byte) | 0, 0)),
  );
  return new Set(slots).size === slots.length ? slots : null;
}

/** The first factor that gives each name a slot of its own. */
function findFactor(): number {
  let factor = 31;
  while (slotsBy(factor) === null) factor += 2;
  return factor;
}

/** What reads a field from `p` into `v`, leaves `p` behind it, and returns null for what it does not know. */
const FIELD: Record<FieldType | 'T', (v: string) => string> = {
  u: unsigned,
  i: (v) => `
    let ${v};
    if (buf[p] === 45) {
      p++;
      ${unsigned(`${v}_`)}
      ${v} = -${v}_;
    } else {
      ${unsigned(`${v}_`)}
      ${v} = ${v}_;
    }`,
  x: (v) => `
    let ${v} = 0;
    q = p;
    for (const to = p + 7; p < to && (c = DIGIT[buf[p]]) >= 0; p++) ${v} = (${v} << 4) | c;
    if (p === q) return null;
    if (p === q + 7) for (; (c = DIGIT[buf[p]]) >= 0; p++) ${v} = ${v} * 16 + c;
    if (p - q > 16) return null;`,
  // see readAddress: 53 bits, of which each half is a small integer here
  a: (v) => `
    let ${v} = 0;
    if (buf[p] === 48 && buf[p + 1] <= 32) p++;
    else {
      if (p + 16 > buf.length || buf[p] !== 102 || buf[p + 1] !== 102) return null;
      let high = 0, low = 0, bad = 0;
      for (q = p + 2; q < p + 9; q++) { c = DIGIT[buf[q]]; bad |= c; high = (high << 4) | c; }
      for (; q < p + 15; q++) { c = DIGIT[buf[q]]; bad |= c; low = (low << 4) | c; }
      c = DIGIT[buf[q]];
      if (bad < 0 || (c !== 0 && c !== 8)) return null;
      ${v} = high * ${2 ** 25} + ((low << 1) | (c >> 3));
      if (${v} === 0) return null;
      p += 16;
    }`,
  s: (v) => `
    c = 0;
    for (q = p; buf[q] > 32; q++) c = (Math.imul(c, 31) + buf[q]) | 0;
    const ${v} = symbols.get(buf, p, q, c);
    if (${v} === '') return null;
    p = q;`,
  c: (v) => toTheEnd(v, 'comms'),
  t: (v) => toTheEnd(v, 'texts'),
  // as Decoder reads it: the last nine digits are nanoseconds
  T: (v) => `
    for (q = p; buf[q] > 32; q++);
    if (q - p < 10 || q - p > 18 || cursor.originS < 0) return null;
    let s = 0, ns = 0;
    for (const to = q - 9; p < to; p++) {
      if ((c = buf[p] - 48) < 0 || c > 9) return null;
      s = s * 10 + c;
    }
    for (; p < q; p++) {
      if ((c = buf[p] - 48) < 0 || c > 9) return null;
      ns = ns * 10 + c;
    }
    const ${v} = (s - cursor.originS) * 1e9 + (ns - cursor.originNs);`,
};

/** Small integers as far as nine digits go: by far the most are smaller. */
function unsigned(v: string): string {
  return `
    let ${v} = 0;
    q = p;
    for (const to = p + 9; p < to && (c = buf[p] - 48) >= 0 && c <= 9; p++) ${v} = ${v} * 10 + c;
    if (p === q) return null;
    if (p === q + 9) for (; (c = buf[p] - 48) >= 0 && c <= 9; p++) ${v} = ${v} * 10 + c;
    if (p - q > 20) return null;`;
}

function toTheEnd(v: string, words: string): string {
  return `
    c = 0;
    for (q = p; buf[q] !== 10; q++) c = (Math.imul(c, 31) + buf[q]) | 0;
    const ${v} = ${words}.get(buf, p, q, c);
    if (${v} === null) return null;
    p = q;`;
}

function compile(name: LineName): Scan {
  const fields: (readonly [string, FieldType | 'T'])[] = [
    ['ts', 'T'],
    ['cpu', 'u'],
    ['pid', 'u'],
    ['tid', 'u'],
    ...LINES[name].fields,
  ];
  const body: string[] = [];
  const bytes = [...Buffer.from(name)];
  const differs = bytes.map((byte, i) => `buf[start + ${i}] !== ${byte}`).join(' || ');
  body.push(`if (blank !== start + ${bytes.length} || ${differs}) return null;`);
  body.push('let p = blank, q = 0, c = 0;');
  fields.forEach(([, type], i) => {
    body.push('if (buf[p++] !== 32) return null;', FIELD[type](`v${i}`));
  });
  body.push('if (buf[p] !== 10) return null;', 'cursor.next = p + 1;');
  const values = fields.map(([field], i) => `${JSON.stringify(field)}: v${i}`).join(', ');
  body.push(`return { kind: ${JSON.stringify(name)}, ${values} };`);
  const make = new Function(
    ...['DIGIT', 'symbols', 'comms', 'texts'],
    `return (buf, start, blank, cursor) => { ${body.join('\n')} };`,
  );
  return make(HEX_DIGIT, symbols, comms, texts) as Scan;
}

const symbols = new SeenWords(readSymbol);
const comms = new SeenWords(readComm);
const texts = new SeenWords(readText);

const FACTOR = findFactor();
const SCANS: readonly Scan[] = LINE_NAMES.map(compile);
/** By slot: place in SCANS, from 1; 0 for none. */
const PLACES = new Uint8Array(1024);
slotsBy(FACTOR)!.forEach((slot, i) => {
  PLACES[slot] = i + 1;
});
