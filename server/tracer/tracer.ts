/**
 * Keeps one host traced: reaches it, plans, launches bpftrace, feeds the pipeline,
 * and starts again when bpftrace or the connection is lost. Everything the kernel
 * side says is passed to `onFrame` first, then to the pipeline.
 */
import { agentScript } from '../host/agent.ts';
import { type Host, HostError, type HostProcess } from '../host/host.ts';
import { nowMs } from '../protocol/clock.ts';
import type { RecordedAlerting } from '../protocol/config.ts';
import type { TracerStatus } from '../protocol/hosts.ts';
import {
  type BeginFrame,
  byTrack,
  type EpochInfo,
  type FrameKind,
  type ResumeFrame,
} from '../protocol/recording.ts';
import type { AgentLine } from './agent-lines.ts';
import { blame, type Program } from './compile.ts';
import { epochInfo } from './epoch-info.ts';
import type { HostFacts } from './facts.ts';
import { mapKeysVariable } from './map-keys.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';
import type { TracePlan } from './plan.ts';
import { prepare, requireBpftrace, type TraceOptions } from './prepare.ts';
import { Quiet } from './sight.ts';
import { hasRingBuffer } from './versions.ts';

export interface TracerOptions {
  readonly trace: TraceOptions;
  /** Ended incarnations kept in memory. */
  readonly keep: number;
  /** 4 KiB pages of bpftrace's buffer; by default chosen from the host's memory. */
  readonly bufferPages?: number;
  /** Number of the next epoch in the session, from 1. */
  readonly nextEpoch: () => number;
  /** A new epoch begins: the first one, or the host was booted again. */
  readonly onEpoch?: (pipeline: Pipeline) => void;
  readonly onFrame?: (epoch: EpochInfo, kind: FrameKind, bytes: Buffer) => void;
  readonly onStatus?: (tracer: Tracer) => void;
  readonly onAlert?: PipelineOptions['onAlert'];
  readonly onEnd?: PipelineOptions['onEnd'];
  /** Thresholds and rules, for the recording and the model. */
  readonly alerts: RecordedAlerting;
}

/** How often attaching is tried again without the probes that were refused. */
const MAX_ATTEMPTS = 10;
/** ... and when somebody killed bpftrace before it was ready. */
const MAX_KILLED = 3;
/** Its exit status then, as a shell has it. */
const KILLED = 137;
const HEARTBEAT_MS = 500;
/** Ticks come ten times a second: without one for so long something is wrong, ... */
const SILENT_MS = 3000;
/** ... and for so long, bpftrace is taken for dead. */
const DEAD_MS = 15_000;
/** What the agent takes to end bpftrace, and more. */
const AGENT_MS = 6000;
/** What an agent left behind that was killed is given up after this. */
const ORPHANED_MS = 5000;
/**
 * bpftrace's start takes 25 s with many probes in an emulated guest, and 200 s there where
 * 0.17 looks up each type of a kprobe by going through all of BTF.
 */
const READY_TIMEOUT_MS = 300_000;

/** Every bpftrace 0.17 as root says this, and works; a shell says what became of its pipeline. */
const SAYS_NOTHING = /RLIMIT_MEMLOCK|(^\s+|: line \d+:\s+)\d+ (Done|Killed|Terminated)\b/;

export class Tracer {
  readonly host: Host;
  status: TracerStatus = 'connecting';
  message = '';
  facts: HostFacts | null = null;
  pipeline: Pipeline | null = null;
  /** Wall clock of the last bytes from the host, ms. */
  heardAt: number | null = null;
  /** How often it ended without being told to, after it had been ready. */
  restarts = 0;
  /** From the last start of bpftrace to when it was ready, ms; null before the first time. */
  attachMs: number | null = null;
  readonly #options: TracerOptions;
  readonly #dropped = new Map<string, string>();
  #process: HostProcess | null = null;
  #stopping = false;
  /** bpftrace runs, as far as its open standard output tells. */
  #attached = false;
  /** As heardAt, by performance.now(); null when bpftrace has said nothing since it was started. */
  #spokeAt: number | null = null;
  /** By performance.now(): when bpftrace was started that is not ready yet. */
  #startedAt: number | null = null;
  #backoffMs = 250;
  #wake: (() => void) | null = null;
  #loop: Promise<void> | null = null;

  constructor(host: Host, options: TracerOptions) {
    this.host = host;
    this.#options = options;
  }

