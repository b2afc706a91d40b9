/**
 * The page while 100,000 events a second arrive and it is scrolled:
 * `node test/bench/dashboard.ts [--rate 100000] [--seconds 15] [--memory-minutes N] [--json]`.
 * A replay at speed is what arrives; the baseline is the same page, scrolled the same way, while
 * nothing does. With --memory-minutes nothing but the page's heap is measured, for so long: the
 * replay begins again whenever it ends, and the views are switched and scrolled.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import type { ReplayStatus } from '../../server/protocol/replay.ts';
import type { Report } from '../../server/protocol/report.ts';
import { openBrowser } from '../support/browser.ts';
import { eventually, ROOT, RunningServer } from '../support/cli.ts';
import { writeBigRecording } from './big-recording.ts';
import { readOptions } from './options.ts';
import { printHeader, printResult } from './result.ts';

const options = readOptions(
  { rate: 100_000, seconds: 15, 'memory-minutes': 0, json: false },
  { rate: 1, seconds: 1 },
);
const RATE = options.rate;
const SECONDS = options.seconds;
const MEMORY_MINUTES = options['memory-minutes'];
/** As many events are played over and over while memory is measured. */
const LOOP_S = 30;

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

/** Every view, the fast ones oftener. */
const VIEWS = [
  ...['inodes', 'timeline', '', 'inodes?filter=pages>0', 'timeline', 'hugepages'],
  ...['inodes?follow=1', 'callbacks', 'timeline', 'contract', 'alerts', 'losses'],
];

/** For three seconds: whatever of the view can be scrolled or panned. */
const SCROLL_A_WHILE = `new Promise((resolve) => {
  const began = performance.now();
  let frames = 0;
  requestAnimationFrame(function frame(now) {
    frames++;
    const scrolled = document.querySelector('.vt-scroll') ?? document.querySelector('main');
    const atEnd = scrolled.scrollTop + scrolled.clientHeight >= scrolled.scrollHeight - 50;
    scrolled.scrollTop = atEnd ? 0 : scrolled.scrollTop + 44;
    const deltaX = Math.floor(frames / 60) % 2 === 0 ? -12 : 12;
    const lanes = document.querySelector('.lanes canvas');
    lanes?.dispatchEvent(new WheelEvent('wheel', { deltaX, cancelable: true }));
    if (now - began > 3000) resolve();
    else requestAnimationFrame(frame);
  });
})`;

/** Of the events of the replay, what was played when that was last asked. */
let decodedBefore = 0;

const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
try {
  await run(join(directory, 'big.lastref'));
} finally {
  rmSync(directory, { recursive: true });
}

async function run(file: string): Promise<void> {
  printHeader(options.json);
  // two views are measured, each with time to come to its pace
  const wanted = RATE * (MEMORY_MINUTES > 0 ? LOOP_S : 2 * SECONDS + 15);
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
    if (MEMORY_MINUTES > 0) {
      await measureMemory(page, metrics, server);
      return;
    }
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

/** The heap after a collection, each minute, while everything is looked at. */
async function measureMemory(
  page: Page,
  metrics: CDPSession,
  server: RunningServer,
): Promise<void> {
  const began = performance.now();
  const minutes = () => (performance.now() - began) / 60_000;
  const heaps: number[] = [];
  let events = 0;
  for (let turn = 0; minutes() < MEMORY_MINUTES; turn++) {
    events += await playOn(server);
    await page.goto(`${new URL(page.url()).origin}/#/${VIEWS[turn % VIEWS.length]}`);
    await page.evaluate(SCROLL_A_WHILE);
    if (minutes() < heaps.length + 1) continue;
    heaps.push(await heapMb(metrics));
    say(`minute ${heaps.length}: ${heaps.at(-1)!.toFixed(2)} MB`);
  }
  events += await playOn(server);
  const first = heaps[0] ?? Number.NaN;
  const last = heaps.at(-1) ?? Number.NaN;
  const rate = Math.round(events / (minutes() * 60)).toLocaleString('en');
  printResult(options.json, {
    ...{ name: 'heap_over_time', unit: 'MB', baseline_name: 'after the first minute' },
    value: Math.round(last * 100) / 100,
    baseline: Math.round(first * 100) / 100,
    note: `after ${heaps.length} minutes, ${(last / first).toFixed(2)} times the first; each minute ${heaps.map((heap) => heap.toFixed(2)).join(', ')}; ${rate} events/s arrived`,
  });
}

/** Plays on, from the beginning where it has ended; how many events were played since the last time. */
async function playOn(server: RunningServer): Promise<number> {
  const { decoded } = (await server.get<Report>('/api/report')).events;
  const { at_ms, begin_ms, end_ms } = await server.get<ReplayStatus>('/api/replay');
  const played = Math.max(0, decoded - decodedBefore);
  decodedBefore = decoded;
  // not quite to the end, so that a turn seldom has a part in which nothing arrives
  const left = (end_ms - at_ms) / (end_ms - begin_ms);
  if (left < 3.5 / LOOP_S) {
    await command(server, { do: 'seek', at_ms: begin_ms });
    decodedBefore = (await server.get<Report>('/api/report')).events.decoded;
  }
  await command(server, { do: 'play' });
  return played;
}

async function heapMb(metrics: CDPSession): Promise<number> {
  await metrics.send('HeapProfiler.collectGarbage');
  return (await metric(metrics, 'JSHeapUsedSize')) / 1e6;
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
  const heap = await heapMb(metrics);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  gaps.sort((a, b) => a - b);
  return {
    fps: (times.length - 1) / ((times.at(-1)! - times[0]!) / 1000),
    p95Ms: gaps[Math.floor(gaps.length * 0.95)]!,
    mainMs: (mainS * 1000) / times.length,
    heapMb: heap,
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
