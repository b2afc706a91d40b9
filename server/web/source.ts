/** What the web serves: a live session, a replay, or a comparison of two recordings. */
import type { Comparison } from '../protocol/compare.ts';
import type { TracerStatus } from '../protocol/hosts.ts';
import type { ReplayCommand, ReplayMarks, ReplayStatus } from '../protocol/replay.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** One host of the session. */
export interface SourceHost {
  readonly host: string;
  readonly status: TracerStatus;
  readonly message: string;
  /** The running epoch; null before the first. */
  readonly pipeline: Pipeline | null;
  /** Wall clock of the last bytes from the host, ms. */
  readonly heardAt: number | null;
  /** How often the tracer was started again; absent where nothing is traced. */
  readonly restarts?: number;
  /** From the start of bpftrace to when it was ready, ms; null before the first time. */
  readonly attachMs?: number | null;
  /** Where it comes from a stream, and was followed here. */
  readonly stream?: StreamCounts | null;
}

/** Of one host in a stream, since this server has followed it. */
export interface StreamCounts {
  readonly taken: number;
  readonly again: number;
  readonly missing: number;
  readonly skipped: number;
  readonly rejected: number;
  /** By its agent, which had no room. */
  readonly dropped: number;
  /** Times that this server took it from another one. */
  readonly takeovers: number;
  /** Messages that wait in the stream; null where it is not read. */
  readonly behind: number | null;
  /** Of all hosts of its agent, as it said last; null: it did not. */
  readonly spooledBytes: number | null;
}

export interface BrokerState {
  readonly connected: boolean;
  readonly reconnects: number;
}

/** What a replay has beside what a live session has. */
export interface ReplayControls {
  status(): ReplayStatus;
  marks(): ReplayMarks;
  /** Resolves when it is done, or when another command has taken its place. */
  command(command: ReplayCommand): Promise<void>;
  /** Changes when the pipelines are other ones, of another time. */
  readonly generation: number;
  /** Changes when they are other ones, and time has only gone on. */
  readonly skips: number;
  /** What runs ahead of what is shown: the charts are made of it. */
  readonly scan: {
    /** Changes whenever there are other marks. */
    readonly revision: number;
    readonly pipelines: readonly Pipeline[];
    /** Called with each second of the recording that has passed, ms. */
    readonly onSecond: Set<(ms: number) => void>;
  };
}

export interface Source {
  readonly mode: 'live' | 'replay' | 'compare';
  readonly banner: string | null;
  readonly workload: string | null;
  /** With the mode `compare`. */
  readonly comparison?: Comparison;
  /** The time that is shown as now, wall clock in ms: in a replay, that of the recording. */
  now(): number;
  hosts(): readonly SourceHost[];
  /** All epochs of all hosts, in the order they began. A replay that jumps has others. */
  pipelines(): readonly Pipeline[];
  /** With hosts from a stream. */
  readonly broker?: () => BrokerState;
  /** Absent when it is live. */
  readonly controls?: ReplayControls;
}
