/** A view as text: 80 columns, whatever is in it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asText, tableText, WIDTH, wrap } from '../../../dashboard/src/share/plainText.ts';

const cell = fc
  .string({ maxLength: 120, unit: 'grapheme-composite' })
  .map((text) => text.replaceAll(/\s+/g, ' '));

describe('a view as text', () => {
  it('is never wider than a mail', () => {
    const table = fc.record({
      rows: fc.array(fc.array(cell, { maxLength: 20 }), { maxLength: 12 }),
      right: fc.array(fc.boolean(), { maxLength: 20 }),
      more: fc.nat(3),
    });
    const parts = fc.array(fc.record({ title: cell, lines: fc.array(cell), table }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(cell), parts, (head, any) => {
        for (const line of asText(head, any).split('\n')) {
          expect([...line].length).toBeLessThanOrEqual(WIDTH);
        }
      }),
    );
  });

  it('loses no word of a line', () => {
    fc.assert(
      fc.property(cell, (text) => {
        expect(wrap(text, 20).join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
      }),
    );
  });

  it('sets numbers to the right and leaves out columns that are empty', () => {
    const rows = [
      ['fs', '', 'count'],
      ['tmpfs', '', '7'],
      ['hugetlbfs', '', '123'],
    ];
    const lines = tableText({ rows, right: [false, false, true], more: 2 });
    expect(lines).toEqual(['fs         count', 'tmpfs          7', 'hugetlbfs    123', '(2 more)']);
  });

  it('cuts the widest column first', () => {
    const rows = [['a', 'x'.repeat(200), 'end']];
    const [line] = tableText({ rows, right: [], more: 0 });
    expect(line).toHaveLength(WIDTH);
    expect(line).toMatch(/^a {2}x+… {2}end$/);
  });
});
