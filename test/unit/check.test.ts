/** What `lastref check` concludes, and the forms in which it tells. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { exitCode } from '../../server/cli/check.ts';
import { type KnownFinding, readBaseline, writeBaseline } from '../../server/cli/check-baseline.ts';
import { junit, ktapHeader, ktapResults, NestedOutput } from '../../server/cli/check-formats.ts';
import {
  CHECKS,
  type Judged,
  judge,
  judgeWorkload,
  type Seen,
} from '../../server/cli/check-judge.ts';
import { evidenceOf } from '../../server/cli/report.ts';
import { Report } from '../../server/protocol/report.ts';
import { openRecording } from '../../server/recording/open.ts';
import { Replay } from '../../server/recording/replay.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { lastref } from '../support/cli.ts';

const DIR = mkdtempSync(join(tmpdir(), 'lastref-check-'));
afterAll(() => rmSync(DIR, { recursive: true, force: true }));

function seen(golden: string): Seen {
  const file = new URL(`../golden/${golden}/recording.lastref`, import.meta.url).pathname;
  const recording = openRecording(file);
  const pipelines = new Replay(recording, { keep: 1000, banner: '' }).run();
  recording.close();
  return {
    report: makeReport(pipelines),
    evidence: evidenceOf(pipelines),
    ended: { code: 0, signal: null },
    began: new Map(),
  };
}

const NOTHING = { names: new Set<string>(), known: [] };
const allowing = (...names: string[]) => ({ names: new Set(names), known: [] });
const FAILED_MOUNT = seen('failed-mount-6.18');
const CLEAN = seen('guest-6.12');

/** Without the name of the rule. */
const short = (name: string) => name.replace(/^(contract R\d+) .*/, '$1');
const failures = (tests: readonly Judged[]) =>
  tests.filter(({ outcome }) => outcome === 'fail').map(({ name }) => short(name));
const by = (tests: readonly Judged[], name: string) =>
  tests.find((test) => `${test.name} `.startsWith(`${name} `))!;

describe('a run is judged', () => {
  it('by the same tests, whatever happened', () => {
    for (const one of [FAILED_MOUNT, CLEAN, seen('tracepoints')]) {
      expect(judge(one, NOTHING).map(({ name }) => name)).toEqual(CHECKS);
    }
  });

  it('clean where everything came back', () => {
    const tests = judge(CLEAN, NOTHING);
    expect(failures(tests)).toEqual([]);
    expect(exitCode(tests)).toBe(0);
    expect(by(tests, 'contract R1').outcome).toBe('pass');
    expect(by(tests, 'leak pinned').outcome).toBe('pass');
  });

  it('with the leak, the rule and the lines that show it', () => {
    const tests = judge(FAILED_MOUNT, NOTHING);
    expect(failures(tests)).toContain('leak reservation');
    expect(failures(tests)).toContain('contract R19');
    expect(exitCode(tests)).toBe(1);
    const { evidence, why } = by(tests, 'contract R19');
    expect(why).toMatch(/^broken 1 time, checked on \d+$/);
    expect(evidence.join('\n')).toMatch(/new_subpool[\s\S]*fill_super +cpu \d+ pid \d+ ret -12/);
  });

  it('what is not observed is not said to hold', () => {
    const tests = judge(seen('tracepoints'), NOTHING);
    const pinned = by(tests, 'leak pinned');
    expect(pinned.outcome).toBe('skip');
    expect(pinned.why).toMatch(/^hugepage_free: /);
    expect(by(tests, 'contract R3').outcome).toBe('skip');
  });

  it('what a loss could explain does not fail it, and is not said to hold', () => {
    const report = structuredClone(FAILED_MOUNT.report);
    for (const leak of report.leaks) leak.verdict = 'suspected';
    for (const finding of report.findings) finding.verdict = 'suspected';
    for (const rule of report.contract) {
      rule.suspected += rule.broken;
      rule.broken = 0;
    }
    const tests = judge({ ...FAILED_MOUNT, report }, NOTHING);
    expect(failures(tests)).toEqual([]);
    expect(by(tests, 'leak reservation').outcome).toBe('skip');
    expect(by(tests, 'contract R19').why).toMatch(/suspected/);
  });

  it('by what came after the workload began', () => {
    const host = FAILED_MOUNT.report.epochs[0]!.host;
    const tests = judge({ ...FAILED_MOUNT, began: new Map([[host, 1e15]]) }, NOTHING);
    expect(failures(tests)).toEqual([]);
    expect(by(tests, 'contract R19').evidence).toContain('1 began before the workload');
  });

  it('a finding that is not listed any more counts', () => {
    const report = structuredClone(CLEAN.report);
    report.contract.find(({ rule }) => rule === 'R7')!.broken = 3;
    expect(failures(judge({ ...CLEAN, report }, NOTHING))).toEqual(['contract R7']);
  });

  it('an account that does not balance fails it, as a tool that failed', () => {
    const report = structuredClone(CLEAN.report);
    report.losses.balanced = false;
    const tests = judge({ ...CLEAN, report }, NOTHING);
    expect(failures(tests)).toEqual(['ledger']);
    expect(exitCode(tests)).toBe(3);
  });

  it.each([
    [{ code: 0, signal: null }, 'pass', 0],
    [{ code: 4, signal: null }, 'skip', 0],
    [{ code: 7, signal: null }, 'fail', 4],
    [{ code: null, signal: 'SIGSEGV' }, 'fail', 4],
  ] as const)('a workload that ended with %j: %s', (ended, outcome, exit) => {
    expect(judgeWorkload(ended).outcome).toBe(outcome);
    expect(exitCode(judge({ ...CLEAN, ended }, NOTHING))).toBe(exit);
  });
});

