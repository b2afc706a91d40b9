/** Chromium, the real page, the real server, a real kernel in the guest. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

let guest: Guest;
let server: RunningServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  guest = await Guest.up();
  server = await RunningServer.live('vm');
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
});

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

  it('says so when bpftrace in the guest is killed, and goes on by itself', async () => {
    await page.goto(`${new URL(page.url()).origin}/#/losses`);
    await guest.sh('pkill -KILL -x bpftrace');
    await eventually(3000, async () => (await text()).includes('restarting'), 'the word');
    await screenshot(page, 'restarting');
    await eventually(90_000, async () => /\bvm\b\s*ready/.test(await text()), 'the restart');
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
