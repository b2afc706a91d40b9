/** Recordings that begin in the middle: parts of a long one, and the flight recorder's. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { FlightSaver } from '../../server/cli/flight.ts';
import type { Report } from '../../server/protocol/report.ts';
import { FlightRecorder } from '../../server/recording/flight.ts';
import { openRecording } from '../../server/recording/open.ts';
import { Recorder } from '../../server/recording/recorder.ts';
import { Replay } from '../../server/recording/replay.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { feed } from '../../server/tracer/tracer.ts';
import { LeakyHost, leakOf } from '../fixtures/leaks.ts';
import { DEMO, framesOf, GOLDEN, type Played, RecordedSession } from '../fixtures/recordings.ts';
import { lines } from '../fixtures/trace.ts';

const DIR = mkdtempSync(join(tmpdir(), 'lastref-parts-'));
afterAll(() => rmSync(DIR, { recursive: true }));
let directory = '';
let count = 0;
beforeEach(() => {
  directory = join(DIR, String(++count));
});

function reportOf(file: string): { report: Report; notes: readonly string[] } {
  const recording = openRecording(file);
  const pipelines = new Replay(recording, { keep: 1000, banner: '' }).run();
  expect(recording.damage).toBeNull();
  recording.close();
  return { report: makeReport(pipelines), notes: recording.notes };
}

const certain = ({ findings }: Report) => findings.filter((f) => f.verdict === 'certain');

/** Plays the frames from `at` on, after what a recording that begins there begins with. */
function cutAt({ epochs, frames }: Played, at: number): { before: Report; after: Report } | null {
  const make = () =>
    new Map(epochs.map((info) => [info.number, new Pipeline(info, { keep: 100 })]));
  const first = make();
  const reached = new Set<number>();
  for (const { epoch, kind, bytes } of frames.slice(0, at)) {
    feed(first.get(epoch)!, kind, bytes);
    reached.add(epoch);
  }
  const second = make();
  for (const [number, pipeline] of first) {
    const handed = pipeline.handover();
    if (handed === null) return null;
    for (const [kind, bytes] of handed) feed(second.get(number)!, kind, bytes);
  }
  const before = makeReport([...first.values()]);
  for (const { epoch, kind, bytes } of frames.slice(at)) feed(second.get(epoch)!, kind, bytes);
  return { before, after: makeReport([...second.values()]) };
}

describe('a recording that begins anywhere', () => {
  it.each([DEMO, ...GOLDEN])('counts what is in it, and accuses nobody: %s', (file) => {
    const played = framesOf(file);
    const whole = cutAt(played, 0)!.after;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: played.frames.length }), (at) => {
        const cut = cutAt(played, at);
        fc.pre(cut !== null);
        const { before, after } = cut!;
        expect(before.events.decoded + after.events.decoded).toBe(whole.events.decoded);
        expect(before.events.rejected + after.events.rejected).toBe(whole.events.rejected);
        const notRun = (report: Report) => report.losses.not_run ?? 0;
        expect(notRun(before) + notRun(after)).toBe(notRun(whole));
        // a line that is under way at the cut is not missing after it
        expect(after.losses.ring_buffer).toBeLessThanOrEqual(whole.losses.ring_buffer);
        if (whole.losses.balanced !== false) expect(after.losses.balanced).not.toBe(false);
        expect(certain(after).length).toBeLessThanOrEqual(certain(whole).length);
        const sure = after.leaks.filter((leak) => leak.verdict === 'certain').length;
        expect(sure).toBeLessThanOrEqual(whole.leaks.length);
      }),
      // the callback of an inode was read before the cut, its eviction after it
      { numRuns: 20, examples: file === DEMO ? [[191], [192]] : [] },
    );
  });
});

describe('a recording in parts', () => {
  it('has every event once, says where each part stands, and every part opens alone', () => {
    const played = framesOf(DEMO);
    const file = `${directory}.lastref`;
    const session = new RecordedSession(played, { file, limits: { bytes: null, ageMs: 12_000 } });
    session.giveAll().close();
    const { files } = session.recorder;
    expect(files.length).toBeGreaterThan(2);
    expect(files[1]).toBe(`${directory}-0002.lastref`);
    const parts = files.map(reportOf);
    const whole = makeReport(session.pipelines);
    const sum = parts.reduce((total, { report }) => total + report.events.decoded, 0);
    expect(sum).toBe(whole.events.decoded);
    for (const { report } of parts) {
      expect(report.losses.balanced).not.toBe(false);
      expect(certain(report)).toEqual([]);
      expect(report.events.rejected).toBe(0);
    }
    expect(parts[1]!.report.losses.balanced).toBe(true);
    expect(parts[0]!.notes).toEqual([
      'It is part 1 of a longer recording.',
      expect.stringMatching(/^It goes on in .*-0002\.lastref\.$/),
    ]);
    expect(parts[1]!.notes[0]).toMatch(
      /^It is part 2 .* begins in the middle: .*-0001\.lastref\.$/,
    );
    expect(parts.at(-1)!.notes).toHaveLength(1);
  });

  it('keeps each part near its limit of bytes', () => {
    const played = framesOf(DEMO);
    const limit = 1024 * 1024;
    const noise = Buffer.alloc(100_000);
    for (let i = 0; i < noise.length; i++)
      noise[i] = 97 + Math.floor(25 * Math.abs(Math.sin(i * i)));
    const session = new RecordedSession(played, {
      file: `${directory}.lastref`,
      limits: { bytes: limit, ageMs: null },
    });
    for (const frame of played.frames) {
      session.give(frame);
      // what a shell says is kept, and says nothing
      if (frame.kind === 'err') session.give({ ...frame, bytes: Buffer.from(`${noise}\n`) });
    }
    session.close();
    expect(session.said).toEqual([]);
    expect(session.recorder.files.length).toBeGreaterThan(2);
    for (const part of session.recorder.files) {
      expect(statSync(part).size).toBeLessThan(limit * 1.1);
    }
  });

  it('refuses a name of which a part exists, and never overwrites one that comes later', () => {
    const limits = { bytes: null, ageMs: 12_000 };
    const played = framesOf(DEMO);
    writeFileSync(`${directory}-0002.lastref`, 'precious');
    const session = new RecordedSession(played, { file: `${directory}.lastref`, limits });
    session.giveAll().close();
    expect(session.recorder.files[1]).toBe(`${directory}-0003.lastref`);
    expect(() => new RecordedSession(played, { file: `${directory}.lastref`, limits })).toThrow(
      /-0001\.lastref exists already; .* Take another name/,
    );
  });
});

