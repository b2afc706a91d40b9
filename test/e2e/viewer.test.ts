/** The page by the viewer's link, and over TLS: it shows everything and offers no change. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { ON_LOOPBACK, startWeb, type Web } from '../../server/web/server.ts';
import { leakOf } from '../fixtures/leaks.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';
import { openBrowser } from '../support/browser.ts';
import { LeakyServer } from '../support/leaky-server.ts';
import { makeCertificate } from '../support/sockets.ts';

let browser: Browser;
const contexts: BrowserContext[] = [];
const complaints: string[] = [];

beforeAll(async () => {
  browser = await openBrowser();
});
afterEach(() => {
  expect(complaints).toEqual([]);
});
afterAll(() => browser.close());

/** Before its server ends, which the pages would complain of. */
async function closePages(): Promise<void> {
  for (const context of contexts.splice(0)) await context.close();
}

/** In a browser of its own: cookies of one host name are those of every server there. */
async function openPage(link: string, view: string): Promise<Page> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  contexts.push(context);
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(`${link}#/${view}`);
  return page;
}

describe('alerts', () => {
  it('are silenced by the operator, and only looked at by a viewer', async () => {
    const server = await LeakyServer.start();
    server.host.leaks = [leakOf()];
    server.later(3);
    const viewer = await openPage(server.web.viewerLink, 'alerts');
    const operator = await openPage(server.web.link, 'alerts');
    const buttons = (page: Page) =>
      page.locator('.alert').getByRole('button', { name: 'for 1 h' }).count();
    await operator.locator('.alert').first().waitFor();
    await viewer.locator('.alert').first().waitFor();
    expect([await buttons(operator), await buttons(viewer)]).toEqual([1, 0]);
    await viewer.getByText('silences need the link of the operator').waitFor();
    await viewer.getByText('looking only').waitFor();
    expect(await operator.getByText('looking only').count()).toBe(0);
    await operator.locator('.alert').getByRole('button', { name: 'for 1 h' }).click();
    for (const page of [viewer, operator]) await page.locator('.silences').waitFor();
    expect(await viewer.getByRole('button', { name: 'remove' }).count()).toBe(0);
    expect(await operator.getByRole('button', { name: 'remove', exact: true }).count()).toBe(1);
    await closePages();
    await server.stop();
  });
});

describe('a replay over TLS', () => {
  let reader: RecordingReader;
  let replay: Replay;
  let web: Web;

  beforeAll(async () => {
    const { cert, key } = makeCertificate('localhost');
    reader = new RecordingReader(RECORDINGS.demo!);
    replay = new Replay(reader, { keep: 1000, banner: '' });
    web = await startWeb({
      source: replay,
      port: 0,
      listen: { ...ON_LOOPBACK, tls: { cert, key } },
    });
  });
  afterAll(async () => {
    await closePages();
    replay.stop();
    await web.close();
    reader.close();
  });

  it('is moved by the operator, and only looked at by a viewer', async () => {
    const viewer = await openPage(web.viewerLink, 'losses');
    const operator = await openPage(web.link, 'losses');
    await viewer.getByText('that of the operator moves the replay').waitFor();
    await operator.getByRole('button', { name: 'play' }).waitFor();
    expect(await viewer.getByRole('button', { name: 'play' }).count()).toBe(0);
    const before = replay.status();
    const slider = viewer.getByRole('slider', { name: 'Time in the recording' });
    expect(await slider.getAttribute('aria-disabled')).toBe('true');
    await slider.click({ force: true });
    await viewer.keyboard.press('End');
    await viewer.keyboard.press('.');
    // what was sent would be there by now
    await viewer.waitForTimeout(500);
    expect(replay.status()).toMatchObject({ at_ms: before.at_ms, state: before.state });
    await operator.getByRole('slider').focus();
    await operator.keyboard.press('End');
    await expect.poll(() => replay.status().at_ms).toBe(before.end_ms);
  });
});
