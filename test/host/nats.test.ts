/** Agents, servers and real brokers on loopback: what is told arrives whole, in order and once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { framesOf, RECORDINGS } from '../fixtures/recordings.ts';
import { Receiver } from '../fixtures/sinks.ts';
import { eventually, lastref, type RunningServer } from '../support/cli.ts';
import { Broker, Cluster, leaderOf } from '../support/nats.ts';
import {
  AgentProcess,
  directReport,
  framesIn,
  isStopped,
  liveFrom,
  ownHosts,
  scratch,
  textOf,
} from '../support/nats-run.ts';
import type { RecordedAgent } from '../support/recorded-agent.ts';

const PATIENCE_MS = 60_000;
const GUEST = RECORDINGS['guest-6.12']!;
const SCENARIOS = RECORDINGS['scenarios-6.18']!;

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

function agent(options: Partial<RecordedAgent> & Pick<RecordedAgent, 'urls' | 'hosts'>) {
  const process = new AgentProcess({ spool: scratch(), frames: 40, everyMs: 40, ...options });
  ending.push(() => process.kill());
  return process;
}

async function live(urls: string, ...more: readonly string[]): Promise<RunningServer> {
  const server = await liveFrom(urls, ...more);
  ending.push(() => server.stop('SIGKILL'));
  return server;
}

async function oneBroker(): Promise<Broker> {
  const broker = await Broker.start();
  ending.push(() => broker.remove());
  return broker;
}

function originals(file: string): string[] {
  return framesOf(file).frames.map(textOf);
}

function eventsOf(file: string): number {
  return (JSON.parse(directReport(file, 'box')) as { events: { decoded: number } }).events.decoded;
}

/** Until the server has seen this many events. */
function seen(server: RunningServer, events: number): Promise<void> {
  const check = async () => (await server.report()).events.decoded >= events;
  return eventually(PATIENCE_MS, check, `${events} events`);
}

/** Until the server has begun to read this host. */
function followed(server: RunningServer, host: string): Promise<void> {
  const check = async () => (await ownHosts(server)).includes(host);
  return eventually(PATIENCE_MS, check, `${host} at the server`);
}

describe('an agent, a broker and a server', () => {
  it('come to the report and the recording of a session that traces itself', async () => {
    const { url: urls } = await oneBroker();
    const file = join(scratch(), 'stream.lastref');
    const server = await live(urls, '--record', file);
    agent({ urls, hosts: { box: GUEST } });
    await seen(server, eventsOf(GUEST));
    const direct = directReport(GUEST, 'box');
    expect(JSON.stringify(await server.report())).toBe(JSON.stringify(JSON.parse(direct)));
    expect(await server.stop()).toBe(0);
    expect(framesIn(file, 'box')).toEqual([originals(GUEST)]);
    const replayed = await lastref(['report', '--json', file]);
    expect(replayed.stdout.trim()).toBe(direct);
  });

  it('lose nothing while the broker is away, and the agent is killed then', async () => {
    const broker = await oneBroker();
    const { url: urls } = broker;
    const file = join(scratch(), 'stream.lastref');
    const spool = scratch();
    const server = await live(urls, '--record', file);
    const first = agent({ urls, spool, hosts: { box: GUEST }, frames: 10 });
    await followed(server, 'box');
    await first.until('some frames', ({ given }) => given.box! > 300);
    await broker.kill();
    await first.until(
      'messages that wait',
      ({ waiting, given }) => waiting > 30 && given.box! > 900,
    );
    await first.kill();
    const given = first.said!.given.box!;
    // the next run traces something else: its own session
    const second = agent({ urls, spool, hosts: { box: SCENARIOS }, frames: 20 });
    await second.until('its messages', ({ waiting }) => waiting > 60);
    broker.start();
    await broker.listening();
    await second.until('an empty spool', ({ waiting, done }) => done && waiting === 0);
    await eventually(
      PATIENCE_MS,
      async () => {
        const { events, epochs } = await server.report();
        return epochs.length === 2 && events.decoded > eventsOf(SCENARIOS);
      },
      'both sessions',
    );
    await eventually(PATIENCE_MS, async () => await isStopped(server, 'box'), 'the last frames');
    expect(await server.stop()).toBe(0);
    const [before, after] = framesIn(file, 'box');
    expect(after).toEqual(originals(SCENARIOS));
    const end = before!.pop();
    expect(end).toContain('ended without a word');
    expect(before!.length).toBeGreaterThanOrEqual(given);
    expect(before).toEqual(originals(GUEST).slice(0, before!.length));
  });

  it('tell a spool that overflows as a gap, and go on after it', async () => {
    const broker = await oneBroker();
    const { url: urls } = broker;
    const file = join(scratch(), 'stream.lastref');
    const server = await live(urls, '--record', file);
    const spoolBytes = 100_000;
    const sender = agent({ urls, hosts: { box: GUEST }, frames: 5, spoolBytes });
    await followed(server, 'box');
    await sender.until('a ready tracer', ({ given }) => given.box! > 500);
    await broker.kill();
    await sender.until('dropped messages', ({ dropped }) => dropped > 20);
    broker.start();
    await broker.listening();
    await sender.until('the rest', ({ waiting, done }) => done && waiting === 0);
    const report = await eventuallyReport(server, ({ epochs }) => epochs.length === 2);
    expect(report.gaps.some(({ detail }) => /messages are missing/.test(detail))).toBe(true);
    expect(server.stderr).toMatch(/\d+ messages are missing from the stream/);
    await eventually(PATIENCE_MS, async () => await isStopped(server, 'box'), 'the last frames');
    await server.stop();
    const [before, after] = framesIn(file, 'box');
    const all = originals(GUEST);
    expect(before!.pop()).toContain('missing from the stream');
    expect(before).toEqual(all.slice(0, before!.length));
    expect(after![0]).toMatch(/^resume /);
    // what a handover says of a half line apart, the last frames are the last ones that were
    expect(after!.at(-1)).toBe(all.at(-1));
  });
});

