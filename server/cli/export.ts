/** `lastref export FILE -o OUT`: a recording for other tools. */
import { type Exported, exportRecording } from '../recording/export/export.ts';
import {
  type CsvTable,
  ENDINGS_TEXT,
  EXPORT_FORMATS,
  type ExportFormat,
  formatOf,
} from '../recording/export/formats.ts';
import { OutputClosed } from '../recording/export/output.ts';
import { openRecording } from '../recording/open.ts';
import { CliError, EXIT } from './exit.ts';

export interface ExportOptions {
  readonly output: string;
  readonly format?: ExportFormat;
  readonly table?: CsvTable;
}

export function exportFile(file: string, options: ExportOptions): number {
  const { output, table } = options;
  const format = chooseFormat(options);
  const reader = openRecording(file);
  try {
    const exported = exportRecording(reader, output, format, table);
    if (reader.damage !== null) {
      process.stderr.write(`lastref: ${reader.damage}; what came before is exported\n`);
    }
    if (output !== '-') process.stdout.write(`${summary(output, format, exported)}\n`);
    return EXIT.good;
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT.good;
    throw error;
  } finally {
    reader.close();
  }
}

/** Throws CliError when the options do not go together. */
function chooseFormat({ output, format: asked, table }: ExportOptions): ExportFormat {
  const format = asked ?? formatOf(output);
  if (format === null) {
    const why = output === '-' ? 'standard output has no ending' : `${output} ends with none`;
    throw new CliError(
      EXIT.usage,
      `which format? ${why} of ${ENDINGS_TEXT}.\nSay it: --format ${EXPORT_FORMATS.join('|')}`,
    );
  }
  if (format === 'perfetto' && output === '-') {
    throw new CliError(EXIT.usage, 'a Perfetto trace is binary: give -o a file, such as t.pftrace');
  }
  if (table !== undefined && format !== 'csv') {
    throw new CliError(EXIT.usage, `--table is for csv; ${format} holds everything`);
  }
  return format;
}

function summary(output: string, format: ExportFormat, exported: Exported): string {
  const { pipelines, inodes, hugepages, bytes } = exported;
  const gaps = pipelines.reduce((sum, p) => sum + p.model.gaps.list.length, 0);
  const leaks = pipelines.reduce((sum, p) => sum + p.leaks().length, 0);
  const counts = [
    counted(inodes, 'inode'),
    counted(hugepages, 'hugepage'),
    counted(gaps, 'gap'),
    counted(leaks, 'leak'),
  ];
  return `${output}: ${format}, ${counts.join(', ')} (${(bytes / 1e6).toFixed(1)} MB)`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
