/**
 * How many hosts one server carries: the page and its stream included, alerts and all.
 * Beside it one host that says as much as all of them.
 *
 *   scripts/bench hosts [--json] [--hosts 200] [--rate 1000] [--seconds 600] [--no-page]
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { WebSocket } from 'ws';
import { SessionAlerts } from '../../server/notify/session-alerts.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { startWeb, type Web } from '../../server/web/server.ts';
import { readOptions } from './options.ts';
import { repeat } from './repeat.ts';
import { heapMb, printHeader, printResult } from './result.ts';
import { SimulatedHosts } from './simulated-hosts.ts';
import { readTemplate } from './template.ts';

const options = readOptions(
  {
    json: false,
    hosts: 200,
    rate: 1000,
    seconds: 600,
    'baseline-seconds': 60,
    keep: 500,
    port: 0,
  },
  { hosts: 1, rate: 1, seconds: 1, 'baseline-seconds': 1, keep: 1 },
);
const { hosts, rate, seconds, keep, port, 'baseline-seconds': compared } = options;

const template = readTemplate(
  new URL('../../samples/demo-6.12.lastref', import.meta.url).pathname,
  'steps',
  8,
);

interface Outcome {
  readonly events: number;
  readonly usPerEvent: number;
  readonly delayMs: number;
  readonly longestMs: number;
  readonly updates: number;
  readonly kbPerS: number;
  readonly heapMb: number;
  readonly residentMb: number;
}

/** Throws when what came out is not what went in. */
async function run(hosts: number, rate: number, seconds: number): Promise<Outcome> {
  const input = repeat(template, rate * seconds, rate, true);
  const source: SimulatedHosts = new SimulatedHosts(template, input, {
    hosts,
    keep: hosts === 1 ? 20_000 : keep,
    onAlert: (pipeline, alert) => alerts.changed(pipeline, alert),
  });
  const pipelines = () => source.pipelines();
  const alerts = new SessionAlerts({ pipelines, silences: null, notifier: null });
  const web = await startWeb({ source, alerts, port });
  if (!options.json) process.stderr.write(`lastref: ${web.link}\n`);
  const reader = new Reader(web);
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  const cpu = process.cpuUsage();
  const progress = setInterval(() => {
    if (options.json) return;
    const { rss } = process.memoryUsage();
    const used = process.cpuUsage(cpu);
    process.stderr.write(
      `${Math.round((used.user + used.system) / 1e6)} s of processor, ${Math.round(rss / 1e6)} MB, late ${Math.round(source.late)} ms\n`,
    );
  }, 10_000);
  await source.play();
  clearInterval(progress);
  delay.disable();
  const used = process.cpuUsage(cpu);
  const { rss } = process.memoryUsage();
  reader.close();
  for (const pipeline of source.pipelines()) {
    const { inodes, losses, leaks, gaps, findings } = makeReport([pipeline]);
    const right =
      inodes.ended === input.inodes &&
      inodes.live === 0 &&
      losses.balanced === true &&
      leaks.length + gaps.length + findings.length === 0;
    if (!right) {
      throw new Error(
        `${pipeline.info.host}: not what went in: ${JSON.stringify({ inodes, losses, leaks: leaks.length, gaps, findings })}`,
      );
    }
  }
  const outcome = {
    events: hosts * input.events,
    usPerEvent: round((used.user + used.system) / (hosts * input.events)),
    delayMs: round(delay.percentile(99) / 1e6),
    longestMs: Math.round(delay.max / 1e6),
    updates: reader.updates,
    kbPerS: Math.round(reader.bytes / 1000 / seconds),
    heapMb: heapMb(),
    residentMb: Math.round(rss / 1e6),
  };
  await web.close();
  return outcome;
}

/** A page that shows the overview, as far as the server is concerned. */
class Reader {
  updates = 0;
  bytes = 0;
  readonly #socket: WebSocket;

  constructor({ port, token }: Web) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
      headers: { Authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
    this.#socket.on('open', () =>
      this.#socket.send(JSON.stringify({ type: 'subscribe', view: 'overview' })),
    );
    this.#socket.on('message', (data: Buffer) => {
      this.updates++;
      this.bytes += data.length;
    });
  }

  close(): void {
    this.#socket.close();
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

printHeader(options.json);
const many = await run(hosts, rate, seconds);
const one = compared === 0 ? null : await run(1, hosts * rate, compared);
const notes = `${many.events.toLocaleString('en')} events in ${seconds} s, ledger balanced; heap ${many.heapMb} MB, resident ${many.residentMb} MB`;
printResult(options.json, {
  name: 'hosts',
  value: many.usPerEvent,
  unit: 'us of processor an event',
  baseline: one?.usPerEvent ?? null,
  baseline_name: one === null ? null : 'one host that says as much',
  note: notes,
});
printResult(options.json, {
  name: 'hosts: event loop held up',
  value: many.delayMs,
  unit: 'ms, p99',
  baseline: one?.delayMs ?? null,
  baseline_name: one === null ? null : 'one host that says as much',
  note: `longest ${many.longestMs} ms; updates of a page ${many.updates}, ${many.kbPerS} KB/s`,
});
