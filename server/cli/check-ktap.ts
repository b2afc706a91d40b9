/**
 * Whether a workload's output is one whole KTAP document, which may nest in ours. The kernel's
 * own parser (tools/testing/kunit/kunit_parser.py) goes by plans and not by indentation: after a
 * document that lacks a plan or a result, or that is followed by another, it would take our
 * results for the workload's.
 */
const VERSION = /^\s*K?TAP version \d+$/;
const SUBTEST = /^\s*# Subtest: /;
const PLAN = /^\s*1\.\.(\d+)/;
const RESULT = /^\s*(?:not )?ok (\d+) /;
const BAIL_OUT = /^\s*Bail out!/;
/** A selftest has three levels at most. */
const MAX_DEPTH = 20;

export function isVersionLine(line: string): boolean {
  return VERSION.test(line);
}

/** `lines`: the version line first, maybe after empty ones. */
export function isWholeKtap(lines: readonly string[]): boolean {
  const marks = lines.filter((line) => {
    return [VERSION, SUBTEST, PLAN, RESULT, BAIL_OUT].some((mark) => mark.test(line));
  });
  return afterDocument(marks, 0, 0) === marks.length;
}

/** Where the document that begins there ends; -1: it is not whole. */
function afterDocument(marks: readonly string[], begin: number, depth: number): number {
  let at = begin;
  if (depth > MAX_DEPTH) return -1;
  if (VERSION.test(marks[at] ?? '')) at++;
  if (SUBTEST.test(marks[at] ?? '')) at++;
  const count = Number(PLAN.exec(marks[at++] ?? '')?.[1] ?? 0);
  // one that has no tests is no document to that parser
  if (at - begin < 2 || count === 0) return -1;
  for (let number = 1; number <= count; number++) {
    if (VERSION.test(marks[at] ?? '') || SUBTEST.test(marks[at] ?? '')) {
      at = afterDocument(marks, at, depth + 1);
      if (at < 0) return -1;
    }
    if (Number(RESULT.exec(marks[at++] ?? '')?.[1]) !== number) return -1;
  }
  return at;
}
