/**
 * The CPUs of a host whose bpftrace has a buffer for each of them (up to 0.18): whom the order
 * of events waits for, and who is not heard. Such a bpftrace opens the buffers of the CPUs that are
 * online when it starts. What a CPU prints that comes online later, or comes back, goes nowhere
 * (bpf_perf_event_output() returns -ENOENT), and the kernel's counts alone tell of it.
 */
import type { ModelGap } from '../model/gaps.ts';
import { TRACKS } from '../protocol/line-kinds.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import { isObserved } from '../protocol/stages.ts';
import type { Reorder } from './reorder.ts';
import { hasRingBuffer } from './versions.ts';

/** Every CPU speaks five times a second or more: silent for so long, it is not heard. */
const SILENT_NS = 15e9;
/** Without a change of the list of CPUs; the agent looks each second. */
const CALM_NS = 5e9;
/** Linux knows no more (NR_CPUS). */
const MAX_CPUS = 8192;

export class Cpus {
  /** The gap that lasts while one of them is online and not heard. */
  deaf: ModelGap | null = null;
  /** Those that print into nothing while they are online, and since when, ns of the epoch. */
  private readonly _unheard = new Map<number, number>();
  private _online: ReadonlySet<number> | null = null;
  /** When that changed last, and when something was told to be lost. */
  private _changedAt = 0;
  private _lostAt = Number.NEGATIVE_INFINITY;
  private readonly _cpus: number;
  private readonly _bpftrace: string;
  /** Each CPU has a buffer in each track. */
  private readonly _perCpu: boolean;
  /** Both tracks have probes: one that has none says nothing. */
  private readonly _both: boolean;

  constructor(info: EpochInfo) {
    this._cpus = info.cpus;
    this._bpftrace = info.bpftrace;
    this._perCpu = !hasRingBuffer(info.bpftrace);
    this._both = ['i_callback', 'free_inode'].some((stage) => {
      const entry = info.plan[stage as 'i_callback'];
      return isObserved(entry) && !entry.probe.startsWith('tracepoint:');
    });
  }

  /** The buffer of a line: one for each track, or for each CPU of each track. */
  bufferOf({ track, cpu }: { readonly track: number; readonly cpu: number }): number {
    const at = this._perCpu ? (cpu % MAX_CPUS) * TRACKS : 0;
    return at + (this._both ? track : 0);
  }

  /** Those that somebody speaks from. */
  *buffers(): Iterable<number> {
    for (let track = 0; track < (this._both ? TRACKS : 1); track++) {
      if (!this._perCpu) yield this.bufferOf({ track, cpu: 0 });
      else for (const cpu of this.#heard()) yield this.bufferOf({ track, cpu });
    }
  }

  /** Until the host has told which are online it is those that were counted. */
  *#heard(): Iterable<number> {
    const online = this._online ?? Array.from({ length: this._cpus }, (_, cpu) => cpu);
    for (const cpu of online) if (!this._unheard.has(cpu)) yield cpu;
  }

  /** bpftrace starts, and opens a buffer for each CPU before it attaches anything. */
  begin(): void {
    this._unheard.clear();
    this._online = null;
    this.deaf = null;
  }

  /** It is ready, which ends all gaps of before: one that lasts begins anew. */
  ready(now: number): ModelGap | null {
    this.deaf = null;
    for (const cpu of this._unheard.keys()) this._unheard.set(cpu, now);
    return this.gap(now);
  }

  /** Those that are online, ascending; null when the host has not told yet. */
  get online(): number[] | null {
    return this._online === null ? null : [...this._online];
  }

  /** These are online at `ts`; before that the host was looked at at `since`. */
  told(cpus: readonly number[], since: number, ts: number): void {
    const before = this._online;
    this._online = new Set(cpus);
    this._changedAt = ts;
    if (!this._perCpu || before === null) return;
    for (const cpu of cpus) {
      // the kernel took its buffer away when it went
      if (!before.has(cpu)) this._unheard.set(cpu, since);
    }
  }

  lost(ts: number): void {
    this._lostAt = ts;
  }

  /**
   * Looks for those that are online and have said nothing for long, as one does that went and
   * came back between two looks of the agent. While lines are lost, silence says nothing: a
   * bpftrace that cannot keep up with one buffer does not get to the others. `readyAt`: null while
   * bpftrace is not ready. True: another one is not heard.
   */
  listen(now: number, readyAt: number | null, said: Pick<Reorder, 'newestOf'>): boolean {
    if (!this._perCpu || this._online === null || readyAt === null) return false;
    if (now - Math.max(readyAt, this._lostAt) < SILENT_NS) return false;
    const { size } = this._unheard;
    for (const cpu of this._online) {
      const spoke = Math.max(readyAt, said.newestOf(this.bufferOf({ track: 0, cpu })));
      if (!this._unheard.has(cpu) && now - spoke > SILENT_NS) this._unheard.set(cpu, spoke);
    }
    return this._unheard.size > size;
  }

  /** Who is online or heard may have changed: ends the gap, or gives one that begins. */
  gap(now: number): ModelGap | null {
    const cpus = [...this._unheard.keys()].filter((cpu) => this._online?.has(cpu) === true);
    if (cpus.length === 0) {
      if (this.deaf !== null) this.deaf.to = now;
      this.deaf = null;
      return null;
    }
    if (this.deaf !== null) return null;
    const from = Math.min(...cpus.map((cpu) => this._unheard.get(cpu)!));
    const detail = `bpftrace ${this._bpftrace} does not hear CPU ${cpus.join(', ')}, which came online after it was started`;
    const to = Number.POSITIVE_INFINITY;
    this.deaf = { from, to, lost: 0, where: 'tracer_down', detail, inPart: true };
    return this.deaf;
  }

  /** Why bpftrace has to be started again to hear all; null: it hears them, or they come and go yet. */
  wantsRestart(now: number): string | null {
    return this.deaf !== null && now - this._changedAt >= CALM_NS ? this.deaf.detail : null;
  }
}
