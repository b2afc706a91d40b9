/**
 * Who may talk to the server: whoever has the token, from a page of ours. The
 * token comes in the Authorization header, or once in the link, which turns it
 * into a cookie that scripts cannot read and other sites cannot send.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Names under which a server on loopback may be spoken to; the port is free, for ssh -L. */
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

export class Auth {
  readonly token: string;
  readonly #cookie: string;

  /** `port` makes the cookie's name: cookies do not know ports, and two servers may run. */
  constructor(port: number, token = randomBytes(24).toString('base64url')) {
    this.token = token;
    this.#cookie = `lastref_${port}`;
  }

  setCookie(): string {
    return `${this.#cookie}=${this.token}; HttpOnly; SameSite=Strict; Path=/`;
  }

  /** Whether the request carries the token. */
  holds(request: IncomingMessage): boolean {
    const header = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (header !== undefined) return this.matches(header);
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = part.trim().split('=');
      if (name === this.#cookie && value !== undefined && this.matches(value)) return true;
    }
    return false;
  }

  /** In constant time, whatever its length. */
  matches(given: string): boolean {
    const digest = (text: string) => createHash('sha256').update(text).digest();
    return timingSafeEqual(digest(given), digest(this.token));
  }
}

/** DNS rebinding: a name that is not ours means that another site's page is asking. */
export function knownHost(request: IncomingMessage): boolean {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '');
  return LOOPBACK.has(host);
}

/** Cross-site WebSockets: a browser always says where the page came from. */
export function knownOrigin(request: IncomingMessage): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true; // not a browser
  try {
    const url = new URL(origin);
    return url.protocol === 'http:' && url.host === request.headers.host;
  } catch {
    return false;
  }
}
