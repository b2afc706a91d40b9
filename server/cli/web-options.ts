/** The options of every command that serves the page: where it listens, and to whom. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { type Command, InvalidArgumentError } from 'commander';
import { newToken, type Tokens } from '../web/auth.ts';
import { checkListen, type Listen } from '../web/server.ts';
import { CliError, EXIT } from './exit.ts';
import { readTokens } from './token-file.ts';

/** As commander gives them. */
export interface WebFlags {
  readonly port: number;
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecurePlainText: boolean;
  readonly allowHost: readonly string[];
  readonly tokenFile?: string;
  readonly viewerLink: boolean;
}

/** The same, with its files read. */
export interface WebSettings {
  readonly port: number;
  readonly listen: Listen;
  readonly tokens: Tokens;
  /** Whether the viewer's link is printed, too. */
  readonly viewerLink: boolean;
}

export const DEFAULT_PORT = 7373;
const DEFAULT_ADDRESS = '127.0.0.1';

export function withWebOptions(command: Command): Command {
  return command
    .option('--port <port>', 'port of the page; 0: any free one', port, DEFAULT_PORT)
    .option(
      '--listen <address>',
      'IP address of the page; beyond loopback with TLS',
      address,
      DEFAULT_ADDRESS,
    )
    .option('--tls-cert <file>', 'certificate of the page and what leads to its root, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option(
      '--insecure-plain-text',
      'no TLS beyond loopback: who is on the way reads the token',
      false,
    )
    .option(
      '--allow-host <name>',
      'another name of this server in links (repeatable)',
      hostNames,
      [],
    )
    .option('--token-file <file>', 'tokens that outlive the server; made where there is none')
    .option('--viewer-link', 'also print a link for looking only', false);
}

/** Reads the files. Throws CliError and RangeError, before anything listens. */
export function webSettings(flags: WebFlags): WebSettings {
  const listen: Listen = {
    address: flags.listen,
    names: flags.allowHost,
    tls: tlsOf(flags),
    insecure: flags.insecurePlainText,
  };
  checkListen(listen);
  const tokens =
    flags.tokenFile === undefined
      ? { operator: newToken(), viewer: newToken() }
      : readTokens(flags.tokenFile);
  return { port: flags.port, listen, tokens, viewerLink: flags.viewerLink };
}

function tlsOf({ tlsCert, tlsKey }: WebFlags): Listen['tls'] {
  if (tlsCert === undefined && tlsKey === undefined) return null;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new CliError(EXIT.usage, '--tls-cert and --tls-key go together: give both');
  }
  const cert = read('--tls-cert', tlsCert);
  const key = read('--tls-key', tlsKey);
  const fail = (what: string) => new CliError(EXIT.usage, what);
  const certificate = tried(
    () => new X509Certificate(cert),
    (why) => fail(`--tls-cert ${tlsCert}: it holds no certificate in PEM (${why})`),
  );
  const privateKey = tried(
    () => createPrivateKey(key),
    (why) =>
      fail(`--tls-key ${tlsKey}: it holds no private key in PEM without a password (${why})`),
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw fail(`--tls-key ${tlsKey}: it is not the key of the certificate in ${tlsCert}`);
  }
  tried(
    () => createSecureContext({ cert, key }),
    (why) => fail(`--tls-cert ${tlsCert}: TLS does not take it: ${why}`),
  );
  if (certificate.validToDate.getTime() < Date.now()) {
    process.stderr.write(`lastref: ${tlsCert}: not valid since ${certificate.validTo}\n`);
  }
  return { cert, key };
}

function read(option: string, file: string): string {
  return tried(
    () => readFileSync(file, 'utf8'),
    (why) => new CliError(EXIT.usage, `${option}: ${why}`),
  );
}

function tried<T>(work: () => T, error: (why: string) => Error): T {
  try {
    return work();
  } catch (thrown) {
    throw error((thrown as Error).message);
  }
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('expected a port: 0 to 65535');
  }
  return Number(text);
}

function address(text: string): string {
  if (text === 'localhost') return DEFAULT_ADDRESS;
  const plain = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(plain) === 0) {
    throw new InvalidArgumentError('expected an IP address: 192.0.2.1, ::1, or 0.0.0.0 for all');
  }
  return plain;
}

function hostNames(text: string, before: string[]): string[] {
  const plain = text.replace(/^\[(.*)\]$/, '$1');
  const isName = /^(?!-)[A-Za-z0-9_.-]{1,253}$/.test(plain);
  if (!isName && isIP(plain) === 0) {
    throw new InvalidArgumentError('expected a name without scheme and port: box.example.org');
  }
  return [...before, plain];
}
