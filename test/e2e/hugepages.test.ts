/** The Hugepages map in Chromium: over real recordings, and over a pool that leaks. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { startWeb, type Web } from '../../server/web/server.ts';
import { endLeak, POOL_EPOCH, traceLargePool, traceLeakyPool } from '../fixtures/leaky-pool.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, ROOT } from '../support/cli.ts';
import { LeakyServer } from '../support/leaky-server.ts';

let browser: Browser;
let page: Page;
let complaints: string[];

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser?.close());

beforeEach(async () => {
  complaints = [];
  page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'dark' });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
});

/** Before its server goes, which the page would complain of. */
async function leave(): Promise<void> {
  await page.close();
  expect(complaints).toEqual([]);
}

const text = () => page.locator('main').innerText();
const says = (what: string | RegExp) =>
  eventually(
    5000,
    async () =>
      typeof what === 'string' ? (await text()).includes(what) : what.test(await text()),
    String(what),
  );
const go = (hash: string) => page.goto(`${new URL(page.url()).origin}/#/${hash}`);
const map = () => page.locator('.map-scroll');

/** Counts of the legend by state, and the total that it gives: both of one moment. */
async function legend(): Promise<{ counts: Record<string, number>; total: number }> {
  const read = await page.evaluate(() => ({
    buttons: [...document.querySelectorAll('.map-legend button')].map((b) => b.textContent),
    total: document.querySelector('.map-total .num')!.textContent,
  }));
  const counts: Record<string, number> = {};
  for (const button of read.buttons) {
    const words = button.trim().split(/\s+/);
    counts[words.slice(0, -1).join(' ')] = Number(words.at(-1)!.replaceAll(',', ''));
  }
  return { counts, total: Number(read.total.replaceAll(',', '')) };
}

async function addsUp(): Promise<Record<string, number>> {
  const { counts, total } = await legend();
  expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(total);
  return counts;
}

