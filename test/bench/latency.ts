/**
 * How long it takes from an eviction in the kernel of this machine to its row in the page,
 * in Chromium, at several rates. Beside it a plain bpftrace whose lines are only read.
 *
 * The page tells with each frame the eviction of its newest row. All evictions between
 * that one and the newest of the frame before became visible in it: each of them has waited
 * since its own time, and all of these waits are what the percentiles are of.
 *
 *   scripts/bench latency [--json] [--rates 1000,20000,100000] [--seconds 10]
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import type { Page } from 'playwright-core';
import { openBrowser } from '../support/browser.ts';
import { eventually, RunningServer, workload } from '../support/cli.ts';
import { readOptions } from './options.ts';
import { printHeader, printResult } from './result.ts';

const options = readOptions(
  { json: false, rates: '1000,20000,100000', seconds: 10 },
  { seconds: 2 },
);
const { seconds } = options;
const rates = options.rates.split(',').map(Number);
if (!rates.every((rate) => rate >= 3)) {
  process.stderr.write(
    `--rates ${options.rates}: expected events a second, by comma, each at least 3\n`,
  );
  process.exit(2);
}

/** Of an inode: allocated, evicted, freed. */
const EVENTS = 3;
/** Waits that stand for all that became visible with a frame. */
const SAMPLES = 20;

interface Waits {
  readonly p50: number;
  readonly p99: number;
  readonly rate: number;
}

printHeader(options.json);
for (const rate of rates) {
  const plain = await throughBpftrace(rate);
  const page = await throughPage(rate);
  for (const quantile of ['p50', 'p99'] as const) {
    printResult(options.json, {
      name: `latency ${quantile}, ${rate.toLocaleString('en')}/s`,
      value: page[quantile],
      unit: 'ms',
      baseline: plain[quantile],
      baseline_name: 'bpftrace to its reader',
      note: `${Math.round(page.rate).toLocaleString('en')} events/s were made (${Math.round(plain.rate).toLocaleString('en')} under plain bpftrace)`,
    });
  }
}

/** The calls as fast as asked for, or as fast as one core can; events made in a second. */
async function churn(rate: number): Promise<number> {
  const inodes = Math.round((rate / EVENTS) * seconds);
  const began = performance.now();
  await new Promise<void>((resolve, reject) => {
    const args = [String(inodes), '', String(Math.round(rate / EVENTS))];
    execFile(workload('memfd_churn'), args, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return (inodes * EVENTS * 1000) / (performance.now() - began);
}

async function throughPage(rate: number): Promise<Waits> {
  const server = await RunningServer.live('local', '--fs', 'hugetlbfs', '--detail', 'steps');
  const browser = await openBrowser();
  try {
    const context = await browser.newContext({
      timezoneId: 'UTC',
      viewport: { width: 1280, height: 800 },
    });
    const page = await context.newPage();
    await page.goto(server.link);
    await page.goto(`${new URL(page.url()).origin}/#/inodes?follow=1`);
    await page.locator('main').waitFor();
    // the first rows, and whatever is compiled with them
    await churn(300);
    await eventually(20_000, async () => (await page.locator('tbody tr').count()) > 0, 'a row');
    const frames = watchFrames(page);
    const made = await churn(rate);
    return { ...waitsOf(await frames), rate: made };
  } finally {
    await browser.close();
    await server.stop();
  }
}

interface Frame {
  /** Milliseconds since 1970, after it was painted. */
  readonly at: number;
  /** Milliseconds of the day: when the newest row was evicted. */
  readonly newest: number;
}

/** Each frame in which the newest row was another one. */
function watchFrames(page: Page): Promise<Frame[]> {
  return page.evaluate(
    (ms) =>
      new Promise<Frame[]>((resolve) => {
        const frames: Frame[] = [];
        const end = performance.now() + ms;
        let before = '';
        const painted = new MessageChannel();
        painted.port1.onmessage = () => {
          const text = document.querySelector('tbody tr[aria-rowindex="2"] td')?.textContent ?? '';
          const at = /^(\d\d):(\d\d):(\d\d)\.(\d\d\d)$/.exec(text);
          if (at === null || text === before) return;
          before = text;
          const [hours, minutes, seconds, millis] = at.slice(1).map(Number) as [
            number,
            number,
            number,
            number,
          ];
          const newest = ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis;
          frames.push({ at: Date.now(), newest });
        };
        const next = () => {
          if (performance.now() > end) return resolve(frames);
          painted.port2.postMessage(0);
          requestAnimationFrame(next);
        };
        requestAnimationFrame(next);
      }),
    seconds * 1000,
  );
}

function waitsOf(frames: readonly Frame[]): { p50: number; p99: number } {
  const waits: number[] = [];
  frames.forEach(({ at, newest }, i) => {
    const before = frames[i - 1];
    if (before === undefined) return;
    const now = at % 86_400_000;
    for (let k = 0; k < SAMPLES; k++) {
      // the clock of a row is cut to the millisecond
      const evicted = before.newest + ((newest - before.newest) * (k + 1)) / SAMPLES;
      waits.push(now - evicted);
    }
  });
  return percentiles(waits);
}

async function throughBpftrace(rate: number): Promise<Waits> {
  const program =
    'tracepoint:hugetlbfs:hugetlbfs_alloc_inode { printf("a %llu\\n", nsecs); } ' +
    'tracepoint:hugetlbfs:hugetlbfs_evict_inode { printf("e %llu\\n", nsecs); } ' +
    'tracepoint:hugetlbfs:hugetlbfs_free_inode { printf("f %llu\\n", nsecs); } ' +
    'interval:ms:200 { printf("tick\\n"); }';
  const child: ChildProcess = spawn('bpftrace', ['-B', 'line', '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const waits: number[] = [];
  let ticks = 0;
  let rest = '';
  child.stdout!.on('data', (bytes: Buffer) => {
    const now = process.hrtime.bigint();
    const lines = (rest + bytes.toString('latin1')).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === 'tick') ticks++;
      else if (line.startsWith('e ')) waits.push(Number(now - BigInt(line.slice(2))) / 1e6);
    }
  });
  await eventually(60_000, () => ticks > 2, 'bpftrace');
  const made = await churn(rate);
  child.kill('SIGINT');
  await ended;
  return { ...percentiles(waits), rate: made };
}

function percentiles(waits: number[]): { p50: number; p99: number } {
  if (waits.length < 20) throw new Error(`${waits.length} evictions were seen: too few`);
  waits.sort((a, b) => a - b);
  const at = (q: number) => Math.round(waits[Math.floor(q * (waits.length - 1))]! * 100) / 100;
  return { p50: at(0.5), p99: at(0.99) };
}
