import { expect, it } from 'vitest';
import { compare, Recorded } from '../../server/recording/positions.ts';
import type { ChunkInfo, Recording } from '../../server/recording/reader.ts';

/** A recording of one chunk that begins at this time; nothing of it is read. */
function recordedAt(fromMs: number): Recorded {
  const chunk: ChunkInfo = { seq: 1, epoch: 1, fromMs, toMs: fromMs + 500, bytes: 3_000_000 };
  return new Recorded({ epochs: [], chunks: () => [chunk] } as Partial<Recording> as Recording);
}

it.each([
  ['now', Date.UTC(2026, 11, 24)],
  ['after September 2039, when milliseconds get coarser', 2 ** 41 + 4711],
  ['at the end of all calendars', 8.64e15 - 1000],
])('there is a time after each place of a recording: %s', (_, fromMs) => {
  const recorded = recordedAt(fromMs);
  for (let offset = 1; offset < 3_000_000; offset += 29_989) {
    const position = { chunk: 0, offset };
    const ms = recorded.timeAfter(position);
    expect(compare(recorded.at(ms), position)).toBeGreaterThanOrEqual(0);
    expect(ms).toBeLessThanOrEqual(recorded.endMs);
  }
});