async function axe(): Promise<string[]> {
  const source = readFileSync(
    createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
    'utf8',
  );
  return page.evaluate(
    `${source}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
  );
}

/** The colour in the middle of a cell's upper edge, where no pattern is; `#rrggbb`. */
function colourOf(cell: number, cells: number): Promise<string> {
  return page.evaluate(
    ([at, count]) => {
      const scroll = document.querySelector('.map-scroll')!;
      const canvas = scroll.querySelector('canvas')!;
      const ratio = canvas.width / scroll.clientWidth;
      // as many columns of the largest cells as there is room for; all fit in one row or more
      const pitch = 26;
      const columns = Math.min(count!, Math.floor((scroll.clientWidth - 4) / pitch));
      const x = 2 + (at! % columns) * pitch + 12;
      const y = 2 + Math.floor(at! / columns) * pitch + 1;
      const data = canvas.getContext('2d')!.getImageData(x * ratio, y * ratio, 1, 1).data;
      return `#${[...data.slice(0, 3)].map((v) => v.toString(16).padStart(2, '0')).join('')}`;
    },
    [cell, cells],
  );
}

const cssColour = (name: string) =>
  page.evaluate(
    (property) => getComputedStyle(document.documentElement).getPropertyValue(property).trim(),
    name,
  );

describe('a pool that leaks', () => {
  let server: LeakyServer;

  beforeEach(async () => {
    server = await LeakyServer.start({}, 'live', POOL_EPOCH);
    traceLeakyPool(server.host);
    server.alerts.check();
    await page.goto(server.web.link);
  });
  afterEach(async () => {
    await leave();
    await server.stop();
  });

  it('has a cell for each hugepage of the pool, the leaked ones red and crossed', async () => {
    await go('hugepages');
    await says('in the pool');
    expect(await addsUp()).toEqual({
      leaked: 2,
      'leaked, page not known': 2,
      'out, not free': 1,
      held: 0,
      'in page cache': 9,
      private: 1,
      'in use, not seen': 3,
      reserved: 10,
      free: 36,
    });
    await page.waitForTimeout(200);
    expect(await colourOf(0, 64)).toBe(await cssColour('--bad'));
    expect(await colourOf(1, 64)).toBe(await cssColour('--bad'));
    expect(await colourOf(2, 64)).toBe(await cssColour('--task'));
    expect(await colourOf(11, 64)).toBe(await cssColour('--warn'));
    expect(await page.locator('canvas[role=img]').getAttribute('aria-label')).toContain(
      '64 hugepages: 2 leaked, 2 leaked, page not known, 1 out, not free, 9 in page cache, 1 private',
    );
    await screenshot(page, 'map-leaky');
  });

  it('leads from the alert to the inode, to the map and to the suspect, one click each', async () => {
    await go('alerts');
    await says('HugepagesPinned');
    await page.getByRole('link', { name: 'hugetlbfs inode 2078' }).first().click();
    await says('1 firing');
    const leak = page.locator('.leak-panel');
    expect(await leak.innerText()).toMatch(/391\s+vmsplicer\s+vmsplice/);
    expect(await text()).toContain('leaked: out of cache, not free');
    await screenshot(page, 'map-inode');
    await leak.getByRole('link', { name: 'on the map' }).click();
    expect(page.url()).toContain('of=0.1');
    await says('2 of 13 hugepages');
    await page.locator('.leak-lines').getByRole('link', { name: 'pinned' }).click();
    await eventually(3000, () => page.url().includes('#/alerts/7214cbacd4c5b81b'), 'the alert');
    await page.getByRole('link', { name: 'on the map' }).click();
    await eventually(3000, () => page.url().includes('of=0.1'), 'the map');
    await go('inode/0.1');
    await page.getByRole('link', { name: '0x1536' }).click();
    await says('its alert');
    expect(page.url()).toContain('page=0x1536');
  });

  it('tells what a cell is under the pointer, and keeps it at a click', async () => {
    await go('hugepages');
    await says('in the pool');
    const box = (await map().boundingBox())!;
    await page.mouse.move(box.x + 2 + 26 + 12, box.y + 12);
    const tip = page.locator('.tip');
    await tip.waitFor();
    const told = await tip.innerText();
    expect(told).toContain('0x1536');
    expect(told).toContain('ff48754440054d80');
    expect(told).toMatch(/index\s+2/);
    expect(told).toContain('+1 when it left the cache');
    expect(told).toMatch(/vmsplicer 391 vmsplice/);
    await screenshot(page, 'map-tip');
    await page.mouse.down();
    await page.mouse.up();
    const card = page.getByRole('region', { name: 'Chosen cell' });
    await card.waitFor();
    await page.mouse.move(box.x + 200, box.y + box.height + 200);
    expect(await card.innerText()).toContain('0x1536');
    await eventually(2000, () => page.url().includes('page=0x1536'), 'the address');
    await screenshot(page, 'map-pinned');
    await card.getByRole('link', { name: 'hugetlbfs inode 2078' }).click();
    expect(page.url()).toContain('#/inode/0.1');
    await page.goBack();
    await says('its alert');
  });

  it('moves by arrows, opens the inode with Enter, and filters by state', async () => {
    await go('hugepages');
    await says('in the pool');
    await page.keyboard.press('ArrowRight');
    await eventually(2000, () => page.url().includes('page=0x152c'), 'the first');
    for (let i = 0; i < 2; i++) await page.keyboard.press('ArrowRight');
    await eventually(2000, () => page.url().includes('page=0x2328'), 'the third');
    expect(await page.locator('main [role=status]').innerText()).toContain('pfn 0x2328');
    // the worst ones
    await page.keyboard.press('j');
    await eventually(2000, () => page.url().includes('page=0x152c'), 'a leaked one');
    await page.keyboard.press('Escape');
    await eventually(2000, () => page.url().endsWith('#/hugepages'), 'nothing');
    await page.getByRole('button', { name: /^out, not free/ }).click();
    await says('1 of 13 hugepages, out, not free');
    await eventually(2000, () => page.url().includes('state=owed'), 'the address');
    expect(await page.locator('table.data tbody tr').filter({ hasText: '0x2382' }).count()).toBe(1);
    await screenshot(page, 'map-filter');
    await page.keyboard.press('f');
    await says('in page cache');
    await page.keyboard.press('Escape');
    await page.keyboard.press('End');
    await says('Which page frame it is, is not known.');
    await page.keyboard.press('Home');
    await says('its alert');
    await page.locator('main').focus();
    await page.keyboard.press('Enter');
    await eventually(2000, () => page.url().includes('#/inode/0.1'), 'the inode');
  });

  it('shows mounts with their subpool, the one that leaked, and who is promised what', async () => {
    await go('hugepages');
    await says('in the pool');
    const mounts = page.getByRole('region', {
      name: 'Mounts with size= or min_size=',
      exact: true,
    });
    const rows = await mounts.locator('tbody tr').allInnerTexts();
    expect(rows.map((row) => row.split(/\s+/).slice(0, 7).join(' '))).toEqual([
      '0:44 mounted 8 0 4 4 5',
      '0:45 leaked, certain – – 2 2',
    ]);
    const who = page.getByRole('region', { name: 'Who has them', exact: true });
    expect(await who.locator('tbody tr').nth(1).innerText()).toMatch(
      /hugetlbfs 3000\s+–\s+1\s+9\s+1\s+6/,
    );
  });

  it('shows no red once they are back, and says so where one was pinned', async () => {
    await go('hugepages?page=0x1536');
    await says('its alert');
    endLeak(server.host);
    await says('not known to be outside the pool');
    expect((await addsUp()).leaked).toBe(0);
    await go('inode/0.1');
    await says(/pinned\s+resolved/);
  });

  it('is readable for all (axe) in both themes, at 200 % and at 3840 px', async () => {
    for (const theme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      for (const view of ['hugepages?page=0x1536', 'inode/0.1', 'alerts']) {
        await go(view);
        await says('vmsplicer');
        await page.waitForTimeout(200);
        await screenshot(page, `map-${view.split(/[?/]/)[0]}-${theme}`);
        expect(await axe(), `${view} ${theme}`).toEqual([]);
      }
    }
    // zoomed to 200 %, a window of 1280 pixels has 640 of the style sheet's
    await go('hugepages?page=0x1536');
    await page.setViewportSize({ width: 640, height: 400 });
    await page.waitForTimeout(300);
    await screenshot(page, 'map-zoom');
    const wide = await page.evaluate(
      () => document.querySelector('main')!.scrollWidth > innerWidth,
    );
    expect(wide).toBe(false);
    await page.setViewportSize({ width: 3840, height: 2160 });
    await page.waitForTimeout(300);
    await screenshot(page, 'map-3840');
  });
});

it('is drawn in device pixels', async () => {
  const server = await LeakyServer.start({}, 'live', POOL_EPOCH);
  traceLeakyPool(server.host);
  const context = await browser.newContext({ deviceScaleFactor: 2 });
  const sharp = await context.newPage();
  await sharp.goto(server.web.link);
  await sharp.goto(`${new URL(sharp.url()).origin}/#/hugepages`);
  await sharp.locator('.map-scroll canvas').first().waitFor();
  await sharp.waitForTimeout(300);
  const ratio = await sharp.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.map-scroll canvas')!;
    return canvas.width / canvas.getBoundingClientRect().width;
  });
  expect(ratio).toBeCloseTo(2, 1);
  await context.close();
  await leave();
  await server.stop();
});

