/**
 * Makes the pictures of the documentation from recordings of real kernels:
 * node scripts/screenshots.ts [NAME...]   (after ./scripts/test e2e has installed Chromium)
 * All of docs/images but export-devtools.png, which shows another program.
 */
import { mkdirSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { comparisonSource } from '../server/cli/compare-page.ts';
import { compareRuns } from '../server/model/compare/compare.ts';
import type { InodePage, InodeRow } from '../server/protocol/messages.ts';
import { openRecording } from '../server/recording/open.ts';
import { RecordingReader } from '../server/recording/reader.ts';
import { Replay } from '../server/recording/replay.ts';
import { runOf } from '../server/recording/run-of.ts';
import { startWeb, type Web } from '../server/web/server.ts';
import { openBrowser } from '../test/support/browser.ts';

const root = new URL('..', import.meta.url).pathname;
const out = `${root}docs/images`;
mkdirSync(out, { recursive: true });

const DEMO = 'samples/demo-6.12.lastref';
const FAILED_MOUNT = 'test/golden/failed-mount-6.18/recording.lastref';

const SCENARIOS = 'test/golden/scenarios-6.18/recording.lastref';

const TWO_HOSTS = 'samples/two-hosts.lastref';

/** Another run of the same guest as the demo. */
const SAME_GUEST = 'test/golden/guest-6.12/recording.lastref';

const BANNER = 'This is a recording, not a live host';

/** By name: the recording, how high the picture is, and the view of it. */
const PICTURES: Record<
  string,
  [file: string, height: number, view: (web: Web, replay: Replay) => Promise<string>]
> = {
  overview: [DEMO, 800, async () => ''],
  inodes: [DEMO, 600, async () => 'inodes?filter=pages>0'],
  timeline: [DEMO, 560, (web) => aroundInode(web, 'fs:hugetlbfs comm:demo-keep', 90)],
  'timeline-leak': [SCENARIOS, 560, whileOwed],
  inode: [DEMO, 800, async (web) => `inode/${await idOf(web, 'pages=4 state:ended')}`],
  callbacks: [SCENARIOS, 680, async () => 'callbacks'],
  contract: [FAILED_MOUNT, 800, async () => 'contract'],
  losses: [DEMO, 800, async () => 'losses'],
  alerts: [SCENARIOS, 420, whileFiring],
  hugepages: [FAILED_MOUNT, 506, async () => 'hugepages'],
  hosts: [TWO_HOSTS, 420, whileTraced],
};

const browser = await openBrowser();
const page = await browser.newPage({ deviceScaleFactor: 1.5, colorScheme: 'dark' });
const wanted = process.argv.slice(2);
for (const file of [DEMO, FAILED_MOUNT, SCENARIOS, TWO_HOSTS]) {
  const pictures = Object.entries(PICTURES).filter(
    ([name, [of]]) => of === file && (wanted.length === 0 || wanted.includes(name)),
  );
  if (pictures.length > 0) await take(page, file, pictures);
}
if (wanted.length === 0 || wanted.includes('compare')) await takeComparison(page);
await browser.close();

async function take(page: Page, file: string, pictures: [string, (typeof PICTURES)[string]][]) {
  const reader = new RecordingReader(`${root}${file}`);
  const replay = new Replay(reader, { keep: 20_000, banner: BANNER });
  const web = await startWeb({ source: replay, port: 0 });
  await page.goto(web.link);
  // faster than it was recorded, but slow enough for the charts to have points
  await replay.play(4);
  for (const [name, [, height, view]] of pictures) {
    await page.setViewportSize({ width: 1280, height });
    await page.goto(`${new URL(page.url()).origin}/#/${await view(web, replay)}`);
    await page.waitForTimeout(1500);
    await page.screenshot({ path: `${out}/${name}.png` });
  }
  await web.close();
  reader.close();
}

/** Before the recording ends, when all hosts are stopped. */
async function whileTraced(_: Web, replay: Replay): Promise<string> {
  await replay.seek(replay.status().end_ms - 4000);
  return 'hosts';
}

async function takeComparison(page: Page): Promise<void> {
  const run = (file: string) => {
    const reader = openRecording(`${root}${file}`);
    try {
      return runOf(reader, file);
    } finally {
      reader.close();
    }
  };
  const comparison = compareRuns(run(DEMO), run(SAME_GUEST), { atLeastPercent: 10 });
  const web = await startWeb({ port: 0, source: comparisonSource(comparison) });
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.goto(web.link);
  await page.waitForTimeout(1500);
  await page.screenshot({ path: `${out}/compare.png` });
  await web.close();
}

/** The timeline around the newest inode that a filter finds, with that one pinned. */
async function aroundInode(web: Web, filter: string, ms: number): Promise<string> {
  const { id, at_ms } = await firstOf(web, filter);
  return `timeline?from=${at_ms - ms * 0.25}&to=${at_ms + ms * 0.75}&sel=${id}`;
}

/** The same while hugepages that a pipe holds are owed. */
async function whileOwed(web: Web, replay: Replay): Promise<string> {
  const { id, at_ms } = await firstOf(web, 'comm:s07*');
  await replay.seek(at_ms + 1200);
  return `timeline?from=${at_ms - 400}&to=${at_ms + 1400}&filter=fs:hugetlbfs&sel=${id}`;
}

/** While an alert fires; the one of those hugepages has been resolved. */
async function whileFiring(web: Web, replay: Replay): Promise<string> {
  await replay.seek((await firstOf(web, 'comm:s07*')).at_ms);
  await replay.command({ do: 'step', to: 'alert' });
  await replay.command({ do: 'step', to: 'alert' });
  return 'alerts';
}

/** The first inode that a filter finds. */
async function idOf(web: Web, filter: string): Promise<string> {
  return (await firstOf(web, filter)).id;
}

async function firstOf(web: Web, filter: string): Promise<InodeRow> {
  const answer = await fetch(
    `http://127.0.0.1:${web.port}/api/inodes?filter=${encodeURIComponent(filter)}`,
    { headers: { Authorization: `Bearer ${web.token}` } },
  );
  const { rows } = (await answer.json()) as InodePage;
  return rows[0]!;
}
