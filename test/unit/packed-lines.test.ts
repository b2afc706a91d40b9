/** Lines that are packed come back as they were. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Incarnation } from '../../server/model/incarnation.ts';
import { packLines, unpackLines } from '../../server/model/packed-lines.ts';
import type { TraceEvent } from '../../server/protocol/events.ts';
import { LINE_NAMES, LINES, type LineName } from '../../server/protocol/grammar.ts';
import type { Address } from '../../server/protocol/units.ts';

const number = fc.oneof(fc.integer({ min: -40, max: 40 }), fc.maxSafeNat());
const values = { u: number, i: number, x: number, a: number };

/** Any line of this kind: each field of its own. */
function anyOf(kind: LineName): fc.Arbitrary<TraceEvent> {
  const fields = LINES[kind].fields.map(([name, type]) => {
    return [name, type in values ? values[type as keyof typeof values] : fc.string()] as const;
  });
  const common = { kind: fc.constant(kind), ts: number, cpu: number, pid: number, tid: number };
  const all = { ...common, ...Object.fromEntries(fields) };
  return fc.record(all, { noNullPrototype: true }) as fc.Arbitrary<TraceEvent>;
}

const anyLine = fc.oneof(...LINE_NAMES.map(anyOf));
const story = fc.array(anyLine, { minLength: 2, maxLength: 40 });

describe('packed lines', () => {
  it('come back with every field, in the order of the grammar', () => {
    fc.assert(
      fc.property(fc.array(story, { maxLength: 5 }), (stories) => {
        const packed = stories.map(packLines);
        for (const [i, lines] of stories.entries()) {
          const back = unpackLines(packed[i]!);
          expect(back).toStrictEqual(lines);
          expect(back.map(Object.keys)).toEqual(lines.map(Object.keys));
        }
      }),
    );
  });

  it.each(LINE_NAMES)('%s', (kind) => {
    fc.assert(
      fc.property(anyOf(kind), (line) => {
        expect(unpackLines(packLines([line]))).toStrictEqual([line]);
      }),
      { numRuns: 20 },
    );
  });
});

describe('an inode whose lines are packed', () => {
  const inodeWith = (lines: readonly TraceEvent[]) => {
    const inode = new Incarnation(1, 'tmpfs', 1, 8 as Address, 2, 0);
    for (const line of lines) inode.note(line);
    return inode;
  };

  it('has the same, and takes what comes after all', () => {
    fc.assert(
      fc.property(story, story, (first, late) => {
        const inode = inodeWith(first);
        inode.packLines();
        expect(inode.evidence).toStrictEqual(first);
        for (const line of late) inode.note(line);
        expect(inode).toStrictEqual(inodeWith([...first, ...late]));
        inode.packLines();
        expect(inode.evidence).toStrictEqual([...first, ...late]);
      }),
    );
  });

  it('keeps no more of them than one whose lines are not', () => {
    const line = fc.sample(anyOf('hugepage_add'), 1)[0]!;
    const inode = inodeWith(Array.from({ length: 600 }, () => line));
    inode.packLines();
    inode.note(line);
    expect(inode.evidence.length).toBe(512);
    expect(inode.evidenceMore).toBe(89);
  });
});
