import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NumberMap } from '../../server/model/number-map.ts';

/** Small numbers, and addresses: doubles that differ in a few bits. */
const key = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.nat(12).map((i) => 2 ** 52 + 2 ** 40 + i * 80),
  fc.nat(12).map((i) => -1 - 17 * 2 ** 32 - i),
);

it('is a Map, in the same order', () => {
  const step = fc.tuple(fc.constantFrom('set', 'set', 'delete', 'oldest', 'clear'), key, fc.nat());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const map = new NumberMap<number, number>();
      const expected = new Map<number, number>();
      for (const [what, at, value] of steps) {
        if (what === 'set') {
          map.set(at, value);
          expected.set(at, value);
        } else if (what === 'delete') {
          expect(map.delete(at)).toBe(expected.delete(at));
        } else if (what === 'oldest') {
          const [oldest] = expected;
          expect(map.takeOldest()).toBe(oldest?.[1]);
          if (oldest !== undefined) expected.delete(oldest[0]);
        } else if (value % 20 === 0) {
          map.clear();
          expected.clear();
        }
        expect(map.size).toBe(expected.size);
        expect(map.get(at)).toBe(expected.get(at));
        expect(map.has(at)).toBe(expected.has(at));
      }
      expect([...map]).toEqual([...expected]);
      expect([...map.values()]).toEqual([...expected.values()]);
      expect([...map.newestFirst()]).toEqual([...expected.values()].reverse());
    }),
  );
});

it('may be deleted from while it is iterated', () => {
  const map = new NumberMap<number, number>();
  for (let i = 0; i < 100; i++) map.set(i, i);
  for (const [i] of map) if (i % 3 > 0) map.delete(i);
  expect([...map.values()]).toEqual(Array.from({ length: 34 }, (_, i) => 3 * i));
});

it('holds many that come and go', () => {
  const map = new NumberMap<number, number>();
  for (let i = 0; i < 100_000; i++) {
    map.set(2 ** 45 + i * 640, i);
    if (i >= 1000) map.delete(2 ** 45 + (i - 1000) * 640);
  }
  expect(map.size).toBe(1000);
  expect([...map.values()][0]).toBe(99_000);
});
