/**
 * From bytes to the model, for one epoch of one host. Live and replay feed the
 * same calls in the same order, so they cannot disagree: nothing in here reads a
 * clock or decides by chance.
 */
import { Model } from '../model/model.ts';
import type { TraceEvent } from '../protocol/events.ts';
import { type LineName, TRACKS, trackOf } from '../protocol/grammar.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import { INODE_STAGES, isObserved, type PlanEntry } from '../protocol/stages.ts';
import { type AgentLine, LineSplitter, parseAgentLine } from './agent-lines.ts';
import { hasRingBuffer } from './compile.ts';
import { Decoder } from './decoder.ts';
import { FILESYSTEMS } from './filesystems.ts';
import { TracerLedger } from './ledger.ts';
import { Reorder, type ReorderOptions } from './reorder.ts';

/** Within one buffer; see Reorder. */
const SLACK_NS = 5e6;
/**
 * How far behind a buffer may be: an emulated host may print for many seconds what it
 * counted in one. Each speaks five times a second or more, so nobody waits for nothing.
 */
const BOUND_NS = 30e9;
/** Samples of rejected lines kept. */
const MAX_SAMPLES = 50;

/** BPF_PROG_TYPE_TRACEPOINT and _TRACING: what our probes are; intervals and BEGIN are others. */
const PROBE_TYPES = new Set([5, 26]);

export interface PipelineOptions {
  /** Ended incarnations kept in memory. */
  readonly keep: number;
  /** The agent said something that the caller may want to know of. */
  readonly onAgent?: (line: AgentLine) => void;
}

export class Pipeline {
  readonly info: EpochInfo;
  readonly model: Model;
  readonly ledger: TracerLedger;
  readonly samples: { line: string; why: string }[] = [];
  /** A canary of every filesystem has come through every planned stage. Time, ns of the epoch. */
  readyAt: number | null = null;
  readonly #decoder: Decoder;
  readonly #reorder: Reorder;
  readonly #agent: LineSplitter;
  readonly #onAgent: (line: AgentLine) => void;
  /** Which line each program prints, in the order bpftrace loads them. */
  #programs: readonly LineName[] = [];
  readonly #misses = new Map<number, number>();
  /** Misses are read each second: when they were read last, ns of the epoch. */
  readonly #missesAt: number[] = new Array<number>(TRACKS).fill(0);
  #clock: { uptimeNs: number; wallMs: number } | null = null;
  /** By filesystem: the canaries announced. */
  readonly #canaries = new Map<string, { dev: number; ino: number }[]>();
  #running = false;

