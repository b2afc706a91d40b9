import {
  MESSAGE_VERSION,
  type ServerMessage,
  type Subscribe,
} from '../../server/protocol/messages.ts';
import type { ReplayCommand, ReplayMessage } from '../../server/protocol/replay.ts';

/**
 * The WebSocket of the page: opens it, opens it again when it is lost (after
 * 0.25 s, doubling up to 5 s), says what the page shows, and checks that no
 * message was skipped. What arrives goes to `onMessage`; how it stands, to `onState`.
 */
export class Connection {
  #socket: SocketLike | null = null;
  #wanted: Subscribe | null = null;
  #state: ConnectionState = { phase: 'connecting' };
  #attempts = 0;
  #expectedSeq: number | null = null;
  #timer: unknown = null;
  #lostAt: number | null = null;
  #everOpen = false;
  readonly #options: ConnectionOptions;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#open();
  }

  /** Shows this view from now on; sent again after each reconnect. */
  subscribe(subscribe: Subscribe): void {
    this.#wanted = subscribe;
    if (this.#state.phase === 'open') this.#send();
  }

  /** Asks something of a replay. While there is no connection nothing is asked. */
  command(command: ReplayCommand): void {
    const message: ReplayMessage = { type: 'replay', command };
    if (this.#state.phase === 'open') this.#socket?.send(JSON.stringify(message));
  }

  /** Tries at once instead of waiting for the next attempt. */
  retry(): void {
    if (!['lost', 'refused', 'limited'].includes(this.#state.phase)) return;
    this.#options.clearTimer(this.#timer);
    this.#open();
  }

  close(): void {
    this.#options.clearTimer(this.#timer);
    this.#drop();
  }

  #open(): void {
    this.#drop();
    let opened = false;
    const socket = this.#options.open();
    this.#socket = socket;
    socket.onopen = () => {
      opened = true;
      this.#attempts = 0;
      this.#everOpen = true;
      this.#lostAt = null;
      this.#expectedSeq = null;
      this.#set({ phase: 'open' });
      this.#send();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = () => {
      if (this.#socket === socket) this.#closed(opened);
    };
  }

  #receive(data: unknown): void {
    const message = JSON.parse(String(data)) as ServerMessage;
    if (message.type === 'hello' && message.version !== MESSAGE_VERSION) {
      this.close();
      this.#set({ phase: 'outdated', server: message.version });
      return;
    }
    if (message.type === 'update') {
      const skipped = this.#expectedSeq !== null && message.seq !== this.#expectedSeq;
      this.#expectedSeq = message.seq + 1;
      // Something is missing: subscribing again brings every section in full.
      if (skipped) this.#send();
    }
    this.#options.onMessage(message);
  }

  #closed(wasOpen: boolean): void {
    this.#drop();
    this.#attempts++;
    this.#lostAt ??= this.#options.now();
    const wait = Math.min(5000, 250 * 2 ** (this.#attempts - 1));
    this.#timer = this.#options.setTimer(() => this.#open(), wait);
    if (this.#state.phase !== 'refused' && this.#state.phase !== 'limited') {
      this.#set({ phase: 'lost', since: this.#lostAt, ever: this.#everOpen });
    }
    // Closed before it opened, and again: is the server away, or does it not want us?
    if (!wasOpen && this.#attempts >= 2) void this.#askWhy();
  }

  async #askWhy(): Promise<void> {
    const answer = await this.#options.probe();
    if (this.#state.phase === 'open') return;
    const since = this.#lostAt ?? this.#options.now();
    const status = answer?.status;
    if (status === 429) {
      const wait = Math.max(1, answer?.afterS ?? 0) * 1000;
      this.#options.clearTimer(this.#timer);
      this.#timer = this.#options.setTimer(() => this.#open(), wait);
      this.#set({ phase: 'limited', since, again: this.#options.now() + wait });
    } else if (status === 401 || status === 403) {
      this.#set({ phase: 'refused', since });
    } else {
      this.#set({ phase: 'lost', since, ever: this.#everOpen });
    }
  }

  #send(): void {
    if (this.#wanted) this.#socket?.send(JSON.stringify(this.#wanted));
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #set(state: ConnectionState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}

export type ConnectionState =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'open' }
  /** `ever`: it was open before. `since`: this machine's clock, ms. */
  | { readonly phase: 'lost'; readonly since: number; readonly ever: boolean }
  /** The server answers, but not to us: the link's token is gone or was never there. */
  | { readonly phase: 'refused'; readonly since: number }
  /** The server answers that it was asked too often. `again`: when it is asked next, this machine's clock, ms. */
  | { readonly phase: 'limited'; readonly since: number; readonly again: number }
  /** The server speaks another version of the protocol than this page. */
  | { readonly phase: 'outdated'; readonly server: number };

export interface ConnectionOptions {
  readonly open: () => SocketLike;
  /** What a plain request to the server comes to; null when it does not answer. */
  readonly probe: () => Promise<Answer | null>;
  readonly onMessage: (message: ServerMessage) => void;
  readonly onState: (state: ConnectionState) => void;
  readonly now: () => number;
  readonly setTimer: (run: () => void, ms: number) => unknown;
  readonly clearTimer: (timer: unknown) => void;
}

/** HTTP status, and when to come again, s; 0 when that was not said. */
export interface Answer {
  readonly status: number;
  readonly afterS: number;
}

/** What is used of WebSocket; a test passes its own. */
export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  send(data: string): void;
  close(): void;
}

/** The browser's own WebSocket, clock and timers, on the address the page came from. */
export function browserOptions(): Omit<ConnectionOptions, 'onMessage' | 'onState'> {
  const url = new URL('ws', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  url.search = '';
  return {
    open: () => new WebSocket(url) as unknown as SocketLike,
    probe: async () => {
      try {
        const answer = await fetch('./', { method: 'HEAD', cache: 'no-store' });
        return { status: answer.status, afterS: Number(answer.headers.get('Retry-After')) || 0 };
      } catch {
        return null;
      }
    },
    now: () => Date.now(),
    setTimer: (run, ms) => setTimeout(run, ms),
    clearTimer: (timer) => clearTimeout(timer as number),
  };
}
