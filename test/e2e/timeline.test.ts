/** The timeline of many inodes, and a stretch of time in all views, over real recordings. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_VIEWS } from '../../dashboard/src/route.ts';
import { BACK_WHEN } from '../../server/protocol/stages.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, ROOT, RunningServer } from '../support/cli.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let server: RunningServer;
let browser: Browser;
let context: BrowserContext;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  server = await RunningServer.ready([
    ...['replay', `${ROOT}test/golden/scenarios-6.18/recording.lastref`],
    ...['--speed', 'max', '--port', '0', '--no-open'],
  ]);
  browser = await openBrowser();
  context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(server.link);
  await page.getByText('end of the recording').waitFor({ timeout: 30_000 });
});
afterEach(() => expect(complaints).toEqual([]));
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const text = () => page.locator('main').innerText();
const open = (view: string) => page.goto(`${new URL(server.link).origin}/#/${view}`);
const press = (key: string) => page.keyboard.press(key);
const says = (what: RegExp) =>
  eventually(10_000, async () => what.test(await text()), String(what));
/** What the address has. */
const address = () => new URLSearchParams(page.url().split('?')[1]);
/** How many inodes the timeline has. */
const count = async () => Number(/in sight of ([\d,]+)/.exec(await text())![1]!.replace(',', ''));

describe('the timeline of many inodes', () => {
  it('has every inode of the recording', async () => {
    await open('inodes');
    await says(/shown of/);
    const total = /shown of ([\d,]+)/.exec(await text())![1];
    await press('m');
    await says(new RegExp(`in sight of ${total}`));
    await screenshot(page, 'timeline');
  });

  it('is gone through by keys: next, closer, open, and back', async () => {
    await press('j');
    await says(/evict .*grace period/);
    const first = await page.locator('.lane-detail').innerText();
    await press('k');
    await eventually(
      5000,
      async () => (await page.locator('.lane-detail').innerText()) !== first,
      'another',
    );
    await press('z');
    await eventually(5000, async () => address().has('from'), 'the stretch in the address');
    expect(Number(address().get('to')) - Number(address().get('from'))).toBeLessThan(2000);
    const before = address().get('from');
    await press('s');
    await eventually(5000, async () => address().get('from') !== before, 'a wider one');
    await screenshot(page, 'timeline-zoomed');
    await press('Enter');
    await says(/Stages/);
    await page.goBack();
    await says(/in sight of/);
  });

  it('takes the filter of the table', async () => {
    await press('0');
    const all = await count();
    await press('/');
    await page.keyboard.type('fs:hugetlbfs');
    await eventually(5000, async () => (await count()) < all && (await count()) > 0, 'fewer');
    await press('Escape');
    await page.locator('#filter').fill('fs:nothing');
    await says(/No inode matches/);
    await page.locator('#filter').fill('');
    await eventually(5000, async () => (await count()) === all, 'all again');
  });

  it('zooms with the wheel, pans with a drag, tells all at the pointer, pins with a click', async () => {
    const all = await count();
    await open('timeline?filter=fs:hugetlbfs');
    await eventually(5000, async () => (await count()) < all, 'the filter');
    await page.locator('.lanes canvas').focus();
    await press('j');
    await press('z');
    await eventually(5000, async () => address().has('from'), 'the stretch');
    const box = (await page.locator('.lanes canvas').boundingBox())!;
    const middle = box.x + box.width / 2;
    let y = 0;
    await eventually(
      10_000,
      async () => {
        // the one inode in sight lies in one of the lanes below the axis
        y = y >= 300 ? 60 : y + 8;
        await page.mouse.move(middle, box.y + y);
        return (await page.locator('.tip').count()) > 0;
      },
      'the tip',
    );
    expect(await page.locator('.tip').innerText()).toMatch(/hugetlbfs ino \d+[\s\S]*grace period/);
    await press('Escape');
    await says(/Nothing is pinned/);
    await page.mouse.click(middle, box.y + y);
    await eventually(5000, async () => address().has('sel'), 'the pin');
    const width = () => Number(address().get('to')) - Number(address().get('from'));
    const before = width();
    await page.mouse.wheel(0, 400);
    await eventually(5000, async () => width() > before * 1.2, 'the wheel');
    const from = address().get('from');
    await page.mouse.down();
    await page.mouse.move(middle - 80, box.y + y, { steps: 4 });
    await page.mouse.up();
    await eventually(5000, async () => address().get('from') !== from, 'the drag');
  });
});

describe('a stretch of time', () => {
  it('is of the table as of the timeline, and is taken back by a key', async () => {
    await open('inodes');
    await says(/shown of/);
    const shown = async () => Number(/([\d,]+) shown of/.exec(await text())![1]);
    const all = await shown();
    const middle = await page.locator('.timebar-time b').innerText();
    expect(middle).toMatch(/\d\d:\d\d:\d\d/);
    const rows = await server.get<{ rows: { at_ms: number }[] }>('/api/inodes?limit=500');
    const times = rows.rows.map((row) => row.at_ms).sort((a, b) => a - b);
    await open(`inodes?from=${times[3]! - 0.5}&to=${times[8]! + 0.5}`);
    await eventually(5000, async () => (await shown()) < all && (await shown()) >= 6, 'fewer');
    expect(await page.locator('.timebar-range').innerText()).toMatch(/show this/);
    await press('0');
    await eventually(5000, async () => (await shown()) === all, 'all again');
  });

  it('is chosen by a drag over a chart', async () => {
    await open('overview');
    await says(/Latency over time/);
    await eventually(
      5000,
      async () => (await page.locator('.chart canvas').count()) >= 4,
      'charts',
    );
    const box = (await page.locator('.latency-panel canvas').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.5, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.7, box.y + 60, { steps: 3 });
    await page.mouse.up();
    await eventually(5000, async () => address().has('from'), 'the stretch');
    await press('0');
    await eventually(5000, async () => !address().has('from'), 'no stretch');
  });
});

