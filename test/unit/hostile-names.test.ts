/**
 * A process may call itself anything. One set of names goes through everything that shows
 * them: what comes out is checked by readers that are not ours.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { visibleText } from '../../dashboard/src/format/visible.ts';
import { junit, ktapHeader, ktapResults, NestedOutput } from '../../server/cli/check-formats.ts';
import { CHECKS, judge } from '../../server/cli/check-judge.ts';
import { evidenceOf } from '../../server/cli/report.ts';
import { reportText } from '../../server/cli/report-text.ts';
import { annotationsOf, labelsOf } from '../../server/model/alert-words.ts';
import { Config } from '../../server/protocol/config.ts';
import { LINES, type LineName, type LineSpec } from '../../server/protocol/grammar.ts';
import { exportRecording } from '../../server/recording/export/export.ts';
import { CSV_TABLES, type CsvTable } from '../../server/recording/export/formats.ts';
import { openRecording } from '../../server/recording/open.ts';
import { Replay } from '../../server/recording/replay.ts';
import { RecordingWriter } from '../../server/recording/writer.ts';
import { parseAgentLine } from '../../server/tracer/agent-lines.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { leakOf } from '../fixtures/leaks.ts';
import { NotifyRun } from '../fixtures/notify-run.ts';
import { framesOf, RECORDINGS } from '../fixtures/recordings.ts';
import { Receiver } from '../fixtures/sinks.ts';
import { commWords } from '../fixtures/trace.ts';
import { eventually, lastref } from '../support/cli.ts';
import { readPerfetto } from '../support/perfetto.ts';

/** At most 15 bytes, as the kernel keeps them. */
const NAMES = [
  '\x1b[2J\x1b]0;x\x07',
  'a\nnot ok 1 x',
  'a\rok 1 x',
  '\u202egnp.exe',
  '\ufeffinit',
  '\u2028not ok 1',
  '\x85not ok 1',
  '\x9b2J',
  '<script>"\'&]]>',
  '=1+cmd|calc!A0',
  '＝1+1',
  '\t@SUM(A1)',
  '+1",=2,"',
  '\n@hits[3]: 9',
  'tick 1 0 0 0 1',
  '"}],{"a":"\\',
  '$HOME `x` $(x)',
  '{{suspects}}',
  '😀\u200d\u{e0041}',
  ' ',
];
/** What may choose a name for a filesystem is root; it is printable, since no other line is read. */
const FS = ['=1+1', '"],<b>&amp;', "x' or 'a b"];

/** As a recording may say: the name of a host is whatever was typed. */
const HOST = '\x1b[2J\u202ebox=';

/** What a terminal acts on, and what turns the text around it. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/u;
const ASCII = /^[\x20-\x7e]*$/;

const DIR = mkdtempSync(join(tmpdir(), 'lastref-names-'));
afterAll(() => rmSync(DIR, { recursive: true }));
const FILE = join(DIR, 'names.lastref');

/** A real recording with a broken rule and a leak, in which all tasks have other names. */
beforeAll(() => {
  const { epochs, frames } = framesOf(RECORDINGS['failed-mount-6.18']!);
  const writer = new RecordingWriter(FILE, { timer: false });
  for (const info of epochs) writer.epoch({ ...info, host: HOST });
  let rest = '';
  /** Each kind of line goes through all names. */
  const next: Partial<Record<string, number>> = {};
  const one = (list: readonly string[], line: string) => {
    const place = next[line] ?? 0;
    next[line] = place + 1;
    return list[place % list.length]!;
  };
  for (const { epoch, kind, bytes, atMs } of frames) {
    if (kind !== 'out') {
      writer.frame(epoch, kind, bytes, atMs);
      continue;
    }
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop()!;
    const renamed = lines.map((line) => {
      const words = line.split(' ');
      const spec: LineSpec | undefined = LINES[words[0] as LineName];
      const last = spec?.fields.at(-1)?.[1];
      if (last === 'c') words.splice(-2, 2, commWords(one(NAMES, words[0]!)));
      if (last === 't') words.splice(12, words.length, one(FS, 'sb'));
      return `${words.join(' ')}\n`;
    });
    writer.frame(epoch, 'out', Buffer.from(renamed.join(''), 'latin1'), atMs);
  }
  writer.close();
  expect(next.evict).toBeGreaterThan(NAMES.length);
});

function played() {
  const recording = openRecording(FILE);
  const pipelines = new Replay(recording, { keep: 1000, banner: '' }).run();
  recording.close();
  return { pipelines, report: makeReport(pipelines), evidence: evidenceOf(pipelines) };
}

function exported(ending: 'pftrace' | 'json' | 'ndjson' | 'csv', table?: CsvTable): Buffer {
  const path = join(DIR, `${table ?? 'all'}.${ending}`);
  const format = { pftrace: 'perfetto', json: 'chrome', ndjson: 'ndjson', csv: 'csv' } as const;
  const recording = openRecording(FILE);
  exportRecording(recording, path, format[ending], table);
  recording.close();
  return readFileSync(path);
}

