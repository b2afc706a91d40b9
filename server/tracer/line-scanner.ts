/**
 * Reads lines as they nearly always are, in one pass over their bytes: the name is
 * found by a hash, and a function compiled from the grammar reads the fields up to the
 * newline and makes the event. Whatever is out of the ordinary (another name, a field
 * of another form) is left to line-reader.ts, which is slower and says what was wrong.
 * Both give the same event for the same line; a property test holds them together.
 */

import { LINE_PLACE } from '../protocol/by-line.ts';
import type { TraceEvent } from '../protocol/events.ts';
import { type FieldType, LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';
import { trackOf } from '../protocol/line-kinds.ts';
import {
  type Cursor,
  scanAddress,
  scanComm,
  scanHex,
  scanSigned,
  scanSymbol,
  scanText,
  scanTime,
  scanUnsigned,
} from './scan-fields.ts';

/** Reads the line at `start`, of which a newline must be in the buffer. */
type Scan = (buf: Buffer, start: number, blank: number, cursor: Cursor) => TraceEvent | null;

const LONGEST_NAME = Math.max(...LINE_NAMES.map((name) => name.length));

/**
 * The event of the line at `start`, with `cursor.next` behind it and its head there; null
 * when the line is not an ordinary one. There must be a newline at or after `start`.
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

/** What reads a field of each type; T: the time. */
const READERS = {
  T: scanTime,
  u: scanUnsigned,
  i: scanSigned,
  x: scanHex,
  a: scanAddress,
  s: scanSymbol,
  c: scanComm,
  t: scanText,
} satisfies Record<FieldType | 'T', (buf: Buffer, cursor: Cursor) => unknown>;

/** The name is compared, each field read, and the event made as a literal. */
function compile(name: LineName): Scan {
  const fields: (readonly [string, FieldType | 'T'])[] = [
    ['ts', 'T'],
    ['cpu', 'u'],
    ['pid', 'u'],
    ['tid', 'u'],
    ...LINES[name].fields,
  ];
  const bytes = [...Buffer.from(name)];
  const differs = bytes.map((byte, i) => `buf[start + ${i}] !== ${byte}`).join(' || ');
  const values = fields.map(([field], i) => `${JSON.stringify(field)}: v${i}`).join(', ');
  // a beat says it itself, in its one field
  const track = name === 'beat' ? 'v4' : trackOf(name);
  const body = [
    `if (blank !== start + ${bytes.length} || ${differs}) return null;`,
    'cursor.next = blank;',
    ...fields.map(
      ([, type], i) => `const v${i} = ${type}(buf, cursor); if (cursor.next < 0) return null;`,
    ),
    'if (buf[cursor.next] !== 10) return null;',
    'cursor.next++;',
    `cursor.kind = ${JSON.stringify(name)}; cursor.place = ${LINE_PLACE[name]};`,
    `cursor.track = ${track}; cursor.ts = v0; cursor.cpu = v1;`,
    `return { kind: ${JSON.stringify(name)}, ${values} };`,
  ].join('\n');
  const make = new Function(
    ...Object.keys(READERS),
    `return (buf, start, blank, cursor) => { ${body} };`,
  );
  return make(...Object.values(READERS)) as Scan;
}

const FACTOR = findFactor();
const SCANS: readonly Scan[] = LINE_NAMES.map(compile);
/** By slot: place in SCANS, from 1; 0 for none. */
const PLACES = new Uint8Array(1024);
slotsBy(FACTOR)!.forEach((slot, i) => {
  PLACES[slot] = i + 1;
});