describe('callbacks', () => {
  it('are shown with what they did, and copied with their whole names', async () => {
    await open('callbacks');
    await says(/What ran/);
    await screenshot(page, 'callbacks-ran');
    const row = page.locator('table.runs tr', { hasText: 'hugetlbfs' });
    const cells = await row.locator('td').allInnerTexts();
    const { inodes } = await server.report();
    const { ended, i_callback, hugepages_back: back } = inodes.by_fs.hugetlbfs!;
    const counts = [ended, ...Object.values(i_callback), ...BACK_WHEN.map((when) => back![when])];
    // the durations stand behind the first
    expect([cells[0], ...cells.slice(5)].map(Number)).toEqual(counts);
    expect(back).toMatchObject({ evict_inode: 8, before_evict: 5, later: 1 });
    await press('y');
    await page.getByText('text copied').waitFor();
    const copied = (await page.evaluate('navigator.clipboard.readText()')) as string;
    expect(copied).toContain('hugetlbfs_destroy_inode');
    expect(copied).toMatch(/hugepages back +5 before evict\(\), 8 in s_op->evict_inode/);
  });
});

describe('sharing', () => {
  it('copies every view as text of 80 columns at most, and says what it is of', async () => {
    const views = PAGE_VIEWS.filter(
      (view) => !['inodes', 'inode', 'hosts', 'compare'].includes(view),
    );
    for (const view of views) {
      await open(view);
      await page.waitForTimeout(500);
      await page.evaluate('navigator.clipboard.writeText("")');
      await press('y');
      await page.getByText('text copied').waitFor();
      const copied = (await page.evaluate('navigator.clipboard.readText()')) as string;
      expect(copied.split('\n')[0], view).toMatch(new RegExp(`^lastref .*: ${view}$`));
      expect(copied).toMatch(/Linux 6\.18/);
      expect(copied.length, view).toBeGreaterThan(200);
      const widest = Math.max(...copied.split('\n').map((line) => [...line].length));
      expect(widest, view).toBeLessThanOrEqual(80);
    }
  });

  it('saves a picture, and copies a link without the token', async () => {
    await open('overview');
    await says(/Latency over time/);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'share' }).click();
    await page.getByRole('button', { name: /save as PNG/ }).click();
    const file = await download;
    expect(file.suggestedFilename()).toBe('lastref-overview.png');
    const bytes = readFileSync((await file.path())!);
    expect(bytes.subarray(1, 4).toString()).toBe('PNG');
    expect(bytes.length).toBeGreaterThan(20_000);
    await press('Y');
    await page.getByText('link copied').waitFor();
    const link = (await page.evaluate('navigator.clipboard.readText()')) as string;
    expect(link).toMatch(/#\/overview/);
    expect(link).not.toMatch(/token/);
  });
});

describe('every view', () => {
  const views = PAGE_VIEWS.filter((view) => view !== 'compare');
  const hashOf = async (view: string) => {
    if (view !== 'inode') return view;
    const { rows } = await server.get<{ rows: { id: string }[] }>('/api/inodes?limit=1');
    return `inode/${rows[0]!.id}`;
  };

  it('is clean for axe in both themes', async () => {
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const view of views) {
        await open(await hashOf(view));
        await page.waitForTimeout(250);
        const violations = await page.evaluate(
          // the CSP lets no script of ours in from here: the source is run through the debugger
          `${axe}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
        );
        expect(violations, `${view}, ${colorScheme}`).toEqual([]);
      }
    }
    await page.emulateMedia({ colorScheme: null });
  });

  it('can be read at 200 % zoom and at 3840 pixels without scrolling sideways', async () => {
    for (const [width, height] of [
      [640, 400],
      [3840, 2160],
    ] as const) {
      await page.setViewportSize({ width, height });
      for (const view of views) {
        await open(await hashOf(view));
        const wide = () => page.evaluate('document.documentElement.scrollWidth');
        await eventually(5000, async () => Number(await wide()) <= width, `${view} at ${width}`);
        await page.waitForTimeout(150);
        expect(await wide(), `${view} at ${width}`).toBeLessThanOrEqual(width);
      }
    }
    await page.setViewportSize({ width: 1280, height: 800 });
  });

  it('tells its keys, each of them once', async () => {
    for (const view of ['timeline', 'inodes', 'overview']) {
      await open(view);
      await page.waitForTimeout(300);
      await press('?');
      const keys = await page.locator('dialog kbd').allInnerTexts();
      expect(keys.length).toBeGreaterThan(12);
      expect(keys.length, view).toBe(new Set(keys).size);
      await press('Escape');
    }
  });
});

describe('the weight of the page', () => {
  it('is at most 250 kB, compressed', () => {
    const folder = `${ROOT}dashboard/dist`;
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const weight = files.reduce(
      (sum, { parentPath, name }) => sum + gzipSync(readFileSync(`${parentPath}/${name}`)).length,
      0,
    );
    expect(weight).toBeLessThan(250_000);
  });
});
