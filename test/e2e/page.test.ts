/** Chromium, the real page, the real server, a real kernel in the guest. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { visibleText } from '../../dashboard/src/format/visible.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

let guest: Guest;
let server: RunningServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];
const directory = mkdtempSync(join(tmpdir(), 'lastref-page-'));
const config = join(directory, 'config.yaml');

beforeAll(async () => {
  guest = await Guest.up();
  writeFileSync(config, 'leak_after:\n  held: 3s\n');
  server = await RunningServer.live('vm', '--config', config);
  browser = await openBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(server.link);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(directory, { recursive: true });
});

/** Names in test/workloads/hostile_names.c: of files, and of the processes that hold them. */
const NAMES = [
  ...['\x1b[2J\x1b]0;x\x07', 'a\na holder 1 2 3', '<script>alert(1)'],
  ...['<img src=x onerror=alert(1)>"\'&', '\u202egnp.exe', '$(reboot)`id`\\', '\n@hits[3]: 9\n'],
];
/** ... and one that is no UTF-8. */
const HELD = NAMES.length + 1;

/** What the page says, as a reader would. */
const text = () => page.locator('body').innerText();

describe('the page over a live guest', () => {
  it('opens from the link, keeps the token out of the address, and says that the tracer is ready', async () => {
    await eventually(10_000, async () => /\bvm\b[\s\S]*ready/.test(await text()), 'ready');
    expect(page.url()).not.toContain('token');
    await screenshot(page, 'overview');
  });

  it('shows a workload of the guest within a second', async () => {
    const pages = await guest.push('memfd_pages');
    await page.goto(`${new URL(page.url()).origin}/#/inodes`);
    await eventually(5000, async () => (await text()).includes('shown of'), 'the table');
    // the clock starts when the guest says that the workload ended, over ssh
    await guest.sh(`${pages} 4 page-test-1`);
    const began = Date.now();
    await eventually(3000, async () => (await text()).includes('page-test-1'), 'the row');
    expect(Date.now() - began).toBeLessThan(1000);
    await screenshot(page, 'inodes');
  });

  it('opens the inode by keyboard and shows its stages in order, with contexts', async () => {
    await page.goto(
      `${new URL(page.url()).origin}/#/inodes?q=${encodeURIComponent('comm:page-test-1')}`,
    );
    await eventually(5000, async () => (await text()).includes('page-test-1'), 'the row');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await eventually(5000, async () => (await text()).includes('i_callback'), 'the inode');
    const said = await text();
    expect(said).toMatch(/softirq|RCU thread/);
    const stages = [
      'evict_inode',
      'clear_inode',
      'destroy_inode',
      'evict_end',
      'i_callback',
      'free_inode',
    ];
    const table = said.slice(said.indexOf('Stages'));
    const places = stages.map((stage) => table.indexOf(`\n${stage}`));
    expect(
      places.every((place) => place > 0),
      table.slice(0, 600),
    ).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
    await screenshot(page, 'inode');
  });

  it('shows a hostile name as text and runs nothing of it', async () => {
    const pages = await guest.push('memfd_pages');
    await guest.sh(`${pages} 1 '<img src=x>"\\'`);
    await page.goto(`${new URL(page.url()).origin}/#/inodes`);
    await eventually(5000, async () => (await text()).includes('<img src=x>'), 'the name');
    expect(await page.locator('img[src="x"]').count()).toBe(0);
  });

  it('names who holds hugepages, however processes, files and mounts are called', async () => {
    const before = await server.report();
    const names = await guest.push('hostile_names');
    const said = guest.sh(`${names} 40000`);
    await page.goto(`${new URL(page.url()).origin}/#/alerts`);
    const held = async () => {
      const { leaks } = await server.report();
      return leaks.filter((leak) => leak.kind === 'held' && leak.state === 'firing');
    };
    const named = async () => (await held()).filter(({ suspects }) => suspects.length > 0);
    await eventually(30_000, async () => (await named()).length === HELD, 'a leak of each');
    const comms = NAMES.map((name) => Buffer.from(name).subarray(0, 15).toString('utf8'));
    await eventually(
      10_000,
      async () => {
        const said = await page.locator('main').innerText();
        return comms.every((comm) => said.includes(visibleText(comm)));
      },
      'their names',
    );
    await screenshot(page, 'hostile-names');
    const leaks = await named();
    expect(await page.locator('main :is(img, script)').count()).toBe(0);
    // what the workload said of itself is what was found
    const truth = (await said).split('\n').flatMap((line) => {
      const match = /^(\d+) (\d+) (\d+)$/.exec(line);
      return match === null ? [] : [{ ino: Number(match[1]), pid: Number(match[2]) }];
    });
    expect(truth).toHaveLength(HELD);
    expect(leaks.map(({ ino }) => ino).sort()).toEqual(truth.map(({ ino }) => ino).sort());
    for (const { ino, pid } of truth) {
      const leak = leaks.find((one) => one.ino === ino)!;
      expect(leak).toMatchObject({ pages: 1, verdict: 'certain' });
      expect([...new Set(leak.suspects.map((suspect) => suspect.pid))]).toEqual([pid]);
    }
    await eventually(20_000, async () => (await held()).length === 0, 'the end of them');
    const after = await server.report();
    expect(after.events.rejected).toBe(before.events.rejected);
    expect(after.losses.balanced).not.toBe(false);
  });

  it('has every view, without a complaint, readable for all (axe)', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const view of ['', 'inodes', 'hugepages', 'callbacks', 'contract', 'losses']) {
      await page.goto(`${new URL(page.url()).origin}/#/${view}`);
      await page.waitForTimeout(700);
      await screenshot(page, view === '' ? 'overview-2' : view);
      const violations = await page.evaluate(
        // the CSP lets no script of ours in from here: the source is run through the debugger
        `${axe}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
      );
      expect(violations, view).toEqual([]);
    }
    expect(complaints).toEqual([]);
  });

  it('says so when bpftrace in the guest is killed, and goes on by itself', {
    timeout: 300_000,
  }, async () => {
    await page.goto(`${new URL(page.url()).origin}/#/losses`);
    await guest.sh('pkill -KILL -x bpftrace');
    await eventually(3000, async () => (await text()).includes('restarting'), 'the word');
    await screenshot(page, 'restarting');
    await eventually(240_000, async () => /\bvm\b\s*ready/.test(await text()), 'the restart');
    await eventually(5000, async () => (await text()).includes('SIGKILL'), 'the gap');
  });

  it('says that the server is gone', async () => {
    await server.stop('SIGKILL');
    await eventually(6000, async () => /connection lost|retrying/i.test(await text()), 'the strip');
    await screenshot(page, 'lost');
  });
});

describe('the door', () => {
  it('is closed without the token, under a foreign name, and from a foreign page', async () => {
    const door = await RunningServer.live('local', '--fs', 'hugetlbfs');
    const url = new URL(door.link);
    const status = async (path: string, headers: Record<string, string> = {}) =>
      (await fetch(new URL(path, url), { headers, redirect: 'manual' })).status;
    expect(await status('/api/report')).toBe(401);
    expect(await status('/api/report', { Authorization: 'Bearer wrong' })).toBe(401);
    expect(await status('/?token=wrong')).toBe(401);
    expect(await status('/healthz')).toBe(200);
    const { WebSocket } = await import('ws');
    const refusal = (headers: Record<string, string>) =>
      new Promise<string>((resolve) => {
        const ws = new WebSocket(`ws://127.0.0.1:${url.port}/ws${url.search}`, { headers });
        ws.on('open', () => resolve('open'));
        ws.on('error', (error) => resolve(error.message));
      });
    expect(await refusal({})).toBe('open');
    expect(await refusal({ Origin: 'http://evil.example' })).toContain('403');
    expect(await refusal({ Host: 'evil.example' })).toContain('403');
    await door.stop();
  });
});
