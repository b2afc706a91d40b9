/** Real nats-servers on loopback: one, or a cluster of three; killed and started again as tests ask. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { eventually, ROOT } from './cli.ts';

/** Unpacked by ./scripts/test, not installed: the package would start a service. */
const PROGRAM = ['', `${ROOT}test/artefacts/nats-server`]
  .flatMap((root) => [`${root}/usr/sbin/nats-server`, `${root}/usr/bin/nats-server`])
  .find((file) => existsSync(file));

export interface BrokerSetup {
  /** Lines of its configuration beside ports and JetStream. */
  readonly config?: string;
  readonly jetstream?: boolean;
}

export class Broker {
  readonly port: number;
  readonly directory: string;
  log = '';
  readonly #file: string;
  #child: ChildProcess | null = null;

  constructor(port: number, name: string, { config = '', jetstream = true }: BrokerSetup) {
    this.port = port;
    this.directory = mkdtempSync(join(tmpdir(), 'lastref-nats-'));
    this.#file = join(this.directory, 'nats.conf');
    const store = `jetstream { store_dir: "${this.directory}/js", max_file_store: 1G, max_memory_store: 64M }`;
    writeFileSync(
      this.#file,
      `server_name: ${name}\nlisten: "127.0.0.1:${port}"\n${jetstream ? store : ''}\n${config}\n`,
    );
    this.start();
  }

  static async start(setup: BrokerSetup = {}): Promise<Broker> {
    const [port] = await freePorts(1);
    const broker = new Broker(port!, 'one', setup);
    await broker.listening();
    return broker;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  start(): void {
    if (PROGRAM === undefined) throw new Error('there is no nats-server: run ./scripts/test');
    this.#child = spawn(PROGRAM, ['-c', this.#file], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (text) => {
        this.log = (this.log + text).slice(-20_000);
      });
    }
  }

  listening(): Promise<void> {
    return eventually(30_000, () => this.log.includes('Server is ready'), 'the broker');
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill(signal);
    await ended;
    this.log = '';
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Three brokers that keep each message three times. */
export class Cluster {
  readonly brokers: readonly Broker[];

  private constructor(brokers: readonly Broker[]) {
    this.brokers = brokers;
  }

  static async start(): Promise<Cluster> {
    const ports = await freePorts(6);
    const routes = ports.slice(3).map((port) => `"nats://127.0.0.1:${port}"`);
    const brokers = ports.slice(0, 3).map((port, index) => {
      const config = `cluster { name: lastref, listen: "127.0.0.1:${ports[index + 3]}", routes: [${routes.join(', ')}] }`;
      return new Broker(port, `n${index + 1}`, { config });
    });
    const cluster = new Cluster(brokers);
    await Promise.all(brokers.map((broker) => broker.listening()));
    await eventually(60_000, () => cluster.#hasLeader(), 'a leader of the cluster');
    return cluster;
  }

  get urls(): string {
    return this.brokers.map(({ url }) => url).join(',');
  }

  async remove(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.remove()));
  }

  async #hasLeader(): Promise<boolean> {
    const connection = await connect({
      servers: this.brokers.map(({ port }) => `127.0.0.1:${port}`),
    });
    try {
      await connection.request('$JS.API.INFO', '', { timeout: 1000 });
      return true;
    } catch {
      return false;
    } finally {
      await connection.close();
    }
  }
}

/** The broker among them that leads a stream. */
export async function leaderOf(cluster: Cluster, stream: string): Promise<Broker> {
  const connection = await connect({
    servers: cluster.brokers.map(({ port }) => `127.0.0.1:${port}`),
  });
  const answer = await connection.request(`$JS.API.STREAM.INFO.${stream}`, '', { timeout: 5000 });
  await connection.close();
  const { cluster: of } = answer.json<{ cluster: { leader: string } }>();
  return cluster.brokers[Number(of.leader.slice(1)) - 1]!;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((s) => new Promise((resolve) => s.once('listening', resolve))));
  const ports = servers.map((s) => (s.address() as { port: number }).port);
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return ports;
}
