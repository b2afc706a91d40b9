/**
 * Files that are there whole or not at all, however suddenly lastref ends; for their owner
 * alone. Nothing here waits for the disk (fsync): the process that writes also traces. So
 * a power cut may take what was written in the last seconds, and nothing else does.
 */
import { closeSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const PREFIX = '.writing-';

/** Replaces a file in one step. Throws the system's error. */
export function writeWhole(file: string, text: string): void {
  const other = join(dirname(file), `${PREFIX}${basename(file)}`);
  rmSync(other, { force: true });
  const fd = openSync(other, 'wx', 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  } finally {
    closeSync(fd);
  }
  renameSync(other, file);
}

/** The JSON files in order. What was being written when lastref was killed is removed. */
export function listFiles(directory: string): string[] {
  const names = readdirSync(directory);
  for (const name of names.filter((n) => n.startsWith(PREFIX))) rmSync(join(directory, name));
  return names.filter((name) => name.endsWith('.json') && !name.startsWith('.')).sort();
}
