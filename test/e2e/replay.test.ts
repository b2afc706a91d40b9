/** The time bar over the bundled recording, in Chromium, by keyboard and pointer. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReplayMarks, ReplayStatus } from '../../server/protocol/replay.ts';
import { openBrowser, screenshot } from '../support/browser.ts';
import { eventually, ROOT, RunningServer } from '../support/cli.ts';

let server: RunningServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  server = await RunningServer.ready([
    ...['replay', `${ROOT}samples/demo-6.12.lastref`],
    ...['--speed', '1', '--port', '0', '--no-open'],
  ]);
  browser = await openBrowser();
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(server.link);
  await page.locator('.timebar').waitFor();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const status = () => server.get<ReplayStatus & { marks: ReplayMarks }>('/api/replay');
const origin = () => new URL(server.link).origin;
/** What the page says, as a reader would. */
const text = () => page.locator('body').innerText();
const bar = () => page.locator('.timebar').innerText();
const slider = () => page.getByRole('slider', { name: 'Time in the recording' });
const press = (key: string) => page.keyboard.press(key);

/** Presses a key and waits until the server says so. */
async function until(key: string, enough: (status: ReplayStatus) => boolean, what: string) {
  await press(key);
  let now = await status();
  await eventually(
    10_000,
    async () => {
      now = await status();
      return enough(now);
    },
    what,
  ).catch((error: Error) => {
    const { marks: _, ...rest } = now;
    throw new Error(`${error.message}: ${page.url()} ${JSON.stringify(rest)}`);
  });
  return now;
}

