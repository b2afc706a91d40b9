/** Against sorting all. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Largest } from '../../server/web/largest.ts';

it('has the same in the same order as a sort of all, equal ones in the order they came', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 5 })), fc.nat(20), (values, room) => {
      const largest = new Largest<number>(room);
      values.forEach((value, place) => {
        if (!largest.passesOver(value)) largest.offer(value, place);
      });
      const order = values.map((_, place) => place).sort((a, b) => values[b]! - values[a]!);
      expect(largest.sorted()).toEqual(order.slice(0, room));
      expect(largest.count).toBe(values.length);
    }),
  );
});
