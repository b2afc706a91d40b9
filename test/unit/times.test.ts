import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { putTimes, TimesReader, TimesWriter, takeTimes } from '../../server/recording/times.ts';
import { DEMO, framesOf } from '../fixtures/recordings.ts';

/** There and back, frame by frame, as a chunk does it. */
function roundTrip(frames: readonly Buffer[]): { back: Buffer[]; stripped: number; taken: number } {
  const times = new TimesWriter();
  const stripped = frames.map((frame) => {
    const to = Buffer.alloc(frame.length);
    return to.subarray(0, takeTimes(frame, to, 0, times));
  });
  const reader = new TimesReader(times.encode());
  const back = stripped.map((frame) => putTimes(frame, reader));
  return { back, stripped: Buffer.concat(stripped).length, taken: times.count };
}

const word = fc.constantFrom('evict', 'a', '_', 'tick', '', 'Lost', '@hits[3]:', '9');
const number = fc.oneof(
  fc.bigInt({ min: 0n, max: 10n ** 20n }).map(String),
  fc.bigInt({ min: 4_267_000_000_000n, max: 4_268_000_000_000n }).map(String),
  fc.constantFrom('0', '007', '', '-1', '999999999', '1000000000', '9007199254740993'),
);
/** Like our lines, and nearly like them. */
const line = fc
  .tuple(word, fc.constantFrom(' ', '  ', '   ', ''), number, fc.constantFrom(' ', '  ', ''), word)
  .map((parts) => parts.join(''));
const text = fc
  .array(line, { maxLength: 20 })
  .chain((lines) => fc.constantFrom('\n', '\n\n', ' ').map((by) => Buffer.from(lines.join(by))));
const anything = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

describe('lines without their times', () => {
  it('become again what they were, whatever they were', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(text, anything), { maxLength: 6 }), (frames) => {
        expect(roundTrip(frames).back).toEqual(frames);
      }),
      { numRuns: 500 },
    );
  });

  it('become again what they were, wherever a real recording is cut', () => {
    const all = Buffer.concat(
      framesOf(DEMO).frames.flatMap(({ kind, bytes }) => (kind === 'out' ? [bytes] : [])),
    );
    fc.assert(
      fc.property(fc.integer({ min: 16, max: 5000 }), (size) => {
        const frames: Buffer[] = [];
        for (let at = 0; at < all.length; at += size) frames.push(all.subarray(at, at + size));
        const { back, stripped, taken } = roundTrip(frames);
        expect(Buffer.concat(back).equals(all)).toBe(true);
        if (size < 2000) return;
        expect(taken).toBeGreaterThan(3500);
        expect(stripped).toBeLessThan(all.length * 0.85);
      }),
      { numRuns: 10 },
    );
  });

  it('throw a RangeError where the times are damaged, and nothing else', () => {
    const from = Buffer.from('evict 4267000000123 1\n'.repeat(5));
    const times = new TimesWriter();
    const to = Buffer.alloc(from.length);
    const stripped = to.subarray(0, takeTimes(from, to, 0, times));
    const encoded = times.encode();
    fc.assert(
      fc.property(fc.nat(encoded.length), fc.nat(255), (at, byte) => {
        const damaged = Buffer.from(encoded.subarray(0, Math.max(at, 1)));
        damaged[damaged.length - 1] = byte;
        try {
          putTimes(stripped, new TimesReader(damaged));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