/** Every string in a value, keys too. */
function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => [key, ...strings(one)]);
}

/** Python's csv module reads it: rows of cells. */
function cellsOf(csv: Buffer): string[][] {
  const script =
    'import csv,json,sys,io\nt=io.TextIOWrapper(sys.stdin.buffer,"utf-8",newline="")\nprint(json.dumps(list(csv.reader(t,strict=True))))';
  return JSON.parse(execFileSync('python3', ['-c', script], { input: csv, encoding: 'utf8' }));
}

describe('hostile names', () => {
  it('are read as they are: all of them are in the model', () => {
    const { pipelines, report } = played();
    const comms = new Set(
      pipelines.flatMap(({ model }) => [...model.inodes.all()].map((i) => i.comm)),
    );
    for (const name of NAMES) expect(comms, JSON.stringify(name)).toContain(name);
    expect(report.events.rejected).toBe(0);
    expect(new Set(report.callbacks.map(({ fs }) => fs))).toEqual(new Set(FS));
    expect(report.findings.length).toBeGreaterThan(0);
    expect(report.leaks.length).toBeGreaterThan(0);
  });

  it('are what the agent says in hexadecimal, and no line of it', () => {
    for (const name of NAMES) {
      const hex = Buffer.from(`${name}\n`).toString('hex');
      const holder = parseAgentLine(`a holder 17 7 1 0 2097152 1 ${hex} fd 0`);
      expect(holder).toMatchObject({ kind: 'holder', holder: { comm: name } });
      // where a shell says one as it is, it is nobody's word
      for (const line of `sh: ${name}: not found`.split('\n')) {
        expect(parseAgentLine(line).kind).toBe('other');
      }
    }
  });

  it('are visible in the report, a line of 80 columns each', () => {
    const { report, evidence } = played();
    const notes = NAMES.map((name) => `It goes on in ${name}.`);
    const text = reportText({ ...report, recording: { notes } }, evidence);
    for (const line of text.split('\n')) {
      expect(line).toMatch(ASCII);
      expect(line.length).toBeLessThanOrEqual(80);
    }
    expect(text).toContain('\\u{202e}gnp.exe');
  });

  it('forge no result of KTAP', async () => {
    const { report, evidence } = played();
    const tests = judge(
      { report, evidence, ended: { code: 0, signal: null }, began: new Map() },
      { names: new Set(), known: [] },
    ).map((test) => ({ ...test, evidence: [...test.evidence, ...NAMES] }));
    const nested = new NestedOutput();
    for (const name of NAMES) nested.write(`${name}\n`);
    nested.end();
    let output = '';
    for await (const chunk of nested) output += chunk;
    const all = ktapHeader(CHECKS.length) + output + ktapResults(tests);
    // as Python splits: kunit.py reads it so
    const lines = all.split(/[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]/);
    const results = lines.filter((line) => /^(not )?ok/.test(line));
    expect(results).toHaveLength(CHECKS.length);
    for (const [i, line] of results.entries()) {
      expect(line).toMatch(new RegExp(`^(not )?ok ${i + 1} `));
    }
    for (const line of ktapResults(tests).split('\n')) expect(line).toMatch(ASCII);
  });

  it('cannot end a line of a nested KTAP either', async () => {
    const nested = new NestedOutput();
    nested.write('KTAP version 1\n1..1\nok 1 a\rnot ok 1 b\u2028not ok 2 c\n');
    nested.end();
    let output = '';
    for await (const chunk of nested) output += chunk;
    for (const line of output.trimEnd().split(/[\r\n\u2028]/)) expect(line).toMatch(/^ {2}/);
  });

  it('leave JUnit well-formed XML, with nothing in it but what was put there', () => {
    const { report, evidence } = played();
    const tests = judge(
      { report, evidence, ended: { code: 0, signal: null }, began: new Map() },
      { names: new Set(), known: [] },
    ).map((test, i) => ({
      ...test,
      why: `${test.why} ${NAMES[i % NAMES.length]}`,
      evidence: [...test.evidence, ...NAMES],
    }));
    const script =
      'import sys,collections,xml.etree.ElementTree as e\nt=e.fromstring(sys.stdin.buffer.read())\nprint(*sorted(collections.Counter(x.tag for x in t.iter()).items()))';
    const xml = junit(tests, NAMES.join(' '), 1);
    const tags = execFileSync('python3', ['-c', script], { input: xml, encoding: 'utf8' });
    expect(tags).toContain(`('testcase', ${CHECKS.length})`);
    expect(tags).not.toContain('script');
    for (const line of xml.split('\n')) expect(line).toMatch(ASCII);
  });

  it('stay in their cells of CSV, and are no formulas', () => {
    for (const [table, columns] of Object.entries(CSV_TABLES)) {
      const csv = exported('csv', table as CsvTable);
      expect(csv.toString().replaceAll('\r\n', '')).not.toMatch(HIDDEN);
      const rows = cellsOf(csv);
      for (const row of rows) {
        expect(row).toHaveLength(columns.length);
        for (const cell of row) {
          if (!/^-?[\d.]+(e[+-]?\d+)?$/.test(cell)) expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠]/);
        }
      }
      if (table === 'inodes') expect(rows.flat()).toContain("'=1+cmd|calc!A0");
    }
  });

  it('are escapes in NDJSON and in JSON for Chrome, a record a line', () => {
    const ndjson = exported('ndjson').toString();
    expect(ndjson.replaceAll('\n', '')).not.toMatch(HIDDEN);
    const records = ndjson
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(strings(records)).toContain('\u202egnp.exe');
    const chrome = exported('json').toString();
    expect(chrome.replaceAll('\n', '')).not.toMatch(HIDDEN);
    expect(strings(JSON.parse(chrome)).length).toBeGreaterThan(100);
  });

  it('are data in a Perfetto trace; names of tracks have nothing hidden', () => {
    const trace = readPerfetto(exported('pftrace'));
    for (const { name } of [...trace.tracks, ...trace.slices, ...trace.points]) {
      expect(name).not.toMatch(HIDDEN);
    }
    const args = strings(trace.slices.map(({ args }) => args));
    expect(args.some((text) => text.includes('gnp.exe'))).toBe(true);
  });

  it('are visible in labels and annotations of an alert, and are no placeholders', () => {
    const { rules } = Config.parse({
      rules: [
        {
          alert: 'A',
          labels: { who: '{{suspect}}' },
          annotations: { summary: '{{suspects}}', description: '{{text}}' },
        },
      ],
    });
    for (const comm of NAMES) {
      const leak = leakOf({
        fs: comm,
        host: comm,
        text: `held by ${comm}`,
        suspects: [{ pid: 7, comm, how: 'fd 3', evidence: comm }],
      });
      const said = { ...labelsOf(rules[0]!, leak), ...annotationsOf(rules[0]!, leak, 1) };
      for (const text of Object.values(said)) expect(text).not.toMatch(HIDDEN);
      if (comm === '{{suspects}}') expect(said.summary).toBe('{{suspects}} (pid 7): fd 3');
    }
  });

  it('reach a webhook and a command as JSON of one line', async () => {
    const receiver = await Receiver.start();
    const taken = join(DIR, 'stdin');
    const run = new NotifyRun(mkdtempSync(join(DIR, 'state-')), {
      sinks: [
        { name: 'hook', webhook: receiver.url, timeout: '5s' },
        { name: 'command', command: ['sh', '-c', 'cat >> "$0"', taken], timeout: '10s' },
      ],
    });
    const comm = NAMES.join('');
    const suspects = [{ pid: 7, comm, how: 'fd 3', evidence: comm }];
    run.later(4, leakOf({ suspects, text: comm }));
    run.later(1, leakOf({ suspects, text: comm }));
    await eventually(20_000, () => receiver.taken.length === 1, 'the webhook');
    await eventually(
      20_000,
      () => run.notifier.status().every(({ waiting }) => waiting === 0),
      'both',
    );
    await run.stop(0);
    await receiver.stop();
    const { notification } = receiver.received[0]!;
    expect(notification.leak.suspects).toEqual(suspects);
    for (const text of Object.values(notification.annotations)) expect(text).not.toMatch(HIDDEN);
    const lines = readFileSync(taken, 'utf8').split('\n');
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0]!)).toMatchObject({ leak: { suspects } });
  });

  it('are told by the page with nothing hidden', () => {
    for (const name of NAMES) expect(visibleText(name)).not.toMatch(HIDDEN);
  });

  it('in a file are told without what a terminal acts on', async () => {
    const file = join(DIR, 'damaged.lastref');
    const writer = new RecordingWriter(file, { timer: false });
    for (const info of framesOf(RECORDINGS['failed-mount-6.18']!).epochs) writer.epoch(info);
    writer.frame(1, 'begin', Buffer.from('"\x1b[2J\u202e'), 1000);
    writer.meta('next', '\x1b[2J\u202e');
    writer.close();
    const { stdout, stderr } = await lastref(['report', file]);
    expect(stderr).toContain('is damaged');
    for (const line of [...stdout.split('\n'), ...stderr.split('\n')]) {
      expect(line).not.toMatch(HIDDEN);
    }
    expect(stdout).toContain('It goes on in \\x1b[2J\\u{202e}.');
    // as JSON the same data, with what is hidden as escapes
    const json = await lastref(['report', file, '--json']);
    expect(json.stdout.trimEnd()).not.toMatch(HIDDEN);
    expect(strings(JSON.parse(json.stdout))).toContain('It goes on in \x1b[2J\u202e.');
  });
});
