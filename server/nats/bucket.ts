/**
 * A key-value bucket of the broker: made where there is none, and a copy of it in memory
 * that follows its changes. The copy may be late; what is decided by it is written with
 * the revision that it was decided by, and refused where another has come between.
 */
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { BrokerError } from './broker.ts';

/** Milliseconds for an answer. */
const ANSWER_MS = 4000;
const AGAIN_MS = 500;
/** JetStream's error for a revision that is not the last one. */
const WRONG_REVISION = 10071;

export interface Value {
  readonly text: string;
  readonly revision: number;
}

/** `ttlMs`: how long an entry lives; null: for ever. Throws BrokerError. */
export async function openBucket(
  connection: NatsConnection,
  name: string,
  { ttlMs, replicas }: { readonly ttlMs: number | null; readonly replicas: number },
): Promise<KV> {
  const kvm = new Kvm(jetstream(connection, { timeout: ANSWER_MS }));
  try {
    return await kvm.create(name, {
      history: 1,
      replicas,
      ...(ttlMs === null ? {} : { ttl: ttlMs }),
    });
  } catch (error) {
    throw new BrokerError(
      `the bucket ${name} cannot be opened: ${(error as Error).message}`,
      'May this user of the broker make it (docs/fleet-nats.md, accounts)? One of that name with other settings has to be removed.',
    );
  }
}

/** Resolves to the new revision; null: another has written meanwhile. Rejects when there is no answer. */
export async function swap(
  bucket: KV,
  key: string,
  text: string,
  revision: number,
): Promise<number | null> {
  try {
    return await (revision === 0 ? bucket.create(key, text) : bucket.update(key, text, revision));
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === WRONG_REVISION) return null;
    throw error;
  }
}

/** The bucket as it was a moment ago. */
export class Mirror {
  readonly #bucket: KV;
  readonly #onChange: (key: string, value: Value | null) => void;
  readonly #entries = new Map<string, Value>();
  #stopped = false;
  #stop: () => void = () => {};
  #loop: Promise<void> | null = null;

  /** `onChange`: also with what is there at the beginning; null: it was removed. */
  constructor(bucket: KV, onChange: (key: string, value: Value | null) => void) {
    this.#bucket = bucket;
    this.#onChange = onChange;
  }

  get(key: string): Value | null {
    return this.#entries.get(key) ?? null;
  }

  /** What this server has written itself need not come back first. */
  note(key: string, value: Value | null): void {
    const known = this.#entries.get(key);
    if (value !== null && known !== undefined && known.revision >= value.revision) return;
    if (value === null) this.#entries.delete(key);
    else this.#entries.set(key, value);
    this.#onChange(key, value);
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Reads all of it anew: what it heard last was too long ago. */
  restart(): void {
    this.#stop();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop();
    await Promise.race([this.#loop, pause(AGAIN_MS)]);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        const watch = await this.#bucket.watch();
        this.#stop = () => watch.stop();
        if (this.#stopped) return watch.stop();
        for await (const { key, revision, operation, value } of watch) {
          const text = Buffer.from(value).toString('utf8');
          this.note(key, operation === 'PUT' ? { text, revision } : null);
        }
      } catch {
        // the broker is away: again, until it is back
      }
      if (!this.#stopped) await pause(AGAIN_MS);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
