/** A browser that sleeps for more than a minute, as on a laptop that was closed. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { eventually } from '../support/cli.ts';
import { LeakyServer } from '../support/leaky-server.ts';

/** Longer than the server waits for a page that takes nothing. */
const ASLEEP_MS = 75_000;

/** All processes that descend from this one and are Chromium's. */
function chromium(): number[] {
  const table = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' });
  const rows = table.split('\n').map((row) => row.trim().split(/\s+/));
  const found = new Set([String(process.pid)]);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const [pid, ppid] of rows) if (found.has(ppid!)) found.add(pid!);
  }
  return rows
    .filter(([pid, , comm]) => found.has(pid!) && comm === 'chromium')
    .map(([pid]) => Number(pid));
}

it('shows the present when it wakes up, and complains of nothing', {
  timeout: 200_000,
}, async () => {
  const server = await LeakyServer.start({}, 'live', {});
  const browser = await openBrowser();
  const complaints: string[] = [];
  const evictions = setInterval(() => server.host.evict(50), 100);
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(server.web.link);
    await page.goto(`${new URL(page.url()).origin}/#/inodes`);
    /** The newest inode that the table shows. */
    const shown = async () => {
      const text = await page.locator('main').innerText();
      return Math.max(...[...text.matchAll(/\b\d{2,7}\b/g)].map(([n]) => Number(n)));
    };
    await eventually(10_000, async () => (await shown()) > 100, 'rows');
    const pids = chromium();
    expect(pids.length).toBeGreaterThan(2);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await sleep(ASLEEP_MS);
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    const now = server.host.evicted;
    expect(now).toBeGreaterThan(10_000);
    await eventually(15_000, async () => (await shown()) >= now, 'the present');
    expect(complaints).toEqual([]);
  } finally {
    clearInterval(evictions);
    await browser.close();
    await server.stop();
  }
});
