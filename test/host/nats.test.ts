/** Agents, servers and real brokers on loopback: what is told arrives whole, in order and once. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { afterEach, describe, expect, it } from 'vitest';
import { EXIT } from '../../server/cli/exit.ts';
import { leaveFleet, openFleet } from '../../server/cli/nats-options.ts';
import { BrokerError } from '../../server/nats/broker.ts';
import type { HostState } from '../../server/protocol/hosts.ts';
import { framesOf, RECORDINGS } from '../fixtures/recordings.ts';
import { Receiver } from '../fixtures/sinks.ts';
import { eventually, lastref, RunningServer, workload } from '../support/cli.ts';
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
import { makeCertificate } from '../support/sockets.ts';

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
    await eventually(PATIENCE_MS, () => isStopped(server, 'box'), 'the last frames');
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
    const first = agent({ urls, spool, hosts: { box: GUEST }, frames: 20, hold: 300 });
    await followed(server, 'box');
    await first.until('some frames', ({ given }) => given.box! === 300);
    await broker.kill();
    first.go();
    await first.until('messages that wait', ({ waiting }) => waiting > 30);
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
    const metrics = await metricsOf(server);
    expect(metrics).toMatch(/^lastref_broker_connected 1$/m);
    expect(metrics).toMatch(/^lastref_broker_reconnects_total [1-9]/m);
    expect(metrics).toMatch(/^lastref_stream_taken_messages_total\{host="box"\} [1-9]\d/m);
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
    const spoolBytes = 40_000;
    const sender = agent({ urls, hosts: { box: GUEST }, frames: 20, spoolBytes, hold: 600 });
    await followed(server, 'box');
    await sender.until('a ready tracer', ({ given }) => given.box! === 600);
    await broker.kill();
    sender.go(2000);
    await sender.until('dropped messages', ({ dropped }) => dropped > 20);
    broker.start();
    await broker.listening();
    await sender.until('room', ({ waiting, given }) => given.box! === 2000 && waiting === 0);
    sender.go();
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
  it.each(['that leads the stream', 'that the server speaks with'])(
    'lose nothing and tell nothing twice when the one %s is killed',
    async (which) => {
      const cluster = await Cluster.start();
      ending.push(() => cluster.remove());
      const { urls } = cluster;
      const [first] = cluster.brokers;
      const file = join(scratch(), 'stream.lastref');
      const server = await live(which.includes('server') ? first!.url : urls, '--record', file);
      const hosts = { one: GUEST, two: SCENARIOS, three: RECORDINGS.demo!, four: GUEST };
      const sender = agent({ urls, hosts, frames: 12, hold: 200 });
      for (const host of Object.keys(hosts)) await followed(server, host);
      sender.go();
      await sender.until('load', ({ given }) => given.one! > 300);
      await (which.includes('server') ? first! : await leaderOf(cluster, 'LASTREF')).kill();
      await sender.until('the rest', ({ done, waiting }) => done && waiting === 0);
      for (const host of Object.keys(hosts)) {
        await eventually(PATIENCE_MS, () => isStopped(server, host), `the end of ${host}`);
      }
      await server.stop();
      for (const [host, from] of Object.entries(hosts)) {
        expect(framesIn(file, host), host).toEqual([originals(from)]);
      }
    },
  );
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
    const sender = agent({ urls, hosts, frames: 16, hold: 100 });
    await eventually(
      PATIENCE_MS,
      async () => {
        const [one, two] = [await ownHosts(first), await ownHosts(second)];
        return one.length === 2 && two.length === 2 && new Set([...one, ...two]).size === 4;
      },
      'equal shares',
    );
    // of each host one alert that fired and was resolved; the next one is still to come
    sender.go(700);
    await eventually(PATIENCE_MS, () => receiver.taken.length >= 8, 'the first alerts');
    // what dies between telling and writing down that it told is told again
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await first.stop('SIGKILL');
    await eventually(
      PATIENCE_MS,
      async () => (await ownHosts(second)).length === 4,
      'all hosts with one server',
    );
    sender.go();
    await seen(second, 4 * eventsOf(SCENARIOS));
    const metrics = await metricsOf(second);
    expect(metrics.match(/^lastref_stream_takeovers_total\{host="."\} 1$/gm)).toHaveLength(2);
    expect(metrics.match(/^lastref_stream_missing_messages_total\{host="."\} 0$/gm)).toHaveLength(
      4,
    );
    await eventually(PATIENCE_MS, () => receiver.taken.length >= 12, 'every alert');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const keys = receiver.taken;
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(12);
  });
});

describe('an agent with the real bpftrace', () => {
  it('publishes what it records itself, to the last byte', async () => {
    const broker = await oneBroker();
    const directory = scratch();
    const [direct, stream] = ['direct', 'stream'].map((name) => join(directory, `${name}.lastref`));
    const server = await live(broker.url, '--record', stream!);
    const args = ['agent', '--host', 'local', '--fs', 'hugetlbfs', '--nats', broker.url];
    const tracer = new RunningServer([...args, '--spool', directory, '--record', direct!]);
    ending.push(() => tracer.stop('SIGKILL'));
    const status = async (wanted: string) => {
      const hosts = await server.get<HostState[]>('/api/hosts');
      return hosts.some((host) => host.status === wanted);
    };
    await eventually(120_000, () => status('ready'), 'a traced host');
    execFileSync(workload('memfd_churn'), ['5000']);
    await eventually(
      PATIENCE_MS,
      async () => (await server.report()).events.decoded >= 1000,
      'events',
    );
    expect(await tracer.stop('SIGTERM')).toBe(0);
    expect(tracer.stderr).toMatch(/\d+ messages published; 0 wait on disk .*; 0 dropped/);
    await eventually(PATIENCE_MS, () => status('stopped'), 'the last message');
    expect(await server.stop()).toBe(0);
    expect(framesIn(stream!, 'local')).toEqual(framesIn(direct!, 'local'));
    const reports = await Promise.all(
      [direct!, stream!].map(async (file) => (await lastref(['report', '--json', file])).stdout),
    );
    expect(reports[1]).toBe(reports[0]);
  });
});

describe('what stands in the way is told on one screen', () => {
  /** What the command line prints of it, and its exit code. */
  async function refused(urls: string, code: number, text: RegExp) {
    const fleet = openFleet({}, urls).then((broker) => leaveFleet(broker));
    const error = await fleet.then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(BrokerError);
    const { message, hint, kind } = error as BrokerError;
    expect(`${message}\n${hint}`).toMatch(text);
    expect(`${message}\n${hint}`.split('\n').length).toBeLessThan(12);
    expect(message + hint).not.toContain('s3cret');
    expect(kind === 'usage' ? EXIT.usage : EXIT.tracing).toBe(code);
  }

  it('no broker, none of that name, no URL', async () => {
    await refused('nats://s3cret@127.0.0.1:1', 3, /no broker answers at 127\.0\.0\.1:1 /);
    await refused('nats://no-such-host.invalid', 3, /no broker answers at no-such-host/);
    await refused('http://s3cret@x', 2, /expected nats:\/\/HOST:4222/);
    const args = ['live', '--nats', 'nats://127.0.0.1:1', '--port', '0', '--no-open'];
    const { code, stderr } = await lastref([...args, '--host', 'local']);
    expect(stderr).toMatch(/^lastref: with --nats, hosts are traced by `lastref agent/);
    expect(code).toBe(2);
  });

  it('a broker without JetStream', async () => {
    const broker = await Broker.start({ jetstream: false });
    ending.push(() => broker.remove());
    await refused(broker.url, 3, /has no JetStream[\s\S]*store_dir/);
  });

  it('wrong credentials, also for an agent; the right ones are never printed', async () => {
    const broker = await Broker.start({ config: 'authorization { token: "s3cret-right" }' });
    ending.push(() => broker.remove());
    const at = (token: string) => broker.url.replace('//', `//${token}@`);
    await refused(at('s3cret-wrong'), 2, /does not accept the credentials/);
    const spool = ['--spool', scratch()];
    const args = ['agent', '--host', 'local', '--nats', at('s3cret-wrong'), ...spool];
    const refusedAgent = await lastref(args);
    expect(refusedAgent.stderr).toMatch(/does not accept the credentials/);
    expect(refusedAgent.stderr).not.toContain('s3cret');
    expect(refusedAgent.code).toBe(2);
    await leaveFleet(await openFleet({}, at('s3cret-right')));
  });

  it('a stream of that name with another configuration', async () => {
    const broker = await oneBroker();
    const connection = await connect({ servers: `127.0.0.1:${broker.port}` });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'LASTREF', subjects: ['other.>'], max_msg_size: 1000 });
    await connection.close();
    await refused(broker.url, 3, /its subjects are other\.>[\s\S]*up to 1000 bytes/);
  });

  it('TLS: speaks it with an authority of its own, and says so without', async () => {
    const { certFile, keyFile } = makeCertificate('localhost');
    const config = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`;
    const broker = await Broker.start({ config });
    ending.push(() => broker.remove());
    const url = `tls://localhost:${broker.port}`;
    await refused(url, 2, /no TLS with the broker/);
    await leaveFleet(await openFleet({ natsCa: certFile }, url));
  });
});

async function metricsOf({ link }: RunningServer): Promise<string> {
  const url = new URL(link);
  const headers = { Authorization: `Bearer ${url.searchParams.get('token')}` };
  return (await fetch(new URL('/metrics', url), { headers })).text();
}

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
