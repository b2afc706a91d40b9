/** The fast reader of lines against the one that explains: what one takes, both read alike. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type FieldType, LINE_NAMES, LINES, type LineName } from '../../server/protocol/grammar.ts';
import { readUnsigned } from '../../server/tracer/fields.ts';
import { headOf } from '../../server/tracer/line-head.ts';
import { Rejection, readLine } from '../../server/tracer/line-reader.ts';
import { scanLine } from '../../server/tracer/line-scanner.ts';
import { newCursor } from '../../server/tracer/scan-fields.ts';

const ORIGIN_S = 4258;
const ORIGIN_NS = 966_300_180;

function time(buf: Buffer, start: number, end: number): number {
  const split = Math.max(start, end - 9);
  const s = split === start ? 0 : readUnsigned(buf, start, split);
  return (s - ORIGIN_S) * 1e9 + (readUnsigned(buf, split, end) - ORIGIN_NS);
}

/** What both readers say of a line; the scanner is given another line before and after it. */
function both(line: string): { scanned: unknown; read: unknown; next: number; end: number } {
  const before = 'tick 4259000000000 0 0 0 1\n';
  const buf = Buffer.from(`${before}${line}\n${before}`, 'latin1');
  const start = before.length;
  const end = start + line.length;
  const cursor = { ...newCursor(), originS: ORIGIN_S, originNs: ORIGIN_NS };
  const scanned = scanLine(buf, start, cursor);
  if (scanned !== null) expect(cursor).toMatchObject(headOf(scanned));
  return { scanned, read: readLine(buf, start, end, time), next: cursor.next, end };
}

function hex(min: number, max: number): fc.Arbitrary<string> {
  const digit = fc.constantFrom(...'0123456789abcdef');
  return fc.string({ unit: digit, minLength: min, maxLength: max });
}

const digits = (max: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: max });

const FIELD: Record<FieldType, fc.Arbitrary<string>> = {
  u: digits(20),
  i: fc.tuple(fc.constantFrom('', '-'), digits(20)).map((parts) => parts.join('')),
  x: hex(1, 16),
  a: fc.oneof(
    fc.constant('0'),
    fc.tuple(hex(13, 13), fc.constantFrom('0', '8')).map((parts) => `ff${parts.join('')}`),
  ),
  s: fc.oneof(fc.constantFrom('0', '0x0'), fc.stringMatching(/^[A-Za-z0-9_.$+:[\]-]{1,128}$/)),
  c: fc.tuple(hex(1, 16), hex(1, 16)).map((words) => words.join(' ')),
  t: fc.stringMatching(/^[\x21-\x7e][\x20-\x7e]{0,63}$/),
};

const line = fc
  .constantFrom(...LINE_NAMES)
  .chain((name: LineName) =>
    fc.tuple(
      fc.constant(name as string),
      digits(20),
      digits(4),
      digits(7),
      digits(7),
      ...LINES[name].fields.map(([, type]) => FIELD[type]),
    ),
  )
  .map((words) => words.join(' '));

it('reads every line of the grammar, and as the other reader does', () => {
  fc.assert(
    fc.property(line, (text) => {
      const { scanned, read, next, end } = both(text);
      expect(read).not.toBeInstanceOf(Rejection);
      // times of an unusual length are left to the other reader
      const { length } = text.split(' ')[1]!;
      if (length >= 10 && length <= 18) expect(scanned).not.toBeNull();
      if (scanned === null) return;
      expect(scanned).toStrictEqual(read);
      expect(next).toBe(end + 1);
    }),
    { numRuns: 1000 },
  );
});

it('takes nothing that the other reader rejects, wherever a line is damaged', () => {
  const damage = fc.record({
    at: fc.nat(200),
    removed: fc.integer({ min: 0, max: 3 }),
    put: fc.string({ unit: fc.constantFrom(...' 0fgx-\0\xff\t'), maxLength: 3 }),
  });
  fc.assert(
    fc.property(line, damage, (text, { at, removed, put }) => {
      const where = at % text.length;
      const { scanned, read } = both(text.slice(0, where) + put + text.slice(where + removed));
      if (scanned !== null) expect(scanned).toStrictEqual(read);
    }),
    { numRuns: 2000 },
  );
});

it('knows no name but those of the grammar', () => {
  for (const name of ['evicts', 'evic', 'tic', 'e', 'hugepage_fret', '']) {
    expect(both(`${name} 4259000000000 0 0 0 1`).scanned).toBeNull();
  }
});
