/** Text that bpftrace printed into a file, as a recording. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Report } from '../../server/protocol/report.ts';
import { openRecording } from '../../server/recording/open.ts';
import { RecordingError, RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { TextReader } from '../../server/recording/text.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { DEMO, framesOf, GOLDEN } from '../fixtures/recordings.ts';
import { lastref } from '../support/cli.ts';

const DIR = mkdtempSync(join(tmpdir(), 'lastref-text-'));
afterAll(() => rmSync(DIR, { recursive: true }));
let file = '';
let count = 0;
beforeEach(() => {
  file = join(DIR, `${++count}.txt`);
});

/** What bpftrace printed on its standard output in a recording, with its own greeting. */
function printed(recording: string, header: string): string {
  const out = framesOf(recording).frames.filter(({ kind }) => kind === 'out');
  const text = Buffer.concat(out.map(({ bytes }) => bytes)).toString('latin1');
  return `Attaching 24 probes...\n${text.replace(/^lastref 1 .*\n/gm, '').replace(/^/, `${header}\n`)}`;
}

function reportOf(path: string): { report: Report; reader: ReturnType<typeof openRecording> } {
  const reader = openRecording(path);
  const report = makeReport(new Replay(reader, { keep: 1000, banner: '' }).run());
  reader.close();
  return { report, reader };
}

describe('the text of a program run by hand', () => {
  it('gives the inodes and times that the recording of the same lines gives', () => {
    const headers = 'lastref 1 teardown\nlastref 1 hugetlb\nlastref 1 reservations';
    writeFileSync(file, printed(DEMO, headers), 'latin1');
    const { report } = reportOf(file);
    const { report: recorded } = reportOf(DEMO);
    expect(Report.parse(report)).toEqual(report);
    // canaries are inodes like any other: nobody said which they are
    expect(report.inodes.ended).toBeGreaterThanOrEqual(recorded.inodes.ended);
    expect(report.inodes.ended).toBeLessThan(recorded.inodes.ended + 10);
    expect(report.hugepages.allocated).toBe(recorded.hugepages.allocated);
    expect(report.hugepages.outstanding).toBe(0);
    const latency = (from: Report) => from.stages['destroy_inode..i_callback hugetlbfs']!.p50_ns;
    expect(latency(report) / latency(recorded)).toBeCloseTo(1, 1);
    expect(report.callbacks.map(({ fs }) => fs).sort()).toEqual(
      recorded.callbacks.map(({ fs }) => fs).sort(),
    );
    expect(report.events.rejected).toBe(0);
    expect(report.findings.filter(({ verdict }) => verdict === 'certain')).toEqual([]);
  });

  it('says what nobody wrote down', () => {
    writeFileSync(file, printed(GOLDEN[2]!, 'lastref 1 hugetlbfs-tracepoints'), 'latin1');
    const { report, reader } = reportOf(file);
    const [epoch] = reader.epochs;
    expect(epoch).toMatchObject({ host: 'text', kernel: 'unknown', counts_misses: false });
    expect(epoch!.plan.free_inode).toHaveProperty('probe');
    expect(epoch!.plan.clear_inode).toEqual({
      missing: 'hugetlbfs-tracepoints does not show it',
    });
    expect(report.losses).toMatchObject({ balanced: null, not_run: null });
    expect(report.inodes.by_fs.hugetlbfs!.ended).toBeGreaterThan(40);
    expect(reader.notes[0]).toMatch(/^It is text that bpftrace printed \(hugetlbfs-tracepoints\)/);
  });

  it('of `lastref bpf` shows those stages of which a line came', () => {
    writeFileSync(file, printed(DEMO, 'lastref 1 session'), 'latin1');
    const { report, reader } = reportOf(file);
    const { plan } = reader.epochs[0]!;
    expect(plan.i_callback).toEqual({ probe: 'a line i_callback' });
    expect(plan.gmem_create).toEqual({ missing: 'session does not show it' });
    expect(report.inodes.by_fs.hugetlbfs!.ended).toBeGreaterThan(100);
  });

  it('keeps its pace, ends when the file was written, and counts what bpftrace lost', () => {
    writeFileSync(
      file,
      [
        'Attaching 20 probes...',
        'lastref 1 teardown',
        'tick 5000000000000 0 0 0 1',
        'Lost 3 events',
        'tick 5001000000000 0 0 0 2',
        'tick 5002000000000 0 0 0 3',
        '@fs[17]: 1',
        'evict 50020', // bpftrace was killed
      ].join('\n'),
    );
    utimesSync(file, 1_700_000_100, 1_700_000_100);
    const { report, reader } = reportOf(file);
    expect([...new Set([...reader.frames()].map(({ atMs }) => atMs))]).toEqual([
      1_700_000_098_000, 1_700_000_099_000, 1_700_000_100_000,
    ]);
    expect(report.events).toMatchObject({ rejected: 1 });
    expect(report.gaps).toContainEqual(expect.objectContaining({ where: 'ring_buffer', lost: 3 }));
  });

  it('is cut into frames that give the text back', () => {
    const text = printed(DEMO, 'lastref 1 teardown');
    writeFileSync(file, text, 'latin1');
    const frames = [...new TextReader(file).frames()].filter(({ kind }) => kind === 'out');
    expect(Buffer.concat(frames.map(({ bytes }) => bytes)).toString('latin1')).toBe(text);
    expect(frames.length).toBeGreaterThan(100);
  });
});

describe('a file that looks like text of ours', () => {
  it.each([
    [
      'a program no_such that',
      'lastref 1 no-such\ntick 1 0 0 0 1\n',
      /no-such that this lastref does/,
    ],
    ['another grammar', 'lastref 7 teardown\n', /grammar version 7; this lastref reads version 1/],
    ['none', 'hello\nworld\n', /not a recording of lastref/],
  ])('is refused: %s', (_, text, message) => {
    writeFileSync(file, text);
    expect(() => openRecording(file)).toThrow(RecordingError);
    expect(() => openRecording(file)).toThrow(message);
  });

  it('is refused when it is not there, in the same words as a recording', () => {
    expect(() => openRecording(file)).toThrow(`${file}: there is no such file`);
  });

  it('is read to its end, whatever is in it', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom('evict 1 0 0 0', 'tick 99999999999999999999 0 0 0 1', 'sb 5 99999999 0 0 x'),
      fc.constantFrom(
        'sb_size 5 0 0 0 ff 17 9e99',
        'life 9 0',
        'hugepage_remove 1 0 0 0 x',
        '@hits[3]: 5',
      ),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        writeFileSync(file, `lastref 1 teardown\n${lines.join('\n')}`, 'latin1');
        const { report } = reportOf(file);
        expect(Report.parse(report)).toEqual(report);
      }),
      { numRuns: 100 },
    );
  });
});

it('a recording is opened as one, whatever text is in it', () => {
  expect(openRecording(DEMO)).toBeInstanceOf(RecordingReader);
});

it('`lastref report` takes text, and says first what it is', async () => {
  writeFileSync(file, printed(DEMO, 'lastref 1 teardown\nlastref 1 hugetlb'), 'latin1');
  const { code, stdout, stderr } = await lastref(['report', file]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/NOTE It is text that bpftrace printed \(teardown, hugetlb\)/);
  expect(stdout).toMatch(/ledger is not known to balance/);
});
