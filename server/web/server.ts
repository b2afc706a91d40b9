/** HTTP: the page, REST, metrics, and the door to the WebSocket. Loopback only. */
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import express, { type Express, type Request, type Response } from 'express';
import { WebSocketServer } from 'ws';
import { z } from 'zod';
import { SessionAlerts } from '../notify/session-alerts.ts';
import { FilterError } from '../protocol/filter.ts';
import { INODE_SORTS } from '../protocol/messages.ts';
import { makeReport } from '../tracer/report.ts';
import { alertRoutes } from './alert-routes.ts';
import { Auth, knownHost, knownOrigin } from './auth.ts';
import { History } from './history.ts';
import { metrics } from './metrics.ts';
import { replayRoutes } from './replay-routes.ts';
import type { Source } from './source.ts';
import { Stream } from './stream.ts';
import { Views } from './views.ts';

export interface WebOptions {
  readonly source: Source;
  /** By default those of the source, which nobody is told of. */
  readonly alerts?: SessionAlerts;
  /** 0: any free one. */
  readonly port: number;
  readonly token?: string;
}

export interface Web {
  readonly port: number;
  readonly token: string;
  /** The link to the page, with the token. */
  readonly link: string;
  close(): Promise<void>;
}

/** How often it is asked whether a second has passed. */
const SAMPLE_MS = 100;

const DIST = fileURLToPath(new URL('../../dashboard/dist', import.meta.url));

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
  "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const NO_TOKEN =
  'lastref: this needs the token. Open the link that lastref printed when it started,\n' +
  'or send the token as `Authorization: Bearer TOKEN`.\n';

/** Starts to listen. Rejects with the system's error (EADDRINUSE) when the port is taken. */
export async function startWeb(options: WebOptions): Promise<Web> {
  const { source } = options;
  const alerts =
    options.alerts ??
    new SessionAlerts({ pipelines: () => source.pipelines(), silences: null, notifier: null });
  const history = new History(source);
  const { controls } = source;
  const ahead = (ms: number) => history.sample(ms, controls?.scan.pipelines);
  controls?.scan.onSecond.add(ahead);
  const sampler = setInterval(() => {
    if (controls === undefined) history.sample(source.now());
  }, SAMPLE_MS);
  sampler.unref();
  const views = new Views(source, (host) => history.eventsPerS(host));
  const stream = new Stream(source, views, history, alerts);
  const app = express();
  const server = createServer(app);
  await listen(server, options.port);
  const { port } = server.address() as AddressInfo;
  const auth = new Auth(port, options.token);
  routes(app, auth, { source, alerts, views, stream });
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 16 * 1024,
  });
  server.on('upgrade', (request, socket, head) => {
    const refuse = (status: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname !== '/ws') return refuse('404 Not Found');
    if (!knownHost(request) || !knownOrigin(request)) return refuse('403 Forbidden');
    if (!auth.holds(request) && !auth.matches(url.searchParams.get('token') ?? '')) {
      return refuse('401 Unauthorized');
    }
    sockets.handleUpgrade(request, socket, head, (ws) => stream.add(ws));
  });
  return {
    port,
    token: auth.token,
    link: `http://127.0.0.1:${port}/?token=${auth.token}`,
    close: async () => {
      clearInterval(sampler);
      controls?.scan.onSecond.delete(ahead);
      stream.close();
      sockets.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

interface Served {
  readonly source: Source;
  readonly alerts: SessionAlerts;
  readonly views: Views;
  readonly stream: Stream;
}

function routes(app: Express, auth: Auth, { source, alerts, views, stream }: Served): void {
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use((request, response, next) => {
    response.set({
      'Content-Security-Policy': CSP,
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cache-Control': 'no-store',
    });
    if (!knownHost(request)) {
      response.status(403).type('text').send('lastref: this name is not one of this server\n');
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD' && !knownOrigin(request)) {
      response.status(403).type('text').send('lastref: asked from a page of another site\n');
      return;
    }
    if (request.path === '/healthz') return next();
    const given = request.query.token;
    if (typeof given === 'string' && auth.matches(given) && request.method === 'GET') {
      response.append('Set-Cookie', auth.setCookie());
      if (request.path !== '/') return next();
      response.redirect(302, '/');
      return;
    }
    if (auth.holds(request)) return next();
    response.status(401).type('text').send(NO_TOKEN);
  });
  app.get('/healthz', (_, response) => {
    response.json({ ok: true });
  });
  app.get('/api/report', (_, response) => {
    response.json(makeReport(source.pipelines()));
  });
  app.get('/api/inodes', (request, response) => inodes(views, request, response));
  alertRoutes(app, alerts);
  replayRoutes(app, source.controls);
  app.get('/api/hosts', (_, response) => {
    response.json(views.hosts(source.now()));
  });
  app.get('/metrics', (_, response) => {
    response.type('text/plain; version=0.0.4').send(metrics(source, stream, alerts));
  });
  if (existsSync(DIST)) app.use(express.static(DIST, { index: 'index.html', cacheControl: false }));
  app.use((_, response) => {
    response.status(404).type('text').send('lastref: there is nothing here\n');
  });
}

const InodesQuery = z.object({
  filter: z.string().max(1000).optional(),
  sort: z.enum(INODE_SORTS).optional(),
  host: z.string().max(256).optional(),
  offset: z.coerce.number().int().min(0).optional(),
  limit: z.coerce.number().int().min(0).max(10_000).optional(),
  id: z.string().max(64).optional(),
});

/** `?filter=&sort=&offset=&limit=&host=` for a page of rows, `?id=` for one inode in full. */
function inodes(views: Views, request: Request, response: Response): void {
  const query = InodesQuery.safeParse(request.query);
  if (!query.success) {
    const issue = query.error.issues[0]!;
    response.status(400).json({ error: `${issue.path.join('.')}: ${issue.message}` });
    return;
  }
  try {
    const { id, ...ask } = query.data;
    response.json(id === undefined ? views.inodes(ask) : views.inode(id));
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    response.status(400).json({ error: error.message, at: error.at });
  }
}
