/** Requests as no well-behaved client makes them, and certificates. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
}

/** Any method, path and headers, also those that fetch() refuses to send. `ca`: over TLS. */
export function ask(
  url: string,
  options: { method?: string; headers?: http.OutgoingHttpHeaders; body?: string; ca?: string } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  const { origin, pathname, search } = new URL(url);
  // as it was written: URL takes out what a client may well send
  const path = url.slice(origin.length) || pathname + search;
  return new Promise((resolve, reject) => {
    const { request } = url.startsWith('https:') ? https : http;
    // of the certificate it is asked whether it is this one, not whose name is in it
    const same = { checkServerIdentity: () => undefined };
    const asked = request(origin, { path, agent: false, ...same, ...rest }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode!, headers: response.headers, text });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Sends these bytes; what comes back until the other side ends, or `ms` have passed. */
export function raw(port: number, bytes: string, ms = 5000): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** Signed by itself, for these names; not for 127.0.0.1. */
export function makeCertificate(...names: readonly string[]): Certificate {
  const dir = mkdtempSync(join(tmpdir(), 'lastref-cert-'));
  const [certFile, keyFile] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const alternatives = names.map((name) => `DNS:${name}`).join(',');
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
  const what = `req -x509 ${key} -days 2 -subj /CN=lastref-test -addext subjectAltName=${alternatives}`;
  execFileSync('openssl', [...what.split(' '), '-keyout', keyFile, '-out', certFile], {
    stdio: 'pipe',
  });
  const read = (file: string) => readFileSync(file, 'utf8');
  return { certFile, keyFile, cert: read(certFile), key: read(keyFile) };
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
