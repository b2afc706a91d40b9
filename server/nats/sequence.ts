/**
 * Whether a message is the next one of its host, has come before, or whether others are
 * missing before it. A broker keeps a message once when it is told twice within its
 * window; what comes twice beyond that is noticed here.
 */
import type { Origin } from './message.ts';

/** Former sessions of a host that are remembered. */
const MAX_FORMER = 1000;

export type Place =
  /** The next one. */
  | { readonly kind: 'next' }
  /** It was taken already, or belongs to a session that another has followed. */
  | { readonly kind: 'again' }
  /** `missing` before it were never seen; it is to be taken. */
  | { readonly kind: 'gap'; readonly missing: number }
  /** The first of a session that is seen; those before it, if any, were not. */
  | { readonly kind: 'session'; readonly missing: number };

export class Sequence {
  #session: string | null = null;
  #next = 1;
  readonly #former = new Set<string>();

  /** Notes a message as taken, and says what it was. */
  take({ session, seq }: Pick<Origin, 'session' | 'seq'>): Place {
    if (session !== this.#session) {
      if (this.#former.has(session)) return { kind: 'again' };
      if (this.#session !== null) this.#former.add(this.#session);
      while (this.#former.size > MAX_FORMER) {
        this.#former.delete(this.#former.values().next().value!);
      }
      this.#session = session;
      this.#next = seq + 1;
      return { kind: 'session', missing: seq - 1 };
    }
    if (seq < this.#next) return { kind: 'again' };
    const missing = seq - this.#next;
    this.#next = seq + 1;
    return missing === 0 ? { kind: 'next' } : { kind: 'gap', missing };
  }
}
