/** The way to the broker: addresses, credentials, TLS; what is wrong with them, on one screen. */
import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type NodeConnectionOptions,
  nkeyAuthenticator,
} from '@nats-io/transport-node';

export interface BrokerOptions {
  /** `nats://` or `tls://`, perhaps with USER:PASSWORD@ or TOKEN@; several by comma. */
  readonly urls: string;
  /** A file with a JWT and its seed, as `nsc` makes them. */
  readonly creds?: string | undefined;
  /** A file with the seed of an nkey. */
  readonly nkey?: string | undefined;
  /** Certificate of the authority that the brokers' certificates come from, PEM. */
  readonly ca?: string | undefined;
  /** What the broker calls this connection. */
  readonly name: string;
}

/** What stands in the way; `hint`: what to do. */
export class BrokerError extends Error {
  readonly hint: string;
  /** `usage`: another command line would help; `passing`: time may; `broker`: its owner. */
  readonly kind: 'usage' | 'passing' | 'broker';
  constructor(message: string, hint: string, kind: BrokerError['kind'] = 'broker') {
    super(message);
    this.name = 'BrokerError';
    this.hint = hint;
    this.kind = kind;
  }
}

/** Milliseconds for one try. */
const CONNECT_MS = 5000;
/** A message of ours has to fit; the default of the broker is 1 MB. */
const SMALLEST_PAYLOAD = 512 * 1024;
const DEFAULT_PORT = '4222';

/** The seed of an nkey of a user; a file that has one after a JWT, between lines of dashes. */
const SEED = /^SU[A-Z2-7]{56}$/;
const CREDS =
  /^-+BEGIN [^\n]*-+\s+[\w-]+\.[\w-]+\.[\w-]+\s[\s\S]*^-+BEGIN [^\n]*-+\s+SU[A-Z2-7]{56}\s/m;

export interface Address {
  /** HOST:PORT of each, without credentials. */
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user: string | null;
  readonly pass: string | null;
  readonly token: string | null;
}

/** Throws BrokerError; what it says has no credentials in it. */
export function parseUrls(urls: string): Address {
  const parsed = urls.split(',').map((text) => {
    const trimmed = text.trim();
    const url = URL.parse(trimmed.includes('://') ? trimmed : `nats://${trimmed}`);
    if (url === null || url.hostname === '' || !['nats:', 'tls:'].includes(url.protocol)) {
      throw new BrokerError(
        '--nats: expected nats://HOST:4222 or tls://HOST:4222, several by comma',
        'Credentials stand before the host: nats://TOKEN@HOST, nats://USER:PASSWORD@HOST; or in a file: --nats-creds FILE',
        'usage',
      );
    }
    return url;
  });
  const found = parsed.find(({ username }) => username !== '');
  const user = found === undefined ? null : decodeURIComponent(found.username);
  const hasPass = found !== undefined && found.password !== '';
  return {
    servers: parsed.map(({ hostname, port }) => `${hostname}:${port || DEFAULT_PORT}`),
    tls: parsed.some(({ protocol }) => protocol === 'tls:'),
    user: hasPass ? user : null,
    pass: hasPass ? decodeURIComponent(found.password) : null,
    token: hasPass ? null : user,
  };
}

/**
 * `patient`: a broker that is not there is waited for, and `waiting` told why; otherwise,
 * and for what no patience helps, throws BrokerError.
 */
