/**
 * From bytes to the model, for one epoch of one host. Live and replay feed the
 * same calls in the same order, so they cannot disagree: nothing in here reads a
 * clock or decides by chance.
 */
import { Alerts } from '../model/alerts.ts';
import type { Incarnation } from '../model/incarnation.ts';
import { Model } from '../model/model.ts';
import type { Alert } from '../protocol/alerts.ts';
import { LINE_PLACE } from '../protocol/by-line.ts';
import type { TraceEvent } from '../protocol/events.ts';
import type { LineName } from '../protocol/grammar.ts';
import type { Leak } from '../protocol/leaks.ts';
import type { EpochInfo, FrameKind, ResumeFrame } from '../protocol/recording.ts';
import { isObserved } from '../protocol/stages.ts';
import { type AgentLine, LineSplitter, parseAgentLine } from './agent-lines.ts';
import { Decoder } from './decoder.ts';
import { HitCounts } from './hit-counts.ts';
import { TracerLedger } from './ledger.ts';
import type { LineHead } from './line-head.ts';
import { Misses } from './misses.ts';
import { Readiness } from './readiness.ts';
import { Reorder, type ReorderOptions } from './reorder.ts';
import { ScanLines } from './scan-lines.ts';
import { Senses } from './senses.ts';
import { Settlement } from './settlement.ts';
import { isBpftrace } from './versions.ts';

/** Within one buffer; see Reorder. */
const SLACK_NS = 5e6;
/**
 * How far behind a buffer may be: an emulated host may print for half a minute what
 * it counted in seconds. Each speaks five times a second or more, so nobody waits for nothing.
 */
const BOUND_NS = 120e9;
/** Where more events come than bpftrace can print, those of one CPU keep it from the others. */
const MAX_WAITING = 500_000;
const MAX_FRAMES = 16;
/** Where a recording begins in the middle: every evict and grace period of before is over. */
const INHERITED_NS = 15e9;
/** A canary of before the tracer was ready has its name told by then. */
const LATE_CANARY_NS = 1e9;
/** Samples of rejected lines kept. */
const MAX_SAMPLES = 50;

export interface PipelineOptions {
  /** Ended incarnations kept in memory. */
  readonly keep: number;
  /** The agent said something that the caller may want to know of. */
  readonly onAgent?: (line: AgentLine) => void;
  /** An alert fired or was resolved; live alone. */
  readonly onAlert?: (pipeline: Pipeline, alert: Alert) => void;
  /** The model has taken this event. */
  readonly onEvent?: (event: TraceEvent) => void;
  /** An inode ended, or was lost. */
  readonly onEnd?: (pipeline: Pipeline, inode: Incarnation) => void;
  /** Leaks other than the model's own; for tests of what is done with them. */
  readonly leaks?: () => readonly Leak[];
}

export class Pipeline {
  readonly info: EpochInfo;
  readonly model: Model;
  readonly ledger: TracerLedger;
  readonly alerts: Alerts;
  /** Every leak that is known, also those that ended. */
  readonly leaks: () => readonly Leak[];
  private _leaksListed: { revision: number; list: readonly Leak[] } = { revision: -1, list: [] };
  readonly samples: { line: string; why: string }[] = [];
  private readonly _decoder: Decoder;
  private readonly _reorder: Reorder;
  private readonly _senses: Senses;
  private readonly _agent: LineSplitter;
  private readonly _onAgent: (line: AgentLine) => void;
  private readonly _misses = new Misses();
  private readonly _hits = new HitCounts();
  private readonly _settlement: Settlement;
  /** The kernel counts each run of each probe that it skips. */
  private readonly _exact: boolean;
  private _clock: { uptimeNs: number; wallMs: number } | null = null;
  private readonly _readiness: Readiness;
  private _running = false;
  /** Of the rejected lines, those that were missing in a quiet moment before. */
  private _rejectedMissing = 0;
  /** Of a scan that goes on. */
  private readonly _scan = new ScanLines();
  /** The stack of the last line that has one; its frames come one by one after it. */
  private _stack: string[] = [];

