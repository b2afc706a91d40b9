/** The stream that keeps what agents publish: made where there is none, looked at where there is. */
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { BrokerError } from './broker.ts';
import { MAX_MESSAGE } from './message.ts';
import { STREAM, SUBJECTS } from './subjects.ts';

export interface StreamOptions {
  /** Brokers that keep a copy; not given: three in a cluster, else one. */
  readonly replicas?: number | undefined;
  /** How long a message is kept, ms. */
  readonly ageMs: number;
  /** Bytes kept of all hosts; null: what the broker has. */
  readonly bytes: number | null;
}

export const DEFAULT_AGE_MS = 24 * 3600e3;
/** How long the broker remembers the number of a message. */
const DUPLICATES_MS = 120_000;
/** Error codes of JetStream. */
const NOT_FOUND = 10059;
const NAME_IN_USE = 10058;
const NO_PERMISSION = /permission/i;

export function replicasFor(connection: NatsConnection, wanted: number | undefined): number {
  return wanted ?? (connection.info?.cluster === undefined ? 1 : 3);
}

/** Throws BrokerError. */
export async function ensureStream(
  connection: NatsConnection,
  options: StreamOptions,
): Promise<JetStreamManager> {
  const jsm = await jetstreamManager(connection, { checkAPI: false });
  const config = await found(jsm);
  if (config !== null) {
    refuseOther(config);
    return jsm;
  }
  try {
    await jsm.streams.add({
      name: STREAM,
      subjects: [SUBJECTS],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      storage: StorageType.File,
      num_replicas: replicasFor(connection, options.replicas),
      max_age: nanos(options.ageMs),
      max_bytes: options.bytes ?? -1,
      duplicate_window: nanos(Math.min(DUPLICATES_MS, options.ageMs)),
      allow_direct: true,
    });
  } catch (error) {
    const other = error instanceof JetStreamApiError && error.code === NAME_IN_USE;
    // another agent was faster
    if (other) return ensureStream(connection, options);
    throw streamError(error, 'cannot be made');
  }
  return jsm;
}

async function found(jsm: JetStreamManager): Promise<StreamConfig | null> {
  try {
    return (await jsm.streams.info(STREAM)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return null;
    throw streamError(error, 'cannot be asked for');
  }
}

/** Not with what the owner of the broker may well choose: sizes, times, copies. */
function refuseOther(config: StreamConfig): void {
  const wrong = differences(config);
  if (wrong.length === 0) return;
  throw new BrokerError(
    `the broker has a stream ${STREAM} that lastref cannot use:\n${wrong.map((text) => `  ${text}\n`).join('')}`.trimEnd(),
    `Remove it if it is nobody's (nats stream rm ${STREAM}), and lastref makes it anew; or change it to what is asked.`,
  );
}

/** In words, what is not as it has to be. */
export function differences(config: StreamConfig): string[] {
  const { subjects, retention, max_msg_size, max_msgs_per_subject, discard } = config;
  const wrong: string[] = [];
  if (!subjects?.some((subject) => subject === SUBJECTS || subject === '>')) {
    wrong.push(`its subjects are ${subjects?.join(', ') || 'none'}; they have to be ${SUBJECTS}`);
  }
  if (retention !== RetentionPolicy.Limits) {
    wrong.push(`its retention is ${retention}; it has to be limits, since many may read it`);
  }
  if (discard !== DiscardPolicy.Old) wrong.push(`it discards the ${discard} ones; old is needed`);
  if (max_msg_size > 0 && max_msg_size < MAX_MESSAGE) {
    wrong.push(`it takes messages up to ${max_msg_size} bytes; ${MAX_MESSAGE} are needed`);
  }
  if (max_msgs_per_subject > 0) {
    wrong.push(`it keeps ${max_msgs_per_subject} messages of a subject only; all are needed`);
  }
  return wrong;
}

function streamError(error: unknown, what: string): BrokerError {
  const text = (error as Error).message;
  if (
    /no responders|jetstream not enabled/i.test(text) ||
    (error as Error).name === 'TimeoutError'
  ) {
    return new BrokerError(
      `JetStream does not answer: the stream ${STREAM} ${what} (${text})`,
      'Is JetStream enabled for this account? In a cluster, do more than half of the brokers run?',
      'passing',
    );
  }
  if (NO_PERMISSION.test(text)) {
    return new BrokerError(
      `the stream ${STREAM} ${what}: this user of the broker may not do that`,
      'docs/fleet-nats.md lists what the user of an agent and of a server has to be allowed.',
    );
  }
  return new BrokerError(
    `the stream ${STREAM} ${what}: ${text}`,
    'Sizes and copies are chosen with --stream-replicas, --stream-size and --stream-age where the stream is made.',
  );
}
