/** What is served over HTTP, and the headers of it. Whether, is decided in door.ts. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type Response,
} from 'express';
import { z } from 'zod';
import type { SessionAlerts } from '../notify/session-alerts.ts';
import { FilterError } from '../protocol/filter.ts';
import { INODE_SORTS } from '../protocol/messages.ts';
import { makeReport } from '../tracer/report.ts';
import { isLoopbackName } from './addresses.ts';
import { alertRoutes } from './alert-routes.ts';
import type { Door, Refusal } from './door.ts';
import type { Metrics } from './metrics/metrics.ts';
import { replayRoutes } from './replay-routes.ts';
import type { Source } from './source.ts';
import type { Views } from './views.ts';

const DIST = fileURLToPath(new URL('../../dashboard/dist', import.meta.url));

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/**
 * A day, renewed with each answer: it holds for every port of the name, and another
 * server of this machine may speak plain text. For the same reason never for loopback.
 */
const HSTS = 'max-age=86400';

export interface Served {
  readonly source: Source;
  readonly alerts: SessionAlerts;
  readonly views: Views;
  readonly metrics: Metrics;
  /** Whether it is served over TLS. */
  readonly secure: boolean;
}

export function routes(app: Express, door: Door, served: Served): void {
  const { source, alerts, views, metrics, secure } = served;
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use((request, response, next) => {
    response.set(HEADERS);
    if (secure && !isLoopbackName(request.headers.host)) {
      response.set('Strict-Transport-Security', HSTS);
    }
    if (request.path === '/healthz') {
      const stranger = door.stranger(request, 'request');
      return stranger === null ? next() : refuse(response, stranger);
    }
    const inLink = typeof request.query.token === 'string' ? request.query.token : null;
    const admission = door.admit(request, 'request', inLink);
    if ('status' in admission) return refuse(response, admission);
    if (admission.linked === null || request.method !== 'GET') return next();
    // the link decides, whatever cookie there was before
    response.append('Set-Cookie', door.auth.cookieOf(admission.linked));
    if (request.path !== '/') return next();
    response.redirect(302, '/');
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
    response.type('text/plain; version=0.0.4').send(metrics.text());
  });
  if (existsSync(DIST)) app.use(express.static(DIST, { index: 'index.html', cacheControl: false }));
  app.use((_, response) => {
    response.status(404).type('text').send('lastref: there is nothing here\n');
  });
  app.use(failed);
}

function refuse(response: Response, { status, text, afterS }: Refusal): void {
  if (afterS !== undefined) response.set({ 'Retry-After': String(afterS), Connection: 'close' });
  response.status(status);
  // of what was refused to a viewer, the page shows the reason
  if (text.endsWith('\n')) response.type('text').send(text);
  else response.json({ error: text });
}

/** No stack goes out; a path that cannot be decoded is the client's fault. */
const failed: ErrorRequestHandler = (
  error: { status?: number; stack?: string },
  _,
  response,
  next,
) => {
  if (response.headersSent) return next(error);
  const status = error.status !== undefined && error.status < 500 ? error.status : 500;
  if (status === 500) process.stderr.write(`lastref: ${error.stack ?? String(error)}\n`);
  const text = status === 500 ? 'this failed; its terminal says why' : 'this is no request';
  response.status(status).type('text').send(`lastref: ${text}\n`);
};

const InodesQuery = z.object({
  filter: z.string().optional(),
  sort: z.enum(INODE_SORTS).optional(),
  host: z.string().max(256).optional(),
  offset: z.coerce.number().int().min(0).max(10_000_000).optional(),
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
