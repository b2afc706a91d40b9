/** What is left of a recording when lastref is killed, or its disk gives up. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openRecording } from '../../server/recording/open.ts';
import { Replay } from '../../server/recording/replay.ts';
import { DEMO, framesOf, RecordedSession } from '../fixtures/recordings.ts';
import { lastref } from '../support/cli.ts';

const DIR = mkdtempSync(join(tmpdir(), 'lastref-kill-'));
afterAll(() => rmSync(DIR, { recursive: true, force: true }));
let file = '';
let count = 0;
beforeEach(() => {
  file = join(DIR, `${++count}.lastref`);
});

/** Starts the child and kills it after so long of writing. What it said it had given, and when. */
async function killedAfter(
  ms: number,
  to: string,
  ...how: 'once'[]
): Promise<{ at: number; frames: number }[]> {
  const child = spawn(process.execPath, [
    new URL('../support/recording-child.ts', import.meta.url).pathname,
    DEMO,
    to,
    ...how,
  ]);
  let said = '';
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (text) => {
      said += text;
      resolve();
    });
    child.once('close', () => resolve());
  });
  await sleep(ms);
  child.kill('SIGKILL');
  await closed;
  expect(errors).toBe('');
  const whole = said.slice(0, said.lastIndexOf('\n')).split('\n');
  return whole.map((line) => {
    const [at, frames] = line.split(' ').map(Number);
    return { at: at!, frames: frames! };
  });
}

