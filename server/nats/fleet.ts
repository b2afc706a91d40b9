/**
 * What `lastref live --nats` shows: the hosts that are this server's share of those in the
 * stream, traced elsewhere. To the page, the recorder and the sinks it is a session like
 * one that traces itself.
 */
import { type JetStreamClient, type JetStreamManager, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { nowMs } from '../protocol/clock.ts';
import type { TracerStatus } from '../protocol/hosts.ts';
import { plain } from '../protocol/plain.ts';
import { boundEarlier } from '../tracer/earlier-epochs.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { openBucket } from './bucket.ts';
import { Follower, type FollowerCounts, type FollowerOptions } from './follower.ts';
import { Leases, type Server } from './leases.ts';
import { HostReader } from './reader.ts';
import { decide } from './shares.ts';
import { ensureStream, replicasFor, type StreamOptions } from './stream.ts';
import {
  HOSTS_BUCKET,
  hostOfSubject,
  SERVERS_BUCKET,
  STREAM,
  SUBJECTS,
  TOLD_BUCKET,
} from './subjects.ts';
import type { ToldOptions } from './told.ts';

/** How often shares are looked at, and which hosts there are, ms. */
const SHARE_MS = 1000;
const HOSTS_MS = 3000;
/** Ticks come ten times a second, in messages four times: without any for so long something is wrong. */
const SILENT_MS = 10_000;
/** For an answer of the broker, ms. */
const ANSWER_MS = 2000;
/** Messages that wait to be read, and are told of. */
const BEHIND = 20;
/** How long it is remembered what was told: longer than an alert is likely to last. */
const TOLD_MS = 30 * 86_400e3;

export interface FleetOptions
  extends Pick<FollowerOptions, 'keep' | 'onEpoch' | 'onFrame' | 'onAlert' | 'onEnd' | 'say'> {
  /** For the other servers and their pages. */
  readonly self: () => Server;
}

/** A host of the fleet, as the web shows it. */
interface FleetHost {
  readonly host: string;
  readonly status: TracerStatus;
  readonly message: string;
  readonly pipeline: Pipeline | null;
  readonly heardAt: number | null;
  readonly stream: StreamCounts | null;
}

/** For /metrics; as the web has it. */
interface StreamCounts extends FollowerCounts {
  readonly dropped: number;
  readonly takeovers: number;
  readonly behind: number | null;
  readonly spooledBytes: number | null;
}

/** What is at the broker: opened once, before anything is shown. */
export interface Broker {
  readonly connection: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly buckets: Record<'servers' | 'hosts' | 'told', Awaited<ReturnType<typeof openBucket>>>;
}

/** Throws BrokerError. */
export async function openBroker(
  connection: NatsConnection,
  stream: StreamOptions,
  deadMs: number,
): Promise<Broker> {
  const jsm = await ensureStream(connection, stream);
  const replicas = replicasFor(connection, stream.replicas);
  const servers = await openBucket(connection, SERVERS_BUCKET, { ttlMs: deadMs, replicas });
  const hosts = await openBucket(connection, HOSTS_BUCKET, { ttlMs: null, replicas });
  const told = await openBucket(connection, TOLD_BUCKET, { ttlMs: TOLD_MS, replicas });
  return { connection, jsm, buckets: { servers, hosts, told } };
}

export class Fleet {
  readonly mode = 'live';
  readonly workload = null;
  readonly #broker: Broker;
  readonly #js: JetStreamClient;
  readonly #options: FleetOptions;
  readonly #leases: Leases;
  readonly #readers = new Map<string, HostReader>();
  readonly #pipelines: Pipeline[] = [];
  readonly #takeovers = new Map<string, number>();
  #reconnects = 0;
  #connected = true;
  #hosts: readonly string[] = [];
  #timers: NodeJS.Timeout[] = [];
  #sharing = false;
  #stopped = false;

  constructor(broker: Broker, options: FleetOptions) {
    this.#broker = broker;
    this.#options = options;
    this.#js = jetstream(broker.connection, { timeout: ANSWER_MS });
    const { servers, hosts } = broker.buckets;
    this.#leases = new Leases({
      servers,
      hosts,
      self: options.self,
      changed: () => this.#letGo(),
    });
  }

  /** Other servers, where they have hosts. */
  get banner(): string | null {
    const servers = this.#leases.servers();
    const others = [...servers].filter(([id]) => id !== this.#leases.id);
    if (others.length === 0) return null;
    const texts = others.map(([id, { name, url }]) => {
      const hosts = this.#hosts.filter((host) => this.#leases.ownerOf(host) === id).length;
      return `${plain(name)} has ${hosts} (${plain(url)})`;
    });
    return `${this.#owned().length} of ${this.#hosts.length} hosts are shown here; ${texts.join(', ')}`;
  }

  now(): number {
    return nowMs();
  }

  start(): void {
    this.#leases.start();
    void this.#watchBroker();
    const list = () => void this.#list();
    list();
    this.#timers = [setInterval(list, HOSTS_MS), setInterval(() => void this.#share(), SHARE_MS)];
  }

  /** Nothing is read any more; the hosts are free for others. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    for (const reader of this.#readers.values()) reader.stop();
    await this.#leases.stop(this.#owned());
  }

  broker = () => ({ connected: this.#connected, reconnects: this.#reconnects });

  /** Those of this server first, then those of others, without what happens on them. */
  hosts(): readonly FleetHost[] {
    const servers = this.#leases.servers();
    return [...this.#hosts]
      .map((host) => this.#shown(host, servers))
      .sort((a, b) => Number(b.pipeline !== null) - Number(a.pipeline !== null));
  }

  /** All epochs that this server has followed, also of hosts that are another's by now. */
  pipelines(): readonly Pipeline[] {
    return this.#pipelines;
  }

  /** Of those, what it answers for: whose alerts it tells. */
  ownPipelines(): readonly Pipeline[] {
    return this.#pipelines.filter(({ info }) => this.#readers.get(info.host)?.reading);
  }

  /** Once there is anything to be told of. */
  ready(): Promise<'ready' | 'some failed'> {
    return Promise.resolve('ready');
  }

  /** For sinks that all servers share; see toldOnce(). */
  get told(): ToldOptions {
    return {
      bucket: this.#broker.buckets.told,
      id: this.#leases.id,
      isRunning: (id) => this.#leases.servers().has(id),
    };
  }

  #owned(): string[] {
    return this.#hosts.filter((host) => this.#leases.ownerOf(host) === this.#leases.id);
  }

  /** Which hosts there are: those of which the stream has anything. */
  async #list(): Promise<void> {
    try {
      const { state } = await this.#broker.jsm.streams.info(STREAM, { subjects_filter: SUBJECTS });
      const hosts = Object.keys(state.subjects ?? {}).flatMap(
        (subject) => hostOfSubject(subject) ?? [],
      );
      this.#hosts = [...new Set(hosts)].sort();
    } catch {
      // the broker is away: those that are known remain
    }
  }

  async #share(): Promise<void> {
    if (this.#sharing) return;
    this.#sharing = true;
    try {
      const { take, leave } = decide({
        id: this.#leases.id,
        servers: [...this.#leases.servers().keys()],
        hosts: this.#hosts,
        ownerOf: (host) => this.#leases.ownerOf(host),
      });
      for (const host of leave) {
        this.#readers.get(host)?.stop();
        await this.#leases.leave(host);
      }
      for (const host of take) {
        if (this.#stopped) break;
        // the name of a server that has died stands there; one that left has taken it off
        const owner = this.#leases.ownerOf(host);
        const other = owner === null ? !this.#readers.has(host) : owner !== this.#leases.id;
        const followed = this.#leases.followedOf(host) !== null;
        if ((await this.#leases.take(host)) && other && followed) this.#tookOver(host);
      }
      if (!this.#stopped) for (const host of this.#owned()) this.#read(host);
    } finally {
      this.#sharing = false;
    }
  }

  #tookOver(host: string): void {
    this.#takeovers.set(host, (this.#takeovers.get(host) ?? 0) + 1);
  }

  /** Until the connection is closed. */
  async #watchBroker(): Promise<void> {
    for await (const { type } of this.#broker.connection.status()) {
      if (type === 'disconnect') this.#connected = false;
      if (type !== 'reconnect') continue;
      this.#connected = true;
      this.#reconnects++;
    }
  }

  /** Stops at once with what another has taken. */
  #letGo(): void {
    for (const [host, reader] of this.#readers) {
      if (reader.reading && this.#leases.ownerOf(host) !== this.#leases.id) reader.stop();
    }
  }

  #read(host: string): void {
    let reader = this.#readers.get(host);
    if (reader === undefined) {
      const { options, leases } = { options: this.#options, leases: this.#leases };
      const follower: Follower = new Follower({
        ...options,
        host,
        nextEpoch: () => this.#pipelines.length + 1,
        onEpoch: (pipeline) => {
          this.#pipelines.push(pipeline);
          boundEarlier(this.#pipelines, pipeline, options.keep);
          options.onEpoch?.(pipeline);
        },
      });
      const { js, jsm } = { js: this.#js, jsm: this.#broker.jsm };
      reader = new HostReader({ js, jsm, follower, from: () => leases.followedOf(host) });
      this.#readers.set(host, reader);
    }
    reader.start();
    this.#note(host, reader.follower);
  }

  /** For whoever comes next: the epoch from which this host is to be read. */
  #note(host: string, { followed }: Follower): void {
    const noted = this.#leases.followedOf(host);
    if (followed === null) return;
    if (noted?.session === followed.session && noted.epoch === followed.epoch) return;
    void this.#leases.follow(host, followed);
  }

  #shown(host: string, servers: ReadonlyMap<string, Server>): FleetHost {
    const reader = this.#readers.get(host);
    if (reader?.reading !== true) {
      const owner = servers.get(this.#leases.ownerOf(host) ?? '');
      const message =
        owner === undefined
          ? 'no server has it yet'
          : `another server shows it: ${plain(owner.name)}, ${plain(owner.url)}`;
      const stream = reader === undefined ? null : this.#counts(host, reader);
      return { host, status: 'stopped', message, pipeline: null, heardAt: null, stream };
    }
    const { pipeline, heardAt } = reader.follower;
    return { host, ...statusOf(reader), pipeline, heardAt, stream: this.#counts(host, reader) };
  }

  #counts(host: string, { follower, behind }: HostReader): StreamCounts {
    const { counts, dropped, spooledBytes } = follower;
    return { ...counts, dropped, spooledBytes, behind, takeovers: this.#takeovers.get(host) ?? 0 };
  }
}

function statusOf({ follower, behind }: HostReader): { status: TracerStatus; message: string } {
  const { counts, heardAt, shownStatus: status } = follower;
  const notes = [follower.message];
  if (counts.missing > 0) notes.push(`${counts.missing} messages are missing from the stream`);
  if (counts.rejected > 0) {
    notes.push(`${counts.rejected} messages were rejected: ${follower.samples[0]}`);
  }
  const message = notes.filter((note) => note !== '').join('; ');
  if (behind !== null && behind > BEHIND) {
    const text = `reading what the stream has kept: ${behind} messages to go`;
    return { status: 'connecting', message: text };
  }
  const silentMs = heardAt === null ? 0 : nowMs() - heardAt;
  if (status === 'ready' && silentMs > SILENT_MS) {
    const text = `nothing has come from its agent for ${Math.round(silentMs / 1000)} s`;
    return { status: 'restarting', message: text };
  }
  return { status, message };
}
