/** What `live`, `record` and `check` share: hosts that are traced, alerts, what is kept on disk. */
import type { Writable } from 'node:stream';
import type { ExitStatus, Host } from '../host/host.ts';
import { selectHost } from '../host/select.ts';
import type { Incarnation } from '../model/incarnation.ts';
import type { Fleet } from '../nats/fleet.ts';
import { toldOnce } from '../nats/told.ts';
import { sinkOf } from '../notify/sinks.ts';
import type { Alert } from '../protocol/alerts.ts';
import { type Config, recordedAlerting } from '../protocol/config.ts';
import type { EpochInfo, FrameKind } from '../protocol/recording.ts';
import { Recorder } from '../recording/recorder.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { Session } from '../tracer/session.ts';
import type { Tracer } from '../tracer/tracer.ts';
import type { RecordingState } from '../web/metrics/server.ts';
import { Alerting, say } from './alerting.ts';
import { loadConfig } from './config.ts';
import { FlightSaver } from './flight.ts';
import { limitsOf, type RecordingFlags } from './recording-options.ts';
import { type TraceFlags, traceOptions } from './trace-options.ts';
import { runWorkload } from './workload.ts';

/** As commander gives them. */
export interface TracingFlags extends TraceFlags, RecordingFlags {
  readonly host: readonly string[];
  readonly push: readonly string[];
  readonly keep: number;
  readonly bufferPages?: number;
  readonly config?: string;
  readonly state?: string;
}

/** Hosts that are traced from here, or this server's share of those in a stream. */
export type LiveSession = Session | Fleet;

/** What both of them tell as it happens. */
export interface SessionCallbacks {
  readonly onAlert: (pipeline: Pipeline, alert: Alert) => void;
  readonly onEpoch: (pipeline: Pipeline) => void;
  /** Not there where nothing is recorded: nobody else wants to know of each inode. */
  readonly onEnd?: (pipeline: Pipeline, inode: Incarnation) => void;
  /** `atMs`: when the bytes came from the host, where that is not now. */
  readonly onFrame: (epoch: EpochInfo, kind: FrameKind, bytes: Buffer, atMs?: number) => void;
}

export interface TracingOptions {
  /** Where to record; null: nowhere. */
  readonly file: string | null;
  readonly workload: readonly string[];
  /** Instead of the config file. */
  readonly config?: Config;
  /** Minutes of the flight recorder; 0: off; not given: as the config file says. */
  readonly flightMinutes?: number | undefined;
  /** Where people reach the page, without the token. */
  readonly pageUrl: () => string;
  /** Instead of tracing hosts from here. */
  readonly fleet?: (callbacks: SessionCallbacks) => Fleet;
}

export class Tracing {
  readonly session: LiveSession;
  readonly alerting: Alerting;
  readonly recorder: Recorder;
  /** Resolves at the first SIGINT or SIGTERM; a second one ends at once. */
  readonly stopped: Promise<'stopped'> = stopSignal();
  readonly #hosts: readonly Host[];
  readonly #flags: TracingFlags;
  readonly #workload: readonly string[];
  readonly #flight: FlightSaver | null;

  /** Throws RangeError or CliError, before anything is traced. */
  constructor(flags: TracingFlags, options: TracingOptions) {
    const { file, workload, flightMinutes, pageUrl } = options;
    this.#flags = flags;
    this.#workload = workload;
    // all that may be refused, before anything is opened
    const trace = traceOptions(flags);
    const limits = limitsOf(flags);
    const config = options.config ?? loadConfig(flags.config);
    this.#hosts = flags.host.map(selectHost);
    const pipelines = () => this.session.pipelines();
    this.alerting = new Alerting(config, flags.state, {
      pipelines: () => this.session.ownPipelines(),
      pageUrl,
      makeSink: (sink) => {
        if (options.fleet === undefined) return sinkOf(sink);
        return toldOnce(sinkOf(sink), sink.name, () => (this.session as Fleet).told);
      },
      recordingOf: (fingerprint) => this.#flight?.files.get(fingerprint) ?? null,
    });
    const minutes = flightMinutes ?? config.flight.minutes;
    this.#flight =
      minutes === 0
        ? null
        : new FlightSaver({
            minutes,
            severities: config.flight.severities,
            directory: this.alerting.directory,
            pipelines,
            flush: () => this.recorder.flush(),
          });
    this.recorder = new Recorder({
      file,
      limits,
      flight: this.#flight?.flight ?? null,
      // a share of a fleet may begin anywhere
      states: options.fleet === undefined ? { keep: flags.keep } : null,
      pipelines,
      say,
    });
    const callbacks: SessionCallbacks = {
      onAlert: (pipeline, alert) => {
        this.alerting.alerts.changed(pipeline, alert);
        this.recorder.alert(pipeline, alert);
        this.#flight?.alert(alert);
      },
      onEpoch: (pipeline) => this.recorder.epoch(pipeline),
      onFrame: (...frame) => this.recorder.frame(...frame),
      ...this.recorder.wants,
    };
    this.session =
      options.fleet?.(callbacks) ??
      new Session(this.#hosts, {
        ...callbacks,
        trace,
        alerts: recordedAlerting(config),
        keep: flags.keep,
        ...(flags.bufferPages === undefined ? {} : { bufferPages: flags.bufferPages }),
        workload: workload.length === 0 ? null : workload.join(' '),
        onStatus: printStatus,
      });
  }

  start(): void {
    this.session.start();
    this.alerting.alerts.start();
  }

  /** `stopped`: before all hosts were ready; `failed`: none can be traced, and each said why. */
  async ready(): Promise<'ready' | 'stopped' | 'failed' | 'some failed'> {
    const outcome = await Promise.race([this.session.ready(), this.stopped]);
    const hosts = this.session.hosts();
    const none = outcome === 'some failed' && hosts.every(({ status }) => status === 'failed');
    return none ? 'failed' : outcome;
  }

  /** The workload on the first host; resolves to how it ended, null when `until` came first. */
  work(until: Promise<unknown>, out: Writable = process.stdout): Promise<ExitStatus | null> {
    return runWorkload(this.#hosts[0]!, this.#flags.push, this.#workload, until, out);
  }

  /** For /metrics. */
  kept(): RecordingState {
    return { recording: this.recorder.state(), flight: this.#flight?.state() ?? null };
  }

  /** bpftrace is gone from every host and the recording is closed when this resolves. */
  async stop(): Promise<void> {
    await this.session.stop();
    await this.alerting.stop();
    await this.#flight?.stop();
    this.recorder.close();
  }
}

export function stopSignal(): Promise<'stopped'> {
  return new Promise((resolve) => {
    let stopping = false;
    // handlers that stay: execa ends the process itself on a signal that nobody listens to
    process.on('SIGTERM', () => {
      stopping = true;
      resolve('stopped');
    });
    process.on('SIGINT', () => {
      if (stopping) process.exit(130);
      stopping = true;
      resolve('stopped');
    });
  });
}

export function printStatus(tracer: Tracer): void {
  const text = tracer.message === '' ? '' : `: ${tracer.message}`;
  process.stderr.write(`lastref: ${tracer.host.name} ${tracer.status}${text}\n`);
}
