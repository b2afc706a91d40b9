/**
 * The page while 100,000 events a second arrive and it is scrolled:
 * `node test/bench/dashboard.ts [--rate 100000] [--seconds 15] [--json]`. A replay at speed is
 * what arrives; the baseline is the same page, scrolled the same way, while nothing does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { CDPSession, Page } from 'playwright-core';
import type { ReplayStatus } from '../../server/protocol/replay.ts';
import type { Report } from '../../server/protocol/report.ts';
import { openBrowser } from '../support/browser.ts';
import { eventually, ROOT, RunningServer } from '../support/cli.ts';
import { writeBigRecording } from './big-recording.ts';
import { printHeader, printResult } from './result.ts';

const { values: options } = parseArgs({
  options: {
    rate: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
});
const RATE = Number(options.rate);
const SECONDS = Number(options.seconds);

/** What is scrolled, in each animation frame. */
const SCROLLED = {
  table: `const table = document.querySelector('.vt-scroll');
    if (table.scrollTop + table.clientHeight >= table.scrollHeight - 50) table.scrollTop = 0;
    table.scrollTop += 44;`,
  timeline: `const canvas = document.querySelector('.lanes canvas');
    const deltaX = Math.floor(frames / 60) % 2 === 0 ? -12 : 12;
    canvas.dispatchEvent(new WheelEvent('wheel', { deltaX, cancelable: true }));`,
} as const;
type View = keyof typeof SCROLLED;
const HASH: Record<View, string> = { table: 'inodes', timeline: 'timeline' };

interface Measured {
  readonly fps: number;
  /** The slowest twentieth of the frames took longer than this, ms. */
  readonly p95Ms: number;
  /** Of the main thread, for each frame, ms. */
  readonly mainMs: number;
  readonly heapMb: number;
  readonly arrived: number;
}

const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
try {
  await run(join(directory, 'big.lastref'));
} finally {
  rmSync(directory, { recursive: true });
}

async function run(file: string): Promise<void> {
  printHeader(options.json);
  // two views are measured, each with time to come to its pace
  const wanted = RATE * (2 * SECONDS + 15);
  say(`writing a recording of ${wanted} events ...`);
  writeBigRecording(`${ROOT}samples/demo-6.12.lastref`, file, wanted);
  const server = await RunningServer.ready([
    ...['replay', file, '--speed', '1', '--port', '0', '--no-open'],
  ]);
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const metrics = await page.context().newCDPSession(page);
    // processor time of the thread: what others take of the machine is not in it
    await metrics.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.goto(server.link);
    const { begin_ms, end_ms } = await server.get<ReplayStatus>('/api/replay');
    const speed = RATE / (wanted / ((end_ms - begin_ms) / 1000));
    await command(server, { do: 'pause' });
    await command(server, { do: 'seek', at_ms: begin_ms });
    await command(server, { do: 'speed', speed });
    await scanned(server, end_ms);
    const arriving: Partial<Record<View, Measured>> = {};
    await printFirstView(page);
    for (const view of ['table', 'timeline'] as const) {
      await command(server, { do: 'play' });
      await open(page, view);
      await pause(5000);
      arriving[view] = await measure(page, metrics, server, view);
      await command(server, { do: 'pause' });
    }
    for (const view of ['table', 'timeline'] as const) {
      await open(page, view);
      await pause(3000);
      print(view, arriving[view]!, await measure(page, metrics, server, view));
    }
  } finally {
    await browser.close();
    await server.stop();
  }
}

/** From the request of the page to its first inodes, and to nothing but an answer. */
async function printFirstView(page: Page): Promise<void> {
  await open(page, 'timeline');
  const [views, answers]: [number[], number[]] = [[], []];
  for (let i = 0; i < 7; i++) {
    let began = performance.now();
    await page.reload({ waitUntil: 'commit' });
    await page.locator('.lanes-foot').getByText('in sight of').waitFor();
    views.push(performance.now() - began);
    const { origin, href } = new URL(page.url());
    began = performance.now();
    await page.goto(`${origin}/healthz`);
    answers.push(performance.now() - began);
    await page.goto(href);
  }
  const median = (times: number[]) => Math.round(times.sort((a, b) => a - b)[times.length >> 1]!);
  printResult(options.json, {
    name: 'first_view',
    value: median(views),
    unit: 'ms',
    baseline: median(answers),
    baseline_name: 'a page that says ok',
    note: `median of ${views.length} loads of the timeline; the longest ${Math.round(Math.max(...views))} ms`,
  });
}

