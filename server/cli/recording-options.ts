/** Options of the commands that record: how large a file may become, how long it goes on. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../protocol/config.ts';
import type { Limits } from '../recording/recorder.ts';

/** As commander gives them. */
export interface RecordingFlags {
  readonly maxSize?: number;
  readonly maxAge?: number;
}

/** A file smaller than this would hold little but its tables. */
const MIN_BYTES = 1024 * 1024;
const MIN_AGE_MS = 10_000;

export function withRecordingOptions(command: Command): Command {
  return command
    .option(
      '--max-size <bytes>',
      'begin another file before one grows beyond this: 500M, 1G (FILE-0001.lastref, ...)',
      bytes,
    )
    .option('--max-age <time>', 'begin another file after this long: 10m, 1h', age);
}

export function limitsOf({ maxSize, maxAge }: RecordingFlags): Limits {
  return { bytes: maxSize ?? null, ageMs: maxAge ?? null };
}

/** `30s`, `5m`: milliseconds. Throws InvalidArgumentError. */
export function duration(text: string): number {
  const ns = parseDuration(text);
  if (ns === null || ns === 0) throw new InvalidArgumentError('expected a time: 30s, 5m, 1h');
  return ns / 1e6;
}

function age(text: string): number {
  const ms = duration(text);
  if (ms < MIN_AGE_MS) throw new InvalidArgumentError('expected 10s or more');
  return ms;
}

/** `500M`: bytes, in powers of 1024. */
export function bytes(text: string): number {
  const match = /^(\d{1,9})([KMGT]?)i?B?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('expected a size: 500M, 1G');
  const size = Number(match[1]) * 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf(match[2]!.toUpperCase());
  if (size < MIN_BYTES) throw new InvalidArgumentError('expected 1M or more');
  return size;
}
