import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Leak } from '../../server/protocol/leaks.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { endedLeak, leakOf } from '../fixtures/leaks.ts';
import { NotifyRun } from '../fixtures/notify-run.ts';
import { type Mood, Receiver } from '../fixtures/sinks.ts';
import { eventually } from '../support/cli.ts';

let receiver: Receiver;
const running: NotifyRun[] = [];
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(async () => {
  for (const run of running.splice(0)) await run.stop(0);
  await receiver.stop();
});

/** The receiver; how long an answer may take is only short where none comes. */
const hook = (timeout = '60s') => ({
  sinks: [{ name: 'hook', webhook: receiver.url, timeout }],
});

/** With the receiver as its sink, if the config has no other. */
function lastref(path: string, config: object = {}, info: Partial<EpochInfo> = {}): NotifyRun {
  const run = new NotifyRun(path, { ...hook(), ...config }, info);
  running.push(run);
  return run;
}

const directory = () => mkdtempSync(join(tmpdir(), 'lastref-notify-'));

const statuses = () => receiver.taken.map((key) => key.split('-')[2]);

describe('a webhook', () => {
  it('is told once that an alert fires and once that it is over, with the key in the header', async () => {
    const run = lastref(directory());
    run.later(4, leakOf());
    run.later(1, leakOf());
    await eventually(60_000, () => receiver.taken.length === 1, 'the alert');
    run.later(5, endedLeak(leakOf(), 9e9));
    await eventually(60_000, () => receiver.taken.length === 2, 'its end');
    expect(statuses()).toEqual(['firing', 'resolved']);
    const [first, second] = receiver.received;
    expect(first!.key).toBe(first!.notification.key);
    expect(first!.notification).toMatchObject({
      version: 1,
      status: 'firing',
      ends_at: null,
      url: 'http://127.0.0.1:7373/#/inode/0.1',
      labels: { alertname: 'HugepagesPinned', kind: 'pinned', host: 'box' },
    });
    expect(second!.notification).toMatchObject({ lasted_ms: 8000, leak: { state: 'resolved' } });
    expect(second!.notification.starts_at).toBe(first!.notification.starts_at);
    const { starts_at, ends_at } = second!.notification;
    expect(Date.parse(ends_at!) - Date.parse(starts_at)).toBe(6000);
  });

  it.each<[Mood, RegExp]>([
    [500, /HTTP 500: said 500/],
    [503, /HTTP 503/],
    [404, /HTTP 404/],
    [307, /leads to \/other/],
    ['hang', /no answer within 0.3 s/],
    ['close', /other side closed|ECONNRESET|UND_ERR_SOCKET/],
    ['half', /other side closed|ECONNRESET|UND_ERR_SOCKET|HPE/],
  ])(
    'that answers %s is told again until it takes it, and this is said once',
    async (mood, why) => {
      let left = 3;
      receiver.mood = () => (left-- > 0 ? mood : 200);
      const run = lastref(directory(), mood === 'hang' ? hook('300ms') : {});
      run.later(4, leakOf());
      await eventually(5000, () => receiver.taken.length === 1, 'the alert');
      await eventually(1000, () => run.said.length === 2, 'the words');
      expect(receiver.received).toHaveLength(4);
      expect(new Set(receiver.received.map(({ key }) => key)).size).toBe(1);
      expect(run.said[0]).toMatch(why);
      expect(run.said[1]).toContain('takes notifications again');
      expect(run.notifier.status()).toMatchObject([
        { sent: 1, failures: 3, waiting: 0, error: '' },
      ]);
      expect(JSON.stringify(run.notifier.status()) + run.said).not.toContain('secret');
    },
  );

  it('that refuses one for good is not told again, and gets the next one', async () => {
    receiver.mood = () => (receiver.received.length === 0 ? 422 : 200);
    const run = lastref(directory());
    run.later(4, leakOf(), leakOf({ ino: 8 }));
    run.later(1, leakOf(), leakOf({ ino: 8 }));
    await eventually(60_000, () => receiver.taken.length === 1, 'the second alert');
    run.later(5, endedLeak(leakOf(), 9e9), endedLeak(leakOf({ ino: 8 }), 9e9));
    await eventually(60_000, () => receiver.taken.length === 2, 'its end');
    expect(receiver.received).toHaveLength(3);
    expect(run.notifier.status()).toMatchObject([{ sent: 2, refused: 1 }]);
    expect(run.said[0]).toContain('refuses');
  });

  it('that was away for all of an alert hears of both, when lastref was started again', async () => {
    const path = directory();
    receiver.mood = () => 'close';
    const first = lastref(path);
    first.later(4, leakOf());
    first.later(5, endedLeak(leakOf(), 9e9));
    await first.stop(50);
    expect(first.said.at(-1)).toContain('2 notifications wait on disk');
    receiver.mood = () => 200;
    lastref(path);
    await eventually(60_000, () => receiver.taken.length === 2, 'both');
    expect(statuses()).toEqual(['firing', 'resolved']);
  });
});

