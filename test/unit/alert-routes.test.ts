import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { SessionAlert, Silence } from '../../server/protocol/alerts.ts';
import { MAX_SILENCES, SessionAlert as Schema } from '../../server/protocol/alerts.ts';
import type { Update } from '../../server/protocol/messages.ts';
import { endedLeak, leakOf } from '../fixtures/leaks.ts';
import { LeakyServer } from '../support/leaky-server.ts';

let server: LeakyServer;
beforeAll(async () => {
  server = await LeakyServer.start({ sinks: [{ name: 'cmd', command: ['/bin/cat'] }] });
  server.host.leaks = [
    leakOf(),
    leakOf({ ino: 8, verdict: 'suspected' }),
    endedLeak(leakOf({ ino: 9 }), 3.5e9),
  ];
  server.later(3);
});
afterAll(() => server.stop());

const post = (body: string, headers: Record<string, string> = {}) =>
  server.fetch('/api/silences', {
    method: 'POST',
    body,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
const json = async <T>(path: string) => (await (await server.fetch(path)).json()) as T;

/** The first update after subscribing that satisfies. */
function update(view: string, enough: (update: Update) => boolean): Promise<Update> {
  return new Promise((resolve, reject) => {
    const url = `ws://127.0.0.1:${server.web.port}/ws?token=${server.web.token}`;
    const socket = new WebSocket(url);
    socket.on('error', reject);
    socket.on('open', () => socket.send(JSON.stringify({ type: 'subscribe', view })));
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Update;
      if (message.type !== 'update' || !enough(message)) return;
      socket.close();
      resolve(message);
    });
  });
}

describe('alerts over HTTP', () => {
  it('are listed: firing before resolved, certain before suspected', async () => {
    const alerts = await json<SessionAlert[]>('/api/alerts');
    for (const alert of alerts) expect(() => Schema.parse(alert)).not.toThrow();
    expect(alerts.map(({ state, leak }) => [state, leak.ino])).toEqual([
      ['firing', 2078],
      ['firing', 8],
      ['resolved', 9],
    ]);
    expect(alerts[2]).toMatchObject({ lasted_ms: 2500 });
  });

  it('are in the metrics, with what the sinks do', async () => {
    const text = await (await server.fetch('/metrics')).text();
    expect(text).toContain('lastref_alerts{state="firing",severity="critical",silenced="no"} 2\n');
    expect(text).toMatch(/^lastref_alerts_fired_total\{host="box",epoch="[^"]+"\} 3$/m);
    expect(text).toMatch(/^lastref_notifications_(sent_total|spooled)\{sink="cmd"\} \d$/m);
  });

  it('reach a page: all of them in their view, what fires in every view', async () => {
    const whole = await update('alerts', ({ alerts }) => alerts !== undefined);
    expect(whole.alerts).toMatchObject({ forgotten: 0, sinks: [{ name: 'cmd' }] });
    expect(whole.alerts!.alerts).toHaveLength(3);
    const other = await update('losses', ({ firing }) => firing !== undefined);
    expect(other.firing).toMatchObject({ firing: 2, certain: 1 });
    expect(other.alerts).toBeUndefined();
  });
});

describe('silences over HTTP', () => {
  it('are made, shown, and removed', async () => {
    const answer = await post('{"match":{"ino":"8"},"until":"resolved"}');
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as Silence;
    expect((await json<SessionAlert[]>('/api/alerts'))[1]!.silence).toBe(id);
    expect(await json<Silence[]>('/api/silences')).toMatchObject([{ id, until_resolved: true }]);
    const { firing } = await update('overview', (u) => u.firing !== undefined);
    expect(firing!.firing).toBe(1);
    const remove = () => server.fetch(`/api/silences/${id}`, { method: 'DELETE' });
    expect([(await remove()).status, (await remove()).status]).toEqual([204, 404]);
  });

  it.each<[string, Record<string, string>, number, RegExp]>([
    ['{"match":{},"until":"resolved"}', {}, 400, /at least one label/],
    ['{"match":{"a":"b"}}', {}, 400, /^\{"error":"until/],
    ['{"match":{"a":1},"until":5}', {}, 400, /match\.a/],
    ['{"match":{"a":"b"},"until":5,"x":1}', {}, 400, /x/],
    ['{"match"', {}, 400, /^\{"error":"body: /],
    [`{"match":{"a":"${'b'.repeat(70_000)}"},"until":5}`, {}, 413, /too large/],
    ['{"match":{"a":"b"},"until":5}', { 'Content-Type': 'text/plain' }, 400, /application\/json/],
    ['{"match":{"a":"b"},"until":5}', { Origin: 'http://evil.example' }, 403, /another site/],
    ['{"match":{"a":"b"},"until":5}', { Authorization: 'Bearer x' }, 401, /token/],
  ])('%.40s with %j is refused: %d', async (body, headers, status, words) => {
    const answer = await post(body, headers);
    expect(answer.status).toBe(status);
    expect(await answer.text()).toMatch(words);
    expect(await json('/api/silences')).toEqual([]);
  });

  it('are bounded', async () => {
    for (let i = 0; i < MAX_SILENCES; i++) {
      server.alerts.silence({ match: { x: String(i) }, until: Date.now() + 1e6, reason: '' });
    }
    expect((await post('{"match":{"a":"b"},"until":5}')).status).toBe(409);
    for (const { id } of server.alerts.silences()) server.alerts.unsilence(id);
  });

  it('are not for a recording', async () => {
    const replay = await LeakyServer.start({}, 'replay');
    const answer = await replay.fetch('/api/silences', {
      method: 'POST',
      body: '{"match":{"a":"b"},"until":5}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect([answer.status, await answer.text()]).toEqual([
      409,
      expect.stringContaining('recording'),
    ]);
    await replay.stop();
  });
});