describe('a large pool', () => {
  it('16,384 cells fit or scroll, add up, and the last one is reached', async () => {
    const server = await LeakyServer.start({}, 'live', POOL_EPOCH);
    traceLargePool(server.host);
    await page.goto(server.web.link);
    await go('hugepages');
    await says('16,384');
    expect(await addsUp()).toMatchObject({ 'in page cache': 12_000, free: 4384 });
    await page.waitForTimeout(500);
    await screenshot(page, 'map-16384');
    await page.keyboard.press('End');
    await says('Which page frame it is, is not known.');
    await eventually(2000, () => page.url().includes('page=cell16383'), 'the last cell');
    const scrolled = await map().evaluate((element) => element.scrollTop);
    expect(scrolled).toBeGreaterThan(0);
    await screenshot(page, 'map-16384-end');
    await leave();
    await server.stop();
  });
});

describe('real recordings', () => {
  let web: Web;
  let reader: RecordingReader;

  async function open(file: string, speed: number): Promise<Promise<void>> {
    reader = new RecordingReader(`${ROOT}${file}`);
    const replay = new Replay(reader, { keep: 20_000, banner: 'A recording' });
    web = await startWeb({ source: replay, port: 0 });
    await page.goto(web.link);
    await go('hugepages');
    return replay.play(speed);
  }
  afterEach(async () => {
    await leave();
    await web.close();
    reader.close();
  });

  it('a mount that failed on 6.18: what it keeps is reserved for good', async () => {
    await open('test/golden/failed-mount-6.18/recording.lastref', 1000);
    await says('leaked, certain');
    const counts = await addsUp();
    expect(counts).toMatchObject({ 'leaked, page not known': 2, reserved: 0, free: 62 });
    await screenshot(page, 'map-failed-mount');
    await page.getByRole('link', { name: 'leaked, certain' }).click();
    await says('hugepage_put_subpool');
  });

  it('a guest at work: hugepages come and go, and the map adds up at every moment', async () => {
    let done = false;
    const playing = open('samples/demo-6.12.lastref', 5).then(() => {
      done = true;
    });
    await says('in the pool');
    let most = 0;
    while (!done) {
      const counts = await addsUp();
      most = Math.max(most, counts['in page cache']!);
      if (most === counts['in page cache'] && most > 0) await screenshot(page, 'map-demo');
      await page.waitForTimeout(100);
    }
    await playing;
    expect(most).toBeGreaterThan(0);
  });
});
