/**
 * Who serves, and which host is whose. Each server says twice a few seconds that it is
 * there; one that has not said so for a while is taken for dead, and its hosts for free.
 * A host is taken by writing one's name over the entry that was read: the broker lets one
 * of several do so. Beside the name stands which epoch is followed, for whoever comes next.
 */
import { randomBytes } from 'node:crypto';
import type { KV } from '@nats-io/kv';
import { z } from 'zod';
import { Mirror, swap } from './bucket.ts';
import type { Followed } from './follower.ts';
import { hostOf, tokenOf } from './subjects.ts';

/** A server says so often that it is there, ms. */
const BEAT_MS = 1500;
/** ... and is taken for dead when it has not for so long; also how long the broker keeps it. */
export const DEAD_MS = 6000;

const Server = z.object({ name: z.string().max(200), url: z.string().max(500) });
export type Server = z.infer<typeof Server>;

const Lease = z.object({
  owner: z.string().max(64).nullable(),
  session: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .nullable(),
  epoch: z.int().positive().nullable(),
});
type Lease = z.infer<typeof Lease>;

export interface LeasesOptions {
  readonly servers: KV;
  readonly hosts: KV;
  readonly self: () => Server;
  /** A host may have another owner. */
  readonly changed: () => void;
}

export class Leases {
  /** Of this run of this server. */
  readonly id = randomBytes(8).toString('hex');
  readonly #options: LeasesOptions;
  readonly #serverMirror: Mirror;
  readonly #hostMirror: Mirror;
  readonly #running = new Map<string, { server: Server; heardAt: number }>();
  readonly #leases = new Map<string, Lease>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#serverMirror = new Mirror(options.servers, (id, value) => {
      const server = value === null ? null : parsed(Server, value.text);
      if (server === null) this.#running.delete(id);
      else this.#running.set(id, { server, heardAt: performance.now() });
    });
    this.#hostMirror = new Mirror(options.hosts, (token, value) => {
      const host = hostOf(token);
      const lease = value === null ? null : parsed(Lease, value.text);
      if (host === null) return;
      if (lease === null) this.#leases.delete(host);
      else this.#leases.set(host, lease);
      options.changed();
    });
  }

  start(): void {
    this.#serverMirror.start();
    this.#hostMirror.start();
    const beat = () => {
      this.#beat();
      // it hears itself, where it hears at all
      const self = this.#running.get(this.id);
      if (self !== undefined && performance.now() - self.heardAt > DEAD_MS) {
        this.#serverMirror.restart();
        this.#hostMirror.restart();
      }
    };
    beat();
    this.#timer ??= setInterval(beat, BEAT_MS);
  }

  /** Gives everything back; others need not wait for its death. */
  async stop(hosts: readonly string[]): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.allSettled(hosts.map((host) => this.leave(host)));
    await this.#options.servers.delete(this.id).catch(nothing);
    await Promise.all([this.#serverMirror.stop(), this.#hostMirror.stop()]);
  }

  /** All that run, by id; this one as soon as it has heard itself. */
  servers(): Map<string, Server> {
    const now = performance.now();
    const alive = [...this.#running].filter(([, { heardAt }]) => now - heardAt <= DEAD_MS);
    return new Map(alive.map(([id, { server }]) => [id, server]));
  }

  /** The id of a server that may not run any more; null: nobody. */
  ownerOf(host: string): string | null {
    return this.#leases.get(host)?.owner ?? null;
  }

  /** The epoch that was followed last, by whomever; null: none was. */
  followedOf(host: string): Followed | null {
    const { session = null, epoch = null } = this.#leases.get(host) ?? {};
    return session === null || epoch === null ? null : { session, epoch };
  }

  /** False: another was faster, or the broker is away. */
  take(host: string): Promise<boolean> {
    return this.#write(host, { owner: this.id });
  }

  leave(host: string): Promise<boolean> {
    if (this.ownerOf(host) !== this.id) return Promise.resolve(false);
    return this.#write(host, { owner: null });
  }

  /** Notes how far it is. */
  follow(host: string, { session, epoch }: Followed): Promise<boolean> {
    if (this.ownerOf(host) !== this.id) return Promise.resolve(false);
    return this.#write(host, { session, epoch });
  }

  async #write(host: string, change: Partial<Lease>): Promise<boolean> {
    const key = tokenOf(host);
    const revision = this.#hostMirror.get(key)?.revision ?? 0;
    const lease = { owner: null, session: null, epoch: null, ...this.#leases.get(host), ...change };
    const text = JSON.stringify(lease);
    try {
      const next = await swap(this.#options.hosts, key, text, revision);
      if (next === null) return false;
      this.#hostMirror.note(key, { text, revision: next });
      return true;
    } catch {
      return false;
    }
  }

  #beat(): void {
    const text = JSON.stringify(this.#options.self());
    this.#options.servers.put(this.id, text).catch(nothing);
  }
}

function parsed<T>(schema: z.ZodType<T>, text: string): T | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function nothing(): void {}
