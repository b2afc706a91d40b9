/**
 * Many hosts in one process: the lives of a real recording, in the time of the clock, as
 * the bytes that as many bpftraces would have said. What takes them is what takes those of
 * real hosts, from the decoder on; there is no host, no connection and no bpftrace.
 */
import type { EpochInfo, FrameKind } from '../../server/protocol/recording.ts';
import { Pipeline, type PipelineOptions } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';
import type { Source, SourceHost } from '../../server/web/source.ts';
import type { Input } from './repeat.ts';
import type { Template } from './template.ts';

/** How often it is looked whether a host has something to say. */
const PERIOD_MS = 20;
/** After so long somebody else has a turn, as between the reads of many pipes. */
const SLICE_MS = 10;

export interface SimulatedOptions {
  readonly hosts: number;
  /** Ended incarnations kept, of each host. */
  readonly keep: number;
  readonly onAlert?: PipelineOptions['onAlert'];
  readonly onEnd?: PipelineOptions['onEnd'];
  readonly onFrame?: (epoch: EpochInfo, kind: FrameKind, bytes: Buffer) => void;
}

interface Simulated {
  readonly name: string;
  readonly pipeline: Pipeline;
  /** It is so much behind the first one, ns: hosts do not tick together. */
  readonly behind: number;
  next: number;
  heardAt: number;
}

export class SimulatedHosts implements Source {
  readonly mode = 'live';
  readonly banner: string;
  readonly workload = null;
  /** Behind the clock, ms: how late the last frames were when they were taken. */
  late = 0;
  readonly #input: Input;
  readonly #hosts: readonly Simulated[];
  readonly #options: SimulatedOptions;
  readonly #pipelines: readonly Pipeline[];
  readonly #before: number;
  #began = 0;

  constructor(template: Template, input: Input, options: SimulatedOptions) {
    const { hosts, keep, onAlert, onEnd } = options;
    this.#input = input;
    this.#options = options;
    this.banner = `${hosts} simulated hosts: one recording, over and over.`;
    this.#before = input.frames.findIndex(({ at }) => at > 0);
    this.#hosts = Array.from({ length: hosts }, (_, i) => {
      const name = `host-${String(i + 1).padStart(3, '0')}`;
      const boot_id = template.info.boot_id.replace(/^.{8}/, (i + 1).toString(16).padStart(8, '0'));
      const info = { ...template.info, number: i + 1, host: name, boot_id };
      const more = { ...(onAlert ? { onAlert } : {}), ...(onEnd ? { onEnd } : {}) };
      const pipeline = new Pipeline(info, { keep, ...more });
      return { name, pipeline, behind: (i / hosts) * 1e9, next: 0, heardAt: 0 };
    });
    this.#pipelines = this.#hosts.map(({ pipeline }) => pipeline);
  }

  now(): number {
    return Date.now();
  }

  hosts(): SourceHost[] {
    return this.#hosts.map(({ name, pipeline, heardAt }) => ({
      host: name,
      status: pipeline.readyAt === null ? 'attaching' : 'ready',
      message: '',
      pipeline,
      heardAt,
    }));
  }

  pipelines(): readonly Pipeline[] {
    return this.#pipelines;
  }

  /** Every host says everything, at its time. Resolves when the last one has. */
  async play(): Promise<void> {
    this.#ready();
    this.#began = performance.now();
    while (this.#hosts.some(({ next }) => next < this.#input.frames.length)) {
      await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
      await this.#advance((performance.now() - this.#began) * 1e6);
    }
  }

  /** What was said until the tracer was ready, with the clock of now. */
  #ready(): void {
    const wall = `${BigInt(Date.now()) * 1_000_000n}`;
    for (const host of this.#hosts) {
      while (host.next < this.#before) {
        const { kind, bytes } = this.#input.frames[host.next++]!;
        const text = bytes.toString('latin1');
        const now = text.replace(/^(a clock [\d.]+) \d+$/m, `$1 ${wall}`);
        this.#feed(host, kind, now === text ? bytes : Buffer.from(now, 'latin1'));
      }
    }
  }

  async #advance(elapsed: number): Promise<void> {
    const { frames } = this.#input;
    let late = 0;
    let turn = performance.now();
    for (const host of this.#hosts) {
      const until = elapsed - host.behind;
      const first = frames[host.next];
      if (first !== undefined && first.at <= until) late = Math.max(late, until - first.at);
      while (host.next < frames.length && frames[host.next]!.at <= until) {
        const { kind, bytes } = frames[host.next++]!;
        this.#feed(host, kind, bytes);
      }
      if (performance.now() - turn < SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      turn = performance.now();
    }
    this.late = Math.max(0, late / 1e6 - PERIOD_MS);
  }

  #feed(host: Simulated, kind: FrameKind, bytes: Buffer): void {
    this.#options.onFrame?.(host.pipeline.info, kind, bytes);
    feed(host.pipeline, kind, bytes);
    host.heardAt = Date.now();
  }
}