describe('an alert that an earlier lastref told of', () => {
  async function told(path: string): Promise<void> {
    const run = lastref(path);
    run.later(4, leakOf());
    await eventually(60_000, () => receiver.taken.length === 1, 'the alert');
    await run.stop();
  }

  it('is not told again while it fires; its end has the beginning that was told', async () => {
    const path = directory();
    await told(path);
    const again = lastref(path);
    const found = leakOf({ since_ns: 0, fired_ns: 2e9, inode: '0.9' });
    again.later(20, found);
    again.later(300, found);
    again.later(10, endedLeak(found, 330e9));
    await eventually(60_000, () => receiver.taken.length === 2, 'its end');
    const [first, second] = receiver.received.map(({ notification }) => notification);
    expect(second).toMatchObject({ status: 'resolved', starts_at: first!.starts_at });
  });

  it('is ended once its time to show itself again is over, and that is said', async () => {
    const path = directory();
    await told(path);
    const again = lastref(path);
    again.later(1);
    again.later(61);
    expect(again.notifier.status()).toMatchObject([{ waiting: 0 }]);
    again.later(2);
    await eventually(60_000, () => receiver.taken.length === 2, 'its end');
    expect(receiver.received[1]!.notification).toMatchObject({
      status: 'resolved',
      lasted_ms: null,
    });
    expect(receiver.received[1]!.notification.note).toContain('does not find this leak again');
  });

  it('is ended at once when the host was booted again, by then or meanwhile', async () => {
    const path = directory();
    await told(path);
    const again = lastref(path, {}, { boot_id: 'another' });
    again.later(1);
    await eventually(60_000, () => receiver.taken.length === 2, 'its end');
    expect(receiver.received[1]!.notification.note).toBe('the host was booted again');
    await again.stop();
    const third = lastref(path);
    third.later(4, leakOf());
    await eventually(60_000, () => receiver.taken.length === 3, 'the next alert');
    third.reboot();
    third.alerts.check();
    await eventually(60_000, () => receiver.taken.length === 4, 'its end');
    expect(receiver.received[3]!.notification.note).toBe('the host was booted again');
  });

  it('is left alone while another host is traced', async () => {
    const path = directory();
    await told(path);
    const other = lastref(path, {}, { host: 'other' });
    other.later(1000);
    await other.stop();
    expect(receiver.received).toHaveLength(1);
  });
});

describe('a silence', () => {
  it('keeps an alert from being sent until it ends; the end of a told one is told', async () => {
    const run = lastref(directory());
    const silence = run.alerts.silence({
      match: { kind: 'pinned' },
      until: 'resolved',
      reason: '',
    });
    expect(silence).toMatchObject({ until_resolved: true });
    run.later(4, leakOf());
    expect(run.alerts.list()).toMatchObject([
      { state: 'firing', silence: (silence as { id: string }).id },
    ]);
    expect(run.alerts.firing().firing).toBe(0);
    expect(run.notifier.status()).toMatchObject([{ waiting: 0, sent: 0 }]);
    expect(run.alerts.unsilence((silence as { id: string }).id)).toBe(true);
    run.alerts.check();
    await eventually(60_000, () => receiver.taken.length === 1, 'the alert');
    run.alerts.silence({ match: { kind: 'pinned' }, until: Date.now() + 60_000, reason: '' });
    run.later(5, endedLeak(leakOf(), 9e9));
    await eventually(60_000, () => receiver.taken.length === 2, 'its end');
  });

  it('until resolved goes with its alert, and one with a time with its time', () => {
    const run = lastref(directory());
    run.alerts.silence({ match: { ino: '2078' }, until: 'resolved', reason: '' });
    run.later(4, leakOf());
    run.alerts.silence({ match: { host: 'box' }, until: Date.now() + 5, reason: '' });
    expect(run.alerts.silences()).toHaveLength(2);
    run.later(5, endedLeak(leakOf(), 9e9));
    const until = Date.now() + 10;
    while (Date.now() < until);
    run.alerts.check();
    expect(run.alerts.silences()).toEqual([]);
  });

  it('outlives lastref; that of the config file cannot be taken away', async () => {
    const path = directory();
    const config = { silences: [{ match: { host: 'lab*' }, reason: 'r' }] };
    const run = lastref(path, config);
    const made = run.alerts.silence({
      match: { host: 'box' },
      until: Date.now() + 60_000,
      reason: '',
    });
    await run.stop();
    const again = lastref(path, config);
    expect(again.alerts.silences().map(({ config: c }) => c)).toEqual([true, false]);
    expect(again.alerts.unsilence('config-1')).toBe(false);
    expect(again.alerts.unsilence((made as { id: string }).id)).toBe(true);
  });
});

