/** Findings that are known and do not fail a check: a file that one run writes and others read. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Report } from '../protocol/report.ts';
import { CliError, EXIT } from './exit.ts';

const KnownFinding = z.strictObject({
  /** `pinned`, `R19`. */
  of: z.string().max(100),
  fs: z.string().max(100),
  /** What was found, with # for each number. */
  what: z.string().max(4000),
});
export type KnownFinding = z.infer<typeof KnownFinding>;

const Baseline = z.strictObject({
  format: z.literal(1),
  known: z.array(KnownFinding).max(10_000),
});

export function leakFinding({ kind, fs, text, suspects }: Report['leaks'][number]): KnownFinding {
  const ways = [...new Set(suspects.map(({ how }) => how))].sort();
  return { of: kind, fs, what: numberless([text, ...ways].join('; ')) };
}

export function ruleFinding({ rule, fs, sentence }: Report['findings'][number]): KnownFinding {
  return { of: rule, fs, what: numberless(sentence) };
}

export function isKnown(finding: KnownFinding, known: readonly KnownFinding[]): boolean {
  return known.some(
    ({ of, fs, what }) => of === finding.of && fs === finding.fs && what === finding.what,
  );
}

/** Throws CliError. */
export function readBaseline(file: string): readonly KnownFinding[] {
  if (!existsSync(file)) {
    throw new CliError(
      EXIT.usage,
      `${file} does not exist.\nMake it with a run whose findings are known: lastref check --write-baseline ${file} ...`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new CliError(EXIT.usage, `${file}: ${(error as Error).message}`);
  }
  const parsed = Baseline.safeParse(json);
  if (parsed.success) return parsed.data.known;
  const { path, message } = parsed.error.issues[0]!;
  throw new CliError(
    EXIT.usage,
    `${file}${path.length === 0 ? '' : `, at ${path.join('.')}`}: ${message}`,
  );
}

/** Every certain finding of a run, each once. Throws CliError. */
export function writeBaseline(file: string, { leaks, findings }: Report): void {
  const all = [
    ...leaks.filter((l) => l.state === 'firing' && l.verdict === 'certain').map(leakFinding),
    ...findings.filter((f) => f.verdict === 'certain').map(ruleFinding),
  ];
  const known = all.filter((finding, i) => !isKnown(finding, all.slice(0, i)));
  try {
    writeFileSync(file, `${JSON.stringify({ format: 1, known }, null, 2)}\n`);
  } catch (error) {
    throw new CliError(EXIT.usage, `${file} cannot be written: ${(error as Error).message}`);
  }
}

/** The same sentence of another run: addresses, times and counts differ, also one from many. */
function numberless(text: string): string {
  const many = text
    .replace(/\ba (?=(private )?hugepage\b)/g, '1 ')
    .replace(/\b(hugepage|reference)s\b/g, '$1');
  return many.replace(/\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b(?:\.\d+)?/g, '#');
}
