/**
 * Whether the server grows: this machine traced at full churn for as long as asked, a page
 * open. The memory of the last third of the time beside that of the third before; in the detail
 * that `live` has when nobody asks for another, and with each step told.
 *
 *   scripts/bench memory [--json] [--seconds 600] [--detail auto] [--detail steps]
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { RunningServer, workload } from '../support/cli.ts';
import { readOptions } from './options.ts';
import { printHeader, printResult } from './result.ts';

const options = readOptions(
  { json: false, seconds: 600, detail: ['auto', 'steps'] },
  { seconds: 30, detail: ['steps', 'lifecycle', 'auto'] },
);
const { seconds } = options;

/** Inodes that one run of the workload makes. */
const BATCH = 20_000;

printHeader(options.json);
for (const detail of options.detail) await measure(detail);

async function measure(detail: string): Promise<void> {
  const server = await RunningServer.live('local', '--fs', 'hugetlbfs', '--detail', detail);
  const page = watchOverview(server);
  const end = performance.now() + seconds * 1000;
  const samples: number[] = [];
  const sampling = setInterval(() => samples.push(residentMb(server)), 1000);
  let made = 0;
  for (; performance.now() < end; made += BATCH) {
    await new Promise((resolve) => execFile(workload('memfd_churn'), [`${BATCH}`], resolve));
  }
  clearInterval(sampling);
  // ends that are due and were left out are counted when nothing has come for a while
  await sleep(20_000);
  const { events, losses, inodes } = await server.report();
  page.close();
  await server.stop();

  const third = Math.floor(samples.length / 3);
  const [before, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)].map(median);
  const lost = losses.ring_buffer + losses.map_full + (losses.not_run ?? 0);
  // a server that sees nothing does not grow
  const unseen = losses.map_full / made;
  if (unseen > 0.01) throw new Error(`${Math.round(unseen * 100)} % had no room in a map`);
  const tenth = Math.ceil(samples.length / 10);
  const tenths = Array.from({ length: 10 }, (_, i) => samples.slice(i * tenth, (i + 1) * tenth));
  const medians = tenths.filter((some) => some.length > 0).map(median);
  printResult(options.json, {
    name: `memory ${detail}`,
    value: last!,
    unit: 'MB resident',
    baseline: before!,
    baseline_name: 'the third of the time before',
    note: `${events.decoded.toLocaleString('en')} events, ${inodes.ended.toLocaleString('en')} inodes of ${made.toLocaleString('en')} in ${seconds} s; ${lost.toLocaleString('en')} events lost and counted, ledger ${losses.balanced ? 'balanced' : 'NOT balanced'}; at most ${Math.max(...samples)} MB; by tenths ${medians.join(' ')}`,
  });
}

function watchOverview({ link }: RunningServer): WebSocket {
  const { port, searchParams } = new URL(link);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
    headers: { Authorization: `Bearer ${searchParams.get('token')}` },
  });
  socket.on('open', () => socket.send(JSON.stringify({ type: 'subscribe', view: 'overview' })));
  return socket;
}

function residentMb({ child }: RunningServer): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1000);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
