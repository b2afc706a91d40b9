/** The alerts of all epochs. One that outlived its epoch ends with it, and says so. */
import type { Alert } from '../protocol/alerts.ts';
import type { Pipeline } from './pipeline.ts';

export interface EpochAlert {
  readonly pipeline: Pipeline;
  readonly alert: Alert;
}

export function alertsOf(pipelines: readonly Pipeline[]): EpochAlert[] {
  const current = currentEpochs(pipelines);
  return pipelines.flatMap((pipeline) => {
    const next = current.get(pipeline.info.host)!;
    const alerts = pipeline.alerts.list();
    if (next === pipeline) return alerts.map((alert) => ({ pipeline, alert }));
    const note =
      next.info.boot_id === pipeline.info.boot_id
        ? 'tracing was started anew with other probes'
        : 'the host was booted again';
    return alerts
      .filter((alert) => alert.state !== 'pending')
      .map((alert) => ({ pipeline, alert: ended(alert, pipeline.model.now, note) }));
  });
}

/** Of each host, the epoch that began last. */
export function currentEpochs(pipelines: readonly Pipeline[]): Map<string, Pipeline> {
  return new Map(pipelines.map((pipeline) => [pipeline.info.host, pipeline]));
}

function ended(alert: Alert, now: number, note: string): Alert {
  if (alert.state === 'resolved') return alert;
  return { ...alert, state: 'resolved', resolved_ns: now, note };
}