  constructor(info: EpochInfo, options: PipelineOptions) {
    this.info = info;
    this.#onAgent = options.onAgent ?? (() => {});
    this.model = new Model({ plan: info.plan, hugepageKb: info.hugepage_kb, keep: options.keep });
    this.ledger = new TracerLedger(this.model.unseen);
    this.#reorder = new Reorder(buffersOf(info), (event) => this.model.apply(event));
    this.#agent = new LineSplitter((line) => this.#said(parseAgentLine(line)));
    this.#decoder = new Decoder({
      event: (event) => this.#event(event),
      hits: (id, count) => this.ledger.hits(id, count),
      lost: (events) => this.#lost(events),
      program: () => {},
      rejected: (line, why) => {
        this.ledger.rejected++;
        if (this.samples.length < MAX_SAMPLES) this.samples.push({ line, why });
        this.#gap('rejected', 1, why);
      },
    });
  }

  /** Events passed on after one of a later time. */
  get late(): number {
    return this.#reorder.late;
  }

  /** bpftrace starts; its probes print these lines, in this order. */
  begin(programs: readonly LineName[]): void {
    this.#programs = programs;
    this.#misses.clear();
    this.#missesAt.fill(this.model.now);
    // probes attach one by one: a gap lasts until a canary has come through again
    this.readyAt = null;
    this.#canaries.clear();
    this.#running = true;
  }

  /** bpftrace's standard output. */
  out(bytes: Buffer): void {
    this.#decoder.push(bytes);
  }

  /** The agent's standard error. */
  err(bytes: Buffer): void {
    this.#agent.push(bytes);
  }

  /** bpftrace ended. `wanted`: it was told to; otherwise what follows is a gap until it is back. */
  end(wanted: boolean, why: string): void {
    if (!this.#running) return;
    this.#running = false;
    this.#decoder.end();
    this.#agent.end();
    this.#reorder.flush();
    this.ledger.endRun();
    if (!wanted && this.readyAt !== null) {
      this.model.gap({
        from: this.model.now,
        to: Number.POSITIVE_INFINITY,
        lost: 0,
        where: 'tracer_down',
        detail: why,
      });
    }
  }

  /** Wall clock in milliseconds since 1970 of a time of the epoch; 0 when the host's clock is not known. */
  wallMs(ts: number): number {
    const origin = this.#decoder.origin;
    if (this.#clock === null || origin === null) return 0;
    return this.#clock.wallMs + (Number(origin) - this.#clock.uptimeNs + ts) / 1e6;
  }

  #event(event: TraceEvent): void {
    this.ledger.decoded(event.kind);
    this.#reorder.push(event);
    // with the tick, so that it does not depend on how the bytes were cut
    if (event.kind === 'tick' && this.readyAt === null) this.#checkReady();
  }

  #lost(events: number): void {
    this.ledger.lost(events);
    this.#gap('ring_buffer', events, "bpftrace's buffer was full");
  }

  /** A loss noticed now lies between the events before and after it: a second to each side. */
  #gap(where: 'ring_buffer' | 'map_full' | 'rejected', lost: number, detail: string): void {
    const now = this.model.now;
    this.model.gap({ from: Math.max(0, now - 1e9), to: now + 1e9, lost, where, detail });
  }

  #closeDown(): void {
    for (const gap of this.model.gaps.list) {
      if (gap.where === 'tracer_down' && gap.to === Number.POSITIVE_INFINITY) {
        gap.to = this.model.now;
      }
    }
  }

  #said(line: AgentLine): void {
    switch (line.kind) {
      case 'clock':
        this.#clock ??= line;
        break;
      case 'pool': {
        const origin = this.#decoder.origin;
        if (origin === null) break;
        const { sizeKb, node, total, free, reserved, surplus } = line;
        const ts = line.uptimeNs - Number(origin);
        this.model.pool({ ts, sizeKb, node, total, free, reserved, surplus });
        break;
      }
      case 'misses':
        this.#missed(line);
        break;
      case 'canary': {
        this.model.canary(line.dev, line.ino);
        const list = this.#canaries.get(line.fs) ?? [];
        list.push({ dev: line.dev, ino: line.ino });
        this.#canaries.set(line.fs, list);
        break;
      }
      case 'bpftrace': {
        const lost = /^(?:WARNING: )?Lost (\d+) events/.exec(line.text);
        if (lost !== null) this.#lost(Number(lost[1]));
        if (/map full/i.test(line.text)) {
          this.ledger.mapFull++;
          this.#gap('map_full', 1, line.text.slice(0, 120));
        }
        break;
      }
    }
    this.#onAgent(line);
  }

  /** Programs are loaded in the order of the text: their ids ascend with it. */
  #missed({ programs, track, uptimeNs }: Extract<AgentLine, { kind: 'misses' }>): void {
    const origin = this.#decoder.origin;
    // the time at which they were read: the events of that time may still be on their way
    const now = origin === null ? 0 : Math.max(0, uptimeNs - Number(origin));
    const ours = programs.filter((p) => PROBE_TYPES.has(p.type)).sort((a, b) => a.id - b.id);
    const lines = this.#programs.filter((line) => trackOf(line) === track);
    if (ours.length < lines.length) return; // still attaching
    const known = ours.length === lines.length;
    const since = this.#missesAt[track]!;
    ours.forEach((program, index) => {
      const more = program.misses - (this.#misses.get(program.id) ?? 0);
      this.#misses.set(program.id, program.misses);
      const line = known ? lines[index]! : null;
      this.ledger.missed(line, more);
      if (more > 0) {
        this.model.gap({
          from: since,
          to: now + 1e9, // the time was taken a moment before the counts
          lost: more,
          where: 'not_run',
          detail: `another tracing program was active on that CPU: ${line ?? 'unknown probe'}`,
        });
      }
    });
    this.#missesAt[track] = now;
  }

  #checkReady(): void {
    const wanted = this.info.canaries;
    if (wanted.length === 0) {
      if (this.model.now > 0) this.readyAt = this.model.now;
      return;
    }
    for (const fs of wanted) {
      const made = this.#canaries.get(fs) ?? [];
      if (!made.some((canary) => this.#cameThrough(fs, canary))) return;
    }
    this.readyAt = this.model.now;
    this.#closeDown();
  }

  #cameThrough(fs: string, canary: { dev: number; ino: number }): boolean {
    const { plan } = this.model;
    const ops: readonly string[] = ['evict_inode', 'evict_inode_end', 'destroy_op', 'free_inode'];
    const expected = INODE_STAGES.filter(
      (stage) =>
        isObserved(plan[stage]) &&
        (!ops.includes(stage) || observesOp(plan[stage], FILESYSTEMS[fs]!.ops[stage])),
    );
    for (const inode of this.model.inodes.all()) {
      if (inode.dev !== canary.dev || inode.ino !== canary.ino) continue;
      if (expected.every((stage) => inode.at(stage) !== null)) return true;
    }
    return false;
  }
}

/** Whether the probes of a stage include the one of this filesystem's operation. */
function observesOp(entry: PlanEntry, op: string | undefined): boolean {
  if (op === undefined || !isObserved(entry)) return false;
  return entry.probe.startsWith('tracepoint:') || entry.probe.includes(`:${op}`);
}

/** One buffer for each track; up to 0.18, for each CPU of each track. */
function buffersOf(info: EpochInfo): ReorderOptions {
  const perTrack = hasRingBuffer(info.bpftrace) ? 1 : info.cpus;
  // tracks without a probe say nothing: nobody waits for them
  const both = ['i_callback', 'free_inode'].some((stage) => {
    const entry = info.plan[stage as 'i_callback'];
    return isObserved(entry) && !entry.probe.startsWith('tracepoint:');
  });
  return {
    buffers: perTrack * (both ? TRACKS : 1),
    slackNs: SLACK_NS,
    boundNs: BOUND_NS,
    bufferOf: (event) => {
      const track = event.kind === 'beat' ? event.track : trackOf(event.kind);
      // a CPU that came up later than we counted shares the place of another
      return (both && track === 1 ? perTrack : 0) + (event.cpu % perTrack);
    },
  };
}
