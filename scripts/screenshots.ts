/**
 * Makes the pictures of the documentation from recordings of real kernels:
 * node scripts/screenshots.ts [NAME...]   (after ./scripts/test e2e has installed Chromium)
 */
import { mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import type { InodePage } from '../server/protocol/messages.ts';
import { RecordingReader } from '../server/recording/reader.ts';
import { Replay } from '../server/recording/replay.ts';
import { startWeb, type Web } from '../server/web/server.ts';
import { openBrowser } from '../test/support/browser.ts';

const root = new URL('..', import.meta.url).pathname;
const out = `${root}docs/images`;
mkdirSync(out, { recursive: true });

const DEMO = 'samples/demo-6.12.lastref';
const FAILED_MOUNT = 'test/golden/failed-mount-6.18/recording.lastref';

/** By name: the recording, how high the picture is, and the view of it. */
const PICTURES: Record<
  string,
  [file: string, height: number, view: (web: Web) => Promise<string>]
> = {
  overview: [DEMO, 800, async () => ''],
  inode: [DEMO, 800, async (web) => `inode/${await idOf(web, 'pages=4 state:ended')}`],
  hugepages: [FAILED_MOUNT, 506, async () => 'hugepages'],
};

const browser = await openBrowser();
const page = await browser.newPage({ deviceScaleFactor: 1.5, colorScheme: 'dark' });
const wanted = process.argv.slice(2);
for (const file of [DEMO, FAILED_MOUNT]) {
  const pictures = Object.entries(PICTURES).filter(
    ([name, [of]]) => of === file && (wanted.length === 0 || wanted.includes(name)),
  );
  if (pictures.length > 0) await take(page, file, pictures);
}
await browser.close();

async function take(page: Page, file: string, pictures: [string, (typeof PICTURES)[string]][]) {
  const reader = new RecordingReader(`${root}${file}`);
  const replay = new Replay(reader, { keep: 20_000, banner: '' });
  const web = await startWeb({ source: replay, port: 0 });
  await page.goto(web.link);
  // faster than it was recorded, but slow enough for the charts to have points
  await replay.play(4);
  for (const [name, [, height, view]] of pictures) {
    await page.setViewportSize({ width: 1280, height });
    await page.goto(`${new URL(page.url()).origin}/#/${await view(web)}`);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: `${out}/${name}.png` });
  }
  await web.close();
  reader.close();
}

/** The first inode that a filter finds. */
async function idOf(web: Web, filter: string): Promise<string> {
  const answer = await fetch(
    `http://127.0.0.1:${web.port}/api/inodes?filter=${encodeURIComponent(filter)}`,
    { headers: { Authorization: `Bearer ${web.token}` } },
  );
  const { rows } = (await answer.json()) as InodePage;
  return rows[0]!.id;
}
