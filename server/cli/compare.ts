/** `lastref compare A B`: what changed between two runs. */
import { type CompareOptions, compareRuns } from '../model/compare/compare.ts';
import type { Run } from '../model/compare/run.ts';
import { escapeHidden } from '../protocol/plain.ts';
import { openRecording } from '../recording/open.ts';
import { runOf } from '../recording/run-of.ts';
import { compareText } from './compare-text.ts';
import { CliError, EXIT } from './exit.ts';
import { type WebFlags, webSettings } from './web-options.ts';

export interface CompareFlags extends WebFlags {
  readonly json: boolean;
  readonly failOnChange: boolean;
  /** Percent. */
  readonly atLeast: number;
  readonly page: boolean;
}

export async function compare(fileA: string, fileB: string, flags: CompareFlags): Promise<number> {
  if (flags.json && flags.page) {
    throw new CliError(EXIT.usage, '--json and --page do not go together: choose one');
  }
  const settings = flags.page ? webSettings(flags) : null;
  const options: CompareOptions = { atLeastPercent: flags.atLeast };
  const [a, b] = [runOfFile(fileA), runOfFile(fileB)];
  const comparison = compareRuns(a, b, options);
  process.stdout.write(
    flags.json ? `${escapeHidden(JSON.stringify(comparison))}\n` : compareText(comparison),
  );
  if (settings !== null) {
    const { showComparison } = await import('./compare-page.ts');
    await showComparison(comparison, settings);
  }
  const changed = comparison.differences.length > 0;
  return flags.failOnChange && changed ? EXIT.found : EXIT.good;
}

/** Throws RecordingError for what is none, CliError for one in which there is nothing. */
function runOfFile(file: string): Run {
  const reader = openRecording(file);
  try {
    const run = runOf(reader, file);
    if (run.damage !== null) process.stderr.write(`lastref: ${run.damage}\n`);
    if (run.epochs.length === 0) {
      throw new CliError(
        EXIT.usage,
        `${file}: nothing is recorded in it, so nothing can be compared`,
      );
    }
    return run;
  } finally {
    reader.close();
  }
}
