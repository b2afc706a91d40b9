/** The Alerts view in Chromium, over the real server; the leaks are the test's. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endedLeak, leakOf } from '../fixtures/leaks.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually } from '../support/cli.ts';
import { LeakyServer } from '../support/leaky-server.ts';

/** A name that would break out of its place, and look like another. */
const HOSTILE = '<b>x\u202e\n\u0007';

const pinned = leakOf({
  pages: 3,
  bytes: 3 << 21,
  suspects: [
    { pid: 391, comm: HOSTILE, how: 'vmsplice', evidence: 'try_grab_folio_fast() from vmsplice()' },
    { pid: 88, comm: 'qemu-system-x86', how: 'mapping', evidence: '/proc/88/maps' },
  ],
});
const stuck = leakOf({
  kind: 'stuck',
  verdict: 'suspected',
  fs: 'tmpfs',
  ino: 5,
  inode: '0.7',
  pages: 0,
  bytes: 0,
  text: 'destroy_inode() was 21 s ago and i_callback() did not follow',
  suspects: [],
});
const drift = leakOf({
  kind: 'pool drift',
  ino: 0,
  inode: null,
  s_dev: '',
  pages: 12,
  bytes: 12 << 21,
  suspects: [],
});
const over = [
  endedLeak(leakOf({ ino: 2001, text: 'back' }), 3.4125e9),
  { ...endedLeak(leakOf({ ino: 2002 }), 3.5e9, 'refuted'), text: 'the pool has all of them' },
];

let server: LeakyServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  server = await LeakyServer.start({
    silences: [{ match: { kind: 'held' }, reason: 'virtual machines' }],
    sinks: [
      { name: 'log', command: ['/bin/cat'] },
      { name: 'pager', webhook: 'http://127.0.0.1:2/hook' },
    ],
  });
  // a refuted leak has fired first
  server.host.leaks = [{ ...over[1]!, state: 'firing', until_ns: null }];
  server.later(2.2);
  browser = await openBrowser();
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  // a document counts the notifications that it shows
  await page.addInitScript(() => {
    const shown: string[] = [];
    Object.assign(globalThis, { shown });
    const Real = globalThis.Notification;
    globalThis.Notification = class extends Real {
      constructor(title: string, options?: NotificationOptions) {
        super(title, options);
        shown.push(`${title} | ${options?.body}`);
      }
    };
  });
  await page.goto(server.web.link);
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const text = () => page.locator('main').innerText();
const view = (hash: string) => page.goto(`${new URL(page.url()).origin}/#/${hash}`);
const notices = () => page.evaluate(() => (globalThis as unknown as { shown: string[] }).shown);

