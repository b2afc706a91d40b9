/** What a fleet's monitoring wants of one server: GET /metrics. docs/fleet.md lists it. */
import type { SessionAlerts } from '../../notify/session-alerts.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import type { Source } from '../source.ts';
import type { Stream } from '../stream.ts';
import { Exposition, Told } from './exposition.ts';
import { alertMetrics, type RecordingState, recordingMetrics, serverMetrics } from './server.ts';
import { streamMetrics } from './stream.ts';
import { tracedMetrics } from './traced.ts';
import { tracerMetrics } from './tracers.ts';

export interface Measured {
  readonly source: Source;
  readonly stream: Stream;
  readonly alerts: SessionAlerts;
  /** Absent where nothing is recorded. */
  readonly recording?: (() => RecordingState) | undefined;
}

export class Metrics {
  readonly #measured: Measured;
  readonly #told = new Told();
  #first: Pipeline | undefined;

  constructor(measured: Measured) {
    this.#measured = measured;
  }

  text(): string {
    const { source, stream, alerts, recording } = this.#measured;
    const [first] = source.pipelines();
    // a replay has jumped: it begins anew, maybe before
    if (first !== this.#first) this.#told.clear();
    this.#first = first;
    const out = new Exposition(this.#told);
    tracerMetrics(out, source);
    tracedMetrics(out, source);
    streamMetrics(out, source);
    alertMetrics(out, source, alerts);
    if (recording !== undefined) recordingMetrics(out, recording());
    serverMetrics(out, source, stream);
    return out.toString();
  }
}