  constructor(info: EpochInfo, options: PipelineOptions) {
    this.info = info;
    this._onAgent = options.onAgent ?? (() => {});
    this.model = new Model({
      plan: info.plan,
      magics: info.magics,
      freeThemselves: info.free_themselves,
      hiddenMagic: info.hidden_magic,
      pageBytes: info.page_bytes,
      hugepageKb: info.hugepage_kb,
      keep: options.keep,
      detail: info.detail,
      freedState: info.freed_state,
      baseIndex: info.base_index,
      leakAfter: info.alerts.leak_after,
    });
    const { onEnd, onEvent } = options;
    if (onEnd !== undefined) this.model.inodes.onEnded = (inode) => onEnd(this, inode);
    this._readiness = new Readiness(info, this.model);
    this._exact = info.counts_misses && isExact(info);
    this._settlement = new Settlement(
      (from, to) => this.model.contract.doubt(from, to),
      (from, to, lines) => this.#missing(from, to, lines),
    );
    this.ledger = new TracerLedger(this.model.unseen, info.counts_misses, this.model.lostEnds);
    this.leaks = options.leaks ?? (() => this.#modelLeaks());
    this.alerts = new Alerts({
      ...info.alerts,
      changed: (alert) => options.onAlert?.(this, alert),
    });
    this._senses = new Senses(info, (gap) => this.model.gap(gap));
    const { cpus } = this._senses;
    const order: ReorderOptions = {
      buffers: cpus.buffers(),
      bufferOf: (head) => cpus.bufferOf(head),
      slackNs: SLACK_NS,
      boundNs: BOUND_NS,
      maxWaiting: MAX_WAITING,
    };
    this._reorder = new Reorder(order, (event, ts, place) => {
      this.model.apply(event, ts, place);
      onEvent?.(event);
      // in trace time, so that a replay comes to the same
      if (place === LINE_PLACE.tick) this.alerts.update(this.leaks(), this.model.now);
    });
    this._agent = new LineSplitter((line) => this.#said(parseAgentLine(line)));
    this._decoder = new Decoder({
      event: (event, head) => this.#event(event, head),
      hits: (key, count) => this.#hits(key, count),
      lost: (events) => this.#lost(events),
      full: (inodes) => this.#full(inodes),
      kept: (inodes) => this.ledger.kept(inodes),
      frame: (text) => {
        if (this._stack.length < MAX_FRAMES) this._stack.push(text);
      },
      program: () => {},
      rejected: (line, why) => {
        this.ledger.rejected++;
        if (this.samples.length < MAX_SAMPLES) this.samples.push({ line, why });
        this.#gap('rejected', 1, why);
      },
    });
  }

  /** A canary of every filesystem has come through every planned stage. Time, ns of the epoch. */
  get readyAt(): number | null {
    return this._readiness.at;
  }

  /** Events passed on after one of a later time. */
  get late(): number {
    return this._reorder.late;
  }

  /** Events that wait for others of an earlier time, and how far they are ahead. */
  get waiting(): { readonly events: number; readonly ns: number } {
    return { events: this._reorder.waiting, ns: this._reorder.lagNs };
  }

  /** Why nothing can be seen at the moment; null: probes run. */
  get blindness(): string | null {
    return this._senses.blindness;
  }

  /** Why bpftrace has to be started again, though it runs; null: it need not be. */
  get wantsRestart(): string | null {
    return this._senses.wantsRestart(this._settlement.newest);
  }

  /** bpftrace starts; by track, the line of each of its programs, in the order of loading. */
  begin(programs: readonly (readonly LineName[])[]): void {
    this._misses.begin(programs, this.model.now);
    this._hits.begin();
    // probes attach one by one: a gap lasts until a canary has come through again
    this._readiness.begin();
    this.model.attaching();
    this.model.inodes.packFrom = Number.POSITIVE_INFINITY;
    this._scan.begin();
    this._senses.begin(this._reorder);
    this._settlement.begin(this._misses.tracks());
    this._running = true;
  }

  /**
   * For a recording that begins now: its first frames, in their order. None: bpftrace does
   * not run, and the recording needs none. Null: not yet ready, and nothing can begin here.
   */
  handover(): readonly (readonly [FrameKind, Buffer])[] | null {
    if (!this._running) return [];
    if (this.readyAt === null) return null;
    const frame: ResumeFrame = {
      programs: this._misses.programs.map((lines) => [...lines]),
      ...this.ledger.handover(),
      accepted: this._settlement.accepted,
      misses: this._misses.counts,
      clock: this._clock,
      steps: this.model.detail.steps,
      newest: this._settlement.newest,
      online: this._senses.cpus.online,
    };
    const cut: [FrameKind, Buffer][] = [
      ['out', Buffer.from(this._decoder.rest)],
      ['err', Buffer.from(this._agent.rest, 'latin1')],
    ];
    return [
      ['resume', Buffer.from(JSON.stringify(frame))],
      ...cut.filter(([, bytes]) => bytes.length > 0),
    ];
  }

  /** The recording begins here, in the middle of a run of bpftrace. */
  resume(frame: ResumeFrame): void {
    this.begin(frame.programs);
    this.ledger.resume(frame);
    this._settlement.resume(frame);
    this._misses.resume(frame.misses);
    this._clock = frame.clock;
    this.model.resume(frame.steps, frame.newest, INHERITED_NS);
    this._readiness.at = 0;
    if (frame.online !== null) this._senses.online(frame.online, 0, this._reorder);
    this.model.inodes.packFrom = LATE_CANARY_NS;
  }

  /** bpftrace's standard output. */
  out(bytes: Buffer): void {
    this._decoder.push(bytes);
  }

  /** The agent's standard error. */
  err(bytes: Buffer): void {
    this._agent.push(bytes);
  }

  /** bpftrace ended. `wanted`: it was told to; otherwise what follows is a gap until it is back. */
  end(wanted: boolean, why: string): void {
    if (!this._running) return;
    this._running = false;
    this._decoder.end();
    this._agent.end();
    this._reorder.flush();
    this.ledger.endRun();
    this._settlement.end();
    this.#settle();
    if (wanted) this.model.contract.finish();
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

  /** CLOCK_BOOTTIME at time 0 of the epoch, ns; null before the first line. */
  get origin(): bigint | null {
    return this._decoder.origin;
  }

  /** Wall clock in milliseconds since 1970 of a time of the epoch; 0 when the host's clock is not known. */
  wallMs(ts: number): number {
    const { originNs } = this._decoder;
    if (this._clock === null || Number.isNaN(originNs)) return 0;
    return this._clock.wallMs + (originNs - this._clock.uptimeNs + ts) / 1e6;
  }

  #hits(key: number, count: number): void {
    const told = this._hits.told(key, count);
    if (told === null) return;
    this.ledger.hits(told.id, told.sum);
    this._settlement.hits(told.name, told.sum, key);
  }

  #modelLeaks(): readonly Leak[] {
    const { leaks } = this.model;
    if (leaks.revision !== this._leaksListed.revision) {
      const { host, boot_id, number } = this.info;
      this._leaksListed = { revision: leaks.revision, list: leaks.list(host, boot_id, number) };
    }
    return this._leaksListed.list;
  }

  #event(event: TraceEvent, head: LineHead): void {
    const { kind, place } = head;
    this.ledger.decoded(kind, place);
    if (kind === 'hugepage_pin') {
      this._stack = [];
      this.model.stacks.set(event, this._stack);
    }
    this._settlement.line(kind, head.track, head.ts, place);
    this._reorder.push(event, head);
    if (kind !== 'tick') return;
    this._senses.tick(head.ts, this.ledger.events, this.readyAt, this._reorder);
    // with the tick, so that it does not depend on how the bytes were cut
    this.#settle();
    if (this._readiness.check()) this.#ready();
  }

