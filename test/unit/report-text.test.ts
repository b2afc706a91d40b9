/** The report as text: leaks with suspects, findings with their lines, hostile names. */
import { describe, expect, it } from 'vitest';
import { evidenceOf } from '../../server/cli/report.ts';
import { reportText } from '../../server/cli/report-text.ts';
import { duration, hang, name, wrap } from '../../server/cli/text.ts';
import type { Report } from '../../server/protocol/report.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { leakOf } from '../fixtures/leaks.ts';

const FILE = new URL('../golden/failed-mount-6.18/recording.lastref', import.meta.url).pathname;

function read() {
  const reader = new RecordingReader(FILE);
  const pipelines = new Replay(reader, { keep: 1000, banner: '' }).run();
  reader.close();
  return { report: makeReport(pipelines), evidence: evidenceOf(pipelines) };
}
const { report, evidence } = read();
const withLeaks = (leaks: Report['leaks']) => reportText({ ...report, leaks });

describe('leaks', () => {
  it('names who may hold the hugepages, and what says so', () => {
    const text = withLeaks([leakOf()]);
    expect(text).toContain(
      'pinned, certain: 1 hugepage (2 MiB), hugetlbfs 0:17 inode 2078, on box',
    );
    expect(text).toContain('suspect: vmsplicer (pid 391) vmsplice: try_grab_folio_fast, +1');
    expect(text).toContain('\nleaks      1 (1 certain)\n');
  });

  it('tells certain ones that last before the others, and leaves out what was none', () => {
    const text = withLeaks([
      leakOf({ ino: 1, state: 'resolved', until_ns: 4e9 }),
      leakOf({ ino: 2, verdict: 'suspected' }),
      leakOf({ ino: 3, state: 'refuted', until_ns: 4e9 }),
      leakOf({ ino: 4, suspects: [] }),
    ]);
    const told = [...text.matchAll(/0:17 inode (\d+)/g)].map(([, ino]) => ino);
    expect(told).toEqual(['4', '2', '1']);
    expect(text).toContain('since 1.000 s, back after 3.00s');
    expect(text).toContain('suspect: nobody was seen who could hold it');
    expect(text).toContain('\nleaks      2 (1 certain); 1 more ended by themselves\n');
  });
});

describe('findings', () => {
  it('have the lines that show them, in the order of time', () => {
    const text = reportText(report, evidence);
    const section = text.slice(text.indexOf('  R19'));
    const stages = [...section.matchAll(/^ +(?:0|\+\S+) (\w+) /gm)].map(([, stage]) => stage);
    expect(stages.slice(0, 3)).toEqual(['new_subpool', 'fill_super', 'shutdown_super']);
  });

  it('do without them where a server gave the report', () => {
    expect(reportText(report)).not.toContain('+2.49ms');
    expect(reportText(report)).toContain('its mount failed (-12)');
  });
});

const OF_FS = {
  ended: 1,
  live: 0,
  lost: 1,
  i_callback: { softirq: 1, ksoftirqd: 0, rcu_thread: 2 },
  hugepages_back: null,
};

it('keeps hostile names in their place and within 80 columns', () => {
  const evil = '\u202egnp.exe \x1b[31m\n\u0000é'.repeat(20);
  const suspects = [{ pid: 1, comm: evil, how: evil, evidence: evil }];
  const hostile: Report = {
    ...report,
    epochs: report.epochs.map((epoch) => ({ ...epoch, host: evil, kernel: evil })),
    inodes: { ...report.inodes, by_fs: { [evil]: OF_FS } },
    callbacks: report.callbacks.map((row) => ({ ...row, fs: evil, evict_inode: evil })),
    findings: report.findings.map((finding) => ({ ...finding, what: evil, sentence: evil })),
    leaks: [leakOf({ fs: evil, host: evil, text: evil, suspects })],
    gaps: [{ host: evil, from_ns: 0, to_ns: null, lost: 3, where: evil, detail: evil }],
  };
  const lines = evidence.map((list) => list.map((line) => ({ ...line, comm: evil, detail: evil })));
  const text = reportText(hostile, lines);
  expect(text).toMatch(/^([ -~]{0,80}\n)+$/);
  expect(text).toContain('\\u{202e}gnp.exe');
});

describe('the pieces', () => {
  it('durations have three digits and a unit', () => {
    const cases: [number, string][] = [
      [0, '0ns'],
      [999, '999ns'],
      [999.6, '1.00us'],
      [12_345, '12.3us'],
      [999_600, '1.00ms'],
      [10.7e6, '10.7ms'],
      [999.7e6, '1.00s'],
      [61e9, '61.0s'],
    ];
    for (const [ns, text] of cases) expect(duration(ns)).toBe(text);
  });

  it('lines are as wide as they may be, and a word that is wider is cut', () => {
    expect(wrap('a bb ccc', 4)).toEqual(['a bb', 'ccc']);
    expect(wrap('abcdefgh i', 3)).toEqual(['abc', 'def', 'gh', 'i']);
    expect(hang('  - ', 'one two three', 11)).toEqual(['  - one two', '    three']);
    expect(name('a\nb', 10)).toBe('a\\x0ab');
    expect(name('abcdefghij', 6)).toBe('abcd..');
  });
});
