/** The real server on loopback: who may do what, and what nobody may do to it. */
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type ServerMessage, VIEWER_MAY_NOT } from '../../server/protocol/messages.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import type { Limits } from '../../server/web/limits.ts';
import { type Listen, ON_LOOPBACK, startWeb, type Web } from '../../server/web/server.ts';
import type { Source } from '../../server/web/source.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';
import { ask, makeCertificate, raw } from '../support/sockets.ts';

const EMPTY: Source = {
  mode: 'live',
  banner: null,
  workload: null,
  now: () => Date.now(),
  hosts: () => [],
  pipelines: () => [],
};
const GENEROUS = { burst: 100_000, perS: 100_000 };
/** Of one test after the other the server is asked more than a client may. */
const UNHURRIED = { requests: GENEROUS, refusals: GENEROUS, wrongTokens: GENEROUS };

const open: Web[] = [];
async function serve(
  limits: Partial<Limits> = UNHURRIED,
  listen: Listen = ON_LOOPBACK,
  source: Source = EMPTY,
): Promise<Web> {
  const web = await startWeb({ source, port: 0, limits, listen });
  open.push(web);
  return web;
}
afterEach(async () => {
  for (const web of open.splice(0)) await web.close();
});

const viewerOf = (web: Web) => new URL(web.viewerLink).searchParams.get('token')!;
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const at = (web: Web, path: string) => `http://127.0.0.1:${web.port}${path}`;

/** What it says, and how it ends. */
class Client {
  readonly messages: ServerMessage[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly socket: WebSocket;
  /** Why it was not let in. */
  refused: { status: number; text: string } | null = null;

  constructor(web: Web, token: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`ws://127.0.0.1:${web.port}/ws?token=${token}`, { headers });
    this.socket.on('message', (data) => this.messages.push(JSON.parse(String(data))));
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    this.socket.on('error', () => {});
    this.socket.on('unexpected-response', (_, response) => {
      let text = '';
      response.on('data', (part) => {
        text += part;
      });
      response.on('end', () => {
        this.refused = { status: response.statusCode!, text };
        this.socket.terminate();
      });
    });
  }

