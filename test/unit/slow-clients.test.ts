/** Ten browsers that take nothing and one that does: nobody waits for another. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { ServerMessage, Update } from '../../server/protocol/messages.ts';
import type { Web } from '../../server/web/server.ts';
import { eventually } from '../support/cli.ts';
import { LeakyServer } from '../support/leaky-server.ts';

const SLOW = 10;
/** As many as a client may ask for: whole rows of all of them are sent three times a second. */
const ROWS = 500;

let server: LeakyServer;
let web: Web;
let evictions: NodeJS.Timeout;

beforeAll(async () => {
  server = await LeakyServer.start({}, 'live', {});
  web = server.web;
  server.host.evict(ROWS);
  evictions = setInterval(() => server.host.evict(10), 100);
});
afterAll(() => clearInterval(evictions));

class Client {
  readonly socket: WebSocket;
  readonly updates: Update[] = [];
  closed = false;

  private constructor() {
    this.socket = new WebSocket(`ws://127.0.0.1:${web.port}/ws?token=${web.token}`);
    this.socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as ServerMessage;
      if (message.type === 'update') this.updates.push(message);
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  static async watching(): Promise<Client> {
    const client = new Client();
    await new Promise((resolve) => client.socket.once('open', resolve));
    client.socket.send(JSON.stringify({ type: 'subscribe', view: 'inodes', limit: ROWS }));
    await eventually(5000, () => client.updates.length > 0, 'the first update');
    return client;
  }
}

async function metric(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${web.port}/metrics`, {
    headers: { Authorization: `Bearer ${web.token}` },
  });
  const line = (await answer.text()).split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}

it('the fast one gets everything, the slow are told what they missed, the dead are dropped', {
  timeout: 240_000,
}, async () => {
  const slow = await Promise.all(Array.from({ length: SLOW }, () => Client.watching()));
  const fast = await Client.watching();
  for (const { socket } of slow) socket.pause();
  await eventually(
    60_000,
    async () => (await metric('lastref_page_updates_folded_total')) > 100,
    'the first to be slow',
  );
  const { length } = fast.updates;
  await eventually(20_000, () => fast.updates.length > length + 20, 'updates of the fast one');
  expect(fast.updates.every(({ coalesced }) => coalesced === 0)).toBe(true);
  expect(fast.updates.map(({ seq }) => seq)).toEqual(fast.updates.map((_, i) => i + 1));

  clearInterval(evictions);
  const [back, dead] = [slow.slice(0, SLOW / 2), slow.slice(SLOW / 2)];
  for (const { socket } of back) socket.resume();
  for (const { updates } of back) {
    const now = fast.updates.at(-1)!.now_ms;
    const caughtUp = () => updates.some((u) => u.coalesced > 0) && updates.at(-1)!.now_ms === now;
    await eventually(20_000, caughtUp, 'what was folded, and the present');
  }
  await eventually(
    90_000,
    async () => (await metric('lastref_page_clients_dropped_total{why="stalled"}')) > 0,
  );
  await eventually(5000, async () => (await metric('lastref_page_clients')) === 1 + back.length);
  for (const { socket } of dead) socket.resume();
  await eventually(5000, () => dead.every(({ closed }) => closed), 'the end of the dead');
  expect([fast, ...back].some(({ closed }) => closed)).toBe(false);
  for (const { socket } of [fast, ...back]) socket.terminate();
});

it('lastref ends at once, whoever sleeps', { timeout: 5000 }, async () => {
  const { socket } = await Client.watching();
  socket.pause();
  await server.stop();
  socket.terminate();
});