describe('the Alerts view', () => {
  it('counts what fires in the navigation and in the title of the tab, from every view', async () => {
    server.host.leaks = [pinned, stuck, drift, ...over];
    server.later(1);
    await eventually(3000, async () => (await page.title()).startsWith('(3) '), 'the title');
    expect(await page.locator('.nav-count').innerText()).toMatch(/^3/);
  });

  it('shows certain ones first, with pages, inode, suspects and evidence', async () => {
    await view('alerts');
    await eventually(3000, async () => (await text()).includes('InodeStuck'), 'the alerts');
    const said = await text();
    const at = ['HugepagesPinned', 'InodeStuck', 'Resolved'].map((word) => said.indexOf(word));
    expect([...at].sort((a, b) => a - b)).toEqual(at);
    expect(said).toContain('3 hugepages, 6 MiB');
    expect(said).toMatch(/391\s+<b>x\\u202e\\n\\x07\s+vmsplice\s+try_grab_folio_fast\(\)/);
    expect(await page.locator('main b', { hasText: /^x$/ }).count()).toBe(0);
    expect(said).toMatch(/refuted\s+1 hugepage, 2 MiB\s+hugetlbfs inode 2002/);
    expect(said).toContain('refuted: the pool has all of them');
    expect(said).toMatch(/2\.41 s\s+HugepagesPinned/);
    expect(said).toMatch(/pager\s+webhook\s+127\.0\.0\.1:2\/hook\s/);
    await screenshot(page, 'alerts');
  });

  it('silences for an hour and until resolved, and takes it back, by mouse and by keyboard', async () => {
    const pinnedOne = page.locator('.alert', { hasText: 'HugepagesPinned' });
    await pinnedOne.getByRole('button', { name: 'for 1 h' }).click();
    await eventually(3000, async () => (await page.title()).startsWith('(2) '), 'the title');
    expect(await page.locator('.alert').last().innerText()).toContain('HugepagesPinned');
    expect(await pinnedOne.innerText()).toMatch(/silenced until \d\d:\d\d:\d\d \((59|60) min\)/);
    await screenshot(page, 'alerts-silenced');
    await pinnedOne.getByRole('button', { name: 'remove the silence' }).click();
    await eventually(3000, async () => (await page.title()).startsWith('(3) '), 'the title');
    await page.keyboard.press('j');
    await eventually(2000, () => page.url().includes('/alerts/'), 'the choice');
    expect(await text()).toContain('fingerprint=');
    await page.keyboard.press('S');
    await eventually(
      3000,
      async () => (await pinnedOne.innerText()).includes('silenced until resolved'),
      'S',
    );
    await page.getByRole('button', { name: 'remove', exact: true }).click();
    await eventually(3000, async () => (await page.title()).startsWith('(3) '), 'the title');
  });

  it('goes from the alert to its inode by one key or one click', async () => {
    await page.keyboard.press('Enter');
    await eventually(2000, () => page.url().endsWith('#/inode/0.1'), 'the inode');
    await view('alerts');
    await page.getByRole('link', { name: 'tmpfs inode 5' }).click();
    expect(page.url()).toContain('#/inode/0.7');
    await view('alerts');
  });

  it('asks for notifications when it is told to, and shows what comes after that', async () => {
    expect(await notices()).toEqual([]);
    await context.grantPermissions(['notifications']);
    await page.getByRole('button', { name: 'notify in this browser' }).click();
    await eventually(
      3000,
      async () => (await text()).includes('this browser notifies'),
      'the word',
    );
    expect(await notices()).toEqual([]);
    const another = leakOf({ ino: 77, fired_ns: 5e9 });
    server.host.leaks = [pinned, stuck, drift, another, ...over];
    server.later(2);
    await eventually(3000, async () => (await notices()).length === 1, 'the notification');
    expect(await notices()).toEqual([
      'lastref: HugepagesPinned | certain: 1 hugepage (2 MiB) of hugetlbfs inode 77 on box not back in the pool',
    ]);
  });

  it('moves what is resolved to the bottom, with how long it lasted', async () => {
    server.host.leaks = [stuck, drift, endedLeak(pinned, 9.25e9), ...over];
    server.later(5);
    await eventually(3000, async () => (await text()).includes('8.25 s'), 'the end');
    expect(await page.title()).toMatch(/^\(2\) /);
  });

  it('is readable for all (axe), in both themes, and nothing complains', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const theme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme: theme as 'dark' });
      await page.waitForTimeout(300);
      await screenshot(page, `alerts-${theme}`);
      const violations = await page.evaluate(
        `${axe}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
      );
      expect(violations, theme).toEqual([]);
    }
    expect(complaints).toEqual([]);
  });
});

it('a recording has no buttons, for there is nobody to be silent to', async () => {
  const replay = await LeakyServer.start({}, 'replay');
  replay.host.leaks = [pinned];
  replay.later(3);
  await page.goto(replay.web.link);
  await view('alerts');
  await eventually(3000, async () => (await text()).includes('HugepagesPinned'), 'the alert');
  expect(await page.locator('main button', { hasText: /1 h|until|notify/ }).count()).toBe(0);
  await replay.stop();
});
