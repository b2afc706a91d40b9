/** A real leak in the guest, a webhook that fails, a lastref that is killed. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SessionAlert } from '../../server/protocol/alerts.ts';
import { type Mood, Receiver } from '../fixtures/sinks.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

const directory = mkdtempSync(join(tmpdir(), 'lastref-alerts-'));
const config = join(directory, 'config.yaml');
let guest: Guest;
let pin: string;
let receiver: Receiver;
let server: RunningServer;
let mood: Mood = 200;
/** Of the workload that is still in the guest. */
let pinning = '';

const args = ['live', '--host', 'vm', '--port', '0', '--no-open', '--config', config];
const withState = [...args, '--state', join(directory, 'state')];
const alertOf = async (ino: string) =>
  (await server.get<SessionAlert[]>('/api/alerts')).find(({ labels }) => labels.ino === ino);
/** Statuses that the webhook took of the alert of this inode. */
const told = (ino: string) =>
  receiver.received
    .filter((r) => r.mood === 200 && r.notification.labels.ino === ino)
    .map((r) => r.notification.status);

beforeAll(async () => {
  guest = await Guest.up();
  pin = await guest.push('pin_pages');
  receiver = await Receiver.start();
  receiver.mood = () => mood;
  writeFileSync(
    config,
    `rules: [{alert: Pinned, kinds: [pinned], annotations: {suspects: '{{suspects}}'}}]
sinks: [{name: hook, webhook: '${receiver.url}', timeout: 1s}]
`,
  );
  server = await RunningServer.ready(withState);
});
afterAll(async () => {
  if (pinning !== '') await guest.sh(`kill ${pinning}`);
  await server?.stop();
  await receiver?.stop();
});

it('a page held by a pipe is told with its task, and its end with how long it lasted', async () => {
  const [first, held] = (await guest.sh(`${pin} vmsplice 4 6000`)).trim().split('\n') as [
    string,
    string,
  ];
  const [ino, pid] = first.split(' ') as [string, string];
  await eventually(10_000, () => told(ino).length === 2, 'both notifications');
  expect(told(ino)).toEqual(['firing', 'resolved']);
  const [firing, resolved] = receiver.received.map(({ notification }) => notification);
  expect(firing).toMatchObject({ leak: { kind: 'pinned', pages: 1, bytes: 2 << 20 } });
  expect(firing!.leak.suspects[0]).toMatchObject({ pid: Number(pid), comm: 'pin_pages' });
  expect(firing!.annotations.suspects).toContain('vmsplice');
  expect(Math.abs(resolved!.lasted_ms! - Number(held))).toBeLessThan(500);
});

it('what waits for a sink that fails outlives a killed lastref, and is told once', async () => {
  mood = 500;
  pinning = (
    await guest.sh(`${pin} vmsplice 4 300000 </dev/null >/var/tmp/pin.out 2>&1 & echo $!`)
  ).trim();
  await eventually(10_000, async () => (await guest.sh('wc -l </var/tmp/pin.out')).trim() === '1');
  const [ino] = (await guest.sh('cat /var/tmp/pin.out')).split(' ') as [string];
  await eventually(15_000, async () => (await alertOf(ino))?.state === 'firing', 'the alert');
  await eventually(5000, () => server.stderr.includes('HTTP 500'), 'the words');
  expect(server.stderr).toMatch(/^lastref: ALERT Pinned/m);
  await server.stop('SIGKILL');
  expect(told(ino)).toEqual([]);
  mood = 200;
  // it need not trace to tell what waits
  server = new RunningServer(withState);
  await eventually(30_000, () => told(ino).length === 1, 'the notification');
  await eventually(200_000, () => server.stderr.includes('vm ready'), 'the tracer');
  await guest.sh(`kill ${pinning}`);
  pinning = '';
  expect(told(ino)).toEqual(['firing']);
}, 300_000);

it('a second lastref does not send from the same directory', async () => {
  await expect(RunningServer.ready(withState)).rejects.toThrow(
    /another lastref sends its notifications from here/,
  );
});
