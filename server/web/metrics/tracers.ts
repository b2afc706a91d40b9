/** How each host's tracer is: whether it sees anything, how far behind it is. */
import type { TracerStatus } from '../../protocol/hosts.ts';
import type { Source } from '../source.ts';
import type { Exposition } from './exposition.ts';

const STATES: readonly TracerStatus[] = [
  'connecting',
  'planning',
  'attaching',
  'ready',
  'blind',
  'restarting',
  'stopped',
  'failed',
];

export function tracerMetrics(out: Exposition, source: Source): void {
  const hosts = source.hosts();
  const now = source.now();
  out.gauge('lastref_tracer_ready', '1 when a canary inode has come through.', (family) => {
    for (const { host, status } of hosts) family.add({ host }, status === 'ready' ? 1 : 0);
  });
  out.gauge('lastref_tracer_status', '1 for the state that the tracer is in.', (family) => {
    for (const { host, status } of hosts) {
      for (const state of STATES) family.add({ host, state }, state === status ? 1 : 0);
    }
  });
  out.counter('lastref_tracer_restarts_total', 'Times it ended unasked.', (family) => {
    for (const { host, restarts } of hosts) {
      if (restarts !== undefined) family.add({ host }, restarts);
    }
  });
  out.gauge(
    'lastref_tracer_attach_seconds',
    'From the last start of bpftrace to when it was ready.',
    (family) => {
      for (const { host, attachMs } of hosts) {
        if (attachMs != null) family.add({ host }, attachMs / 1000);
      }
    },
  );
  out.gauge(
    'lastref_last_event_age_seconds',
    'Since bytes last came from the host; a tick line comes ten times a second.',
    (family) => {
      for (const { host, heardAt } of hosts) {
        if (heardAt !== null) family.add({ host }, Math.max(0, now - heardAt) / 1000);
      }
    },
  );
  out.gauge(
    'lastref_model_behind_seconds',
    "Clock of this machine less the host's at the last event the model took; both clocks count.",
    (family) => {
      for (const { host, pipeline } of hosts) {
        const at = pipeline === null ? 0 : pipeline.wallMs(pipeline.model.now);
        if (at > 0) family.add({ host }, (now - at) / 1000);
      }
    },
  );
  out.gauge(
    'lastref_reorder_waiting_events',
    'Events that wait for others of an earlier time.',
    (family) => {
      for (const { host, pipeline } of hosts) {
        if (pipeline !== null) family.add({ host }, pipeline.waiting.events);
      }
    },
  );
  out.gauge('lastref_reorder_lag_seconds', 'How long in the time of the trace.', (family) => {
    for (const { host, pipeline } of hosts) {
      if (pipeline !== null) family.add({ host }, pipeline.waiting.ns / 1e9);
    }
  });
  out.gauge('lastref_tracer_steps', '1 while each stage is told at once (--detail).', (family) => {
    for (const { host, pipeline } of hosts) {
      if (pipeline !== null) family.add({ host }, pipeline.model.detail.steps ? 1 : 0);
    }
  });
  out.gauge('lastref_host_info', 'What each host is.', (family) => {
    for (const { host, pipeline } of hosts) {
      if (pipeline === null) continue;
      const { boot_id, kernel, bpftrace } = pipeline.info;
      family.add({ host, epoch: boot_id, kernel, bpftrace }, 1);
    }
  });
}
