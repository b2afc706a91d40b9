/** The server itself: alerts and who is told, recordings, pages, what it costs. */
import { performance } from 'node:perf_hooks';
import type { SessionAlerts } from '../../notify/session-alerts.ts';
import type { RecordedFile } from '../../protocol/messages.ts';
import { VERSION } from '../../protocol/version.ts';
import type { Source } from '../source.ts';
import type { Stream } from '../stream.ts';
import type { Exposition } from './exposition.ts';

/** What is kept on disk of a live session. */
export interface RecordingState {
  /** Of the recording that was asked for; null: none was. `failed`: why it ended too early. */
  readonly recording: {
    readonly failed: string | null;
    readonly files: number;
    /** The newest of them, oldest first. */
    readonly newest: readonly RecordedFile[];
    readonly bytes: number;
    readonly events: number;
    /** Events that came after it had failed. */
    readonly unrecorded: number;
  } | null;
  /** Null: there is no flight recorder. */
  readonly flight: {
    /** Compressed bytes in memory. */
    readonly bytes: number;
    readonly saved: number;
    readonly failed: number;
  } | null;
}

export function alertMetrics(out: Exposition, source: Source, alerts: SessionAlerts): void {
  out.gauge('lastref_alerts', 'Alerts that are pending or fire.', (family) => {
    for (const { state, silence, labels } of alerts.list()) {
      if (state === 'resolved') continue;
      const severity = labels.severity ?? '';
      family.add({ state, severity, silenced: silence === null ? 'no' : 'yes' }, 1);
    }
  });
  out.counter('lastref_alerts_fired_total', 'Alerts that fired.', (family) => {
    for (const { info, alerts: of } of source.pipelines()) {
      family.add({ host: info.host, epoch: info.boot_id }, of.fired);
    }
  });
  const { sinks } = alerts.view();
  const families = [
    ['sent', 'Notifications that the sink took.', 'sent'],
    ['failed', 'Attempts that failed and are made again.', 'failures'],
    ['refused', 'Notifications that the sink refused for good.', 'refused'],
    ['dropped', 'Notifications dropped because the spool was full.', 'dropped'],
  ] as const;
  for (const [name, help, field] of families) {
    out.counter(`lastref_notifications_${name}_total`, help, (family) => {
      for (const sink of sinks) family.add({ sink: sink.name }, sink[field]);
    });
  }
  out.gauge('lastref_notifications_spooled', 'Notifications that wait on disk.', (family) => {
    for (const sink of sinks) family.add({ sink: sink.name }, sink.waiting);
  });
}

export function recordingMetrics(out: Exposition, { recording, flight }: RecordingState): void {
  if (recording !== null) {
    const { failed, files, bytes, events, unrecorded } = recording;
    out.gauge('lastref_recording_ok', '0: it ended too early.', (family) => {
      family.add({}, failed === null ? 1 : 0);
    });
    out.counter('lastref_recording_files_total', 'Files begun.', (family) => {
      family.add({}, files);
    });
    out.counter('lastref_recording_bytes_total', 'Compressed bytes written.', (family) => {
      family.add({}, bytes);
    });
    out.counter('lastref_recording_events_total', 'Lines written.', (family) => {
      family.add({}, events);
    });
    out.counter(
      'lastref_recording_unrecorded_events_total',
      'Lines that came after it had ended too early.',
      (family) => {
        family.add({}, unrecorded);
      },
    );
  }
  if (flight !== null) {
    out.gauge('lastref_flight_bytes', 'Memory of the flight recorder.', (family) => {
      family.add({}, flight.bytes);
    });
    out.counter('lastref_flight_recordings_total', 'Recordings of alerts.', (family) => {
      family.add({ outcome: 'saved' }, flight.saved).add({ outcome: 'failed' }, flight.failed);
    });
  }
}

export function serverMetrics(out: Exposition, source: Source, stream: Stream): void {
  out.gauge('lastref_info', 'What answers.', (family) => {
    family.add({ version: VERSION, mode: source.mode }, 1);
  });
  out.gauge('lastref_page_clients', 'Open pages.', (family) => {
    family.add({}, stream.clients);
  });
  out.counter('lastref_page_updates_folded_total', 'Updates folded for slow pages.', (family) => {
    family.add({}, stream.coalesced);
  });
  out.counter('lastref_page_clients_dropped_total', 'Pages dropped, by why.', (family) => {
    for (const [why, count] of Object.entries(stream.dropped)) family.add({ why }, count);
  });
  out.counter(
    'lastref_event_loop_busy_seconds_total',
    'Time the event loop did something; a second in each second is all it can.',
    (family) => {
      family.add({}, performance.eventLoopUtilization().active / 1000);
    },
  );
  out.counter('process_cpu_seconds_total', 'Time of all threads on a CPU.', (family) => {
    const { user, system } = process.cpuUsage();
    family.add({}, (user + system) / 1e6);
  });
  out.gauge('process_resident_memory_bytes', 'Resident memory.', (family) => {
    family.add({}, process.memoryUsage.rss());
  });
  out.gauge('process_start_time_seconds', 'Since 1970.', (family) => {
    family.add({}, Math.round(performance.timeOrigin) / 1000);
  });
}
