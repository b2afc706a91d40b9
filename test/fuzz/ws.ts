/**
 * Messages that a browser may send over the WebSocket. One input is one message to a replay
 * of a real recording; a second client looks on and must not notice.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WebSocket } from 'ws';
import { SessionAlerts } from '../../server/notify/session-alerts.ts';
import { INODE_SORTS, ROLES, type ServerMessage, VIEWS } from '../../server/protocol/messages.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { History } from '../../server/web/history.ts';
import { LIMITS } from '../../server/web/limits.ts';
import { Stream } from '../../server/web/stream.ts';
import { Views } from '../../server/web/views.ts';
import { DEMO } from '../fixtures/recordings.ts';
import type { Random } from '../support/random.ts';
import { duplicate, flipBit, insert, ROOM, remove, replaceByte, replaceWord } from './mutate.ts';
import { Failed, must, mustBeQuick, type Target } from './target.ts';

/** Messages in a batch, all of one client. */
const BATCH = 200;
/** A message that moves the replay costs far more than any other: one in so many. */
const MOVES = 2000;
/** One message and its answer: a view in full. */
const SLOW_MS = 1000;
/** As the server does it. */
const MOST_BYTES = LIMITS.messageBytes;

const DAMAGES = [replaceByte, flipBit, remove, duplicate, insert, replaceWord];

/** In the place of a value. */
const VALUES = [
  ...['null', 'true', '0', '-1', '0.5', '1e999', '10000001', '9007199254740993', '""', '[]', '{}'],
  ...['"overview"', '"inodes"', '"1.7"', '"__proto__"', '"constructor"', '"\\u0000"', '"\\ud800"'],
  ...['"comm:*a*a*a*b"', '"pages>0 fs:hugetlbfs"', '"-----x"', '"evict>1ms"', '"fs<1"'],
  ...[
    `"${'x'.repeat(300)}"`,
    `"${'*a'.repeat(2000)}"`,
    '[[[[[[[[1]]]]]]]]',
    '{"__proto__":{"view":1}}',
  ],
];
const KEYS = ['host', 'filter', 'sort', 'descending', 'offset', 'limit', 'inode', 'finding', 'x'];

export class WsTarget implements Target {
  readonly growthMb = 32;
  readonly #reader = new RecordingReader(DEMO);
  readonly #replay = new Replay(this.#reader, { keep: 200, banner: '' });
  readonly #stream: Stream;
  readonly #witness: Socket;
  readonly #buf = Buffer.alloc(2 * MOST_BYTES);
  /** What nobody waited for and went wrong. */
  #unhandled: Error | null = null;
  readonly #onUnhandled = (error: Error) => {
    this.#unhandled = error;
  };

  constructor() {
    this.#replay.run();
    const history = new History(this.#replay);
    this.#stream = new Stream({
      source: this.#replay,
      views: new Views(this.#replay, (host) => history.eventsPerS(host)),
      history,
      alerts: new SessionAlerts({
        pipelines: () => this.#replay.pipelines(),
        silences: null,
        notifier: null,
      }),
      // how many there may be is not what is tested here
      limits: { ...LIMITS, messages: { burst: 1e9, perS: 1e9 } },
    });
    this.#witness = this.#add('viewer');
    this.#witness.say(Buffer.from('{"type":"subscribe","view":"overview"}'), false);
    process.on('unhandledRejection', this.#onUnhandled);
  }

  async batch(random: Random): Promise<number> {
    const socket = this.#add(random.pick(ROLES));
    for (let i = 0; i < BATCH; i++) {
      const message = this.#message(random);
      try {
        this.#ask(socket, message, random.once(50));
      } catch (error) {
        throw new Failed(Buffer.from(message), error);
      }
      if (random.once(MOVES)) await this.#settle(message);
    }
    await this.#settle(Buffer.alloc(0));
    socket.emit('close');
    return BATCH;
  }

  async replay(input: Buffer): Promise<void> {
    for (const role of ROLES) {
      const socket = this.#add(role);
      for (const isBinary of [false, true]) this.#ask(socket, input, isBinary);
      await this.#settle(input);
      socket.emit('close');
    }
  }

  close(): void {
    process.off('unhandledRejection', this.#onUnhandled);
    this.#stream.close();
    this.#replay.stop();
    this.#reader.close();
  }

  #add(role: (typeof ROLES)[number]): Socket {
    const socket = new Socket();
    this.#stream.add(socket as unknown as WebSocket, role);
    return socket;
  }

  #ask(socket: Socket, message: Buffer, isBinary: boolean): void {
    const before = socket.errors;
    mustBeQuick(SLOW_MS, () => socket.say(message, isBinary));
    const isSaid = socket.errors > before;
    if (isBinary) must(isSaid, 'a binary message was taken');
    else if (!isObject(message)) must(isSaid, 'what is no JSON object was taken');
    socket.mustBeGood();
  }

  /** Lets what was begun come to its end, and looks at the witness. */
  async #settle(input: Buffer): Promise<void> {
    await sleep(0);
    const { errors, closed } = this.#witness;
    if (this.#unhandled !== null) throw new Failed(input, this.#unhandled);
    if (errors > 0 || closed) throw new Failed(input, 'another client was disturbed');
    this.#witness.mustBeGood();
  }

  #message(random: Random): Buffer {
    const text = random.once(MOVES) ? moveOf(random) : subscribeOf(random);
    let length = Math.min(MOST_BYTES, this.#buf.write(text, 'utf8'));
    for (let rest = random.below(3); rest > 0; rest--) {
      length = Math.min(MOST_BYTES - ROOM, length);
      length = random.pick(DAMAGES)(this.#buf, 0, length, random);
    }
    if (random.once(500)) length = this.#buf.write('['.repeat(random.below(MOST_BYTES)), 'utf8');
    return this.#buf.subarray(0, length);
  }
}