  static async open(web: Web, token = web.token): Promise<Client> {
    const client = new Client(web, token);
    await once(client.socket, 'open');
    return client;
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  async message<T extends ServerMessage['type']>(
    type: T,
  ): Promise<Extract<ServerMessage, { type: T }>> {
    for (let from = 0; ; ) {
      for (; from < this.messages.length; from++) {
        const message = this.messages[from]!;
        if (message.type === type) return message as Extract<ServerMessage, { type: T }>;
      }
      await once(this.socket, 'message');
    }
  }
}

/** Every route, and whether changing needs the operator. */
const ROUTES: readonly [path: string, method: string, who: 'anybody' | 'viewer' | 'operator'][] = [
  ['/healthz', 'GET', 'anybody'],
  ['/api/report', 'GET', 'viewer'],
  ['/api/inodes', 'GET', 'viewer'],
  ['/api/alerts', 'GET', 'viewer'],
  ['/api/hosts', 'GET', 'viewer'],
  ['/api/silences', 'GET', 'viewer'],
  ['/api/silences', 'POST', 'operator'],
  ['/api/silences/x', 'DELETE', 'operator'],
  ['/api/replay', 'GET', 'viewer'],
  ['/api/replay', 'POST', 'operator'],
  ['/metrics', 'GET', 'viewer'],
];
const PATHS = [...new Set(ROUTES.map(([path]) => path))];
/** What there is not, and what others have been attacked through. */
const NOTHING = [
  '/api',
  '/api/exec',
  '/api/run',
  '/api/upload',
  '/api/recordings/..%2f..%2fetc%2fpasswd',
  '/../../../../etc/passwd',
  '/..%2f..%2f..%2fpackage.json',
  '/%2e%2e/%2e%2e/package.json',
  '/server/cli/main.ts',
  '/.git/config',
];
const NO_SUCH = 'lastref: there is nothing here\n';
// CONNECT has its own way into Node, which nobody listens to
const METHODS = http.METHODS.filter((method) => method !== 'CONNECT');

describe('routes', () => {
  let web: Web;
  beforeAll(async () => {
    web = await startWeb({ source: EMPTY, port: 0, limits: UNHURRIED });
  });
  afterAll(() => web.close());

  const statusOf = async (path: string, method: string, token: string | null) => {
    const answer = await ask(at(web, path), {
      method,
      headers: token === null ? {} : bearer(token),
    });
    // what it costs to answer changes with each answer
    const text = answer.text.replaceAll(/^(process|lastref_event_loop)_.* .*$/gm, '');
    return { status: answer.status, text };
  };
  const known = (path: string, method: string) =>
    ROUTES.find(([p, m]) => p === path && m === (method === 'HEAD' ? 'GET' : method));

  it.each(PATHS)('of %s are the known ones, for each method and role', async (path) => {
    for (const method of METHODS) {
      const route = known(path, method);
      const reads = method === 'GET' || method === 'HEAD';
      const what = `${method} ${path}`;
      const none = await statusOf(path, method, null);
      const isOpen = path === '/healthz';
      if (!isOpen) expect(none.status, what).toBe(401);
      const viewer = await statusOf(path, method, viewerOf(web));
      if (!isOpen && !reads) {
        expect(viewer, what).toEqual({
          status: 403,
          text: JSON.stringify({ error: VIEWER_MAY_NOT }),
        });
      }
      const operator = await statusOf(path, method, web.token);
      if (route === undefined) {
        expect(operator.status, what).toBe(404);
        if (method !== 'HEAD') expect(operator.text, what).toBe(NO_SUCH);
      } else {
        // a 404 of its own is not that of a route that is missing
        expect(operator.text, what).not.toBe(NO_SUCH);
        if (reads && path !== '/api/replay') expect(operator.status, what).toBe(200);
      }
      if (reads) expect(viewer, what).toEqual(operator);
    }
  });

  it.each(NOTHING)('nothing is at %s, whatever the method', async (path) => {
    for (const method of METHODS) {
      const { status, text } = await statusOf(path, method, web.token);
      // the static files refuse a path that leads out
      expect([403, 404], `${method} ${path}`).toContain(status);
      if (status === 404 && method !== 'HEAD') expect(text).toBe(NO_SUCH);
    }
  });

  it('no more are registered than are listed here', async () => {
    const { routes } = await import('../../server/web/routes.ts');
    const { default: express } = await import('express');
    const app = express();
    const parts = { source: EMPTY, alerts: null, views: null, stream: null, secure: false };
    routes(app, null as never, parts as never);
    const registered = app.router.stack.flatMap(({ route }) =>
      route === undefined
        ? []
        : route.stack.map(({ method }) => `${method.toUpperCase()} ${route.path}`),
    );
    const listed = ROUTES.map(([path, method]) => `${method} ${path.replace('/x', '/:id')}`);
    expect([...new Set(registered)].sort()).toEqual(listed.sort());
  });

  it('CONNECT gets no tunnel', async () => {
    const text = await raw(web.port, 'CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(text).not.toMatch(/^HTTP\/1.1 2/);
  });

  it('what cannot be decoded is refused without a stack', async () => {
    const { status, text } = await statusOf('/api/silences/%ff', 'DELETE', web.token);
    expect({ status, text }).toEqual({ status: 400, text: 'lastref: this is no request\n' });
  });

  it('rows are bounded', async () => {
    for (const query of ['limit=10001', 'offset=10000001', 'offset=-1', 'limit=1.5', 'limit=x']) {
      const answer = await ask(at(web, `/api/inodes?${query}`), { headers: bearer(web.token) });
      expect([query, answer.status]).toEqual([query, 400]);
    }
    const filter = `/api/inodes?filter=${'a'.repeat(1001)}`;
    const answer = await ask(at(web, filter), { headers: bearer(web.token) });
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringMatching(/1000 at most.*"at"/),
    ]);
  });
});