describe('what is known', () => {
  const names = failures(judge(FAILED_MOUNT, NOTHING)).map((name) => name.split(' ')[1]!);

  it('is allowed by name', () => {
    const tests = judge(FAILED_MOUNT, allowing(...names));
    expect(failures(tests)).toEqual([]);
    expect(by(tests, 'contract R19').outcome).toBe('allowed');
    expect(failures(judge(FAILED_MOUNT, allowing('R1')))).toHaveLength(names.length);
  });

  it('is allowed by a file that a run has written, whatever its numbers', () => {
    const file = join(DIR, 'known.json');
    writeBaseline(file, FAILED_MOUNT.report);
    const known: readonly KnownFinding[] = readBaseline(file);
    const text = JSON.stringify(FAILED_MOUNT.report).replaceAll('"sentence":"2 ', '"sentence":"3 ');
    const report = Report.parse(JSON.parse(text));
    const tests = judge({ ...FAILED_MOUNT, report }, { names: new Set(), known });
    expect(failures(tests)).toEqual([]);
    expect(by(tests, 'leak reservation').outcome).toBe('allowed');
    const other = known.filter(({ of }) => of !== 'R19');
    expect(failures(judge(FAILED_MOUNT, { names: new Set(), known: other }))).toEqual([
      'contract R19',
    ]);
  });

  it('whether it is of one hugepage or of many', () => {
    const file = join(DIR, 'known.json');
    const [leak] = FAILED_MOUNT.report.leaks;
    const pinned = (count: string, refs: string, pages: number) => ({
      ...FAILED_MOUNT.report,
      findings: [],
      leaks: [
        { ...leak!, kind: 'pinned' as const, pages, text: `${count} left, with ${refs} too many` },
      ],
    });
    writeBaseline(file, pinned('a hugepage', '1 reference', 1));
    const known = readBaseline(file);
    const of = (report: Report) => ({ ...FAILED_MOUNT, report });
    const leakOf = (report: Report) =>
      by(judge(of(report), { names: new Set(), known }), 'leak pinned').outcome;
    expect(leakOf(pinned('3 hugepages', '2 references', 3))).toBe('allowed');
    expect(leakOf(pinned('a private hugepage', '1 reference', 1))).toBe('fail');
  });

  it.each([
    ['{', /known\.json: .*JSON/],
    ['{"format":2,"known":[]}', /known\.json, at format: /],
    ['{"format":1,"known":[{"of":"R1"}]}', /known\.json, at known\.0\./],
  ])('a file that is none: %s', (text, error) => {
    const file = join(DIR, 'known.json');
    writeFileSync(file, text);
    expect(() => readBaseline(file)).toThrow(error);
  });
});

describe('refused before anything is traced:', () => {
  it.each([
    [['check'], /nothing to check: .*\n.*lastref check/],
    [['check', '--allow', 'R99', '--', 'true'], /--allow R99: .*\n.*R1 to R22.*pool-drift/],
    [['check', '--baseline', '/no/such', '--', 'true'], /\/no\/such does not exist\.\n.*--write/],
    [['check', '--format', 'tap', '--', 'true'], /choices are ktap, junit, json/],
  ])('%j', async (args, error) => {
    const { code, stderr } = await lastref(args);
    expect(stderr).toMatch(error);
    expect(code).toBe(2);
  });
});

