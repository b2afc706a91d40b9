/**
 * Every request passes here, over HTTP and on its way to a WebSocket: known name, known
 * origin, a token, not too many. A valid token is looked at first, and what is refused is
 * counted apart: no flood of others keeps out those who have one.
 */
import type { IncomingMessage } from 'node:http';
import { type Role, VIEWER_MAY_NOT } from '../protocol/messages.ts';
import { clientOf, type Names } from './addresses.ts';
import { type Auth, knownOrigin } from './auth.ts';
import { type Limits, Rates } from './limits.ts';

export interface Refusal {
  readonly status: 401 | 403 | 429;
  readonly text: string;
  /** For 429: when to come again. */
  readonly afterS?: number;
}

export interface Admitted {
  readonly role: Role;
  /** Whose the token in the link was; null: there was none. */
  readonly linked: Role | null;
}

export type Admission = Admitted | Refusal;

const NO_TOKEN =
  'lastref: this needs the token. Open the link that lastref printed when it started,\n' +
  'or send the token as `Authorization: Bearer TOKEN`.\n';

const READING = ['GET', 'HEAD'];

export interface DoorOptions {
  readonly auth: Auth;
  readonly names: Names;
  readonly secure: boolean;
  readonly limits: Limits;
  /** A clock that only goes on, ms. */
  readonly now?: () => number;
}

export class Door {
  readonly auth: Auth;
  readonly #names: Names;
  readonly #secure: boolean;
  readonly #now: () => number;
  readonly #requests: Rates;
  readonly #refusals: Rates;
  readonly #wrongTokens: Rates;

  constructor({ auth, names, secure, limits, now }: DoorOptions) {
    this.auth = auth;
    this.#names = names;
    this.#secure = secure;
    this.#now = now ?? (() => performance.now());
    this.#requests = new Rates(limits.requests);
    this.#refusals = new Rates(limits.refusals);
    this.#wrongTokens = new Rates(limits.wrongTokens);
  }

  /** `asks`: what it is about to do; `inLink`: the token of a link, or null. */
  admit(request: IncomingMessage, asks: 'request' | 'socket', inLink: string | null): Admission {
    const stranger = this.stranger(request, asks);
    if (stranger !== null) return this.#refuse(request, this.#refusals, stranger);
    const given = this.auth.tokenIn(request);
    const linked = inLink === null ? null : this.#linked(request, asks, inLink);
    const role = linked ?? (given === null ? null : this.auth.roleOf(given));
    if (role === null) {
      const rates = given === null && inLink === null ? this.#refusals : this.#wrongTokens;
      return this.#refuse(request, rates, { status: 401, text: NO_TOKEN });
    }
    const after = this.#requests.take(
      `${role} ${clientOf(request.socket.remoteAddress)}`,
      this.#now(),
    );
    if (after > 0) return tooMany(after, 'requests');
    // whatever comes to be served: who may only look only reads
    if (role === 'viewer' && !READING.includes(request.method ?? '')) {
      return { status: 403, text: VIEWER_MAY_NOT };
    }
    return { role, linked };
  }

  #linked(request: IncomingMessage, asks: 'request' | 'socket', token: string): Role | null {
    const opens = asks === 'request' && request.method === 'GET';
    return this.auth.roleOf(token) ?? (opens && this.auth.redeem(token) ? 'operator' : null);
  }

  /** From another site's page, or under a name that is not of this server. */
  stranger(request: IncomingMessage, asks: 'request' | 'socket'): Refusal | null {
    if (!this.#names.knows(request.headers.host, request.socket.localAddress)) {
      return {
        status: 403,
        text: 'lastref: this name is not one of this server; `--allow-host NAME` makes it one\n',
      };
    }
    const changes = asks === 'socket' || !READING.includes(request.method ?? '');
    if (changes && !knownOrigin(request, this.#secure)) {
      return { status: 403, text: 'lastref: asked from a page of another site\n' };
    }
    return null;
  }

  #refuse(request: IncomingMessage, rates: Rates, refusal: Refusal): Refusal {
    const after = rates.take(clientOf(request.socket.remoteAddress), this.#now());
    if (after === 0) return refusal;
    return tooMany(after, refusal.status === 401 ? 'requests without the token' : 'requests');
  }
}

function tooMany(afterS: number, what: string): Refusal {
  const seconds = Math.ceil(afterS);
  return {
    status: 429,
    text: `lastref: too many ${what} from this address: try again in ${seconds} s\n`,
    afterS: seconds,
  };
}
