/** `lastref report`: the numbers of a running server, or of a recording. */
import { Report } from '../protocol/report.ts';
import { openRecording } from '../recording/open.ts';
import { Replay } from '../recording/replay.ts';
import { makeReport } from '../tracer/report.ts';
import { CliError, EXIT } from './exit.ts';
import { reportText } from './report-text.ts';
import { tokenOf } from './servers.ts';

export async function report(
  file: string | undefined,
  options: { json: boolean; port: number; keep: number },
): Promise<number> {
  const result = file === undefined ? await fromServer(options.port) : fromFile(file, options.keep);
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : reportText(result));
  return EXIT.good;
}

function fromFile(file: string, keep: number): Report {
  const recording = openRecording(file);
  const pipelines = new Replay(recording, { keep, banner: '' }).run();
  recording.close();
  const notes = [...recording.notes];
  if (recording.damage !== null) {
    notes.push('It is damaged: what came before the damage is all that is told here.');
    process.stderr.write(`lastref: ${recording.damage}\n`);
  }
  const report = makeReport(pipelines);
  return notes.length === 0 ? report : { ...report, recording: { notes } };
}

async function fromServer(port: number): Promise<Report> {
  const token = tokenOf(port);
  if (token === null) {
    throw new CliError(
      EXIT.usage,
      `no lastref of this user is serving on port ${port}.\nGive a recording (lastref report FILE), or the port of the server (--port).`,
    );
  }
  let response: Response;
  try {
    response = await fetch(`http://127.0.0.1:${port}/api/report`, {
      headers: { Authorization: `Bearer ${token}` },
    });
  } catch (error) {
    throw new CliError(
      EXIT.usage,
      `nobody answers on port ${port} (${((error as Error).cause as Error | undefined)?.message ?? error}): has that lastref ended?`,
    );
  }
  if (!response.ok) {
    throw new CliError(
      EXIT.usage,
      `the server on port ${port} answered ${response.status}: ${await response.text()}`,
    );
  }
  return Report.parse(await response.json());
}
