/** `lastref report`: the numbers of a running server, or of a recording. */
import type { TimelineEntry } from '../protocol/messages.ts';
import { escapeHidden } from '../protocol/plain.ts';
import { Report } from '../protocol/report.ts';
import { openRecording } from '../recording/open.ts';
import { Replay } from '../recording/replay.ts';
import { contractFindings } from '../tracer/contract.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { makeReport } from '../tracer/report.ts';
import { findingDetail } from '../web/contract.ts';
import { CliError, EXIT } from './exit.ts';
import { reportText } from './report-text.ts';
import { askServer, serverOn } from './servers.ts';

export async function report(
  file: string | undefined,
  options: { json: boolean; port: number; keep: number },
): Promise<number> {
  const { report: result, evidence } =
    file === undefined
      ? { report: await fromServer(options.port), evidence: [] }
      : fromFile(file, options.keep);
  const json = () => `${escapeHidden(JSON.stringify(result))}\n`;
  process.stdout.write(options.json ? json() : reportText(result, evidence));
  return EXIT.good;
}

/** The lines that show each finding, in the order of the report's findings. */
export function evidenceOf(pipelines: readonly Pipeline[]): readonly (readonly TimelineEntry[])[] {
  return contractFindings(pipelines).map(
    ({ pipeline, finding }) => findingDetail(pipeline, 0, finding.number)?.lines ?? [],
  );
}

function fromFile(
  file: string,
  keep: number,
): { report: Report; evidence: readonly (readonly TimelineEntry[])[] } {
  const recording = openRecording(file);
  const pipelines = new Replay(recording, { keep, banner: '' }).run();
  recording.close();
  const notes = [...recording.notes];
  if (recording.damage !== null) {
    notes.push('It is damaged: what came before the damage is all that is told here.');
    process.stderr.write(`lastref: ${recording.damage}\n`);
  }
  const plain = makeReport(pipelines);
  return {
    report: notes.length === 0 ? plain : { ...plain, recording: { notes } },
    evidence: evidenceOf(pipelines),
  };
}

async function fromServer(port: number): Promise<Report> {
  const server = serverOn(port);
  if (server === null) {
    throw new CliError(
      EXIT.usage,
      `no lastref of this user is serving on port ${port}.\nGive a recording (lastref report FILE), or the port of the server (--port).`,
    );
  }
  const answer = await askServer(server, '/api/report').catch((error: Error) => {
    throw new CliError(
      EXIT.usage,
      `nobody answers on port ${port} (${error.message}): has that lastref ended?`,
    );
  });
  if (answer.status !== 200) {
    throw new CliError(
      EXIT.usage,
      `the server on port ${port} answered ${answer.status}: ${answer.text}`,
    );
  }
  return Report.parse(JSON.parse(answer.text));
}