function print(view: View, arriving: Measured, idle: Measured): void {
  const same = { baseline_name: 'nothing arrives' };
  const rate = Math.round(arriving.arrived).toLocaleString('en');
  const round = (value: number) => Math.round(value * 100) / 100;
  printResult(options.json, {
    ...{ name: `${view}_frames`, unit: 'frames/s', ...same },
    value: round(arriving.fps),
    baseline: round(idle.fps),
    note: `${rate} events/s arrived; 95 % of the frames within ${arriving.p95Ms.toFixed(1)} ms, ${idle.p95Ms.toFixed(1)} ms while nothing does`,
  });
  printResult(options.json, {
    ...{ name: `${view}_main`, unit: 'ms/frame', ...same },
    value: round(arriving.mainMs),
    baseline: round(idle.mainMs),
    note: 'processor time of the main thread: script, style, layout, paint',
  });
  printResult(options.json, {
    ...{ name: `${view}_heap`, unit: 'MB', ...same },
    value: round(arriving.heapMb),
    baseline: round(idle.heapMb),
    note: 'JavaScript heap of the page after a collection',
  });
}

async function measure(
  page: Page,
  metrics: CDPSession,
  server: RunningServer,
  view: View,
): Promise<Measured> {
  const decoded = async () => (await server.get<Report>('/api/report')).events.decoded;
  const [eventsBefore, before, at] = [await decoded(), await busy(metrics), performance.now()];
  const times = await page.evaluate<number[]>(`new Promise((resolve) => {
    const times = [];
    let frames = 0;
    const began = performance.now();
    requestAnimationFrame(function frame(now) {
      times.push(now);
      frames++;
      ${SCROLLED[view]}
      if (now - began > ${SECONDS * 1000}) resolve(times);
      else requestAnimationFrame(frame);
    });
  })`);
  const arrived = (await decoded()) - eventsBefore;
  const seconds = (performance.now() - at) / 1000;
  const mainS = (await busy(metrics)) - before;
  await metrics.send('HeapProfiler.collectGarbage');
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  gaps.sort((a, b) => a - b);
  return {
    fps: (times.length - 1) / ((times.at(-1)! - times[0]!) / 1000),
    p95Ms: gaps[Math.floor(gaps.length * 0.95)]!,
    mainMs: (mainS * 1000) / times.length,
    heapMb: (await metric(metrics, 'JSHeapUsedSize')) / 1e6,
    arrived: arrived / seconds,
  };
}

/** How long the main thread has worked so far, s. */
function busy(metrics: CDPSession): Promise<number> {
  return metric(metrics, 'TaskDuration');
}

async function metric(metrics: CDPSession, name: string): Promise<number> {
  const all = await metrics.send('Performance.getMetrics');
  return all.metrics.find((one) => one.name === name)!.value;
}

async function open(page: Page, view: View): Promise<void> {
  await page.goto(`${new URL(page.url()).origin}/#/${HASH[view]}`);
  await page.locator(view === 'table' ? '.vt-scroll' : '.lanes canvas').waitFor();
}

async function command(server: RunningServer, body: object): Promise<void> {
  const url = new URL(server.link);
  const answer = await fetch(new URL('/api/replay', url), {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      Authorization: `Bearer ${url.searchParams.get('token')}`,
      'Content-Type': 'application/json',
    },
  });
  if (!answer.ok) throw new Error(`/api/replay: ${answer.status} ${await answer.text()}`);
}

/** What looks ahead for marks is done: from then on the server only plays. */
async function scanned(server: RunningServer, endMs: number): Promise<void> {
  say('waiting until the recording was looked through ...');
  await eventually(600_000, async () => {
    return (await server.get<ReplayStatus>('/api/replay')).scanned_ms >= endMs - 1;
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
