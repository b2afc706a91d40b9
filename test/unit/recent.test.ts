import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Recent } from '../../server/model/recent.ts';

it('is a map that forgets its first key when there are too many', () => {
  const step = fc.tuple(fc.constantFrom('set', 'delete'), fc.nat(12), fc.nat(100));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { maxLength: 200 }),
      (max, steps) => {
        const recent = new Recent<number, number>(max);
        const expected = new Map<number, number>();
        for (const [what, key, value] of steps) {
          if (what === 'delete') expect(recent.delete(key)).toBe(expected.delete(key));
          else {
            recent.set(key, value);
            expected.set(key, value);
            if (expected.size > max) expected.delete(expected.keys().next().value!);
          }
          expect(recent.size).toBe(expected.size);
          for (let k = 0; k <= 12; k++) {
            expect(recent.get(k)).toBe(expected.get(k));
            expect(recent.has(k)).toBe(expected.has(k));
          }
        }
      },
    ),
  );
});
