/** Whether bpftrace sees and hears all that it should, and the gaps in which it does not. */
import type { ModelGap } from '../model/gaps.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import type { AgentLine } from './agent-lines.ts';
import { Cpus } from './cpus.ts';
import type { Reorder } from './reorder.ts';
import { Sight } from './sight.ts';

export class Senses {
  readonly cpus: Cpus;
  private readonly _sight: Sight;
  private readonly _gap: (gap: ModelGap) => void;
  /** When the agent last looked at the host's counters, ns of the epoch. */
  private _lookedAt = 0;

  constructor(info: EpochInfo, gap: (gap: ModelGap) => void) {
    this.cpus = new Cpus(info);
    this._sight = new Sight(info.plan);
    this._gap = gap;
  }

  /** bpftrace starts. */
  begin(order: Reorder): void {
    this._sight.begin();
    this.cpus.begin();
    order.waitFor(this.cpus.buffers());
  }

  /** bpftrace is ready, and every gap of before has ended. */
  ready(now: number): void {
    this.#open(this.cpus.ready(now));
  }

  /** The agent has looked at the host's counters. */
  looked(ts: number): void {
    this._lookedAt = ts;
  }

  /** These CPUs were online at a time. */
  online(cpus: readonly number[], ts: number, order: Reorder): void {
    this.cpus.told(cpus, this._lookedAt, ts);
    this.#hear(ts, order);
  }

  /** Of a bpftrace that is ready: what the agent says of probes. `ts`: when it said so. */
  told(line: Extract<AgentLine, { kind: 'ftrace' | 'canary' }>, ts: number): void {
    if (line.kind === 'canary') this._sight.canary(ts);
    else this.#open(this._sight.ftrace(line.on, this._lookedAt, ts));
  }

  /** Ten times a second. `events`: of probes, so far; `readyAt`: null while bpftrace is not ready. */
  tick(now: number, events: number, readyAt: number | null, order: Reorder): void {
    this.#open(this._sight.look(now, events));
    if (this.cpus.listen(now, readyAt, order)) this.#hear(now, order);
  }

  /** Why nothing can be seen at the moment; null: probes run. */
  get blindness(): string | null {
    return this._sight.blind?.detail ?? null;
  }

  /** Why bpftrace has to be started again, though it runs; null: it need not be. */
  wantsRestart(now: number): string | null {
    return this._sight.lost ?? this.cpus.wantsRestart(now);
  }

  /** Who is heard may have changed: a CPU that is not is waited for no more, and what it says is lost. */
  #hear(now: number, order: Reorder): void {
    this.#open(this.cpus.gap(now));
    order.waitFor(this.cpus.buffers());
  }

  #open(gap: ModelGap | null): void {
    if (gap !== null) this._gap(gap);
  }
}
