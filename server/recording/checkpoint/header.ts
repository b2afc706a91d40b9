/**
 * Which program a state belongs to. A state is what that very code had come to, so its
 * name is the hash of the code: another lastref, older or newer, does not take it, and
 * plays the recording from the start instead.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** "lrcp", then 28 bytes of the hash. */
export const HEADER_BYTES = 32;

const SERVER = fileURLToPath(new URL('../..', import.meta.url));
/** Everything that decides what a state is and how it is written. */
const FOLDERS = ['protocol', 'model', 'tracer', 'recording/checkpoint'];
/** `.ts` in a checkout, `.js` in a package. */
const ENDING = extname(import.meta.filename);

/** `keep`: ended inodes kept; a state of another number is another state. */
export function headerOf(keep: number): Buffer {
  codeHash ??= hashOf(FOLDERS);
  const hash = createHash('sha256').update(codeHash).update(`keep ${keep}`).digest();
  return Buffer.concat([Buffer.from('lrcp', 'latin1'), hash.subarray(0, HEADER_BYTES - 4)]);
}

let codeHash: Buffer | null = null;

function hashOf(folders: readonly string[]): Buffer {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const names = readdirSync(`${SERVER}${folder}`, { recursive: true, encoding: 'utf8' });
    for (const name of names.filter((file) => file.endsWith(ENDING)).sort()) {
      hash.update(`${folder}/${name}\0`).update(readFileSync(`${SERVER}${folder}/${name}`));
    }
  }
  return hash.digest();
}
