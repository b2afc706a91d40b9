import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { notificationOf } from '../../server/notify/notification.ts';
import { Spool } from '../../server/notify/spool.ts';
import { StateDir } from '../../server/notify/state-dir.ts';
import type { Notification, SessionAlert } from '../../server/protocol/alerts.ts';
import { CLOCK_MS, leakOf } from '../fixtures/leaks.ts';

const directory = () => mkdtempSync(join(tmpdir(), 'lastref-spool-'));

/** Notification number n: each of another alert, which fires, then is resolved. */
function tell(
  n: number,
  status: 'firing' | 'resolved' = 'firing',
  some: Partial<SessionAlert> = {},
) {
  const alert: SessionAlert = {
    recording: null,
    fingerprint: n.toString(16).padStart(16, '0'),
    state: status,
    labels: { alertname: 'Leaked' },
    annotations: {},
    leak: leakOf(),
    active_ns: 0,
    fired_ns: 0,
    resolved_ns: null,
    note: '',
    active_ms: CLOCK_MS,
    starts_ms: Date.now() - 1000,
    ends_ms: status === 'resolved' ? Date.now() : null,
    since_ms: CLOCK_MS,
    lasted_ms: 5,
    silence: null,
    ...some,
  };
  return notificationOf(alert, 'http://127.0.0.1:1');
}

function open(path: string, limit = 100) {
  const said: string[] = [];
  return { spool: new Spool({ directory: path, limit, say: (text) => said.push(text) }), said };
}

/** Takes everything, as a sink that is well. */
function drain(spool: Spool): Notification[] {
  const out: Notification[] = [];
  for (let head = spool.head; head !== undefined; head = spool.head) {
    out.push(head);
    spool.headTaken();
  }
  return out;
}

const names = (list: readonly Notification[]) =>
  list.map(({ fingerprint, status }) => `${status} ${Number.parseInt(fingerprint, 16)}`);
const files = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());

describe('a spool', () => {
  it('gives back what was not taken, in order, after lastref was started again', () => {
    const path = directory();
    const { spool } = open(path);
    const starts_ms = Date.now() - 1000;
    spool.firing(tell(1, 'firing', { starts_ms }));
    spool.firing(tell(2));
    spool.resolved(tell(1, 'resolved'));
    spool.headTaken();
    const again = open(path).spool;
    expect(again.knows(tell(1).fingerprint)).toBe(false);
    const left = drain(again);
    expect(names(left)).toEqual(['firing 2', 'resolved 1']);
    // the resolution is of the alert that was told, whatever the later one says of its beginning
    expect(Date.parse(left[1]!.starts_at)).toBe(starts_ms);
  });

  it('does not take again what the sink knows, before and after a restart', () => {
    const path = directory();
    const { spool } = open(path);
    spool.firing(tell(1));
    drain(spool);
    spool.firing(tell(1, 'firing', { starts_ms: 5 }));
    expect(spool.waiting).toBe(0);
    const again = open(path).spool;
    again.firing(tell(1, 'firing', { starts_ms: 5 }));
    expect(again.waiting).toBe(0);
    expect(again.knows(tell(1).fingerprint)).toBe(true);
    again.resolved(tell(1, 'resolved'));
    again.resolved(tell(1, 'resolved'));
    expect(names(drain(again))).toEqual(['resolved 1']);
    expect(files(path)).toEqual([]);
  });

  it('has nothing to resolve of what was never told', () => {
    const { spool } = open(directory());
    spool.resolved(tell(1, 'resolved'));
    expect(spool.waiting).toBe(0);
  });

  it('is bounded; what was dropped is counted, said, and taken when there is room', () => {
    const path = directory();
    const { spool, said } = open(path, 2);
    for (const n of [1, 2, 3, 4]) spool.firing(tell(n, 'firing', { starts_ms: CLOCK_MS }));
    spool.firing(tell(4, 'firing', { starts_ms: CLOCK_MS }));
    spool.resolved(tell(1, 'resolved'));
    expect([spool.waiting, spool.dropped, said.length]).toEqual([3, 2, 2]);
    expect(said[1]).toContain('2 in all');
    expect(open(path, 2).spool.dropped).toBe(2);
    drain(spool);
    spool.firing(tell(4, 'firing', { starts_ms: CLOCK_MS }));
    spool.resolved(tell(3, 'resolved', { starts_ms: CLOCK_MS }));
    expect(names(drain(spool))).toEqual(['firing 4']);
    expect(open(path, 2).spool.dropped).toBe(1);
  });

  it('does not repeat what was refused, nor tell its end', () => {
    const { spool } = open(directory());
    const starts_ms = CLOCK_MS;
    spool.firing(tell(1, 'firing', { starts_ms }));
    spool.resolved(tell(1, 'resolved', { starts_ms }));
    spool.firing(tell(2, 'firing', { starts_ms }));
    expect(spool.headRefused()).toBe(2);
    expect(spool.headRefused()).toBe(1);
    spool.firing(tell(2, 'firing', { starts_ms }));
    spool.resolved(tell(2, 'resolved', { starts_ms }));
    expect(spool.waiting).toBe(0);
  });

  it('is for its owner alone, and puts aside what is none of its own', () => {
    const path = directory();
    const { spool } = open(path);
    spool.firing(tell(1));
    for (const entry of files(path)) {
      expect(statSync(join(entry.parentPath, entry.name)).mode & 0o777).toBe(0o600);
    }
    writeFileSync(join(path, 'waiting', '000000000000.json'), '{"half":');
    writeFileSync(join(path, 'waiting', '.writing-000000000009.json'), '{');
    const { spool: again, said } = open(path);
    expect(names(drain(again))).toEqual(['firing 1']);
    expect(said[0]).toContain('000000000000.json.damaged');
    expect(readdirSync(join(path, 'waiting'))).toEqual(['000000000000.json.damaged']);
  });

  it('keeps in memory what the disk does not take, and says so', () => {
    const path = directory();
    const { spool, said } = open(path);
    // a directory in the place of the next file: no permission would stop root
    const inTheWay = join(path, 'waiting', '000000000001.json', 'x');
    mkdirSync(inTheWay, { recursive: true });
    spool.firing(tell(1));
    expect(said[0]).toContain('kept in memory');
    expect(names(drain(spool))).toEqual(['firing 1']);
    expect(open(path).spool.knows(tell(1).fingerprint)).toBe(true);
  });
});

