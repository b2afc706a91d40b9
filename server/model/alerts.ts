/**
 * From leaks to alerts, for one epoch: pending, firing, resolved, as in Prometheus, but in
 * the time of the trace. Pure: a replay under the same rules says what live said.
 *
 * A leak that meets a rule makes the alert pending; when it has met it for the rule's
 * `for`, the alert fires; when the leak ends or meets the rule no longer, a firing alert
 * is resolved and a pending one was none.
 */
import type { Alert } from '../protocol/alerts.ts';
import type { AlertRule } from '../protocol/config.ts';
import { wildcard } from '../protocol/filter.ts';
import type { Leak } from '../protocol/leaks.ts';
import { annotationsOf, fingerprintOf, labelsOf } from './alert-words.ts';

export interface AlertsOptions {
  readonly rules: readonly AlertRule[];
  /** Resolved alerts kept. */
  readonly history: number;
  /** An alert fired or was resolved. Called in the order of the trace. */
  readonly changed?: (alert: Alert) => void;
}

interface Rule extends AlertRule {
  readonly matches: (leak: Leak) => boolean;
}

interface Active {
  readonly rule: Rule;
  readonly labels: Record<string, string>;
  readonly fingerprint: string;
  leak: Leak;
  readonly activeNs: number;
  firedNs: number | null;
}

export class Alerts {
  /** Alerts that fired, ever. */
  fired = 0;
  /** Resolved alerts that are no longer kept. */
  forgotten = 0;
  private readonly _rules: readonly Rule[];
  private readonly _keep: number;
  private readonly _changed: (alert: Alert) => void;
  /** Pending and firing, by rule and leak. */
  private readonly _active = new Map<string, Active>();
  private readonly _fingerprints = new Set<string>();
  private readonly _resolved: Alert[] = [];
  /** Leaks that were there at the last update: those that go on, and the ends of the others. */
  private _known = new Set<string>();
  private _ends = new Map<string, number>();
  private _now = 0;

  constructor({ rules, history, changed }: AlertsOptions) {
    this._rules = rules.map((rule) => ({ ...rule, matches: matcher(rule) }));
    this._keep = history;
    this._changed = changed ?? (() => {});
  }

  /**
   * All leaks that are known, also those that ended. A leak keeps its id while it is one.
   * `now`: nanoseconds of the epoch, never less than before.
   */
  update(leaks: readonly Leak[], now: number): void {
    this._now = now;
    const before = { known: this._known, ends: this._ends };
    const known = new Set<string>();
    const ends = new Map<string, number>();
    for (const leak of leaks) {
      if (leak.state === 'firing') {
        known.add(leak.id);
        continue;
      }
      const end = leak.until_ns ?? now;
      ends.set(leak.id, Math.max(end, ends.get(leak.id) ?? 0));
      // most have ended long ago
      if (end > (before.ends.get(leak.id) ?? -1)) this.#ended(leak, end, before.known);
    }
    for (const leak of leaks) {
      if (leak.state !== 'firing') continue;
      const since = before.known.has(leak.id) ? now : Math.min(now, leak.fired_ns);
      for (const rule of this._rules) this.#judge(rule, leak, since);
    }
    for (const [key, active] of this._active) {
      if (known.has(active.leak.id)) continue;
      this.#end(key, now, 'this leak is no longer followed');
    }
    this._known = known;
    this._ends = ends;
  }

  /** Firing ones first, each state by its beginning, newest first. */
  list(): Alert[] {
    const active = [...this._active.values()].map((alert) => this.#alertOf(alert));
    active.sort((a, b) => order(a) - order(b) || b.active_ns - a.active_ns);
    return [...active, ...this.history];
  }

  /** The newest resolved ones, newest first. */
  get history(): Alert[] {
    return [...this._resolved].reverse();
  }

  /** A leak that is one now, since this update or before. */
  #judge(rule: Rule, leak: Leak, since: number): void {
    const key = keyOf(rule, leak);
    const active = this._active.get(key);
    if (active !== undefined) {
      active.leak = leak;
      if (!rule.matches(leak)) return this.#end(key, this._now, 'it meets its rule no longer');
      return this.#fireWhenDue(active, this._now);
    }
    if (!rule.matches(leak)) return;
    const begun = this.#begin(rule, leak, since);
    if (begun !== null) this.#fireWhenDue(begun, this._now);
  }

  /** A leak that ended since the last update; it may have begun since then, too. */
  #ended(leak: Leak, end: number, known: ReadonlySet<string>): void {
    for (const rule of this._rules) {
      const key = keyOf(rule, leak);
      let active = this._active.get(key);
      if (active !== undefined) active.leak = leak;
      else if (!known.has(leak.id) && leak.state === 'resolved' && rule.matches(leak)) {
        active = this.#begin(rule, leak, Math.min(leak.fired_ns, end)) ?? undefined;
      }
      if (active === undefined) continue;
      this.#fireWhenDue(active, end);
      this.#end(key, end, leak.state === 'refuted' ? `refuted: ${leak.text}` : '');
    }
  }

  /** Two leaks with the same labels are one alert: the second waits until the first is over. */
  #begin(rule: Rule, leak: Leak, since: number): Active | null {
    const labels = labelsOf(rule, leak);
    const fingerprint = fingerprintOf(labels);
    if (this._fingerprints.has(fingerprint)) return null;
    const active: Active = { rule, labels, fingerprint, leak, activeNs: since, firedNs: null };
    this._active.set(keyOf(rule, leak), active);
    this._fingerprints.add(fingerprint);
    return active;
  }

  #fireWhenDue(active: Active, now: number): void {
    if (active.firedNs !== null || now < active.activeNs + active.rule.for) return;
    active.firedNs = active.activeNs + active.rule.for;
    this.fired++;
    this._changed(this.#alertOf(active));
  }

  #end(key: string, end: number, note: string): void {
    const active = this._active.get(key)!;
    this._active.delete(key);
    this._fingerprints.delete(active.fingerprint);
    if (active.firedNs === null) return;
    const resolved: Alert = {
      ...this.#alertOf(active, end),
      state: 'resolved',
      resolved_ns: Math.max(end, active.firedNs),
      note,
    };
    this._resolved.push(resolved);
    if (this._resolved.length > this._keep) {
      this._resolved.shift();
      this.forgotten++;
    }
    this._changed(resolved);
  }

  #alertOf(active: Active, now = this._now): Alert {
    const { rule, leak, fingerprint, labels, activeNs, firedNs } = active;
    return {
      fingerprint,
      state: firedNs === null ? 'pending' : 'firing',
      labels,
      annotations: annotationsOf(rule, leak, now),
      leak,
      active_ns: activeNs,
      fired_ns: firedNs,
      resolved_ns: null,
      note: '',
    };
  }
}

function keyOf(rule: Rule, leak: Leak): string {
  return `${rule.alert} ${leak.id}`;
}

function order(alert: Alert): number {
  return alert.state === 'firing' ? 0 : 1;
}

function matcher(rule: AlertRule): (leak: Leak) => boolean {
  const hosts = rule.hosts.map(wildcard);
  // shmem is what people call it, tmpfs is the name of the type
  const fs = rule.fs.map((name) => wildcard(name === 'shmem' ? 'tmpfs' : name));
  const kinds = new Set(rule.kinds);
  return (leak) =>
    kinds.has(leak.kind) &&
    leak.pages >= rule.min_pages &&
    (rule.verdict === 'suspected' || leak.verdict === 'certain') &&
    hosts.some((like) => like(leak.host)) &&
    fs.some((like) => like(leak.fs));
}