export async function connectBroker(
  options: BrokerOptions,
  patient?: { readonly waiting: (why: string) => void; readonly signal: AbortSignal },
): Promise<NatsConnection> {
  const address = parseUrls(options.urls);
  const settings = settingsOf(options, address);
  let told = false;
  for (;;) {
    try {
      return checked(await connect(settings), address);
    } catch (error) {
      const explained = explain(error, address);
      if (explained.kind !== 'passing' || patient === undefined || patient.signal.aborted)
        throw explained;
      if (!told) patient.waiting(explained.message);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function settingsOf(options: BrokerOptions, address: Address): NodeConnectionOptions {
  const { creds, nkey, ca } = options;
  const { servers, tls, user, pass, token } = address;
  const auth: ConnectionOptions = {};
  if (creds !== undefined) {
    const text = read('--nats-creds', creds);
    if (!CREDS.test(new TextDecoder().decode(text))) {
      throw new BrokerError(
        `--nats-creds ${creds}: there is no JWT with its seed in it`,
        'nsc generate creds makes such a file; a seed alone goes with --nats-nkey.',
        'usage',
      );
    }
    auth.authenticator = credsAuthenticator(text);
  }
  if (nkey !== undefined) {
    const seed = new TextDecoder().decode(read('--nats-nkey', nkey)).trim();
    if (!SEED.test(seed)) {
      throw new BrokerError(
        `--nats-nkey ${nkey}: there is no seed of a user in it`,
        'nk -gen user makes one: a line that begins with SU.',
        'usage',
      );
    }
    auth.authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
  }
  if (user !== null) Object.assign(auth, { user, pass });
  if (token !== null) auth.token = token;
  if (ca !== undefined) read('--nats-ca', ca);
  return {
    ...auth,
    servers: [...servers],
    name: options.name,
    timeout: CONNECT_MS,
    // for ever: what waits, waits on disk
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    pingInterval: 10_000,
    maxPingOut: 2,
    ...(tls || ca !== undefined ? { tls: ca === undefined ? {} : { caFile: ca } } : {}),
  };
}

function read(option: string, file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new BrokerError(`${option}: ${(error as Error).message}`, '', 'usage');
  }
}

async function checked(connection: NatsConnection, address: Address): Promise<NatsConnection> {
  const { info } = connection;
  const where = addressText(address);
  let wrong: BrokerError | null = null;
  if (info === undefined || info.jetstream !== true) {
    wrong = new BrokerError(
      `the broker ${where} has no JetStream: nothing would be kept`,
      'Put jetstream { store_dir: "/var/lib/nats" } into its configuration, or start it with -js -sd DIR; docs/fleet-nats.md has one that works.',
    );
  } else if (info.max_payload < SMALLEST_PAYLOAD) {
    wrong = new BrokerError(
      `the broker ${where} takes messages up to ${info.max_payload} bytes only`,
      `Take max_payload out of its configuration (1 MB is the default), or set ${SMALLEST_PAYLOAD} or more.`,
    );
  }
  if (wrong === null) return connection;
  await connection.close();
  throw wrong;
}

function explain(error: unknown, address: Address): BrokerError {
  if (error instanceof BrokerError) return error;
  const where = addressText(address);
  const text = String((error as Error).message ?? error);
  const cause = String(((error as Error).cause as Error | undefined)?.message ?? '');
  if (
    error instanceof errors.AuthorizationError ||
    error instanceof errors.UserAuthenticationExpiredError ||
    /authorization|authentication/i.test(text)
  ) {
    return new BrokerError(
      `the broker ${where} does not accept the credentials`,
      'Give what its configuration has: nats://TOKEN@HOST, nats://USER:PASSWORD@HOST, --nats-creds FILE or --nats-nkey FILE.',
      'usage',
    );
  }
  if (/certificate|self.signed|tls|ssl/i.test(`${text} ${cause}`)) {
    return new BrokerError(
      `no TLS with the broker ${where}: ${cause || text}`,
      'tls://HOST demands TLS; --nats-ca FILE names the authority where it is one of your own.',
      'usage',
    );
  }
  return new BrokerError(
    `no broker answers at ${where}${cause || text ? ` (${cause || text})` : ''}`,
    'Is nats-server running there, and may this machine reach it? docs/fleet-nats.md shows how one is set up.',
    'passing',
  );
}

/** Without credentials. */
export function addressText({ servers }: Pick<Address, 'servers'>): string {
  return servers.join(', ');
}