describe('roles', () => {
  it('have each a link, which becomes a cookie', async () => {
    const web = await serve();
    for (const [link, status] of [
      [web.link, 404],
      [web.viewerLink, 403],
    ] as const) {
      const { status: found, headers } = await ask(link);
      expect(found).toBe(302);
      const [cookie] = headers['set-cookie']!;
      expect(cookie).toMatch(/^lastref_\d+=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\/$/);
      const given = { Cookie: cookie!.split(';')[0] };
      expect((await ask(at(web, '/api/report'), { headers: given })).status).toBe(200);
      const removed = await ask(at(web, '/api/silences/x'), { method: 'DELETE', headers: given });
      expect(removed.status).toBe(status);
    }
  });

  it('the link that was opened last decides', async () => {
    const web = await serve();
    const Cookie = (await ask(web.link)).headers['set-cookie']![0]!.split(';')[0];
    const { headers } = await ask(web.viewerLink, { headers: { Cookie } });
    expect(headers['set-cookie']![0]).toContain(viewerOf(web));
  });

  it('a link for one use is the operator’s, once', async () => {
    const web = await serve({ ...UNHURRIED });
    const link = web.onceLink();
    const [token] = link.match(/[\w-]{32}$/)!;
    // neither looks at it, nor uses it up
    expect((await ask(link, { method: 'HEAD' })).status).toBe(401);
    expect((await ask(at(web, '/api/hosts'), { headers: bearer(token) })).status).toBe(401);
    const socket = new Client(web, token);
    await socket.closed;
    expect(socket.refused).toMatchObject({ status: 401 });
    const { status, headers } = await ask(link);
    expect([status, headers['set-cookie']![0]]).toEqual([302, expect.stringContaining(web.token)]);
    expect((await ask(link)).status).toBe(401);
  });

  it('are told to the page', async () => {
    const web = await serve();
    const [operator, viewer] = [await Client.open(web), await Client.open(web, viewerOf(web))];
    expect(await operator.message('hello')).toMatchObject({ role: 'operator' });
    expect(await viewer.message('hello')).toMatchObject({ role: 'viewer' });
  });

  it('a viewer sees a replay and does not move it', async () => {
    const reader = new RecordingReader(RECORDINGS.demo!);
    const replay = new Replay(reader, { keep: 1000, banner: '' });
    const web = await serve(UNHURRIED, ON_LOOPBACK, replay);
    const before = replay.status();
    const command = { do: 'seek', at_ms: (before.begin_ms + before.end_ms) / 2 };
    const viewer = await Client.open(web, viewerOf(web));
    viewer.send({ type: 'replay', command });
    expect(await viewer.message('error')).toMatchObject({ message: VIEWER_MAY_NOT });
    viewer.send({ type: 'subscribe', view: 'losses' });
    expect(await viewer.message('update')).toMatchObject({ replay: { at_ms: before.at_ms } });
    const posted = await ask(at(web, '/api/replay'), {
      method: 'POST',
      headers: { ...bearer(viewerOf(web)), 'Content-Type': 'application/json' },
      body: JSON.stringify(command),
    });
    expect(posted.status).toBe(403);
    expect(replay.status()).toEqual(before);
    const operator = await Client.open(web);
    operator.send({ type: 'replay', command });
    operator.send({ type: 'subscribe', view: 'losses' });
    await expect.poll(() => replay.status().at_ms).toBe(command.at_ms);
    replay.stop();
    reader.close();
  });
});

