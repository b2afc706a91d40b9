import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forwardClock } from '../../server/protocol/clock.ts';

const HOUR = 3_600_000;
const BEGIN = 1_700_000_000_000;

/** A machine whose clock is set now and then. */
class Machine {
  wall = BEGIN;
  steady = 0;
  readonly clock = forwardClock(
    () => this.wall,
    () => this.steady,
  );

  pass(ms: number): number {
    this.wall += ms;
    this.steady += ms;
    return this.clock();
  }

  set(byMs: number): void {
    this.wall += byMs;
  }
}

describe('the time of day', () => {
  it('is that of the machine while nobody sets its clock', () => {
    const machine = new Machine();
    expect(machine.clock()).toBe(BEGIN);
    expect(machine.pass(1234)).toBe(BEGIN + 1234);
  });

  it('goes on at its pace when the clock is set back, and is right again when that is undone', () => {
    const machine = new Machine();
    machine.pass(1000);
    machine.set(-HOUR);
    expect(machine.pass(500)).toBe(BEGIN + 1500);
    expect(machine.pass(60_000)).toBe(BEGIN + 61_500);
    machine.set(HOUR);
    expect(machine.pass(500)).toBe(BEGIN + 62_000);
    expect(machine.wall).toBe(BEGIN + 62_000);
  });

  it('follows a clock that is set forward', () => {
    const machine = new Machine();
    machine.pass(1000);
    machine.set(HOUR);
    expect(machine.pass(0)).toBe(BEGIN + HOUR + 1000);
  });

  it('never goes back, never stands still, and is never behind the clock', () => {
    const step = fc.record({
      pass: fc.integer({ min: 1, max: 100_000 }),
      set: fc.oneof(fc.constant(0), fc.integer({ min: -2 * HOUR, max: 2 * HOUR })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const machine = new Machine();
        let last = machine.clock();
        for (const { pass, set } of steps) {
          machine.set(set);
          const now = machine.pass(pass);
          expect(now).toBeGreaterThanOrEqual(last);
          // a clock set back by just what passed says the same time twice
          if (pass !== -set) expect(now).toBeGreaterThan(last);
          expect(now).toBeGreaterThanOrEqual(machine.wall);
          last = now;
        }
      }),
    );
  });
});