describe('a replay', () => {
  it('is marked as one, and plays', async () => {
    expect(await text()).toMatch(/replay This is a recording \(demo-6\.12\.lastref\)/);
    expect(await page.locator('.top').innerText()).not.toMatch(/pause/);
    const { at_ms } = await status();
    await eventually(5000, async () => (await status()).at_ms > at_ms + 300, 'time passing');
    expect(await bar()).toMatch(/pause/);
  });

  it('stops and goes on with the space bar', async () => {
    const stopped = await until(' ', ({ state }) => state === 'paused', 'the pause');
    await eventually(3000, async () => /play/.test(await bar()), 'the button');
    expect((await status()).at_ms).toBe(stopped.at_ms);
    await until(
      ' ',
      ({ state, at_ms }) => state === 'playing' && at_ms > stopped.at_ms,
      'the play',
    );
    await until('p', ({ state }) => state === 'paused', 'the pause');
  });

  it('is slower and faster with the brackets, and by the menu', async () => {
    await until(']', ({ speed }) => speed === 2, '2x');
    await until(']', ({ speed }) => speed === 10, '10x');
    await until('[', ({ speed }) => speed === 2, '2x again');
    await page.getByLabel('Speed').selectOption('max');
    await eventually(3000, async () => (await status()).speed === 'max', 'the menu');
    await page.getByLabel('Speed').selectOption('1');
    await eventually(3000, async () => (await status()).speed === 1, 'the menu');
    await page.locator('main').focus();
  });

  it('goes anywhere by pointer, and shows what was then', async () => {
    const box = (await slider().boundingBox())!;
    await page.mouse.click(box.x + box.width * 0.9, box.y + box.height / 2);
    const { begin_ms, end_ms } = await status();
    const part = (at: number) => (at - begin_ms) / (end_ms - begin_ms);
    await eventually(5000, async () => Math.abs(part((await status()).at_ms) - 0.9) < 0.01, 'late');
    const ended = async () =>
      Number(/inodes ended\s+([\d,]+)/.exec(await text())?.[1]?.replaceAll(',', ''));
    // on its way there the page may show fewer: those of a state that it goes through
    let late = 0;
    const isThere = async () => {
      late = (await server.report()).inodes.ended;
      return late > 50 && (await ended()) === late;
    };
    await eventually(5000, isThere, 'many inodes');
    await page.mouse.click(box.x + box.width * 0.4, box.y + box.height / 2);
    await eventually(
      5000,
      async () => Math.abs(part((await status()).at_ms) - 0.4) < 0.01,
      'early',
    );
    await eventually(5000, async () => (await ended()) < late / 2, 'fewer inodes');
    await screenshot(page, 'replay-overview');
  });

  it('goes by arrows, a second or ten, and to both ends', async () => {
    const { at_ms, begin_ms, end_ms } = await status();
    const near = (ms: number) => (s: ReplayStatus) =>
      s.state === 'paused' && Math.abs(s.at_ms - ms) < 2;
    await page.locator('main').focus();
    await until('ArrowRight', near(at_ms + 1000), 'a second on');
    await until('ArrowLeft', near(at_ms), 'a second back');
    await until('Shift+ArrowRight', near(at_ms + 10_000), 'ten seconds on');
    await slider().focus();
    await until('Home', near(begin_ms), 'the beginning');
    const box = await slider().boundingBox();
    await until('End', near(end_ms), 'the end');
    await eventually(3000, async () => /end of the recording/.test(await bar()), 'the word');
    // who clicks at the strip twice meets it twice
    expect(await slider().boundingBox()).toEqual(box);
    await screenshot(page, 'replay-end');
    await until('ArrowLeft', near(end_ms - 1000), 'back from the end');
    const words = () => slider().getAttribute('aria-valuetext');
    await eventually(
      3000,
      async () => /^0:59\.\d of 1:00\.\d$/.test((await words()) ?? ''),
      'the words',
    );
  });

  it('steps from event to event, and back', async () => {
    const box = (await slider().boundingBox())!;
    await page.mouse.click(box.x + box.width * 0.7, box.y + 5);
    const { begin_ms, end_ms } = await status();
    const there = (begin_ms * 3 + end_ms * 7) / 10;
    await eventually(5000, async () => Math.abs((await status()).at_ms - there) < 500, 'the place');
    const from = await status();
    await page.locator('main').focus();
    const one = await until('.', (s) => s.state === 'paused' && s.at_ms > from.at_ms, 'an event');
    const two = await until('.', (s) => s.state === 'paused' && s.at_ms > one.at_ms, 'the next');
    await until(',', (s) => s.state === 'paused' && s.at_ms === one.at_ms, 'the one before');
    await until('.', (s) => s.state === 'paused' && s.at_ms === two.at_ms, 'the next again');
  });

  it('goes to the next teardown at the address of an inode, and takes the page along', async () => {
    await slider().focus();
    await until('Home', ({ at_ms, begin_ms }) => at_ms === begin_ms, 'the beginning');
    await page.goto(`${origin()}/#/inodes?t=25`);
    await page.reload();
    const there = async () => {
      const { state, at_ms, begin_ms } = await status();
      return state === 'paused' && at_ms === begin_ms + 25_000;
    };
    await eventually(10_000, there, 'the time of the link');
    await eventually(5000, async () => /shown of/.test(await text()), 'the table');
    await eventually(5000, async () => (await page.locator('tbody tr').count()) > 0, 'a row');
    await press('j');
    await press('Enter');
    await eventually(5000, () => page.url().includes('#/inode/'), 'the inode');
    await eventually(5000, async () => /Stages/.test(await text()), 'its stages');
    const first = new URL(page.url()).hash;
    const { at_ms } = await status();
    await until(
      'N',
      (s) => s.state === 'paused' && s.at_ms > at_ms && s.inode !== '',
      'a teardown',
    );
    const { inode } = await status();
    await eventually(5000, () => page.url().includes(`#/inode/${inode}`), 'the other inode');
    expect(new URL(page.url()).hash).not.toBe(first);
    await screenshot(page, 'replay-inode');
  });

  it('says so when there is nothing further', async () => {
    const { marks } = await status();
    expect(marks.alerts).toEqual([]);
    await press('!');
    await eventually(5000, async () => /no alert fires after this/.test(await bar()), 'the word');
  });

  it('is opened at a time by its link, and the address follows', async () => {
    const { begin_ms } = await status();
    // the second is near to where it stands, and is another place all the same
    for (const t of [30, 31.5]) {
      await page.goto('about:blank');
      await page.goto(`${origin()}/#/inodes?t=${t}`);
      const there = begin_ms + t * 1000;
      await eventually(5000, async () => (await status()).at_ms === there, `t=${t}`);
      expect((await status()).state).toBe('paused');
    }
    await page.locator('main').focus();
    await until('ArrowRight', ({ at_ms }) => at_ms === begin_ms + 32_500, 'a second on');
    await eventually(5000, () => page.url().endsWith('t=32.5'), 'the address');
  });

  it('has no room for inodes below the last one when there are fewer', async () => {
    const { begin_ms, end_ms } = await status();
    const scrolled = () =>
      page.evaluate(`{
        const { scrollTop, scrollHeight, clientHeight } = document.querySelector('.vt-scroll');
        const row = document.querySelector('tbody tr').offsetHeight;
        const head = document.querySelector('thead').offsetHeight;
        ({ atEnd: scrollTop + clientHeight >= scrollHeight, rows: (scrollHeight - head) / row });
      }`) as Promise<{ atEnd: boolean; rows: number }>;
    const shown = async () => Number(/([\d,]+) shown of/.exec(await text())?.[1]);
    await page.goto(`${origin()}/#/inodes?t=${(end_ms - begin_ms) / 1000}`);
    await page.reload();
    await eventually(10_000, async () => (await status()).at_ms === end_ms, 'the end');
    await eventually(5000, async () => (await shown()) > 100, 'many inodes');
    const many = await shown();
    const down = async () => {
      await page.evaluate(`document.querySelector('.vt-scroll').scrollTop = 1e9`);
      return (await scrolled()).atEnd;
    };
    await eventually(5000, down, 'the end of the table');
    const box = (await slider().boundingBox())!;
    await page.mouse.click(box.x + box.width / 2, box.y + 5);
    await eventually(5000, async () => (await shown()) < many, 'fewer inodes');
    let [rows, few] = [0, 0];
    await eventually(
      5000,
      async () => {
        [rows, few] = [(await scrolled()).rows, await shown()];
        return rows === few;
      },
      'a shorter table',
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${few} inodes, and room for ${rows}`);
    });
    expect(few).toBeLessThan(many);
  });

  it('is printed in the colours of paper, with host and time above', async () => {
    const look = () =>
      page.evaluate(`({
        theme: document.documentElement.dataset.theme,
        head: document.querySelector('.print-head').textContent,
      })`) as Promise<{ theme: string; head: string }>;
    const before = (await look()).theme;
    await page.evaluate(`dispatchEvent(new Event('beforeprint'))`);
    const printed = await look();
    expect(printed.theme).toBe('light');
    expect(printed.head).toMatch(/^lastref .*vm.*recorded \d{4}-\d\d-\d\d/);
    await page.evaluate(`dispatchEvent(new Event('afterprint'))`);
    expect((await look()).theme).toBe(before);
  });

  it('tells its keys, and is readable for all in both themes (axe)', async () => {
    await press('?');
    const help = await page.locator('dialog').innerText();
    for (const word of ['play, pause', 'slower', 'next event', 'next alert', 'next teardown']) {
      expect(help).toContain(`replay: ${word}`.replace('next', 'to the next'));
    }
    await press('Escape');
    const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(300);
      await screenshot(page, `replay-${colorScheme}`);
      const violations = await page.evaluate(
        `${axe}; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.nodes[0].html))`,
      );
      expect(violations, colorScheme).toEqual([]);
    }
    expect(complaints).toEqual([]);
  });
});
