/** A replay over HTTP and the WebSocket. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { InodePage, ServerMessage, Update } from '../../server/protocol/messages.ts';
import type { ReplayStatus } from '../../server/protocol/replay.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { startWeb, type Web } from '../../server/web/server.ts';
import { RECORDINGS } from '../fixtures/recordings.ts';
import { LeakyServer } from '../support/leaky-server.ts';

let reader: RecordingReader;
let replay: Replay;
let web: Web;
beforeAll(async () => {
  reader = new RecordingReader(RECORDINGS.demo!);
  replay = new Replay(reader, { keep: 1000, banner: '', checkpoints: { everyBytes: 20_000 } });
  web = await startWeb({ source: replay, port: 0 });
  replay.scan.start();
});
afterAll(async () => {
  replay.stop();
  await web.close();
  reader.close();
});

const headers = () => ({
  Authorization: `Bearer ${web.token}`,
  'Content-Type': 'application/json',
});
const ask = (path: string) => fetch(`http://127.0.0.1:${web.port}${path}`, { headers: headers() });
const post = (body: unknown, at = web) =>
  fetch(`http://127.0.0.1:${at.port}/api/replay`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { ...headers(), Authorization: `Bearer ${at.token}` },
  });
const at = (part: number) => {
  const { begin_ms, end_ms } = replay.status();
  return begin_ms + part * (end_ms - begin_ms);
};

describe('POST /api/replay', () => {
  it('answers where it is when it is there', async () => {
    const answer = await post({ do: 'seek', at_ms: at(0.5) });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ state: 'paused', at_ms: at(0.5), speed: 1 });
    const told = (await (await ask('/api/replay')).json()) as ReplayStatus & { marks: object };
    expect(told).toMatchObject({ at_ms: at(0.5), marks: { alerts: expect.any(Array) } });
  });

  it('shows fewer inodes earlier and more later, as many as there were', async () => {
    const total = async (part: number) => {
      await post({ do: 'seek', at_ms: at(part) });
      const page = (await (await ask('/api/inodes?limit=0')).json()) as InodePage;
      return page.total + page.dropped;
    };
    const early = await total(0.4);
    const late = await total(0.9);
    expect(late).toBeGreaterThan(early);
    expect(await total(0.4)).toBe(early);
  });

  it.each([
    [{ do: 'fly' }, /do/],
    [{ do: 'seek', at_ms: 'now' }, /at_ms/],
    [{ do: 'speed', speed: 0 }, /speed/],
    [{ do: 'step', to: 'nowhere' }, /to/],
    [[], /command|expected/i],
  ])('refuses %j and says why', async (body, why) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: string }).error).toMatch(why);
  });

  it('refuses what is no JSON', async () => {
    const url = `http://127.0.0.1:${web.port}/api/replay`;
    const answer = await fetch(url, { method: 'POST', body: '{do', headers: headers() });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: string }).error).toMatch(/^body: /);
  });

  it('is refused by a live session', async () => {
    const live = await LeakyServer.start({});
    const answer = await post({ do: 'pause' }, live.web);
    expect(answer.status).toBe(409);
    expect(await answer.text()).toMatch(/live session/);
    await live.stop();
  });
});

describe('the WebSocket', () => {
  /** Everything that comes, and a way to wait for some of it. */
  async function connect() {
    const socket = new WebSocket(`ws://127.0.0.1:${web.port}/ws?token=${web.token}`);
    const messages: ServerMessage[] = [];
    socket.on('message', (data) => messages.push(JSON.parse(String(data)) as ServerMessage));
    await new Promise((resolve) => socket.once('open', resolve));
    const update = async (enough: (update: Update) => boolean) => {
      for (let from = 0; ; ) {
        for (; from < messages.length; from++) {
          const message = messages[from]!;
          if (message.type === 'update' && enough(message)) return message;
        }
        await new Promise((resolve) => socket.once('message', resolve));
      }
    };
    const send = (message: unknown) => socket.send(JSON.stringify(message));
    return { socket, messages, update, send };
  }

  it('sends everything anew after a jump, and not more of the charts than was', async () => {
    await post({ do: 'seek', at_ms: at(0.8) });
    while (!replay.scan.done) replay.scan.work(50);
    const { socket, messages, update, send } = await connect();
    send({ type: 'subscribe', view: 'overview' });
    const first = await update(({ series, marks }) => series !== undefined && marks !== undefined);
    expect(first.replay).toMatchObject({ state: 'paused', at_ms: at(0.8) });
    expect(first.series!.reset).toBe(true);
    expect(first.series!.t.every((t) => t <= at(0.8))).toBe(true);
    expect(first.series!.t.length).toBeGreaterThan(30);
    messages.length = 0;
    send({ type: 'replay', command: { do: 'seek', at_ms: at(0.5) } });
    const jumped = await update(({ replay: r }) => r?.at_ms === at(0.5) && r.state === 'paused');
    const whole =
      jumped.series === undefined ? await update((u) => u.series !== undefined) : jumped;
    expect(whole.series!.reset).toBe(true);
    expect(whole.series!.t.at(-1)).toBeLessThanOrEqual(at(0.5));
    expect(whole.hosts).toBeDefined();
    expect(whole.totals).toBeDefined();
    expect(whole.now_ms).toBe(at(0.5));
    socket.close();
  });

  it('plays, and stops where it is told to', async () => {
    await post({ do: 'seek', at_ms: at(0.3) });
    const { socket, update, send } = await connect();
    send({ type: 'subscribe', view: 'losses' });
    send({ type: 'replay', command: { do: 'speed', speed: 2 } });
    send({ type: 'replay', command: { do: 'play' } });
    await update(({ replay: r }) => r?.state === 'playing' && r.at_ms > at(0.3) + 200);
    send({ type: 'replay', command: { do: 'pause' } });
    const { replay: status } = await update(
      ({ replay: r }) => r?.state === 'paused' && r.speed === 2,
    );
    expect(status!.at_ms).toBeLessThan(at(1));
    socket.close();
  });

  it('says what is wrong with a command, and goes on', async () => {
    const { socket, messages, update, send } = await connect();
    send({ type: 'replay', command: { do: 'speed', speed: -1 } });
    send({ type: 'subscribe', view: 'losses' });
    await update(() => true);
    expect(messages.find(({ type }) => type === 'error')).toMatchObject({
      message: expect.stringMatching(/^replay: command.speed: /),
    });
    socket.close();
  });
});