  /** Losses are known up to the time that the counts explain and the misses were read. */
  #settle(): void {
    if (!this._exact) return;
    this.model.contract.settled(Math.min(this._settlement.explained, this._misses.knownUntil()));
  }

  #lost(events: number): void {
    this.ledger.lost(events);
    this._settlement.lost(events);
    this._senses.cpus.lost(this._settlement.newest);
    this.#gap('ring_buffer', events, "bpftrace's buffer was full");
  }

  /**
   * In a quiet moment these lines are missing, and bpftrace told nothing of them: since
   * 0.24 it tells the losses of the first CPU only, and never those of a CPU that it does not
   * hear. Lines that were rejected are not lost.
   */
  #missing(from: number, to: number, lines: number): void {
    const lost = lines - (this.ledger.rejected - this._rejectedMissing);
    this._rejectedMissing = this.ledger.rejected;
    const { deaf } = this._senses.cpus;
    if (lost <= 0 || (deaf === null && !isBpftrace(this.info.bpftrace, 24))) return;
    this.ledger.lost(lost);
    const full = "bpftrace's buffer was full, of which it told only for the first CPU";
    const detail = deaf?.detail ?? full;
    this.model.gap({ from, to: to + 1e9, lost, where: 'ring_buffer', detail });
  }

  /** The kernel side found this many inodes, since it began, without room in a map. */
  #full(inodes: number): void {
    const more = this.ledger.full(inodes);
    if (more === 0) return;
    const { map_keys } = this.info;
    this.#gap('map_full', more, `the maps of the kernel side hold ${map_keys ?? '?'} inodes`);
  }

  /**
   * A loss noticed now lies between the events before and after it, of which some wait for others
   * of an earlier time: a second to each side.
   */
  #gap(where: 'ring_buffer' | 'map_full' | 'rejected', lost: number, detail: string): void {
    this._settlement.unknown();
    const from = Math.max(0, this.model.now - 1e9);
    this.model.gap({ from, to: this._settlement.newest + 1e9, lost, where, detail });
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
        this._clock ??= line;
        break;
      case 'pool': {
        const ts = this.#sinceOrigin(line.uptimeNs);
        if (Number.isNaN(ts)) break;
        this._senses.looked(ts);
        const { sizeKb, node, total, free, reserved, surplus } = line;
        this.model.pool({ ts, sizeKb, node, total, free, reserved, surplus });
        break;
      }
      case 'online': {
        const ts = this.#sinceOrigin(line.uptimeNs) || 0;
        this._senses.online(line.cpus, ts, this._reorder);
        break;
      }
      case 'ftrace':
        if (this.readyAt === null) break;
        this._senses.told(line, this.#sinceOrigin(line.uptimeNs) || 0);
        break;
      case 'corrupted':
        this.model.pools.corruptedKb = line.kb;
        break;
      case 'holder':
      case 'pinner':
      case 'segment':
        this._scan.add(line);
        break;
      case 'scanned':
        this.#scanned(line);
        break;
      case 'misses':
        this.#missed(line);
        break;
      case 'canary': {
        this.model.canary(line.fs, line.dev, line.ino);
        if (this.readyAt !== null) this._senses.told(line, this._settlement.newest);
        this._readiness.made(line.fs, line.dev, line.ino);
        break;
      }
      case 'bpftrace': {
        const lost = /^(?:WARNING: )?Lost (\d{1,15}) events/.exec(line.text);
        if (lost !== null) this.#lost(Number(lost[1]));
        break;
      }
    }
    this._onAgent(line);
  }

  #scanned({ uptimeNs, whole }: Extract<AgentLine, { kind: 'scanned' }>): void {
    const since = this.#sinceOrigin(uptimeNs);
    const scan = this._scan.end(Math.max(0, since), whole);
    if (!Number.isNaN(since)) this.model.leaks.scanned(scan);
  }

  #missed({ programs, track, uptimeNs }: Extract<AgentLine, { kind: 'misses' }>): void {
    if (this.readyAt === null) return;
    const now = Math.max(0, this.#sinceOrigin(uptimeNs) || 0);
    for (const { line, more, from, to } of this._misses.read(track, programs, now)) {
      this.ledger.missed(line, more);
      if (more <= 0) continue;
      const detail = `another tracing program was active on that CPU: ${line ?? 'unknown probe'}`;
      this.model.gap({ from, to, lost: more, where: 'not_run', detail });
    }
  }

  /** A time of the agent's as one of the epoch; NaN before the first line. */
  #sinceOrigin(uptimeNs: number): number {
    return uptimeNs - this._decoder.originNs;
  }

  #ready(): void {
    this.model.inodes.packFrom = this.model.now + LATE_CANARY_NS;
    this.model.ready(this.model.now);
    this.#closeDown();
    this._senses.ready(this.model.now);
  }
}

/** A tracepoint that is hit inside perf's own recursion guard is not even counted. */
function isExact({ plan }: EpochInfo): boolean {
  return Object.values(plan).every(
    (entry) => !isObserved(entry) || !/\b(tracepoint|kprobe|kretprobe):/.test(entry.probe),
  );
}
