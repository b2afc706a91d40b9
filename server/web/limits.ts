/** What bounds each input of the server, so that no client takes it from the others. */

/** So many at once, and from then on so many a second. */
export interface Rate {
  readonly burst: number;
  readonly perS: number;
}

export interface Limits {
  /** Wrong tokens of one address. A page that was left open after a restart has one in two seconds. */
  readonly wrongTokens: Rate;
  /** Other requests of one address that are refused at the door. */
  readonly refusals: Rate;
  /** Requests of one address with one role's token. */
  readonly requests: Rate;
  /** Messages and pings of one WebSocket. Scrolling sends 60 a second. */
  readonly messages: Rate;
  /** Bytes of one message. */
  readonly messageBytes: number;
  /** WebSockets of one role: viewers do not keep operators out. */
  readonly sockets: number;
  /** TCP connections, and those of one address. */
  readonly connections: number;
  readonly connectionsOfOne: number;
  /** Bytes of request line and headers together, and how many headers. */
  readonly headerBytes: number;
  readonly headers: number;
  /** How long the headers of a request may take to arrive, and all of it, ms. */
  readonly headersMs: number;
  readonly requestMs: number;
}

export const LIMITS: Limits = {
  wrongTokens: { burst: 30, perS: 1 },
  refusals: { burst: 200, perS: 100 },
  requests: { burst: 200, perS: 100 },
  messages: { burst: 240, perS: 120 },
  messageBytes: 16 * 1024,
  sockets: 64,
  connections: 512,
  connectionsOfOne: 128,
  headerBytes: 16 * 1024,
  headers: 100,
  headersMs: 10_000,
  requestMs: 30_000,
};

/** Clients that are remembered; the one that was quiet longest is forgotten first. */
const MAX_CLIENTS = 10_000;

interface Left {
  tokens: number;
  atMs: number;
}

export class Rates {
  readonly #rate: Rate;
  readonly #left = new Map<string, Left>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** 0: granted. Else refused, and so many seconds until one will be granted. */
  take(client: string, nowMs: number): number {
    const { burst, perS } = this.#rate;
    const last = this.#left.get(client) ?? { tokens: burst, atMs: nowMs };
    const passedS = Math.max(0, nowMs - last.atMs) / 1000;
    const tokens = Math.min(burst, last.tokens + passedS * perS);
    const granted = tokens >= 1;
    this.#left.delete(client); // to the end of the order
    this.#left.set(client, { tokens: granted ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#left.size > MAX_CLIENTS) this.#left.delete(this.#left.keys().next().value!);
    return granted ? 0 : (1 - tokens) / perS;
  }
}