function subscribeOf(random: Random): string {
  const parts = [`"type":"subscribe"`, `"view":"${random.pick(VIEWS)}"`];
  for (let rest = random.below(3); rest > 0; rest--) {
    const key = random.pick(KEYS);
    const value = key === 'sort' ? `"${random.pick(INODE_SORTS)}"` : random.pick(VALUES);
    parts.push(`"${key}":${random.once(4) ? random.pick(VALUES) : value}`);
  }
  if (random.once(8)) parts[random.below(parts.length)] = `"${random.pick(KEYS)}":0`;
  return `{${parts.join(',')}}`;
}

function moveOf(random: Random): string {
  const command = random.pick([
    '{"do":"play"}',
    '{"do":"pause"}',
    `{"do":"seek","at_ms":${random.pick(VALUES)}}`,
    `{"do":"skip","by_ms":${random.pick(['-1e300', '1e300', '1000', '-1', '"x"'])}}`,
    `{"do":"speed","speed":${random.pick(VALUES)}}`,
    `{"do":"step","to":"event","back":${random.pick(VALUES)}}`,
    `{"do":"step","to":"teardown","inode":${random.pick(VALUES)}}`,
    '{"do":"step","to":"alert"}',
    random.pick(VALUES),
  ]);
  return `{"type":"replay","command":${command}}`;
}

function isObject(message: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(message.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** What the server sees of a client: it takes everything at once. */
class Socket extends EventEmitter {
  readonly bufferedAmount = 0;
  errors = 0;
  closed = false;
  #seq = 0;
  #wrong: string | null = null;

  say(message: Buffer, isBinary: boolean): void {
    this.emit('message', message, isBinary);
  }

  send(text: string): void {
    const message = JSON.parse(text) as ServerMessage;
    if (message.type === 'error') {
      this.errors++;
      if (message.message === '') this.#wrong = 'an error that says nothing';
    } else if (message.type === 'update') {
      if (message.seq !== ++this.#seq) this.#wrong = 'an update is missing';
    } else if (message.type !== 'hello') this.#wrong = 'a message of no kind';
  }

  close(): void {
    this.closed = true;
  }

  terminate(): void {
    this.closed = true;
  }

  mustBeGood(): void {
    must(this.#wrong === null, this.#wrong ?? '');
  }
}
