/** The sink `alertmanager` against a real Alertmanager, which passes on to a webhook of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { endedLeak, leakOf } from '../fixtures/leaks.ts';
import { NotifyRun } from '../fixtures/notify-run.ts';
import { eventually, ROOT } from '../support/cli.ts';
import { freePort } from '../support/sockets.ts';

/** Unpacked by ./scripts/test, not installed: the package would start a service. */
const UNPACKED = `${ROOT}test/artefacts/prometheus-alertmanager`;
const PROGRAM = ['', UNPACKED]
  .map((root) => `${root}/usr/bin/prometheus-alertmanager`)
  .find((file) => existsSync(file));

/** gettableAlert of its OpenAPI document. */
interface Gettable {
  readonly fingerprint: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly generatorURL: string;
  readonly startsAt: string;
  readonly endsAt: string;
}

const storage = mkdtempSync(join(tmpdir(), 'lastref-am-'));
const state = mkdtempSync(join(tmpdir(), 'lastref-am-state-'));
let child: ChildProcess | null = null;
let port = 0;
let pager: Server;
/** `firing 2078`, `resolved 2078`: what Alertmanager told a person. */
const paged: string[] = [];
let run: NotifyRun;

beforeAll(async () => {
  if (PROGRAM === undefined) throw new Error('no Alertmanager: ./scripts/test host fetches it');
  pager = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const { alerts } = JSON.parse(text) as {
      alerts: { status: string; labels: Record<string, string> }[];
    };
    for (const { status, labels } of alerts) paged.push(`${status} ${labels.ino}`);
    response.end();
  });
  const pagerPort = await listen(pager);
  port = await freePort();
  writeFileSync(
    join(storage, 'config.yml'),
    `route: {receiver: pager, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: pager, webhook_configs: [{url: 'http://127.0.0.1:${pagerPort}', send_resolved: true}]}]
`,
  );
  await up();
  run = lastref();
});
afterAll(async () => {
  await run?.stop();
  await down();
  pager?.close();
});

function lastref(): NotifyRun {
  return new NotifyRun(state, {
    sinks: [{ name: 'am', alertmanager: `http://127.0.0.1:${port}/`, resend: '1s' }],
  });
}

async function up(): Promise<void> {
  const args = [
    `--config.file=${storage}/config.yml`,
    `--storage.path=${storage}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ];
  // Debian's reads its templates from /usr/share: its own is put there, for it alone
  const mount = 'mount --bind "$0/usr/share" /usr/share && exec "$@"';
  child = PROGRAM!.startsWith(UNPACKED)
    ? spawn('unshare', ['-rm', 'sh', '-c', mount, UNPACKED, PROGRAM!, ...args])
    : spawn(PROGRAM!, args);
  let errors = '';
  child.stderr!.on('data', (text) => {
    errors = `${errors}${text}`.slice(-2000);
  });
  const ready = () =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => {
        if (child?.exitCode !== null) throw new Error(`Alertmanager ended: ${errors}`);
        return false;
      },
    );
  await eventually(20_000, ready, 'Alertmanager');
}

function down(): Promise<void> {
  const ended = child;
  child = null;
  if (ended === null || ended.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    ended.once('close', () => resolve());
    ended.kill('SIGKILL');
  });
}

async function alerts(): Promise<Gettable[]> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v2/alerts`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Gettable[];
}

const inodes = async () => (await alerts()).map(({ labels }) => labels.ino).sort();

it('takes an alert, with our fingerprint as its own and the link to the inode', async () => {
  run.later(4, leakOf());
  await eventually(5000, async () => (await alerts()).length === 1, 'the alert');
  const [theirs] = await alerts();
  const [ours] = run.alerts.list();
  expect(theirs).toMatchObject({
    fingerprint: ours!.fingerprint,
    labels: ours!.labels,
    generatorURL: 'http://127.0.0.1:7373/#/inode/0.1',
  });
  expect(theirs!.annotations.suspects).toBe('vmsplicer (pid 391): vmsplice');
  await eventually(5000, () => paged.includes('firing 2078'), 'the page');
});

it('keeps it while it fires, since it is told again', async () => {
  const until = Date.now() + 6000;
  while (Date.now() < until) {
    run.later(0.2, leakOf());
    expect(await inodes()).toEqual(['2078']);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  expect(paged).toEqual(['firing 2078']);
});

it('knows it again after it was started anew, and hears of what began meanwhile', async () => {
  await down();
  run.later(1, leakOf(), leakOf({ ino: 8 }));
  await eventually(5000, () => run.said.some((text) => text.includes('ECONNREFUSED')), 'the words');
  await up();
  await eventually(10_000, async () => (await inodes()).join() === '2078,8', 'both');
});

it('is told of the end', async () => {
  run.later(5, endedLeak(leakOf(), 9e9), leakOf({ ino: 8 }));
  await eventually(5000, async () => (await inodes()).join() === '8', 'the end');
  await eventually(10_000, () => paged.includes('resolved 2078'), 'the page');
});

it('ends an alert by itself when lastref is gone; the next lastref brings it back', async () => {
  await run.stop();
  await eventually(10_000, async () => (await inodes()).length === 0, 'the end');
  run = lastref();
  run.later(4, leakOf({ ino: 8 }));
  await eventually(5000, async () => (await inodes()).join() === '8', 'its return');
});

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
