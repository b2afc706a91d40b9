/** Listens: the page, REST and metrics over HTTP or HTTPS, and the WebSocket. */
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import express from 'express';
import { WebSocketServer } from 'ws';
import { SessionAlerts } from '../notify/session-alerts.ts';
import { clientOf, fromHere, isLoopback, linkHost, Names } from './addresses.ts';
import { Auth, newToken, type Tokens } from './auth.ts';
import { Door, type Refusal } from './door.ts';
import { History } from './history.ts';
import { LIMITS, type Limits } from './limits.ts';
import { Metrics } from './metrics/metrics.ts';
import type { RecordingState } from './metrics/server.ts';
import { routes } from './routes.ts';
import type { Source } from './source.ts';
import { Stream } from './stream.ts';
import { Views } from './views.ts';

/** Where to listen, and as what. */
export interface Listen {
  /** An IP address. */
  readonly address: string;
  /** Other names under which the server is spoken to; the first one is in the link. */
  readonly names: readonly string[];
  /** PEM; null: plain text. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** Plain text even where others are on the way. */
  readonly insecure: boolean;
}

export const ON_LOOPBACK: Listen = { address: '127.0.0.1', names: [], tls: null, insecure: false };

export interface WebOptions {
  readonly source: Source;
  /** By default those of the source, which nobody is told of. */
  readonly alerts?: SessionAlerts;
  /** What is kept on disk of it, for /metrics. */
  readonly recording?: () => RecordingState;
  /** 0: any free one. */
  readonly port: number;
  /** By default ON_LOOPBACK. */
  readonly listen?: Listen;
  /** By default new ones. */
  readonly tokens?: Tokens;
  /** Instead of LIMITS, for tests. */
  readonly limits?: Partial<Limits>;
}

export interface Web {
  readonly port: number;
  /** The operator's. */
  readonly token: string;
  /** Where people reach the page, without a token. */
  readonly origin: string;
  /** The links to the page, with the token. */
  readonly link: string;
  readonly viewerLink: string;
  /** The operator's for one use, for where others can see it. */
  onceLink(): string;
  /** Where whoever is on this machine reaches it. */
  readonly localOrigin: string;
  /** PEM; null: plain text. */
  readonly certificate: string | null;
  close(): Promise<void>;
}

/** How often it is asked whether a second has passed. */
const SAMPLE_MS = 100;

/** Throws RangeError where a token could be read on the way. */
export function checkListen({ address, tls, insecure }: Listen): void {
  if (tls !== null || insecure || isLoopback(address)) return;
  throw new RangeError(
    `--listen ${address}: beyond loopback the page is served over TLS, or everybody on the way could read its token.\n` +
      'Give a certificate and its key: --tls-cert FILE --tls-key FILE\n' +
      'Or stay on loopback, and look at it from elsewhere with ssh -L 7373:localhost:7373\n' +
      '--insecure-plain-text does without, on a network where you trust everybody.',
  );
}

/**
 * Starts to listen. Rejects with the system's error (EADDRINUSE) when that cannot be, and
 * with RangeError when it may not.
 */
export async function startWeb(options: WebOptions): Promise<Web> {
  const { source, listen = ON_LOOPBACK } = options;
  const { address, names, tls } = listen;
  checkListen(listen);
  const limits = { ...LIMITS, ...options.limits };
  const tokens = options.tokens ?? { operator: newToken(), viewer: newToken() };
  const app = express();
  const timing = {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.headersMs / 4,
    maxHeaderSize: limits.headerBytes,
  };
  const server: Server =
    tls === null
      ? createServer(timing, app)
      : createTlsServer({ ...timing, ...tls, handshakeTimeout: limits.headersMs }, app);
  bound(server, limits);
  // before it listens: what may fail leaves nothing behind
  const named = linkHost(address, names);
  await begin(server, options.port, address);
  const { port } = server.address() as AddressInfo;

  const alerts =
    options.alerts ??
    new SessionAlerts({ pipelines: () => source.pipelines(), silences: null, notifier: null });
  const history = new History(source);
  const stopSampling = sample(source, history);
  const views = new Views(source, (host) => history.eventsPerS(host));
  const stream = new Stream({
    ...{ source, views, history, alerts, limits },
    recorded: () => options.recording?.().recording?.newest ?? [],
  });
  const secure = tls !== null;
  const auth = new Auth(port, tokens, secure);
  const door = new Door({ auth, names: new Names(address, names), secure, limits });
  const metrics = new Metrics({ source, stream, alerts, recording: options.recording });
  routes(app, door, { source, alerts, views, metrics, secure });
  const sockets = upgrades(server, door, stream, limits);
  const scheme = secure ? 'https' : 'http';
  const origin = `${scheme}://${named}:${port}`;
  return {
    port,
    token: tokens.operator,
    origin,
    link: `${origin}/?token=${tokens.operator}`,
    viewerLink: `${origin}/?token=${tokens.viewer}`,
    onceLink: () => `${origin}/?token=${auth.onceToken()}`,
    localOrigin: `${scheme}://${fromHere(address)}:${port}`,
    certificate: tls === null ? null : tls.cert,
    close: async () => {
      stopSampling();
      stream.close();
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function begin(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Bounds connections: all, and those of one address. */
function bound(server: Server, { connections, connectionsOfOne, headers }: Limits): void {
  server.maxConnections = connections;
  server.maxHeadersCount = headers;
  const open = new Map<string, number>();
  server.prependListener('connection', (socket: Socket) => {
    const client = clientOf(socket.remoteAddress);
    const count = (open.get(client) ?? 0) + 1;
    open.set(client, count);
    socket.once('close', () => {
      const left = open.get(client)! - 1;
      if (left === 0) open.delete(client);
      else open.set(client, left);
    });
    if (count > connectionsOfOne) socket.destroy();
  });
}

/** Fills the charts of the last minutes; gives what ends it. */
function sample(source: Source, history: History): () => void {
  const { controls } = source;
  const ahead = (ms: number) => history.sample(ms, controls?.scan.pipelines);
  controls?.scan.onSecond.add(ahead);
  const sampler = setInterval(() => {
    if (controls === undefined) history.sample(source.now());
  }, SAMPLE_MS);
  sampler.unref();
  return () => {
    clearInterval(sampler);
    controls?.scan.onSecond.delete(ahead);
  };
}

/** The way to the WebSocket at /ws. */
function upgrades(server: Server, door: Door, stream: Stream, limits: Limits): WebSocketServer {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: limits.messageBytes,
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // from here on nobody else listens to the errors of it
    socket.on('error', () => socket.destroy());
    const [path, query] = (request.url ?? '').split('?', 2);
    if (path !== '/ws')
      return refuse(socket, { status: 404, text: 'lastref: there is nothing here\n' });
    const admission = door.admit(request, 'socket', new URLSearchParams(query).get('token'));
    if ('status' in admission) return refuse(socket, admission);
    const { role } = admission;
    if (stream.isFull(role)) {
      const text = `lastref: ${limits.sockets} pages of the ${role} are open: close some\n`;
      return refuse(socket, { status: 503, text, afterS: 10 });
    }
    sockets.handleUpgrade(request, socket, head, (ws) => stream.add(ws, role));
  });
  return sockets;
}

function refuse(
  socket: Duplex,
  { status, text, afterS }: Omit<Refusal, 'status'> & { readonly status: number },
): void {
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...(afterS === undefined ? [] : [`Retry-After: ${afterS}`]),
  ];
  socket.end(`${headers.join('\r\n')}\r\n\r\n${text}`);
}
