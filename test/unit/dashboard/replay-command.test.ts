import { expect, it } from 'vitest';
import { replayCommand } from '../../../dashboard/src/live/replayCommand.ts';

const FILES = [
  { file: '/var/t-0001.lastref', from_ms: 1000 },
  { file: "/var/it's/t-0002.lastref", from_ms: 5000 },
];

it.each([
  [1000, 'lastref replay /var/t-0001.lastref --at 1970-01-01T00:00:01.000Z'],
  [4999, 'lastref replay /var/t-0001.lastref --at 1970-01-01T00:00:04.999Z'],
  [5000, "lastref replay '/var/it'\\''s/t-0002.lastref' --at 1970-01-01T00:00:05.000Z"],
  [9000, "lastref replay '/var/it'\\''s/t-0002.lastref' --at 1970-01-01T00:00:09.000Z"],
])('at %i ms it is the file that was written then', (ms, command) => {
  expect(replayCommand(FILES, ms)).toBe(command);
});

it('is none before the first file, and where nothing is recorded', () => {
  expect(replayCommand(FILES, 999)).toBeNull();
  expect(replayCommand([], 1000)).toBeNull();
});
