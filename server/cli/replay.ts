/** `lastref replay FILE`: the page over a recording. */
import { openRecording } from '../recording/open.ts';
import { Replay } from '../recording/replay.ts';
import { EXIT } from './exit.ts';
import { announce, endServing, serve } from './serve.ts';
import { type WebFlags, webSettings } from './web-options.ts';

export async function replay(
  file: string,
  options: WebFlags & { speed: number; keep: number; why?: string },
): Promise<number> {
  const settings = webSettings(options);
  const reader = openRecording(file);
  const name = file.split('/').at(-1)!;
  const banner = `This is a recording (${name}), not a live host${options.why === undefined ? '' : `: ${options.why}`}`;
  const source = new Replay(reader, { keep: options.keep, banner });
  const web = await serve(settings, source);
  announce(web, settings, process.stdout);
  source.scan.start();
  const stopped = new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
  await Promise.race([source.play(options.speed), stopped]);
  for (const note of reader.notes) process.stderr.write(`lastref: ${note}\n`);
  if (reader.damage !== null) process.stderr.write(`lastref: ${reader.damage}\n`);
  await stopped;
  source.stop();
  await endServing(web);
  reader.close();
  return EXIT.good;
}
