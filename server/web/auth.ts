/**
 * Who may talk to the server: whoever has a token, from a page of ours. The operator's
 * may do everything, the viewer's may look. It comes in the Authorization header, or once
 * in the link, which turns it into a cookie that scripts cannot read and other sites
 * cannot send.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ROLES, type Role } from '../protocol/messages.ts';

export type Tokens = Readonly<Record<Role, string>>;

export function newToken(): string {
  return randomBytes(24).toString('base64url');
}

export class Auth {
  readonly #digests: Readonly<Record<Role, Buffer>>;
  readonly #tokens: Tokens;
  readonly #cookie: string;
  readonly #attributes: string;
  /** Digests of the operator's tokens that are good for one link. */
  readonly #once = new Set<string>();

  /**
   * `port` makes the cookie's name: cookies do not know ports, and two servers may run.
   * `secure`: under TLS, where no page of plain text may set or see it.
   */
  constructor(port: number, tokens: Tokens, secure: boolean) {
    this.#tokens = tokens;
    this.#digests = { operator: digest(tokens.operator), viewer: digest(tokens.viewer) };
    this.#cookie = `${secure ? '__Host-' : ''}lastref_${port}`;
    this.#attributes = `HttpOnly; SameSite=Strict; Path=/${secure ? '; Secure' : ''}`;
  }

  cookieOf(role: Role): string {
    return `${this.#cookie}=${this.#tokens[role]}; ${this.#attributes}`;
  }

  /** What the request carries as its token, right or wrong; null: nothing. */
  tokenIn(request: IncomingMessage): string | null {
    const header = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (header !== undefined) return header;
    for (const part of (request.headers.cookie ?? '').split(';')) {
      const [name, value] = part.trim().split('=');
      if (name === this.#cookie && value !== undefined) return value;
    }
    return null;
  }

  /** Whose token it is; null: nobody's. In constant time, whatever its length. */
  roleOf(token: string): Role | null {
    const given = digest(token);
    let role: Role | null = null;
    for (const one of ROLES) if (timingSafeEqual(given, this.#digests[one])) role = one;
    return role;
  }

  /**
   * A token of the operator for one link: a browser is started with the link on its
   * command line, which every user of the machine can read for as long as it runs.
   */
  onceToken(): string {
    const token = newToken();
    this.#once.add(digest(token).toString('hex'));
    return token;
  }

  /** Whether it is such a token; from now on it is none. */
  redeem(token: string): boolean {
    return this.#once.delete(digest(token).toString('hex'));
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Pages of other sites: a browser always says where the page came from. */
export function knownOrigin(request: IncomingMessage, secure: boolean): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true; // not a browser
  try {
    const { protocol, host } = new URL(origin);
    // plain text may be that of a proxy on this machine, whose page came over https
    const known = protocol === 'https:' || (protocol === 'http:' && !secure);
    return known && host === request.headers.host;
  } catch {
    return false;
  }
}
