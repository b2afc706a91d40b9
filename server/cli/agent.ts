/** `lastref agent`: trace hosts, and publish what they say to NATS. */
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { selectHost } from '../host/select.ts';
import { BrokerError, connectBroker } from '../nats/broker.ts';
import { Publisher } from '../nats/publisher.ts';
import { Sender } from '../nats/sender.ts';
import { Spool } from '../nats/spool.ts';
import { ensureStream } from '../nats/stream.ts';
import { defaultStateDir } from '../notify/state-dir.ts';
import { recordedAlerting } from '../protocol/config.ts';
import { Recorder } from '../recording/recorder.ts';
import { Session } from '../tracer/session.ts';
import { say } from './alerting.ts';
import { loadConfig } from './config.ts';
import { EXIT } from './exit.ts';
import { brokerOptions, type NatsFlags, streamOptions } from './nats-options.ts';
import { type TraceFlags, traceOptions } from './trace-options.ts';
import { printStatus, stopSignal } from './tracing.ts';

export interface AgentOptions extends TraceFlags, NatsFlags {
  readonly host: readonly string[];
  readonly spool?: string;
  readonly spoolSize: number;
  readonly record?: string;
  readonly keep: number;
  readonly config?: string;
  readonly bufferPages?: number;
}

/** At the end, what waits is given this long to get to the broker. */
const LAST_MS = 5000;
const WATCH_MS = 500;

/** Until SIGINT or SIGTERM, or until no host can be traced; resolves to the exit code. */
export async function agent(options: AgentOptions): Promise<number> {
  const trace = traceOptions(options);
  const config = loadConfig(options.config);
  const hosts = options.host.map(selectHost);
  const spool = new Spool(options.spool ?? join(defaultStateDir(), 'agent'), options.spoolSize);
  const stopped = stopSignal();
  const sending = new Sending(options, spool);
  // what no patience helps is told before anything is traced
  await Promise.race([sending.firstTry, stopped]);
  const publishers = new Map(
    hosts.map(({ name: host }) => {
      return [host, new Publisher({ host, spool, wake: () => sending.wake(host), say })];
    }),
  );
  const recorder = new Recorder({
    file: options.record ?? null,
    pipelines: () => session.pipelines(),
    say,
  });
  const session: Session = new Session(hosts, {
    trace,
    alerts: recordedAlerting(config),
    keep: options.keep,
    ...(options.bufferPages === undefined ? {} : { bufferPages: options.bufferPages }),
    onStatus: (tracer) => {
      printStatus(tracer);
      publishers.get(tracer.host.name)!.status(tracer.status, tracer.message);
    },
    onAlert: (pipeline, alert) => recorder.alert(pipeline, alert),
    onEnd: (pipeline, inode) => recorder.ended(pipeline, inode),
    onEpoch: (pipeline) => {
      recorder.epoch(pipeline);
      publishers.get(pipeline.info.host)!.epoch(pipeline);
    },
    onFrame: (epoch, kind, bytes) => {
      recorder.frame(epoch, kind, bytes);
      publishers.get(epoch.host)!.frame(epoch, kind, bytes);
    },
  });
  session.start();
  const failed = noneLeft(session);
  await Promise.race([stopped, failed.promise]);
  failed.cancel();
  await session.stop();
  for (const publisher of publishers.values()) publisher.close();
  recorder.close();
  await sending.stop();
  say(summary(publishers, spool, sending));
  spool.close();
  const died = session.hosts().some(({ status }) => status === 'failed');
  return died || recorder.failed !== null ? EXIT.tracing : EXIT.good;
}

/** The way to the broker: found at once or later, while messages wait in the spool. */
class Sending {
  sender: Sender | null = null;
  /** Resolves when the broker has been reached or is waited for; rejects with BrokerError. */
  readonly firstTry: Promise<void>;
  readonly #stop = new AbortController();
  readonly #options: AgentOptions;
  readonly #spool: Spool;
  #connection: NatsConnection | null = null;

  constructor(options: AgentOptions, spool: Spool) {
    this.#options = options;
    this.#spool = spool;
    this.firstTry = new Promise((resolve, reject) => {
      void this.#connect(resolve).then(resolve, (error) => {
        reject(error);
        // a broker that came later than the traces may still refuse us: they stay in the spool
        say(`${(error as Error).message}; messages stay on disk`);
      });
    });
  }

  wake(host: string): void {
    this.sender?.wake(host);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.sender?.stop(LAST_MS);
    await this.#connection?.close();
  }

  async #connect(waiting: () => void): Promise<void> {
    const { signal } = this.#stop;
    const patient = {
      signal,
      waiting: (why: string) => {
        this.#spool.durable(true);
        say(`${why}; messages wait on disk until one does`);
        waiting();
      },
    };
    const connection = await connectBroker(brokerOptions(this.#options, 'agent'), patient);
    if (signal.aborted) return connection.close();
    this.#connection = connection;
    await this.#stream(connection, waiting);
    this.#spool.durable(false);
    this.sender = new Sender({ connection, spool: this.#spool, say });
  }

  /** Of a cluster that has no majority yet, nothing can be asked. */
  async #stream(connection: NatsConnection, waiting: () => void): Promise<void> {
    for (let first = true; !this.#stop.signal.aborted; first = false) {
      try {
        await ensureStream(connection, streamOptions(this.#options));
        return;
      } catch (error) {
        if (!(error instanceof BrokerError) || error.kind !== 'passing') throw error;
        if (first) say(`${error.message}; messages wait on disk until it does`);
        waiting();
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }
}

function noneLeft(session: Session): { promise: Promise<void>; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (session.hosts().every(({ status }) => status === 'failed')) resolve();
    }, WATCH_MS);
  });
  return { promise, cancel: () => clearInterval(timer) };
}

function summary(
  publishers: ReadonlyMap<string, Publisher>,
  spool: Spool,
  { sender }: Sending,
): string {
  const waiting = spool.hosts().reduce((sum, host) => sum + spool.waiting(host), 0);
  const dropped = [...publishers.values()].reduce((sum, p) => sum + p.dropped.messages, 0);
  return `${sender?.sent ?? 0} messages published; ${waiting} wait on disk for the next agent here; ${dropped} dropped`;
}
