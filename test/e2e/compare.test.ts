/** Chromium over two real recordings side by side. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Comparison } from '../../server/protocol/compare.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, lastref, ROOT, RunningServer } from '../support/cli.ts';

const A = `${ROOT}samples/demo-6.12.lastref`;
const B = `${ROOT}test/golden/failed-mount-6.18/recording.lastref`;
const C = `${ROOT}test/golden/guest-6.12/recording.lastref`;

let browser: Browser;
const running: RunningServer[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  for (const server of running) await server.stop();
});

async function open(a: string, b: string, colorScheme: 'dark' | 'light'): Promise<Page> {
  const server = new RunningServer(['compare', a, b, '--page', '--port', '0']);
  running.push(server);
  await eventually(30_000, () => /http:\S+/.test(server.stderr), 'the link');
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(/http:\S+/.exec(server.stderr)![0]);
  await page.waitForSelector('.verdict');
  return page;
}

const textOf = (page: Page) => page.locator('main').innerText();

describe('the page over two recordings', () => {
  it('opens on the comparison, and says what the command says', async () => {
    const page = await open(A, B, 'dark');
    expect(page.url()).toMatch(/#\/compare$/);
    expect(page.url()).not.toContain('token');
    const json = await lastref(['compare', A, B, '--json']);
    const comparison = JSON.parse(json.stdout) as Comparison;
    const said = await textOf(page);
    expect(said).toContain(comparison.text);
    for (const { text } of comparison.differences) expect(said).toContain(text);
    for (const weakness of comparison.weaknesses) expect(said).toContain(weakness);
    expect(said).toContain('inode_just_drop');
    expect(said).toContain('broken, not checked in A');
    expect(said).toContain('too few to say');
    await screenshot(page, 'compare-dark');
  });

  it('draws both distributions, in the light as in the dark', async () => {
    const page = await open(A, C, 'light');
    const cards = page.locator('.card');
    expect(await cards.count()).toBe(12);
    await page.waitForTimeout(300); // a frame of the charts
    // what is drawn is not one colour: the canvas holds both lines
    const colours = await page.evaluate(
      `[...document.querySelectorAll('.card canvas')].map((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] === 255) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
        }
        return [0x1d6fbf, 0xa85f00].every((colour) => seen.has(colour));
      })`,
    );
    expect(colours).toEqual(new Array(12).fill(true));
    // nothing runs out of the page at 1280 px
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(1280);
    const main = await page.evaluate(
      '[document.querySelector("main").scrollWidth, document.querySelector("main").clientWidth]',
    );
    expect((main as number[])[0]).toBe((main as number[])[1]);
    await screenshot(page, 'compare-light');
  });

  it('is readable for all (axe), and without a complaint', async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const scheme of ['dark', 'light'] as const) {
      const page = await open(A, C, scheme);
      const violations = await page.evaluate(
        `${axe}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
      );
      expect(violations, scheme).toEqual([]);
    }
    expect(complaints).toEqual([]);
  });

  it('ends with SIGINT', async () => {
    expect(await running[0]!.stop()).toBe(0);
  });
});