describe('the flight recorder', () => {
  const fly = (options: { minutes: number; maxBytes?: number; maxFiles?: number }) => {
    const flight: FlightRecorder = new FlightRecorder({
      directory,
      maxFiles: 3,
      maxFileBytes: 1e9,
      ...options,
      pipelines: () => session.pipelines,
    });
    const session = new RecordedSession(framesOf(DEMO), { flight });
    session.giveAll().recorder.flush();
    return { session, flight };
  };

  it('keeps all of a session that is younger than its time', async () => {
    const { session, flight } = fly({ minutes: 10 });
    const file = await flight.save('box:1', 'Pages/../Pinned', session.now);
    expect(file).toMatch(/\/flight-box_1-\d{8}T\d{6}-Pages_.._Pinned\.lastref$/);
    const { report, notes } = reportOf(file);
    expect(notes).toEqual([]);
    expect(report).toEqual(makeReport(session.pipelines));
    session.close();
  });

  it('keeps its time and not much more, and says that it begins in the middle', async () => {
    const { session, flight } = fly({ minutes: 0.25 });
    const file = await flight.save('box', 'HugepagesPinned', session.now);
    const { report, notes } = reportOf(file);
    const frames = [...framesOf(file).frames];
    const covered = frames.at(-1)!.atMs - frames[0]!.atMs;
    expect(covered).toBeGreaterThan(14_000);
    expect(covered).toBeLessThan(22_000);
    expect(notes[0]).toMatch(/^It is the 1 min before HugepagesPinned and begins in the middle/);
    expect(certain(report)).toEqual([]);
    expect(report.losses.balanced).toBe(true);
    session.close();
  });

  it('is bounded in bytes', () => {
    const { session, flight } = fly({ minutes: 10, maxBytes: 20_000 });
    const { bytes } = flight;
    expect(bytes).toBeLessThan(20_000);
    expect(bytes).toBeGreaterThan(15_000);
    session.close();
  });

  it('removes its own oldest files, and nothing else', async () => {
    const { session, flight } = fly({ minutes: 1 });
    await flight.save('box', 'A', session.now);
    writeFileSync(join(directory, 'mine.lastref'), 'precious');
    for (let i = 1; i <= 4; i++) await flight.save('box', 'A', session.now + i * 1000);
    const names = readdirSync(directory);
    expect(names).toContain('mine.lastref');
    expect(names.filter((name) => name.startsWith('flight-'))).toHaveLength(3);
    session.close();
  });

  it('is saved when a critical alert fires, once for those of a moment, and says where', async () => {
    const host = new LeakyHost();
    const pipelines = () => [host.pipeline];
    const saver: FlightSaver = new FlightSaver({
      minutes: 10,
      severities: ['critical'],
      directory,
      pipelines,
      flush: () => recorder.flush(),
    });
    const recorder = new Recorder({ file: null, flight: saver.flight, pipelines, say: () => {} });
    const { info } = host.pipeline;
    recorder.epoch(host.pipeline);
    recorder.frame(info, 'begin', Buffer.from('{"programs":[[],[]]}'));
    recorder.frame(info, 'out', Buffer.from(lines('0 0 perl/391 tick')));
    const alert = (fingerprint: string, severity: string, state: 'firing' | 'resolved') =>
      saver.alert({
        fingerprint: fingerprint.repeat(16),
        state,
        labels: { alertname: 'HugepagesPinned', severity },
        annotations: {},
        leak: leakOf(),
        active_ns: 0,
        fired_ns: 0,
        resolved_ns: null,
        note: '',
      });
    alert('a', 'warning', 'firing');
    alert('b', 'critical', 'resolved');
    alert('c', 'critical', 'firing');
    alert('d', 'critical', 'firing');
    await saver.stop();
    recorder.close();
    const [name, ...more] = readdirSync(directory);
    expect(more).toEqual([]);
    expect(name).toMatch(/^flight-.*-HugepagesPinned\.lastref$/);
    const file = join(directory, name!);
    expect([...saver.files]).toEqual([
      ['c'.repeat(16), file],
      ['d'.repeat(16), file],
    ]);
    expect(framesOf(file).frames.map(({ kind }) => kind)).toEqual(['begin', 'out']);
  });
});
