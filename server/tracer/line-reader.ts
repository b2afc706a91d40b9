/**
 * One reader per kind of line, compiled from the grammar: a straight run over the
 * bytes that ends in an object literal, so that all events of a kind share one
 * shape. About ten times as fast as a loop over the table that sets fields by
 * name; server only, since it needs `new Function`.
 */
import type { TraceEvent } from '../protocol/events.ts';
import {
  type FieldType,
  LINE_NAMES,
  LINES,
  type LineName,
  type LineSpec,
} from '../protocol/grammar.ts';
import * as fields from './fields.ts';

/** Why a line is not one of ours. */
export class Rejection {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

/** Turns the time field, given by its bounds, into nanoseconds of the epoch. */
export type TimeReader = (buf: Buffer, start: number, end: number) => number;

/** Reads one line (bounds without the newline) whose name has been recognised. */
type KindReader = (
  buf: Buffer,
  start: number,
  end: number,
  time: TimeReader,
) => TraceEvent | Rejection;

const READ: Record<FieldType, { call: string; bad: (v: string) => string; what: string }> = {
  u: { call: 'readUnsigned', bad: (v) => `${v} !== ${v}`, what: 'an unsigned number' },
  i: { call: 'readSigned', bad: (v) => `${v} !== ${v}`, what: 'a number' },
  x: { call: 'readHex', bad: (v) => `${v} !== ${v}`, what: 'a hexadecimal number' },
  a: { call: 'readAddress', bad: (v) => `${v} !== ${v}`, what: 'a kernel address' },
  s: { call: 'readSymbol', bad: (v) => `${v} === ''`, what: 'a symbol' },
  c: { call: 'readComm', bad: (v) => `${v} === null`, what: 'two hexadecimal words' },
  t: { call: 'readText', bad: (v) => `${v} === null`, what: 'printable text' },
};

/** Kernel text up to the end of the line: printable ASCII, at most 64 bytes. */
export function readText(buf: Buffer, start: number, end: number): string | null {
  const text = buf.toString('latin1', start, Math.min(end, start + 65));
  return /^[\x21-\x7e][\x20-\x7e]{0,63}$/.test(text) ? text : null;
}

function compile(name: LineName): KindReader {
  const spec: LineSpec = LINES[name];
  const all: (readonly [string, FieldType | 'T'])[] = [
    ['ts', 'T'],
    ['cpu', 'u'],
    ['pid', 'u'],
    ['tid', 'u'],
    ...spec.fields,
  ];
  const body: string[] = [`let p = start + ${name.length + 1}, q;`];
  all.forEach(([field, type], index) => {
    const last = index === all.length - 1;
    // a comm is two words and text may hold blanks: both reach to the end of the line
    if (type === 'c' || type === 't') body.push('q = end;');
    else body.push('q = p; while (q < end && buf[q] !== 32) q++;');
    const reader = type === 'T' ? null : READ[type];
    const v = `v${index}`;
    body.push(
      reader === null
        ? `const ${v} = time(buf, p, q);`
        : `const ${v} = fields.${reader.call}(buf, p, q);`,
    );
    const bad = reader === null ? `${v} !== ${v}` : reader.bad(v);
    const what = reader === null ? 'a time' : reader.what;
    body.push(`if (${bad}) return new Rejection('field ${field}: expected ${what}');`);
    body.push(
      last
        ? `if (q !== end) return new Rejection('text after the last field, ${field}');`
        : `if (q >= end) return new Rejection('the line ends after field ${field}'); p = q + 1;`,
    );
  });
  const literal = all.map(([field], index) => `${JSON.stringify(field)}: v${index}`).join(', ');
  body.push(`return { kind: ${JSON.stringify(name)}, ${literal} };`);
  const make = new Function(
    'fields',
    'Rejection',
    `return (buf, start, end, time) => { ${body.join('\n')} };`,
  );
  return make({ ...fields, readText }, Rejection) as KindReader;
}

interface Kind {
  readonly name: Buffer;
  readonly read: KindReader;
}

/** Readers by the length of the name, then compared byte by byte: names are few. */
const BY_LENGTH: Kind[][] = [];
for (const name of LINE_NAMES) {
  const list = BY_LENGTH[name.length] ?? [];
  list.push({ name: Buffer.from(name), read: compile(name) });
  BY_LENGTH[name.length] = list;
}

/** Reads one line of the grammar; bounds without the newline. */
export function readLine(
  buf: Buffer,
  start: number,
  end: number,
  time: TimeReader,
): TraceEvent | Rejection {
  let blank = start;
  const limit = Math.min(end, start + 24);
  while (blank < limit && buf[blank] !== 32) blank++;
  const candidates = BY_LENGTH[blank - start];
  if (candidates !== undefined && blank < end) {
    next: for (const kind of candidates) {
      for (let i = kind.name.length - 1; i >= 0; i--) {
        if (buf[start + i] !== kind.name[i]) continue next;
      }
      return kind.read(buf, start, end, time);
    }
  }
  return new Rejection('no line of this grammar begins so');
}
