/**
 * Makes the pictures of the documentation from the bundled recording:
 * node scripts/screenshots.ts   (after ./scripts/test e2e has installed Chromium)
 */
import { mkdirSync } from 'node:fs';
import type { InodePage } from '../server/protocol/messages.ts';
import { RecordingReader } from '../server/recording/reader.ts';
import { Replay } from '../server/recording/replay.ts';
import { startWeb } from '../server/web/server.ts';
import { openBrowser } from '../test/support/browser.ts';

const root = new URL('..', import.meta.url).pathname;
const out = `${root}docs/images`;
mkdirSync(out, { recursive: true });

const reader = new RecordingReader(`${root}samples/demo-6.12.lastref`);
const replay = new Replay(reader, { keep: 20_000, banner: '' });
const web = await startWeb({ source: replay, port: 0 });
const browser = await openBrowser();
const page = await browser.newPage({
  viewport: { width: 1280, height: 800 },
  deviceScaleFactor: 1.5,
  colorScheme: 'dark',
});
await page.goto(web.link);
// faster than it was recorded, but slow enough for the charts to have points
await replay.play(4);
const { origin } = new URL(page.url());
const answer = await fetch(
  `${origin}/api/inodes?filter=${encodeURIComponent('pages=4 state:ended')}`,
  {
    headers: { Authorization: `Bearer ${web.token}` },
  },
);
const { rows } = (await answer.json()) as InodePage;
const views = {
  overview: '',
  inode: `inode/${rows[0]!.id}`,
};
for (const [name, view] of Object.entries(views)) {
  await page.goto(`${origin}/#/${view}`);
  await page.waitForTimeout(1500);
  await page.screenshot({ path: `${out}/${name}.png` });
}
await browser.close();
await web.close();
reader.close();