describe('three brokers', () => {
  it('lose nothing and tell nothing twice when one of them is killed', async () => {
    const cluster = await Cluster.start();
    ending.push(() => cluster.remove());
    const { urls } = cluster;
    const file = join(scratch(), 'stream.lastref');
    const server = await live(urls, '--record', file);
    const hosts = { one: GUEST, two: SCENARIOS, three: RECORDINGS.demo!, four: GUEST };
    const sender = agent({ urls, hosts, frames: 8 });
    await sender.until('load', ({ given }) => given.one! > 400);
    const leader = await leaderOf(cluster, 'LASTREF');
    await leader.kill();
    await sender.until('the rest', ({ done, waiting }) => done && waiting === 0);
    await seen(
      server,
      Object.values(hosts).reduce((sum, host) => sum + eventsOf(host), 0),
    );
    await server.stop();
    for (const [host, from] of Object.entries(hosts)) {
      expect(framesIn(file, host), host).toEqual([originals(from)]);
    }
  });
});

describe('two servers', () => {
  it('share the hosts; when one is killed the other takes over, and alerts are told once', async () => {
    const { url: urls } = await oneBroker();
    const receiver = await Receiver.start();
    ending.push(() => receiver.stop());
    const config = () => {
      const directory = scratch();
      const path = join(directory, 'config.yaml');
      writeFileSync(path, JSON.stringify({ sinks: [{ name: 'hook', webhook: receiver.url }] }));
      return ['--config', path, '--state', directory];
    };
    const first = await live(urls, '--name', 'first', ...config());
    const second = await live(urls, '--name', 'second', ...config());
    const hosts = { a: SCENARIOS, b: SCENARIOS, c: SCENARIOS, d: SCENARIOS };
    // up to before the last alert, which is then told by whoever has the host
    agent({ urls, hosts, frames: 8, everyMs: 60 });
    await eventually(
      PATIENCE_MS,
      async () => {
        const [one, two] = [await ownHosts(first), await ownHosts(second)];
        return one.length === 2 && two.length === 2 && new Set([...one, ...two]).size === 4;
      },
      'equal shares',
    );
    await eventually(PATIENCE_MS, () => receiver.taken.length >= 8, 'the first alerts');
    await first.stop('SIGKILL');
    await eventually(
      PATIENCE_MS,
      async () => (await ownHosts(second)).length === 4,
      'all hosts with one server',
    );
    await seen(second, 4 * eventsOf(SCENARIOS));
    await eventually(PATIENCE_MS, () => receiver.taken.length >= 12, 'every alert');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const keys = receiver.taken;
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(12);
  });
});

async function eventuallyReport(
  server: RunningServer,
  check: (report: Awaited<ReturnType<RunningServer['report']>>) => boolean,
) {
  let report = await server.report();
  await eventually(
    PATIENCE_MS,
    async () => {
      report = await server.report();
      return check(report);
    },
    'the report',
  );
  return report;
}
