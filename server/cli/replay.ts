/** `lastref replay FILE`: the page over a recording. */
import type { ReplayStatus } from '../protocol/replay.ts';
import { openRecording } from '../recording/open.ts';
import { Replay } from '../recording/replay.ts';
import { CliError, EXIT } from './exit.ts';
import { announce, endServing, serve } from './serve.ts';
import { type WebFlags, webSettings } from './web-options.ts';

/** `--at`: seconds after the beginning, or a wall clock time in milliseconds. */
export interface ReplayStart {
  readonly afterS?: number;
  readonly wallMs?: number;
}

export async function replay(
  file: string,
  options: WebFlags & { speed: number; keep: number; why?: string; at?: ReplayStart },
): Promise<number> {
  const settings = webSettings(options);
  const reader = openRecording(file);
  const name = file.split('/').at(-1)!;
  const banner = `This is a recording (${name}), not a live host${options.why === undefined ? '' : `: ${options.why}`}`;
  const source = new Replay(reader, { keep: options.keep, banner });
  const at = options.at === undefined ? undefined : startMs(options.at, source.status());
  const web = await serve(settings, source);
  announce(web, settings, process.stdout);
  source.scan.start();
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  const shown = at === undefined ? source.play(options.speed) : source.seek(at);
  await Promise.race([shown, stopped]);
  for (const note of reader.notes) process.stderr.write(`lastref: ${note}\n`);
  if (reader.damage !== null) process.stderr.write(`lastref: ${reader.damage}\n`);
  await stopped;
  source.stop();
  await endServing(web);
  reader.close();
  return EXIT.good;
}

/** Throws CliError where the recording has no such time. */
function startMs({ afterS, wallMs }: ReplayStart, { begin_ms, end_ms }: ReplayStatus): number {
  const at = wallMs ?? begin_ms + (afterS ?? 0) * 1000;
  // what was copied from a page may be rounded
  if (at >= begin_ms - 1000 && at <= end_ms + 1000) return at;
  const [begin, end] = [begin_ms, end_ms].map((ms) => new Date(ms).toISOString());
  throw new CliError(
    EXIT.usage,
    `--at: the recording has no such time; it goes from ${begin} to ${end}, ` +
      `${((end_ms - begin_ms) / 1000).toFixed(1)} seconds`,
  );
}