describe('KTAP', () => {
  const through = async (chunks: readonly (string | Buffer)[]) => {
    const nested = new NestedOutput();
    for (const chunk of chunks) nested.write(chunk);
    nested.end();
    let out = '';
    for await (const chunk of nested) out += chunk;
    return out;
  };

  it('nests a workload that prints it', async () => {
    const text = 'TAP version 13\n1..1\n# hello\nok 1 - map_hugetlb\n';
    expect(await through([text])).toBe(
      '  TAP version 13\n  1..1\n  # hello\n  ok 1 - map_hugetlb\n',
    );
  });

  it.each([
    ['the last line is cut', 'TAP version 13\n1..1\nok 1 last'],
    ['directives', 'TAP version 13\n1..3\nok 1 a\nok 2 b # SKIP why\nnot ok 3 c # TODO later\n'],
    ['levels', 'KTAP version 1\n1..1\n  KTAP version 1\n  1..1\n  ok 1 x\nok 1 sub\n'],
    ['a subtest', 'TAP version 14\n1..1\n  # Subtest: s\n  1..1\n  ok 1 - x\nok 1 - s\n'],
    ['noise', 'TAP version 13\n1..2\n\nok 1 a\nnoise\nok 2 b\n'],
    ['a long line', `TAP version 13\n1..1\n# ${'x'.repeat(1e6)}\nok 1 a\n`],
    ['other bytes', 'TAP version 13\n1..1\n# \u001b[31m\u0000\nok 1 a\n'],
  ])('nests one that is whole: %s', async (_, text) => {
    const whole = text.replace(/\n?$/, '\n');
    expect(await through([text])).toBe(whole.replace(/^/gm, '  ').slice(0, -2));
  });

  // the kernel's parser would take what comes after them for a part of them
  it.each([
    ['no plan', 'TAP version 13\nok 1 a\n'],
    ['the plan at its end', 'TAP version 13\nok 1 a\n1..1\n'],
    ['a result is missing', 'TAP version 13\n1..3\nok 1 a\n'],
    ['one too many', 'TAP version 13\n1..1\nok 1 a\nok 2 b\n'],
    ['no tests', 'TAP version 13\n1..0 # SKIP no hugepages\n'],
    ['bailed out', 'TAP version 13\n1..2\nok 1 a\nBail out! no memory\n'],
    ['two of them', 'TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..1\nok 1 b\n'],
    ['a level is cut', 'KTAP version 1\n1..1\n  KTAP version 1\n  1..2\n  ok 1 x\n'],
    ['numbers that jump', 'TAP version 13\n1..2\nok 1 a\nok 3 b\n'],
    ['without names', 'TAP version 13\n1..1\nok 1\n'],
    ['too much of it', `TAP version 13\n1..1\n# ${'x'.repeat(9e6)}\nok 1 a\n`],
    ['levels without end', 'TAP version 13\n1..1\n'.repeat(1000)],
    ['a header alone', 'Subtest: s\n1..9\n'],
  ])('tells another as diagnostics: %s', async (_, text) => {
    const out = await through([text]);
    expect(out).toMatch(/^(#.*\n)+$/);
    expect(out).not.toMatch(/^# Subtest:/m);
  });

  it('takes no other output for a result, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom('ok 1 x', 'not ok 2', '1..3', '\n', '\r\n', 'Bail out!', ' ', 'é', '🐧'),
        ),
        fc.integer({ min: 1, max: 9 }),
        async (parts, size) => {
          const text = `x${parts.join('')}`;
          const bytes = Buffer.from(text);
          const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
            bytes.subarray(i * size, (i + 1) * size),
          );
          const out = await through(chunks);
          expect(out).toBe(await through([text]));
          expect(out).toMatch(/^(#.*\n)+$/);
        },
      ),
    );
  });

  it('has a plan, and as many results, numbered', () => {
    const tests = judge(FAILED_MOUNT, allowing('R19'));
    const text = ktapHeader(CHECKS.length) + ktapResults(tests);
    expect(text).toMatch(/^([ -~]{0,160}\n)+$/);
    const [version, plan, ...lines] = text.trimEnd().split('\n');
    expect([version, plan]).toEqual(['KTAP version 1', `1..${tests.length}`]);
    const results = lines.filter((line) => !line.startsWith('#'));
    expect(results.map((line) => / (\d+) /.exec(line)![1])).toEqual(
      tests.map((_, i) => `${i + 1}`),
    );
    expect(results).toContainEqual(expect.stringMatching(/^not ok \d+ leak reservation$/));
    expect(results).toContainEqual(
      expect.stringMatching(/^ok \d+ contract R19 subpool put # XFAIL broken 1/),
    );
    expect(results).toContainEqual(expect.stringMatching(/^ok \d+ contract R\d+ .* # SKIP /));
  });
});

it('JUnit is XML that another reader takes, whatever is in it', () => {
  const evil: Judged = {
    name: 'leak a <b> & "c" \u202e',
    title: 'a',
    outcome: 'fail',
    why: `]]> ' \u0007`,
    evidence: ['<!--', '\u001b[31m'],
  };
  const tests = [...judge(FAILED_MOUNT, allowing('R19')), evil];
  const script = `
import sys, xml.etree.ElementTree as E
root = E.fromstring(sys.stdin.buffer.read())
suite = root.find('testsuite')
print(suite.get('tests'), suite.get('failures'), suite.get('skipped'))
print(len(suite.findall('testcase')), len(suite.findall('testcase/failure')), len(suite.findall('testcase/skipped')))
print(suite.findall('testcase')[-1].get('name'))`;
  const input = junit(tests, 'vm:6.18', 12.3456);
  const out = execFileSync('python3', ['-c', script], { input, encoding: 'utf8' }).split('\n');
  expect(out[0]).toBe(out[1]);
  expect(out[0]!.split(' ')[0]).toBe(`${tests.length}`);
  expect(out[2]).toBe('a <b> & "c" \\u{202e}');
});