describe('under kill -9', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** The number of the last notification that the child says it has put or taken; then it is killed. */
  async function killed(path: string, after: number): Promise<{ put: number; taken: string[] }> {
    const child = spawn(process.execPath, [
      new URL('../support/spooler.ts', import.meta.url).pathname,
      path,
    ]);
    children.push(child);
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
      if (out.split('\n').length > after) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.on('close', resolve));
    const lines = out.split('\n').slice(0, -1);
    return {
      put: Number(
        lines
          .filter((line) => line.startsWith('put'))
          .at(-1)
          ?.split(' ')[1] ?? 0,
      ),
      taken: lines.filter((line) => line.startsWith('taken')).map((line) => line.slice(6)),
    };
  }

  it('nothing that was put is lost, nothing that was taken is there again', async () => {
    for (const after of [1, 40, 113, 250, 700]) {
      const path = directory();
      const { put, taken } = await killed(path, after);
      expect(put).toBeGreaterThan(0);
      const { spool, said } = open(path, 100_000);
      expect(said).toEqual([]);
      const left = drain(spool).map((n) =>
        n.key
          .split('-')
          .filter((_, i) => i !== 1)
          .join('-'),
      );
      const expected = Array.from({ length: put }, (_, i) =>
        (i + 1).toString(16).padStart(16, '0'),
      );
      const all = [...taken, ...left];
      // killed between taking it and saying so: at most one more than was said
      expect(new Set(left).size).toBe(left.length);
      expect(left.filter((key) => taken.includes(key))).toEqual([]);
      const missing = expected
        .flatMap((fp) => [`${fp}-firing`, `${fp}-resolved`])
        .filter((key) => !all.includes(key));
      expect(missing.length, missing.join()).toBeLessThanOrEqual(1);
    }
  }, 60_000);

  it('the directory is free again at once, and not before', async () => {
    const path = directory();
    const child = spawn(process.execPath, [
      new URL('../support/spooler.ts', import.meta.url).pathname,
      path,
    ]);
    children.push(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(() => new StateDir(path)).toThrow(/another lastref sends its notifications from here/);
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.kill('SIGKILL');
    await ended;
    const mine = new StateDir(path);
    expect(() => new StateDir(path)).toThrow(/another lastref/);
    mine.close();
    new StateDir(path).close();
  });
});
