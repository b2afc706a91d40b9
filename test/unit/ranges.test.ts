import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Ranges } from '../../server/model/ranges.ts';

it('holds the numbers that were added and not taken out', () => {
  const step = fc.record({
    add: fc.boolean(),
    from: fc.integer({ min: 0, max: 40 }),
    length: fc.integer({ min: -2, max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ranges = new Ranges();
      const set = new Set<number>();
      for (const { add, from, length } of steps) {
        const to = from + length;
        if (add) ranges.add(from, to);
        else ranges.remove(from, to);
        for (let n = from; n < to; n++) add ? set.add(n) : set.delete(n);
        expect(ranges.size).toBe(set.size);
      }
      // each number by itself
      for (let n = 0; n < 64; n++) {
        const before = ranges.size;
        ranges.remove(n, n + 1);
        expect(before - ranges.size, String(n)).toBe(set.has(n) ? 1 : 0);
      }
    }),
  );
});

it('takes out up to the end of what an offset may be', () => {
  const ranges = new Ranges();
  ranges.add(0, 10);
  ranges.remove(4, 2 ** 63);
  expect(ranges.size).toBe(4);
});