describe('the door of the WebSocket', () => {
  it.each<[string, string, Record<string, string>, number]>([
    ['a wrong token', 'wrong', {}, 401],
    ['no token', '', {}, 401],
    ['another site’s page', 'right', { Origin: 'http://evil.example' }, 403],
    ['another port’s page', 'right', { Origin: 'http://127.0.0.1:1' }, 403],
    ['a page without an origin', 'right', { Origin: 'null' }, 403],
    ['another name', 'right', { Host: 'evil.example' }, 403],
    ['a name that only begins like ours', 'right', { Host: 'localhost.evil.example' }, 403],
  ])('is closed to %s', async (_, token, headers, status) => {
    const web = await serve();
    const client = new Client(web, token === 'right' ? web.token : token, headers);
    await client.closed;
    expect(client.refused).toMatchObject({ status });
  });

  it('is open to our own page, over ssh -L on another port too', async () => {
    const web = await serve();
    const headers = { Host: 'localhost:9999', Origin: 'http://localhost:9999' };
    const client = new Client(web, web.token, headers);
    await once(client.socket, 'open');
    expect(client.refused).toBeNull();
  });

  it('withstands what is no URL, and who goes while being refused', async () => {
    const web = await serve();
    const upgrade = (target: string) =>
      `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    for (const target of ['//', 'http://[', '/ws?token=%', '/ws', '*', '/%ff']) {
      expect(await raw(web.port, upgrade(target)), target).toMatch(/^HTTP\/1.1 40[014] /);
    }
    for (let i = 0; i < 20; i++) {
      const socket = connect(web.port, '127.0.0.1');
      await once(socket, 'connect');
      socket.write(upgrade('/nowhere'), () => socket.resetAndDestroy());
      await once(socket, 'close');
    }
    expect((await ask(at(web, '/healthz'))).status).toBe(200);
  });
});

describe('limits', () => {
  const SLOW = { burst: 5, perS: 0.1 };

  it('wrong tokens are refused for a while; the right one never is', async () => {
    const web = await serve({ ...UNHURRIED, wrongTokens: SLOW });
    const guess = () => ask(at(web, '/api/report'), { headers: bearer('wrong') });
    const answers = [];
    for (let i = 0; i < 7; i++) answers.push(await guess());
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect(Number(answers[6]!.headers['retry-after'])).toBeGreaterThanOrEqual(9);
    expect(answers[6]!.text).toMatch(/too many requests without the token/);
    for (const token of [web.token, viewerOf(web)]) {
      expect((await ask(at(web, '/api/report'), { headers: bearer(token) })).status).toBe(200);
      expect((await ask(at(web, `/?token=${token}`))).status).toBe(302);
    }
    const guessing = new Client(web, 'wrong');
    await guessing.closed;
    expect(guessing.refused).toMatchObject({ status: 429 });
    await Client.open(web);
  });

  it.each(['cookie', 'link'])('wrong tokens are counted in a %s as well', async (way) => {
    const web = await serve({ ...UNHURRIED, wrongTokens: SLOW });
    const guess = async () => {
      const headers = { Cookie: `lastref_${web.port}=wrong` };
      const { status } = await (way === 'link'
        ? ask(at(web, '/?token=wrong'))
        : ask(at(web, '/'), { headers }));
      return status;
    };
    for (let i = 0; i < 5; i++) expect(await guess()).toBe(401);
    expect(await guess()).toBe(429);
  });

  it('requests are bounded for each role, and for those who have none', async () => {
    const web = await serve({ requests: SLOW, refusals: SLOW });
    const status = async (token: string | null) =>
      (
        await ask(at(web, '/api/hosts'), {
          headers: token === null ? {} : bearer(token),
        })
      ).status;
    const many = async (token: string | null) => {
      const all = [];
      for (let i = 0; i < 6; i++) all.push(await status(token));
      return all;
    };
    expect(await many(null)).toEqual([401, 401, 401, 401, 401, 429]);
    expect(await many(viewerOf(web))).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await many(web.token)).toEqual([200, 200, 200, 200, 200, 429]);
    // whoever watches over it asks this
    expect((await ask(at(web, '/healthz'))).status).toBe(200);
  });

  it('WebSockets are bounded for each role', async () => {
    const web = await serve({ ...UNHURRIED, sockets: 2 });
    const viewers = [await Client.open(web, viewerOf(web)), await Client.open(web, viewerOf(web))];
    const third = new Client(web, viewerOf(web));
    await third.closed;
    expect(third.refused).toEqual({
      status: 503,
      text: 'lastref: 2 pages of the viewer are open: close some\n',
    });
    await Client.open(web);
    viewers[0]!.socket.close();
    await viewers[0]!.closed;
    await Client.open(web, viewerOf(web));
  });

  it.each<[string, (client: Client) => void]>([
    ['messages', (client) => client.send({ type: 'subscribe', view: 'losses' })],
    ['what is none', (client) => client.socket.send('{')],
    ['pings', (client) => client.socket.ping()],
  ])('a WebSocket that floods with %s is told and dropped, alone', async (_, send) => {
    const web = await serve({ ...UNHURRIED, messages: { burst: 20, perS: 1 } });
    const [other, flood] = [await Client.open(web), await Client.open(web)];
    for (let i = 0; i < 30; i++) send(flood);
    expect(await flood.closed).toEqual({ code: 1008, reason: 'too many messages' });
    const errors = flood.messages.filter(({ type }) => type === 'error');
    expect(errors.at(-1)).toMatchObject({
      message: 'more than 1 messages a second: this connection ends',
    });
    other.send({ type: 'subscribe', view: 'losses' });
    await other.message('update');
    const metrics = await ask(at(web, '/metrics'), { headers: bearer(web.token) });
    expect(metrics.text).toContain('lastref_page_clients_dropped_total{why="flooding"} 1\n');
    expect(metrics.text).toContain('lastref_page_clients 1\n');
  });

  it('one that is told to go and stays is cut off', async () => {
    const web = await serve({ ...UNHURRIED, messages: { burst: 5, perS: 1 } });
    const bytes = `GET /ws?token=${web.token} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n\r\n`;
    const ping = '\x89\x80\0\0\0\0';
    const began = performance.now();
    expect(await raw(web.port, bytes + ping.repeat(10), 10_000)).toContain('too many messages');
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it('a message that is too long ends its connection', async () => {
    const web = await serve();
    const client = await Client.open(web);
    client.send({ type: 'subscribe', view: 'losses', filter: 'a'.repeat(17_000) });
    expect(await client.closed).toMatchObject({ code: 1009 });
    await Client.open(web);
  });

  it('a long filter is answered with where it is too long', async () => {
    const web = await serve();
    const client = await Client.open(web);
    client.send({ type: 'subscribe', view: 'inodes', filter: 'a'.repeat(1001) });
    expect(await client.message('error')).toMatchObject({ at: 1000 });
  });

  it('headers are bounded in size and in time', async () => {
    const web = await serve({ ...UNHURRIED, headersMs: 400, requestMs: 60_000 });
    const head = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n';
    const long = 'a'.repeat(17_000);
    expect(await raw(web.port, `${head}X: ${long}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    expect(await raw(web.port, `GET /${long} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    expect(await raw(web.port, head, 4000)).toMatch(/^HTTP\/1.1 408 /);
  });

  it('a request is bounded in time', async () => {
    const web = await serve({ ...UNHURRIED, headersMs: 400, requestMs: 800 });
    const unfinished = `POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1`;
    const began = performance.now();
    await raw(web.port, unfinished, 8000);
    expect(performance.now() - began).toBeLessThan(4000);
  });

  it('connections of one address are bounded', async () => {
    const web = await serve({ ...UNHURRIED, connectionsOfOne: 3 });
    const held = [1, 2, 3].map(() => connect(web.port, '127.0.0.1'));
    for (const socket of held) await once(socket, 'connect');
    await expect(ask(at(web, '/healthz'))).rejects.toThrow();
    held[0]!.destroy();
    await expect
      .poll(() =>
        ask(at(web, '/healthz')).then(
          (a) => a.status,
          () => 0,
        ),
      )
      .toBe(200);
    for (const socket of held) socket.destroy();
  });
});

describe('headers', () => {
  it('keep the page to itself', async () => {
    const web = await serve();
    for (const path of ['/', '/api/report', '/nothing', '/healthz']) {
      const { headers } = await ask(at(web, path), { headers: bearer(web.token) });
      const csp = Object.fromEntries(
        String(headers['content-security-policy'])
          .split('; ')
          .map((part) => part.split(/ (.*)/).slice(0, 2)),
      );
      expect(csp).toEqual({
        'default-src': "'none'",
        'script-src': "'self'",
        'style-src': "'self'",
        'img-src': "'self' data: blob:",
        'connect-src': "'self'",
        'font-src': "'self'",
        'base-uri': "'none'",
        'form-action': "'none'",
        'frame-ancestors': "'none'",
      });
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
        'cache-control': 'no-store',
      });
      expect(headers['x-powered-by']).toBeUndefined();
      expect(headers['strict-transport-security']).toBeUndefined();
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });
});

describe('TLS', () => {
  const certificate = makeCertificate('box.example');
  const tls = { cert: certificate.cert, key: certificate.key };
  const listen: Listen = { ...ON_LOOPBACK, names: ['box.example'], tls };
  const over = (web: Web, path: string, headers: Record<string, string> = {}, method = 'GET') =>
    ask(`https://127.0.0.1:${web.port}${path}`, { ca: certificate.cert, method, headers });

  it('carries the page, under a cookie that plain text never sees', async () => {
    const web = await serve(UNHURRIED, listen);
    expect(web.link).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/\?token=/);
    const { status, headers } = await over(web, new URL(web.link).search.replace(/^/, '/'));
    expect(status).toBe(302);
    const [cookie] = headers['set-cookie']!;
    expect(cookie).toMatch(
      /^__Host-lastref_\d+=[\w-]{32}; HttpOnly; SameSite=Strict; Path=\/; Secure$/,
    );
    const Cookie = cookie!.split(';')[0]!;
    expect((await over(web, '/api/report', { Cookie })).status).toBe(200);
    await expect(ask(at(web, '/healthz'))).rejects.toThrow();
  });

  it('asks browsers to keep to it, but not for loopback, which other servers share', async () => {
    const web = await serve(UNHURRIED, listen);
    const hsts = async (Host: string) =>
      (await over(web, '/healthz', { Host })).headers['strict-transport-security'];
    expect(await hsts('box.example:7373')).toBe('max-age=86400');
    expect(await hsts(`127.0.0.1:${web.port}`)).toBeUndefined();
  });

  it('knows its own pages, by https alone', async () => {
    const web = await serve(UNHURRIED, listen);
    const remove = async (Origin: string, Host = 'box.example') => {
      const headers = { Origin, Host, ...bearer(web.token) };
      return (await over(web, '/api/silences/x', headers, 'DELETE')).text;
    };
    expect(await remove('https://box.example')).toMatch(/no such silence/);
    expect(await remove('http://box.example')).toMatch(/another site/);
    expect(await remove('https://evil.example')).toMatch(/another site/);
    expect(await remove('https://evil.example', 'evil.example')).toMatch(/this name is not/);
  });

  it('carries the WebSocket', async () => {
    const web = await serve(UNHURRIED, listen);
    const socket = new WebSocket(`wss://127.0.0.1:${web.port}/ws?token=${viewerOf(web)}`, {
      agent: new https.Agent({ ca: certificate.cert, servername: 'box.example' }),
      headers: { Host: 'box.example', Origin: 'https://box.example' },
    });
    const [data] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(String(data))).toMatchObject({ type: 'hello', role: 'viewer' });
    socket.close();
  });

  it('a connection that is one too many is closed before anything is said', async () => {
    const web = await serve({ ...UNHURRIED, connectionsOfOne: 1 }, listen);
    const held = connect(web.port, '127.0.0.1');
    await once(held, 'connect');
    await expect(over(web, '/healthz')).rejects.toThrow();
    held.destroy();
    await expect
      .poll(() =>
        over(web, '/healthz').then(
          (a) => a.status,
          () => 0,
        ),
      )
      .toBe(200);
  });
});

describe('beyond loopback', () => {
  it('is refused in plain text, before anything listens', async () => {
    for (const address of ['0.0.0.0', '192.0.2.1', '::']) {
      const listen = { ...ON_LOOPBACK, address };
      await expect(startWeb({ source: EMPTY, port: 0, listen })).rejects.toThrow(
        new RegExp(`--listen ${address}.*TLS[^]*--tls-cert[^]*ssh -L[^]*--insecure-plain-text`),
      );
    }
  });

  it('is served in plain text when that was asked for, under its names alone', async () => {
    const listen = { ...ON_LOOPBACK, address: '127.0.0.2', names: ['box.example'], insecure: true };
    const web = await serve(UNHURRIED, listen);
    expect(web.origin).toBe(`http://127.0.0.2:${web.port}`);
    const status = async (Host: string) =>
      (await ask(`http://127.0.0.2:${web.port}/healthz`, { headers: { Host } })).status;
    expect(await status('127.0.0.2:1')).toBe(200);
    expect(await status('BOX.example')).toBe(200);
    expect(await status('box.example.evil')).toBe(403);
    expect(await status('127.0.0.3')).toBe(403);
  });
});
