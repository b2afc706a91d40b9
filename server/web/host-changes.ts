/**
 * What a client is told of the hosts: all of each once, then what changed. With hundreds of
 * them, and numbers that change with every event, they are looked at less often.
 */
import type { HostChange, HostState, HostsUpdate } from '../protocol/hosts.ts';

/** As many are looked at each time; with more, all of them after as many times more. */
const HOSTS_EACH_TIME = 20;

export class HostChanges {
  #names = '';
  #sent = new Map<string, ReadonlyMap<string, unknown>>();
  #wait = 0;

  /** Everything is told anew, next time. */
  reset(): void {
    this.#names = '';
    this.#sent = new Map();
    this.#wait = 0;
  }

  /** Null: nothing changed, or it is not their turn. `states` is called only when it is. */
  next(states: () => readonly HostState[]): HostsUpdate | null {
    if (this.#wait > 0) {
      this.#wait--;
      return null;
    }
    const all = states();
    this.#wait = Math.ceil(all.length / HOSTS_EACH_TIME) - 1;
    const names = all.map(({ host }) => host);
    const told = JSON.stringify(names);
    const gone = told !== this.#names;
    this.#names = told;
    if (gone) this.#forget(new Set(names));
    const changed = all.flatMap((state) => this.#changesOf(state) ?? []);
    if (!gone && changed.length === 0) return null;
    return gone ? { names, changed } : { changed };
  }

  #forget(names: ReadonlySet<string>): void {
    for (const host of this.#sent.keys()) if (!names.has(host)) this.#sent.delete(host);
  }

  #changesOf(state: HostState): HostChange | null {
    const before = this.#sent.get(state.host);
    const now = new Map<string, unknown>();
    const change: Record<string, unknown> = {};
    let some = false;
    for (const [key, value] of Object.entries(state)) {
      const known = before?.get(key);
      now.set(key, value);
      if (before !== undefined && same(known, value)) continue;
      change[key] = value;
      some = true;
    }
    this.#sent.set(state.host, now);
    return some ? { ...change, host: state.host } : null;
  }
}

/** What is large (the plan) stays the same object. */
function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return JSON.stringify(a) === JSON.stringify(b);
}