describe('kill -9 while it is written', () => {
  it('loses at most the last second, at any moment, and the file opens', {
    timeout: 240_000,
  }, async () => {
    const { frames } = framesOf(DEMO);
    const one = async (n: number) => {
      const to = join(DIR, `killed-${n}.lastref`);
      const said = await killedAfter(Math.random() * 1500, to);
      const recording = openRecording(to);
      let index = 0;
      let same = 0;
      for (const { kind, bytes } of recording.frames()) {
        const expected = frames[index++ % frames.length]!;
        if (kind === expected.kind && bytes.equals(expected.bytes)) same++;
      }
      expect(recording.damage).toBeNull();
      expect(recording.notes).toEqual([
        expect.stringMatching(/^It has no end: lastref was killed/),
      ]);
      recording.close();
      expect(same).toBe(index);
      // by the clock of the child, which cannot be late for itself
      const end = said.at(-1)!.at;
      const due = said.findLast(({ at }) => at <= end - 1000)?.frames ?? 0;
      expect(index).toBeGreaterThanOrEqual(due);
      const db = new DatabaseSync(to, { readOnly: true });
      expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      db.close();
    };
    for (let n = 0; n < 20; n += 2) await Promise.all([one(n), one(n + 1)]);
  });

  it('is told by the report', async () => {
    await killedAfter(1500, file, 'once');
    const { code, stdout } = await lastref(['report', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/NOTE It has no end: lastref was killed, or is still writing it/);
    const { stdout: json } = await lastref(['report', file, '--json']);
    expect(JSON.parse(json).recording.notes).toHaveLength(1);
  });
});

/** The filesystem finds an error on its disk. */
function breakExt4(mount: string): void {
  const source = execFileSync('findmnt', ['-no', 'SOURCE', mount], { encoding: 'utf8' }).trim();
  writeFileSync(`/sys/fs/ext4/${source.split('/').at(-1)}/trigger_fs_error`, '1');
}

describe('a disk that gives up', () => {
  /** Frames that do not compress, so that a small disk is full soon. */
  const noise = (bytes: number) =>
    Buffer.from(Array.from({ length: bytes }, () => 33 + Math.floor(Math.random() * 90)));

  /** A session that goes on after its recording has ended; what the file has then. */
  function ended(session: RecordedSession, at: string) {
    expect(session.said).toHaveLength(1);
    expect(session.recorder.notRecorded.events).toBeGreaterThan(0);
    const recording = openRecording(at);
    const pipelines = new Replay(recording, { keep: 1000, banner: '' }).run();
    expect(recording.damage).toBeNull();
    const { notes } = recording;
    recording.close();
    return { pipelines, notes };
  }

  it('is full: tracing goes on, the file is good up to there, and what is missing is counted', () => {
    const mount = join(DIR, 'small');
    execFileSync('mkdir', ['-p', mount]);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', mount], { stdio: 'ignore' });
    } catch {
      return; // not root
    }
    try {
      const at = join(mount, 'r.lastref');
      const played = framesOf(DEMO);
      const session = new RecordedSession(played, { file: at });
      for (const frame of played.frames) {
        session.give(frame);
        if (frame.kind === 'err') session.give({ ...frame, bytes: noise(20_000) });
      }
      session.close();
      expect(session.said[0]).toMatch(
        /^RECORDING ENDED: the disk is full\. .*r\.lastref is good up/,
      );
      const { pipelines, notes } = ended(session, at);
      expect(pipelines[0]!.ledger.events).toBeGreaterThan(10);
      expect(pipelines[0]!.ledger.events).toBeLessThan(session.pipelines[0]!.ledger.events);
      expect(notes.join()).toMatch(/Recording ended before tracing did|It has no end/);
    } finally {
      execFileSync('umount', [mount]);
    }
  });

  it('becomes read-only: tracing goes on, the file is good up to there, and it is said', ({
    skip,
  }) => {
    const [image, mount] = [join(DIR, 'ext4.img'), join(DIR, 'ext4')];
    try {
      execFileSync('truncate', ['-s', '32M', image]);
      execFileSync('mkfs.ext4', ['-q', image]);
      execFileSync('mkdir', ['-p', mount]);
      execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, mount], { stdio: 'ignore' });
    } catch {
      return skip('needs root, loop devices and mkfs.ext4');
    }
    try {
      const at = join(mount, 'r.lastref');
      const played = framesOf(DEMO);
      const session = new RecordedSession(played, { file: at });
      played.frames.forEach((frame, i) => {
        // as ext4 does it when the disk fails
        if (i === 800) breakExt4(mount);
        session.give(frame);
      });
      session.close();
      expect(session.said[0]).toMatch(/^RECORDING ENDED: .*read-only.*r\.lastref is good up/s);
      const { pipelines } = ended(session, at);
      expect(pipelines[0]!.ledger.events).toBeGreaterThan(10);
      expect(pipelines[0]!.ledger.events).toBeLessThan(session.pipelines[0]!.ledger.events);
    } finally {
      execFileSync('umount', [mount]);
    }
  });

  it.each([
    ['is removed', (at: string) => rmSync(at)],
    ['is moved away', (at: string) => renameSync(at, `${at}.moved`)],
  ])('%s: recording ends, and says why', (_, take) => {
    const played = framesOf(DEMO);
    const session = new RecordedSession(played, { file });
    played.frames.forEach((frame, i) => {
      if (i === 800) take(file);
      session.give(frame);
    });
    session.close();
    expect(session.said).toEqual([
      expect.stringMatching(/^RECORDING ENDED: it was removed, or moved\..* tracing goes on/),
    ]);
    expect(session.recorder.notRecorded.events).toBeGreaterThan(0);
  });

  it('cannot be written from the start: it is told before anything is traced', async () => {
    const { code, stderr } = await lastref(['record', '-o', '/proc/no/t.lastref']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^lastref: \/proc\/no\/t\.lastref cannot be written: /);
  });
});

describe('the log beside a recording', () => {
  it('does not grow without bound, also while somebody reads', () => {
    const played = framesOf(DEMO);
    const session = new RecordedSession(played, { file });
    const bytes = Buffer.from(readFileSync(process.execPath).subarray(0, 300_000).toString('hex'));
    let most = 0;
    const reader = () => {
      const recording = openRecording(file);
      const frames = recording.frames()[Symbol.iterator]();
      frames.next();
      return { recording, frames };
    };
    session.give(played.frames[0]!);
    session.recorder.flush();
    const held = reader();
    for (const frame of played.frames) {
      session.give(frame);
      if (frame.kind === 'err') session.give({ ...frame, bytes });
      most = Math.max(most, statSync(`${file}-wal`).size);
      held.frames.next();
    }
    held.recording.close();
    session.close();
    expect(statSync(file).size).toBeGreaterThan(25e6);
    expect(most).toBeLessThan(12e6);
  });
});
