/** The way from a spool to the broker: found at once or later, while messages wait on disk. */
import type { NatsConnection } from '@nats-io/transport-node';
import { BrokerError, type BrokerOptions, connectBroker } from './broker.ts';
import { Sender } from './sender.ts';
import type { Spool } from './spool.ts';
import { ensureStream, type StreamOptions } from './stream.ts';

/** Between two tries, ms. */
const AGAIN_MS = 1000;

export interface UplinkOptions {
  readonly broker: BrokerOptions;
  readonly stream: StreamOptions;
  readonly spool: Spool;
  /** Words for the terminal. */
  readonly say: (text: string) => void;
}

export class Uplink {
  /** Resolves when the broker has been reached or is waited for; rejects with BrokerError. */
  readonly firstTry: Promise<void>;
  readonly #options: UplinkOptions;
  readonly #stop = new AbortController();
  #sender: Sender | null = null;
  #connection: NatsConnection | null = null;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.firstTry = new Promise((resolve, reject) => {
      this.#connect(resolve).then(resolve, (error) => {
        reject(error);
        if (this.#stop.signal.aborted) return;
        // a broker that came later than the traces may still refuse us: they stay on disk
        options.say(`${(error as Error).message}; messages stay on disk`);
      });
    });
  }

  /** Messages that the broker has confirmed. */
  get sent(): number {
    return this.#sender?.sent ?? 0;
  }

  /** A message of this host waits. */
  wake(host: string): void {
    this.#sender?.wake(host);
  }

  /** Sends what waits if that works within the time; the rest is for the next agent here. */
  async stop(withinMs: number): Promise<void> {
    this.#stop.abort();
    await this.#sender?.stop(withinMs);
    await this.#connection?.close();
  }

  async #connect(waiting: () => void): Promise<void> {
    const { broker, spool, say } = this.#options;
    const { signal } = this.#stop;
    const wait = (why: string) => {
      spool.durable(true);
      say(`${why}; messages wait on disk until one does`);
      waiting();
    };
    const connection = await connectBroker(broker, { signal, waiting: wait });
    if (signal.aborted) return connection.close();
    this.#connection = connection;
    await this.#stream(connection, waiting);
    if (signal.aborted) return;
    spool.durable(false);
    this.#sender = new Sender({ connection, spool, say });
  }

  /** Of a cluster that has no majority yet, nothing can be asked. */
  async #stream(connection: NatsConnection, waiting: () => void): Promise<void> {
    const { stream, say } = this.#options;
    for (let first = true; !this.#stop.signal.aborted; first = false) {
      try {
        await ensureStream(connection, stream);
        return;
      } catch (error) {
        if (!(error instanceof BrokerError) || error.kind !== 'passing') throw error;
        if (first) say(`${error.message}; messages wait on disk until it does`);
        waiting();
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }
}
