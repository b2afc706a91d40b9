/** All hosts of one session, each with its tracer, and every epoch they go through. */
import type { Host } from '../host/host.ts';
import { nowMs } from '../protocol/clock.ts';
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import { boundEarlier } from './earlier-epochs.ts';
import type { Pipeline } from './pipeline.ts';
import { Tracer, type TracerOptions } from './tracer.ts';

export interface SessionOptions
  extends Pick<
    TracerOptions,
    'trace' | 'keep' | 'bufferPages' | 'onStatus' | 'onAlert' | 'onEnd' | 'alerts'
  > {
  readonly onFrame?: (epoch: EpochInfo, kind: FrameKind, bytes: Buffer) => void;
  readonly onEpoch?: (pipeline: Pipeline) => void;
  readonly workload?: string | null;
}

export class Session {
  readonly mode = 'live';
  readonly banner = null;
  readonly workload: string | null;
  readonly tracers: readonly Tracer[];
  readonly #pipelines: Pipeline[] = [];

  constructor(hosts: readonly Host[], options: SessionOptions) {
    this.workload = options.workload ?? null;
    this.tracers = hosts.map(
      (host) =>
        new Tracer(host, {
          ...options,
          nextEpoch: () => this.#pipelines.length + 1,
          onEpoch: (pipeline) => {
            this.#pipelines.push(pipeline);
            boundEarlier(this.#pipelines, pipeline, options.keep);
            options.onEpoch?.(pipeline);
          },
        }),
    );
  }

  now(): number {
    return nowMs();
  }

  start(): void {
    for (const tracer of this.tracers) tracer.start();
  }

  /** Ends all tracers; bpftrace is gone from every host when this resolves. */
  async stop(): Promise<void> {
    await Promise.all(this.tracers.map((tracer) => tracer.stop()));
  }

  /** Resolves when every host is traced, or one of them cannot be. */
  ready(): Promise<'ready' | 'some failed'> {
    return Promise.all(this.tracers.map((tracer) => tracer.ready())).then(
      () => 'ready' as const,
      () => 'some failed' as const,
    );
  }

  hosts(): readonly {
    host: string;
    status: Tracer['status'];
    message: string;
    pipeline: Pipeline | null;
    heardAt: number | null;
    restarts: number;
    attachMs: number | null;
  }[] {
    return this.tracers.map((tracer) => {
      const { host, status, message, pipeline, heardAt, restarts, attachMs } = tracer;
      return { host: host.name, status, message, pipeline, heardAt, restarts, attachMs };
    });
  }

  pipelines(): readonly Pipeline[] {
    return this.#pipelines;
  }

  /** Those whose alerts are to be told: all. */
  ownPipelines(): readonly Pipeline[] {
    return this.#pipelines;
  }
}
