import type { RecordedFile } from '../../../server/protocol/messages.ts';

/**
 * What shows this time as it was, in a shell of the machine on which the server runs. Null: none
 * of these files has it.
 */
export function replayCommand(files: readonly RecordedFile[], ms: number): string | null {
  const file = files.findLast(({ from_ms }) => from_ms <= ms)?.file;
  if (file === undefined) return null;
  const quoted = /^[\w./=-]+$/.test(file) ? file : `'${file.replaceAll("'", "'\\''")}'`;
  return `lastref replay ${quoted} --at ${new Date(ms).toISOString()}`;
}
