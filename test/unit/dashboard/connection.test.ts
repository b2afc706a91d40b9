import { describe, expect, it } from 'vitest';
import {
  Connection,
  type ConnectionState,
  type SocketLike,
} from '../../../dashboard/src/connection.ts';
import type { ServerMessage } from '../../../server/protocol/messages.ts';

class FakeSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: string[] = [];
  send(data: string): void {
    this.sent.push(data);
  }
  close(): void {}
  receive(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

function setup(status: number | null = null, afterS = 0) {
  const sockets: FakeSocket[] = [];
  const states: ConnectionState[] = [];
  const messages: ServerMessage[] = [];
  const waits: number[] = [];
  let timer = () => {};
  let now = 1000;
  const connection = new Connection({
    open: () => {
      sockets.push(new FakeSocket());
      return sockets.at(-1)!;
    },
    probe: async () => (status === null ? null : { status, afterS }),
    onMessage: (message) => messages.push(message),
    onState: (state) => states.push(state),
    now: () => now,
    setTimer: (run, ms) => {
      waits.push(ms);
      timer = run;
    },
    clearTimer: () => {},
  });
  return {
    connection,
    sockets,
    states,
    messages,
    waits,
    socket: () => sockets.at(-1)!,
    elapse: () => {
      now += 1000;
      timer();
    },
  };
}

const UPDATE = { type: 'update', view: 'overview', coalesced: 0, now_ms: 0 };

describe('Connection', () => {
  it('says what is shown when it opens, and again after a reconnect', () => {
    const { connection, socket, elapse, sockets } = setup();
    connection.subscribe({ type: 'subscribe', view: 'losses' });
    socket().onopen?.();
    socket().onclose?.();
    elapse();
    socket().onopen?.();
    expect(sockets.map((one) => one.sent.map((text) => JSON.parse(text).view))).toEqual([
      ['losses'],
      ['losses'],
    ]);
  });

  it('waits longer each time, up to five seconds, and not so after it was open', () => {
    const { socket, elapse, waits } = setup();
    for (let attempt = 0; attempt < 7; attempt++) {
      socket().onclose?.();
      elapse();
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
    socket().onopen?.();
    socket().onclose?.();
    expect(waits.at(-1)).toBe(250);
  });

  it('counts the time since it was lost, not since the last attempt', () => {
    const { socket, elapse, states } = setup();
    socket().onopen?.();
    socket().onclose?.();
    elapse();
    socket().onclose?.();
    expect(states.at(-1)).toEqual({ phase: 'lost', since: 1000, ever: true });
  });

  it('tells a refused link from a server that is away', async () => {
    for (const [status, phase] of [
      [401, 'refused'],
      [null, 'lost'],
    ] as const) {
      const { socket, elapse, states } = setup(status);
      socket().onclose?.();
      elapse();
      socket().onclose?.();
      await new Promise((done) => setTimeout(done));
      expect(states.at(-1)?.phase).toBe(phase);
    }
  });

  it('says that it asked too often, and asks again when it is told to', async () => {
    const { socket, sockets, states, waits, elapse } = setup(429, 7);
    socket().onclose?.();
    elapse();
    socket().onclose?.();
    await new Promise((done) => setTimeout(done));
    expect(states.at(-1)).toMatchObject({ phase: 'limited', again: 2000 + 7000 });
    expect(waits.at(-1)).toBe(7000);
    const before = sockets.length;
    elapse();
    expect(sockets).toHaveLength(before + 1);
    socket().onopen?.();
    expect(states.at(-1)).toEqual({ phase: 'open' });
  });

  it('subscribes again when a message was skipped', () => {
    const { connection, socket } = setup();
    connection.subscribe({ type: 'subscribe', view: 'overview' });
    socket().onopen?.();
    for (const seq of [4, 5, 7, 8]) socket().receive({ ...UPDATE, seq });
    expect(socket().sent).toHaveLength(2);
  });

  it('stops at a server of another protocol version', () => {
    const { socket, states, messages } = setup();
    socket().onopen?.();
    socket().receive({ type: 'hello', version: 99 });
    expect(states.at(-1)).toEqual({ phase: 'outdated', server: 99 });
    expect(messages).toHaveLength(0);
  });
});
