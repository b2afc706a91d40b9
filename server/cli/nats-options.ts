/** The options of the commands that speak with NATS, and the way to it. */
import { hostname } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { type BrokerOptions, connectBroker } from '../nats/broker.ts';
import { type Broker, openBroker } from '../nats/fleet.ts';
import { DEAD_MS } from '../nats/leases.ts';
import { DEFAULT_AGE_MS, type StreamOptions } from '../nats/stream.ts';
import { CliError, EXIT } from './exit.ts';
import { bytes, duration } from './recording-options.ts';

/** As commander gives them. */
export interface NatsFlags {
  readonly nats: string;
  readonly natsCreds?: string;
  readonly natsNkey?: string;
  readonly natsCa?: string;
  readonly streamReplicas?: number;
  readonly streamAge: number;
  readonly streamSize?: number;
  readonly name?: string;
}

/** Of the spool of an agent: hours of a busy host. */
export const DEFAULT_SPOOL = 1024 ** 3;

export function withNatsOptions(command: Command): Command {
  return command
    .option('--nats-creds <file>', 'credentials for the broker: a JWT with its seed')
    .option('--nats-nkey <file>', 'credentials for the broker: the seed of an nkey')
    .option('--nats-ca <file>', 'authority of the certificates of the brokers, PEM')
    .option(
      '--stream-replicas <n>',
      'brokers that keep each message (3 in a cluster); this and the next two count where the stream is made',
      replicas,
    )
    .option('--stream-age <time>', 'how long the stream keeps a message', duration, DEFAULT_AGE_MS)
    .option('--stream-size <bytes>', 'most bytes that the stream keeps: 100G', bytes);
}

export function brokerOptions(flags: NatsFlags, what: string): BrokerOptions {
  const { nats: urls, natsCreds: creds, natsNkey: nkey, natsCa: ca } = flags;
  return { urls, creds, nkey, ca, name: `lastref ${what} on ${hostname()}` };
}

export function streamOptions(flags: Partial<NatsFlags>): StreamOptions {
  const { streamReplicas, streamAge = DEFAULT_AGE_MS, streamSize } = flags;
  return { replicas: streamReplicas, ageMs: streamAge, bytes: streamSize ?? null };
}

/** Throws CliError: what is traced elsewhere is not traced from here. */
export function refuseTracing(hosts: readonly string[], workload: readonly string[]): void {
  if (hosts.length === 0 && workload.length === 0) return;
  throw new CliError(
    EXIT.usage,
    'with --nats, hosts are traced by `lastref agent --host HOST --nats URL`; --host and a workload do not go with it',
  );
}

/** Throws BrokerError, before anything is served. */
export async function openFleet(flags: Partial<NatsFlags>, nats: string): Promise<Broker> {
  const connection = await connectBroker(
    brokerOptions({ streamAge: DEFAULT_AGE_MS, ...flags, nats }, 'live'),
  );
  try {
    return await openBroker(connection, streamOptions(flags), DEAD_MS);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Alerts have been told by then, and what was told is written down. */
export async function leaveFleet(broker: Broker | null): Promise<void> {
  await broker?.connection.close();
}

function replicas(text: string): number {
  if (!/^[1-5]$/.test(text)) throw new InvalidArgumentError('expected 1 to 5');
  return Number(text);
}
