/**
 * Whether the probes run at all. Somebody may turn them off behind bpftrace's back: with
 * kernel.ftrace_enabled=0 those on functions stay attached and never run, no count says so, and
 * what happens then looks like nothing. So the agent looks at that switch each second, and
 * a quiet host is given a canary inode, whose end must be told.
 */
import type { ModelGap } from '../model/gaps.ts';
import { isObserved, type Plan } from '../protocol/stages.ts';

/** Longer than a canary may take to its end: lazy RCU delays callbacks by up to 10 s. */
const CANARY_NS = 25e9;
/** Its lines may come before the agent has said that it made one. */
const BEFORE_NS = 10e9;

/** A host without an event for so long is given a canary. */
const QUIET_MS = 30_000;

export class Sight {
  /** The gap that lasts while no probe runs. */
  blind: ModelGap | null = null;
  /** What the gap is about is the switch, and not a canary of which nothing came. */
  private _off = false;
  /** Events of probes that have come, and when the newest did, ns of the epoch. */
  private _events = 0;
  private _seenAt = 0;
  /** When a canary was made of which nothing has come. */
  private _canaryAt: number | null = null;
  private readonly _byFtrace: boolean;

  constructor(plan: Plan) {
    this._byFtrace = Object.values(plan).some(
      (entry) =>
        isObserved(entry) && /\b(fentry|fexit|kfunc|kretfunc|k(ret)?probe):/.test(entry.probe),
    );
  }

  /** bpftrace starts. */
  begin(): void {
    this.blind = null;
    this._off = false;
    this._canaryAt = null;
  }

  /** kernel.ftrace_enabled is so at `now`, and was not at `since`. Gives a gap that begins. */
  ftrace(on: boolean, since: number, now: number): ModelGap | null {
    if (!this._byFtrace || on === !this._off) return null;
    this._off = !on;
    if (on) return this.#sees(now);
    const detail = 'kernel.ftrace_enabled is 0: probes on functions do not run';
    return this.#open(since, detail);
  }

  /** A canary was made and dropped at about this time. */
  canary(now: number): void {
    if (this._canaryAt === null || this._seenAt >= this._canaryAt - BEFORE_NS) this._canaryAt = now;
  }

  /** `events`: of probes, that have come until now. Gives a gap that begins. */
  look(now: number, events: number): ModelGap | null {
    if (events !== this._events) {
      this._events = events;
      this._seenAt = now;
      this._canaryAt = null;
      if (!this._off) this.#sees(now);
      return null;
    }
    const at = this._canaryAt;
    if (this.blind !== null || at === null) return null;
    if (now - at < CANARY_NS || this._seenAt >= at - BEFORE_NS) return null;
    const detail = 'no probe runs: an inode was made and dropped, and nothing told of it';
    return this.#open(this._seenAt, detail);
  }

  /** Why bpftrace has to attach its probes anew; null: they run, or would not run any more for that. */
  get lost(): string | null {
    return this._off ? null : (this.blind?.detail ?? null);
  }

  #open(from: number, detail: string): ModelGap | null {
    if (this.blind !== null) return null;
    this.blind = { from, to: Number.POSITIVE_INFINITY, lost: 0, where: 'tracer_down', detail };
    return this.blind;
  }

  #sees(now: number): null {
    if (this.blind !== null) this.blind.to = now;
    this.blind = null;
    return null;
  }
}

/** Tells when no event has come for long, and again after as long. */
export class Quiet {
  private _events = -1;
  private _since = 0;

  isLong(events: number): boolean {
    const now = performance.now();
    const long = events === this._events && now - this._since > QUIET_MS;
    if (long || events !== this._events) this._since = now;
    this._events = events;
    return long;
  }
}