  /** Begins; returns at once. */
  start(): void {
    this.#loop ??= this.#run();
  }

  /** Resolves when the tracer is ready; rejects with a HostError when it cannot be. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        if (this.status === 'ready') resolve();
        else if (this.status === 'failed' || this.status === 'stopped') {
          reject(new HostError(this.host.name, this.message, ''));
        } else return;
        clearInterval(timer);
      }, 50);
    });
  }

  /** Ends tracing; bpftrace is gone from the host when this resolves. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#loop === null) return; // never began: there is nothing to tell
    this.#process?.stdin.write('q');
    this.#wake?.();
    const timer = setTimeout(() => this.#process?.kill(), 10_000);
    await this.#loop;
    clearTimeout(timer);
    await this.host.close();
    if (this.status !== 'failed') this.#set('stopped', '');
  }

  async #run(): Promise<void> {
    try {
      await this.host.open((text) => this.#set('connecting', text));
    } catch (error) {
      return this.#fail(error);
    }
    for (let first = true; !this.#stopping; first = false) {
      try {
        if (!(await this.#session(first))) return;
      } catch (error) {
        if (first || !(error instanceof HostError)) return this.#fail(error);
        this.#set('restarting', error.message);
      }
      if (this.#stopping) return;
      await this.#pause();
    }
  }

  /** From asking the host to the end of bpftrace. False: do not go on. */
  async #session(first: boolean): Promise<boolean> {
    if (first) this.#set('planning', `asking ${this.host.name} what it offers`);
    // a guest that died is booted anew
    else await this.host.open((text) => this.#set('restarting', text));
    const prepared = await prepare(this.host, this.#options.trace, this.facts?.filesystems);
    const { facts } = prepared;
    this.facts = facts;
    requireBpftrace(this.host, facts, this.#options.trace.bpftrace);
    for (let attempt = 0; attempt < MAX_ATTEMPTS && !this.#stopping; attempt++) {
      const plan = prepared.plan(this.#dropped);
      if (plan.probes.length === 0) throw nothingToAttach(this.host.name, plan);
      const programs = prepared.compile(plan);
      const pipeline = this.#pipelineFor(facts, plan);
      const { status, errors } = await this.#bpftrace(pipeline, programs);
      if (this.#stopping) return false;
      if (this.pipeline === pipeline && this.status === 'restarting') return true;
      // it never became ready: leave out what was refused, else give up
      const refused = blame(errors.join('\n'), programs);
      const unknown = [...refused].filter(([attach]) => !this.#dropped.has(attach));
      if (unknown.length === 0 && status === KILLED && attempt < MAX_KILLED) {
        this.#set('attaching', 'bpftrace was killed (SIGKILL) before it was ready; again');
        continue;
      }
      if (unknown.length === 0) {
        throw new HostError(
          this.host.name,
          `bpftrace ended on ${this.host.name} before it was ready (exit status ${status}):\n${errors.slice(-6).join('\n')}`,
          'Run the program by hand to see more: lastref bpf --host HOST | ssh HOST sudo bpftrace -v -',
        );
      }
      for (const [attach, why] of unknown) this.#dropped.set(attach, why);
    }
    return !this.#stopping;
  }

  /** One run of bpftrace, to its end. */
  async #bpftrace(
    pipeline: Pipeline,
    programs: readonly Program[],
  ): Promise<{ status: number | null; errors: string[] }> {
    const { info } = pipeline;
    const facts = this.facts!;
    const env: Record<string, string> = {
      BPFTRACE_PERF_RB_PAGES: String(this.#options.bufferPages ?? defaultPages(facts)),
    };
    if (info.map_keys !== null) env[mapKeysVariable(facts)] = String(info.map_keys);
    const { bpftrace } = this.#options.trace;
    const child = this.host.spawn(agentScript(bpftrace, env, info.canaries), { root: true });
    this.#process = child;
    const lines = programs.map((program) => program.lines);
    if (this.status !== 'restarting') {
      this.#set('attaching', `attaching ${lines.flat().length} probes`);
    }
    this.#frame(pipeline, 'begin', Buffer.from(JSON.stringify({ programs: lines })));
    this.#attached = true;
    this.#startedAt = performance.now();
    this.heardAt = null;
    this.#spokeAt = null;
    const errors: string[] = [];
    let status: number | null = null;
    this.#agentLine = (line) => {
      if (line.kind === 'exit') status = line.status;
      if (line.kind === 'died' && pipeline.readyAt !== null && !this.#stopping) {
        this.#attached = false;
        this.#set('restarting', 'bpftrace ended; starting it again');
      }
      if (line.kind === 'fail') errors.push(line.why);
      if (line.kind === 'nocanary') errors.push(`no canary for ${line.fs}: ${line.why}`);
      const text = line.kind === 'bpftrace' || line.kind === 'other' ? line.text : null;
      if (text !== null && !SAYS_NOTHING.test(text)) {
        errors.push(text);
        if (errors.length > 200) errors.splice(0, 100);
      }
    };
    child.stdout.on('data', (bytes: Buffer) => this.#frame(pipeline, 'out', bytes));
    child.stderr.on('data', (bytes: Buffer) => this.#frame(pipeline, 'err', bytes));
    const texts = [0, 1].map((track) => Buffer.from(programs[track]?.text ?? ''));
    child.stdin.write(`${texts.map((text) => text.length).join(' ')}\n`);
    for (const text of texts) child.stdin.write(text);
    const began = performance.now();
    // in the time of the trace
    let scanAsked: number | null = null;
    let tooLate = false;
    let again: string | null = null;
    const quiet = new Quiet();
    const heartbeat = setInterval(() => {
      this.#watchSilence(child);
      if (child.stdin.writableEnded) return;
      child.stdin.write('.');
      if (pipeline.readyAt !== null) {
        again ??= pipeline.wantsRestart;
        if (again !== null) return void child.stdin.end('q');
        const { blindness } = pipeline;
        if (blindness !== null && this.status === 'ready') this.#set('blind', blindness);
        // of a host that says nothing it is asked whether it would
        if (info.canaries.length > 0 && quiet.isLong(pipeline.ledger.events))
          child.stdin.write('c');
        const { leaks, now } = pipeline.model;
        if (info.fs.includes('hugetlbfs') && leaks.wantsScan(scanAsked)) {
          child.stdin.write('s');
          scanAsked = now;
        }
        return;
      }
      if (pipeline.info.canaries.length > 0 && pipeline.model.now > 0) child.stdin.write('c');
      if (!tooLate && performance.now() - began > READY_TIMEOUT_MS) {
        tooLate = true;
        errors.push('no canary inode came through the planned stages within five minutes');
        child.stdin.write('q');
      }
    }, HEARTBEAT_MS);
    // an agent that is killed leaves bpftrace behind, which would speak for it for good
    void child.exited.then(() => setTimeout(() => child.kill(), ORPHANED_MS).unref());
    // its output ends at once when bpftrace dies; the agent takes a moment more
    const closed = new Promise<void>((resolve) => child.stdout.once('close', resolve));
    await Promise.race([closed, child.ended]);
    this.#attached = false;
    const wasReady = pipeline.readyAt !== null;
    if (!this.#stopping && wasReady) {
      this.#set('restarting', `${again ?? 'bpftrace ended'}; starting it again`);
    }
    const grace = setTimeout(() => child.kill(), AGENT_MS);
    const ended = await child.ended;
    await closed;
    clearTimeout(grace);
    clearInterval(heartbeat);
    this.#process = null;
    const why = again ?? describeEnd(status, ended, errors);
    this.#frame(pipeline, 'end', Buffer.from(JSON.stringify({ wanted: this.#stopping, why })));
    if (!this.#stopping && wasReady) this.restarts++;
    if (!this.#stopping && wasReady) this.#set('restarting', `${why}; starting it again`);
    return { status: status ?? ended.code, errors };
  }

  /** A bpftrace that was killed may take seconds to leave; one that is stopped never does. */
  #watchSilence(child: HostProcess): void {
    if (this.#spokeAt === null || !this.#attached || this.#stopping) return;
    const silent = performance.now() - this.#spokeAt;
    if (this.status === 'ready' && silent > SILENT_MS) {
      this.#set('restarting', `bpftrace on ${this.host.name} has said nothing for 3 s`);
    }
    // its timers, which make it speak, are attached last: that may take a minute
    if (silent < DEAD_MS || this.pipeline?.readyAt == null) return;
    // the agent ends it, also where it is stopped; an agent that is not there any more cannot
    if (silent < DEAD_MS + AGENT_MS) child.stdin.end();
    else child.kill();
  }

  #agentLine: (line: AgentLine) => void = () => {};

  /** The one way in: first to the recording, then to the pipeline. */
  #frame(pipeline: Pipeline, kind: FrameKind, bytes: Buffer): void {
    this.#options.onFrame?.(pipeline.info, kind, bytes);
    feed(pipeline, kind, bytes);
    if (kind === 'out') {
      this.heardAt = nowMs();
      this.#spokeAt = performance.now();
    }
    // what still comes after the end of bpftrace says nothing of the next one
    if (pipeline.readyAt !== null && this.#attached && kind !== 'begin' && kind !== 'end') {
      const isBack = this.status === 'blind' && pipeline.blindness === null;
      if (isBack || this.status === 'attaching' || this.status === 'restarting') {
        this.#backoffMs = 250;
        if (this.#startedAt !== null) this.attachMs = performance.now() - this.#startedAt;
        this.#startedAt = null;
        this.#set('ready', '');
      }
    }
  }

  /** The same epoch goes on unless the host was booted again or sees other stages. */
  #pipelineFor(facts: HostFacts, plan: TracePlan): Pipeline {
    const current = this.pipeline;
    if (
      current !== null &&
      current.info.boot_id === facts.bootId &&
      JSON.stringify(current.info.plan) === JSON.stringify(plan.plan)
    ) {
      return current;
    }
    const { alerts } = this.#options;
    const session = { number: this.#options.nextEpoch(), host: this.host.name, alerts };
    const info = epochInfo(facts, plan, session);
    this.pipeline = new Pipeline(info, {
      keep: this.#options.keep,
      ...(this.#options.onAlert ? { onAlert: this.#options.onAlert } : {}),
      ...(this.#options.onEnd ? { onEnd: this.#options.onEnd } : {}),
      onAgent: (line) => this.#agentLine(line),
    });
    this.#options.onEpoch?.(this.pipeline);
    return this.pipeline;
  }

  #pause(): Promise<void> {
    const ms = this.#backoffMs;
    this.#backoffMs = Math.min(10_000, ms * 2);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #fail(error: unknown): void {
    if (this.#stopping) return;
    const text = error instanceof Error ? error.message : String(error);
    const hint = error instanceof HostError && error.hint !== '' ? `\n${error.hint}` : '';
    this.#set('failed', `${text}${hint}`);
  }

  #set(status: TracerStatus, message: string): void {
    this.status = status;
    this.message = message;
    this.#options.onStatus?.(this);
  }
}

/** Gives one frame to the pipeline: what live does as it comes, and a replay again. */
export function feed(pipeline: Pipeline, kind: FrameKind, bytes: Buffer): void {
  if (kind === 'out') return pipeline.out(bytes);
  if (kind === 'err') return pipeline.err(bytes);
  const said = JSON.parse(bytes.toString('utf8')) as unknown;
  if (kind === 'begin') pipeline.begin(byTrack(said as BeginFrame));
  else if (kind === 'resume') pipeline.resume(said as ResumeFrame);
  else pipeline.end((said as { wanted: boolean }).wanted, (said as { why: string }).why);
}

/** A 128th of the memory, over all CPUs where each has a buffer; a power of two from 1 to 64 MiB. */
function defaultPages(facts: HostFacts): number {
  const buffers = hasRingBuffer(facts.bpftrace) ? 1 : facts.cpus;
  const pages = facts.memoryKb / 4 / 128 / buffers;
  return 2 ** Math.floor(Math.log2(Math.min(16384, Math.max(256, pages))));
}

function nothingToAttach(host: string, plan: TracePlan): HostError {
  const why = new Set(
    Object.values(plan.plan).flatMap((e) => ('missing' in e ? [`  ${e.missing}`] : [])),
  );
  return new HostError(
    host,
    `no stage of ${plan.fs.join(', ')} can be observed on ${host}:\n${[...why].slice(0, 8).join('\n')}`,
    `${helpFor(plan)}See: lastref doctor --host ${host}`,
  );
}

/** What would help to see evict(), without which little is seen; a line of its own. */
function helpFor({ plan: { evict } }: TracePlan): string {
  return 'missing' in evict && evict.help !== undefined ? `${evict.help}\n` : '';
}

function describeEnd(
  status: number | null,
  { code, signal }: Awaited<HostProcess['ended']>,
  errors: readonly string[],
): string {
  if (status === KILLED) return 'bpftrace was killed (SIGKILL)';
  if (status !== null) return `bpftrace ended with status ${status}`;
  if (signal !== null) return `the process that leads to bpftrace was killed (${signal})`;
  const last = errors.at(-1);
  return `the connection to the host was lost${code === 255 && last ? `: ${last}` : ''}`;
}
