/** The ways to prove to a real broker who one is: the seed of an nkey, a JWT with its seed, both over TLS. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys';
import { afterEach, describe, expect, it } from 'vitest';
import { leaveFleet, openFleet } from '../../server/cli/nats-options.ts';
import { BrokerError } from '../../server/nats/broker.ts';
import { lastref } from '../support/cli.ts';
import { Broker } from '../support/nats.ts';
import { scratch } from '../support/nats-run.ts';
import { makeCertificate } from '../support/sockets.ts';

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function brokerWith(config: string): Promise<Broker> {
  const broker = await Broker.start({ config });
  ending.push(() => broker.remove());
  return broker;
}

function fileOf(name: string, text: string): string {
  const file = join(scratch(), name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const seedOf = (pair: KeyPair) => new TextDecoder().decode(pair.getSeed());
const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** As nsc makes them: Ed25519 over the two parts before it, by the key that stands above. */
function jwt(issuer: KeyPair, sub: string, name: string, nats: object): string {
  const claims = { jti: name, iat: 1_700_000_000, iss: issuer.getPublicKey(), name, sub, nats };
  const text = `${encoded({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encoded(claims)}`;
  const signature = issuer.sign(new TextEncoder().encode(text));
  return `${text}.${Buffer.from(signature).toString('base64url')}`;
}

/** Of an account with JetStream; and what the broker has to know to take it. */
function operatorMode() {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()];
  const system = createAccount();
  const none = -1;
  const limits = {
    ...{ subs: none, data: none, payload: none, imports: none, exports: none, wildcards: true },
    ...{ conn: none, leaf: none },
  };
  const ofOperator = jwt(operator, operator.getPublicKey(), 'O', { type: 'operator', version: 2 });
  const ofAccount = (pair: KeyPair, name: string, more = {}) => {
    const permissions = { default_permissions: { pub: {}, sub: {} }, type: 'account', version: 2 };
    return jwt(operator, pair.getPublicKey(), name, {
      limits: { ...limits, ...more },
      ...permissions,
    });
  };
  const ofUser = (pair: KeyPair, issuer = account) => {
    const text = jwt(issuer, pair.getPublicKey(), 'U', {
      ...{ pub: {}, sub: {}, subs: none, data: none, payload: none, type: 'user', version: 2 },
    });
    return `-----BEGIN NATS USER JWT-----\n${text}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seedOf(pair)}\n------END USER NKEY SEED------\n`;
  };
  const jetstream = { mem_storage: none, disk_storage: none, streams: none, consumer: none };
  const accounts = [
    `${system.getPublicKey()}: "${ofAccount(system, 'SYS')}"`,
    `${account.getPublicKey()}: "${ofAccount(account, 'A', jetstream)}"`,
  ];
  const config = `operator: "${ofOperator}"
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${accounts.join(', ')} }`;
  return { config, right: ofUser(user), wrong: ofUser(user, createAccount()) };
}

/** What is thrown; it has nothing in it of what the file has. */
async function refused(flags: Parameters<typeof openFleet>[0], url: string, secret: string) {
  const error = await openFleet(flags, url).then(
    (broker) => leaveFleet(broker),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(BrokerError);
  const { message, hint, kind } = error as BrokerError;
  for (const line of secret.split('\n').filter((text) => text.length > 40)) {
    expect(message + hint).not.toContain(line);
  }
  expect(kind).toBe('usage');
  return `${message}\n${hint}`;
}

describe('credentials in a file', () => {
  it('the seed of an nkey, over TLS with an authority of its own', async () => {
    const user = createUser();
    const { certFile, keyFile } = makeCertificate('localhost');
    const broker = await brokerWith(
      `tls { cert_file: "${certFile}", key_file: "${keyFile}" }\nauthorization { users: [{ nkey: ${user.getPublicKey()} }] }`,
    );
    const url = `tls://localhost:${broker.port}`;
    const natsNkey = fileOf('user.nk', `${seedOf(user)}\n`);
    await leaveFleet(await openFleet({ natsNkey, natsCa: certFile }, url));
    const other = seedOf(createUser());
    const wrong = { natsNkey: fileOf('other.nk', other), natsCa: certFile };
    expect(await refused(wrong, url, other)).toMatch(/does not accept the credentials/);
    expect(await refused({ natsNkey }, url, seedOf(user))).toMatch(/no TLS with the broker/);
    // an authority that is another's
    const natsCa = makeCertificate('localhost').certFile;
    expect(await refused({ natsNkey, natsCa }, url, '')).toMatch(/no TLS with the broker/);
  });

  it('a JWT with its seed, of an account of an operator', async () => {
    const { config, right, wrong } = operatorMode();
    const broker = await brokerWith(config);
    const natsCreds = fileOf('user.creds', right);
    await leaveFleet(await openFleet({ natsCreds }, broker.url));
    const other = { natsCreds: fileOf('other.creds', wrong) };
    expect(await refused(other, broker.url, wrong)).toMatch(/does not accept the credentials/);
    expect(await refused({}, broker.url, '')).toMatch(/does not accept the credentials/);
  });

  it('a file that is none: told before anything is traced, without what is in it', async () => {
    const [empty, word] = [fileOf('empty', ''), fileOf('word', 's3cret-word\n')];
    const [nowhere, url] = ['/no/such', 'nats://127.0.0.1:1'];
    for (const flags of [
      ...[{ natsCreds: nowhere }, { natsNkey: nowhere }, { natsCa: nowhere }],
      ...[{ natsCreds: word }, { natsNkey: word }, { natsNkey: empty }],
    ]) {
      const text = await refused(flags, url, '');
      expect(text).toMatch(/^--nats-(creds|nkey|ca)/);
      expect(text).not.toContain('s3cret');
    }
    const where = ['--host', 'local', '--nats', url, '--spool', scratch()];
    const { code, stderr } = await lastref(['agent', ...where, '--nats-nkey', word]);
    expect(stderr).toMatch(/--nats-nkey .*no seed/);
    expect(stderr).not.toContain('s3cret');
    expect(code).toBe(2);
  });
});
