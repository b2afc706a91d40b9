/** Writes a recording as something that other tools read. One file per format beside this one. */
import { ChromeWriter } from './chrome.ts';
import { CsvSink } from './csv.ts';
import type { CsvTable, ExportFormat } from './formats.ts';
import { NdjsonSink } from './ndjson.ts';
import { Output } from './output.ts';
import { PerfettoWriter } from './perfetto.ts';
import { TimelineSink } from './timeline.ts';
import { type Readable, type Walked, walk } from './walk.ts';

export interface Exported extends Walked {
  readonly bytes: number;
}

/**
 * `path`: a new file, or `-` for standard output. Throws RangeError when it cannot be
 * written, and leaves no half of it; OutputClosed when nobody reads standard output on.
 */
export function exportRecording(
  recording: Readable,
  path: string,
  format: ExportFormat,
  table: CsvTable = 'inodes',
): Exported {
  const out = new Output(path);
  try {
    const walked = write(recording, out, format, table);
    return { ...walked, bytes: out.bytes };
  } catch (error) {
    out.abandon();
    throw error;
  }
}

function write(recording: Readable, out: Output, format: ExportFormat, table: CsvTable): Walked {
  if (format === 'perfetto' || format === 'chrome') {
    const writer = format === 'perfetto' ? new PerfettoWriter(out) : new ChromeWriter(out);
    const walked = walk(recording, new TimelineSink(writer));
    writer.close();
    return walked;
  }
  const sink = format === 'ndjson' ? new NdjsonSink(out) : new CsvSink(out, table);
  const walked = walk(recording, sink);
  out.close();
  return walked;
}
