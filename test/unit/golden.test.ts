/**
 * Real recordings and the report that each must give, byte for byte. What to do
 * when one changes on purpose is in test/golden/README.md.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evidenceOf } from '../../server/cli/report.ts';
import { reportText } from '../../server/cli/report-text.ts';
import { Report } from '../../server/protocol/report.ts';
import { type Frame, RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { feed } from '../../server/tracer/tracer.ts';

const GOLDEN = new URL('../golden/', import.meta.url);
const NAMES = readdirSync(GOLDEN, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);
const pathOf = (name: string, file: string) => new URL(`${name}/${file}`, GOLDEN).pathname;
const textOf = (report: Report) => `${JSON.stringify(report, null, 2)}\n`;

function open<T>(name: string, use: (reader: RecordingReader) => T): T {
  const reader = new RecordingReader(pathOf(name, 'recording.lastref'));
  try {
    return use(reader);
  } finally {
    reader.close();
  }
}

/** As Replay does it, with frames of one's own. */
function reportOf(reader: RecordingReader, frames: Iterable<Frame>): Report {
  return makeReport(played(reader, frames));
}

function played(reader: RecordingReader, frames: Iterable<Frame>): Pipeline[] {
  const pipelines = new Map(
    reader.epochs.map((info) => [info.number, new Pipeline(info, { keep: 1000 })]),
  );
  for (const { epoch, kind, bytes } of frames) feed(pipelines.get(epoch)!, kind, bytes);
  return [...pipelines.values()];
}

/** Neighbouring frames of standard output joined, and cut again at other places. */
function recut(frames: readonly Frame[], sizes: readonly number[]): Frame[] {
  const out: Frame[] = [];
  let i = 0;
  for (let at = 0; at < frames.length; ) {
    const first = frames[at]!;
    let end = at + 1;
    const same = (f: Frame | undefined) => f?.kind === 'out' && f.epoch === first.epoch;
    while (first.kind === 'out' && same(frames[end])) end++;
    const bytes = Buffer.concat(frames.slice(at, end).map((f) => f.bytes));
    if (first.kind !== 'out') out.push(first);
    for (let from = 0; first.kind === 'out' && from < bytes.length; ) {
      const size = sizes[i++ % sizes.length]!;
      out.push({ ...first, bytes: bytes.subarray(from, from + size) });
      from += size;
    }
    at = end;
  }
  return out;
}

it('there are recordings of guests and of a host of tracepoints', () => {
  expect(NAMES).toEqual(expect.arrayContaining(['failed-mount-6.18', 'guest-6.12', 'tracepoints']));
});

it.each(NAMES)(
  '%s breaks the contract only where a mount that failed keeps its reservation',
  (name) => {
    const report = Report.parse(JSON.parse(readFileSync(pathOf(name, 'report.expected'), 'utf8')));
    // hugetlbfs_fill_super() of 6.1.176 and 6.18.15 frees the subpool and forgets what it reserved
    const leaks = /^(failed-mount|scenarios)-6\.(1|18)$/.test(name);
    const verdicts = report.findings.map((f) => `${f.rule} ${f.verdict}`);
    if (leaks) expect(verdicts).toContain('R19 certain');
    expect(verdicts.filter((v) => !leaks || !/^R1[69] /.test(v))).toEqual([]);
  },
);

describe.each(NAMES)('the recording %s', (name) => {
  it('gives the report that it gave, byte for byte', () => {
    const report = open(name, (reader) => {
      const pipelines = new Replay(reader, { keep: 1000, banner: '' }).run();
      expect(reader.damage).toBeNull();
      return makeReport(pipelines);
    });
    expect(() => Report.parse(report)).not.toThrow();
    const expected = pathOf(name, 'report.expected');
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(expected, textOf(report));
    expect(textOf(report)).toBe(readFileSync(expected, 'utf8'));
  });

  it('gives the text that it gave, at most 80 columns of ASCII', () => {
    const text = open(name, (reader) => {
      const pipelines = new Replay(reader, { keep: 1000, banner: '' }).run();
      return reportText(makeReport(pipelines), evidenceOf(pipelines));
    });
    const expected = pathOf(name, 'report.txt');
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(expected, text);
    expect(text).toBe(readFileSync(expected, 'utf8'));
    expect(text).toMatch(/^([ -~]{0,80}\n)+$/);
  });

  it('gives the same report when nothing is known of single inodes any more', () => {
    open(name, (reader) => {
      const pipelines = played(reader, reader.frames());
      const expected = textOf(makeReport(pipelines));
      for (const { model } of pipelines) model.forget();
      expect(textOf(makeReport(pipelines))).toBe(expected);
      for (const { model } of pipelines) expect(model.inodes.size).toBe(0);
    });
  });

  it('gives the same report wherever the output was cut', () => {
    open(name, (reader) => {
      const frames = [...reader.frames()];
      const expected = textOf(reportOf(reader, frames));
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 50 }),
          (sizes) => {
            expect(textOf(reportOf(reader, recut(frames, sizes)))).toBe(expected);
          },
        ),
        { numRuns: 15 },
      );
      expect(textOf(reportOf(reader, recut(frames, [1])))).toBe(expected);
    });
  });

  it('is small, and holds what it was made for', () => {
    const bytes = readFileSync(pathOf(name, 'recording.lastref')).length;
    expect(bytes).toBeLessThan(150_000);
    const report = Report.parse(JSON.parse(readFileSync(pathOf(name, 'report.expected'), 'utf8')));
    expect(report.events.decoded).toBeGreaterThan(100);
    expect(report.events.rejected).toBe(0);
    expect(report.inodes.ended).toBeGreaterThan(5);
    const { hugetlbfs, xfs } = report.inodes.by_fs;
    expect((hugetlbfs ?? xfs)!.ended).toBeGreaterThan(2);
    expect(report.losses.balanced).not.toBe(false);
  });
});
