/** The time bar of a live session, over the inodes of this machine. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReplayStatus } from '../../server/protocol/replay.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, RunningServer, workload } from '../support/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'lastref-test-'));
const recording = join(directory, "it's live.lastref");
let server: RunningServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  server = await RunningServer.live('local', '--fs', 'hugetlbfs', '--record', recording);
  browser = await openBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${server.link}#/timeline`);
});
afterAll(async () => {
  expect(complaints).toEqual([]);
  await browser?.close();
  await server?.stop();
  rmSync(directory, { recursive: true });
});

const text = () => page.locator('main').innerText();
const bar = () => page.locator('.timebar').innerText();
const address = () => new URLSearchParams(page.url().split('?')[1]);
const barSays = (what: RegExp) =>
  eventually(10_000, async () => what.test(await bar()), String(what));
const churn = (count: number, comm: string) =>
  execFileSync(workload('memfd_churn'), [String(count), comm]);

describe('the time bar of a live session', () => {
  it('says that it is live and how far back one can look, while the timeline follows', async () => {
    await barSays(/live/);
    churn(40, 'lanes-first');
    await eventually(10_000, async () => /[1-9]\d* in sight of/.test(await text()), 'inodes');
    await barSays(/\d+ (s|min) kept/);
    await screenshot(page, 'timeline-live');
  });

  it('looks back by keys, and returns to the present', async () => {
    await page.goto(`${new URL(server.link).origin}/#/overview`);
    // there is something to look back at
    await eventually(
      20_000,
      async () => Number(/(\d+) s kept/.exec(await bar())?.[1] ?? 99) >= 5,
      'time',
    );
    await page.keyboard.press('ArrowLeft');
    await eventually(5000, async () => address().has('from'), 'the stretch');
    await barSays(/looking back/);
    await page.keyboard.press('0');
    await barSays(/live/);
    await eventually(5000, async () => !address().has('from'), 'the present');
  });

  it('takes a drag on the bar for a stretch that table, charts and timeline share', async () => {
    const box = (await page.locator('.timebar-scrub').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.5, box.y + 12);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width, box.y + 12, { steps: 3 });
    await page.mouse.up();
    await eventually(5000, async () => address().has('to'), 'the stretch');
    const stretch = address().get('to');
    await page.keyboard.press('i');
    await eventually(5000, async () => /shown of/.test(await text()), 'the table');
    expect(address().get('to')).toBe(stretch);
    await page.keyboard.press('l');
    await barSays(/this view shows the present/);
    // what it was then is in the recording, and the bar says how to come there
    await page.evaluate(() => {
      navigator.clipboard.writeText = async (text) => {
        document.title = text;
      };
    });
    await page.getByRole('button', { name: /command that shows it as it was/ }).click();
    const command = await page.title();
    const from = Number(address().get('from'));
    expect(command).toBe(
      `lastref replay '${recording.replaceAll("'", "'\\''")}' --at ${new Date(from).toISOString()}`,
    );
    const replay = await RunningServer.ready([
      ...['replay', recording, '--at', new Date(from).toISOString(), '--port', '0', '--no-open'],
    ]);
    try {
      const shown = await replay.get<ReplayStatus>('/api/replay');
      expect(shown).toMatchObject({ state: 'paused', at_ms: Math.floor(from) });
    } finally {
      await replay.stop();
    }
    await page.keyboard.press('m');
    await eventually(5000, async () => /in sight of/.test(await text()), 'the timeline');
    // what comes now is not in it, and is there when the present is
    churn(30, 'lanes-later');
    const total = async () =>
      Number(/in sight of ([\d,]+)/.exec(await text())![1]!.replace(',', ''));
    await eventually(10_000, async () => (await total()) >= 70, 'the new ones');
    await page.keyboard.press('e');
    await eventually(5000, async () => !address().has('from'), 'the present');
    await eventually(10_000, async () => /[1-9]\d* in sight of/.test(await text()), 'the newest');
  });

  it('pauses, says how far behind it is, and goes on', async () => {
    await page.keyboard.press('p');
    await barSays(/resume/);
    await barSays(/[1-9]\d* s behind/);
    await page.keyboard.press('p');
    await barSays(/pause/);
  });

  it('is clean for axe', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    const violations = await page.evaluate(
      `${axe}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
    );
    expect(violations).toEqual([]);
  });
});
