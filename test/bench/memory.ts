/**
 * Whether the server grows: this machine traced at full churn for as long as asked, a page
 * open. The memory of the last third of the time beside that of the third before.
 *
 *   scripts/bench memory [--json] [--seconds 600]
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { RunningServer, workload } from '../support/cli.ts';
import { printHeader, printResult } from './result.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '600' },
    detail: { type: 'string', default: 'steps' },
  },
});
const seconds = Number(options.seconds);
if (!(seconds >= 30) || !['steps', 'lifecycle', 'auto'].includes(options.detail)) {
  process.stderr.write('--seconds: at least 30; --detail: steps, lifecycle or auto\n');
  process.exit(2);
}

printHeader(options.json);
const server = await RunningServer.live('local', '--fs', 'hugetlbfs', '--detail', options.detail);
const page = watchOverview();
const end = performance.now() + seconds * 1000;
const samples: number[] = [];
const sampling = setInterval(() => samples.push(residentMb()), 1000);
while (performance.now() < end) {
  await new Promise((resolve) => execFile(workload('memfd_churn'), ['20000'], resolve));
}
clearInterval(sampling);
await sleep(5000);
const { events, losses, inodes } = await server.report();
page.close();
await server.stop();

const third = Math.floor(samples.length / 3);
const [before, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)].map(median);
const lost = losses.ring_buffer + losses.map_full + (losses.not_run ?? 0);
printResult(options.json, {
  name: `memory ${options.detail}`,
  value: last!,
  unit: 'MB resident',
  baseline: before!,
  baseline_name: 'the third of the time before',
  note: `${events.decoded.toLocaleString('en')} events, ${inodes.ended.toLocaleString('en')} inodes in ${seconds} s; ${lost.toLocaleString('en')} events lost and counted, ledger ${losses.balanced ? 'balanced' : 'NOT balanced'}; at most ${Math.max(...samples)} MB`,
});

function watchOverview(): WebSocket {
  const { port, searchParams } = new URL(server.link);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
    headers: { Authorization: `Bearer ${searchParams.get('token')}` },
  });
  socket.on('open', () => socket.send(JSON.stringify({ type: 'subscribe', view: 'overview' })));
  return socket;
}

function residentMb(): number {
  const status = readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1000);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