describe('a command', () => {
  const command = (script: string, timeout = '2s') => ({
    sinks: [{ name: 'cmd', command: ['/bin/sh', '-c', script, 'sh', '$(touch x); "'], timeout }],
  });

  it('gets the notification on its standard input, the key in its environment, and no shell', async () => {
    const out = join(directory(), 'out');
    const run = lastref(directory(), command(`cat >${out}; echo "$LASTREF_KEY $1" >>${out}`));
    run.later(4, leakOf());
    await eventually(60_000, () => run.notifier.status()[0]!.sent === 1, 'the command');
    const [json, rest] = readFileSync(out, 'utf8').split('\n') as [string, string];
    const notification = JSON.parse(json) as { key: string; status: string };
    expect(notification.status).toBe('firing');
    expect(rest).toBe(`${notification.key} $(touch x); "`);
  });

  it('that fails is run again; its last words are said', async () => {
    const count = join(directory(), 'count');
    writeFileSync(count, '');
    const script = `echo x >>${count}; echo no network >&2; [ $(wc -l <${count}) -ge 3 ]`;
    const run = lastref(directory(), command(script));
    run.later(4, leakOf());
    await eventually(4000, () => run.notifier.status()[0]!.sent === 1, 'the command');
    expect(readFileSync(count, 'utf8')).toBe('x\nx\nx\n');
    expect(run.said[0]).toContain('exit status 1: no network');
  });

  it('that does not end is ended, with what it started', async () => {
    const pids = join(directory(), 'pids');
    const run = lastref(directory(), command(`sleep 60 & echo $! $$ >>${pids}; wait`, '200ms'));
    run.later(4, leakOf());
    await eventually(3000, () => run.notifier.status()[0]!.failures > 0, 'the time limit');
    expect(run.said[0]).toContain('longer than 0.2 s');
    const [first] = readFileSync(pids, 'utf8').split('\n');
    const gone = () =>
      first!.split(' ').every((pid) => {
        try {
          return /^State:\sZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
        } catch {
          return true;
        }
      });
    await eventually(60_000, gone, 'its end');
  });

  it('that is not there is said', async () => {
    const run = lastref(directory(), { sinks: [{ name: 'cmd', command: ['/no/such/program'] }] });
    run.later(4, leakOf());
    await eventually(60_000, () => run.said.length > 0, 'the words');
    expect(run.said[0]).toContain('ENOENT');
  });
});

/** What happens to one lastref and its sink, in turn. */
const step = fc.record({
  /** Of at most so many leaks, each of an inode of its own, these begin and end. */
  begin: fc.integer({ min: 0, max: 2 }),
  end: fc.integer({ min: 0, max: 2 }),
  restart: fc.constantFrom(false, false, false, 'stop' as const, 'kill' as const),
});
const moods = fc.array(fc.constantFrom<Mood>(200, 200, 204, 500, 429, 'close', 'half'), {
  minLength: 1,
  maxLength: 12,
});

it('every alert and every end arrive, in order, once, whatever fails and however often lastref starts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 8 }),
      moods,
      async (steps, given) => {
        receiver.received.length = 0;
        let asked = 0;
        receiver.mood = () => given[asked++ % given.length]!;
        const path = directory();
        let run = lastref(path);
        let kills = 0;
        let next = 1;
        let firing: Leak[] = [];
        let ended: Leak[] = [];
        const seen = new Set<number>();
        for (const { begin, end, restart } of steps) {
          if (restart !== false) {
            const began = performance.now();
            await run.stop(restart === 'stop' ? 1000 : 0);
            // a stop that had to break off in the end is one, too
            if (restart === 'kill' || performance.now() - began >= 1000) kills++;
            run = lastref(path);
            ended = []; // what ended before is not known to the next one
          }
          const over = firing.slice(0, end).map((leak) => endedLeak(leak, leak.fired_ns + 1e9));
          firing = firing.slice(end);
          ended.push(...over);
          for (let i = 0; i < begin; i++) firing.push(leakOf({ ino: next++, fired_ns: 1e9 }));
          for (const { ino } of firing) seen.add(ino);
          run.later(2, ...ended, ...firing);
        }
        receiver.mood = () => 200;
        // those that ended while no lastref ran, or in the moment of a restart
        run.later(100, ...ended, ...firing);
        const open = new Set(firing.map(({ ino }) => ino));
        const wanted = [...seen].flatMap((ino) =>
          open.has(ino) ? [`${ino} firing`] : [`${ino} firing`, `${ino} resolved`],
        );
        await eventually(5000, () => run.notifier.status()[0]!.waiting === 0, 'all deliveries');
        const told = receiver.received
          .filter(({ mood }) => mood === 200 || mood === 204)
          .map(({ notification: n }) => `${n.labels.ino} ${n.status}`);
        await run.stop();
        const once = [...new Set(told)];
        expect([...once].sort()).toEqual([...wanted].sort());
        for (const ino of seen) {
          const of = once.filter((text) => text.startsWith(`${ino} `));
          expect(of[0]).toBe(`${ino} firing`);
        }
        // a kill may come after the sink's answer and before it was noted: then the same key again
        expect(told.length - once.length).toBeLessThanOrEqual(kills);
      },
    ),
    { numRuns: 40 },
  );
}, 120_000);
