/** What a server takes from a stream, by host, and how it stands with the broker. */
import type { Source, SourceHost, StreamCounts } from '../source.ts';
import type { Exposition } from './exposition.ts';

/** Nothing where hosts are traced from here. */
export function streamMetrics(out: Exposition, source: Source): void {
  const { broker } = source;
  if (broker === undefined) return;
  const hosts = source.hosts();
  const counter = (name: string, help: string, of: (counts: StreamCounts) => number) => {
    out.counter(name, help, (family) => {
      for (const { host, stream } of hosts) if (stream) family.add({ host }, of(stream));
    });
  };
  const gauge = (name: string, help: string, of: (host: SourceHost) => number | null) => {
    out.gauge(name, help, (family) => {
      for (const host of hosts) {
        const value = of(host);
        if (value !== null) family.add({ host: host.host }, value);
      }
    });
  };
  counter('lastref_stream_published_messages_total', 'Numbers that its agent has used.', (c) => {
    return c.taken + c.missing;
  });
  counter('lastref_stream_taken_messages_total', 'Messages that were taken.', (c) => c.taken);
  counter('lastref_stream_missing_messages_total', 'Never came.', (c) => c.missing);
  counter(
    'lastref_stream_repeated_messages_total',
    'Came again, and were left out.',
    (c) => c.again,
  );
  counter('lastref_stream_rejected_messages_total', 'None of ours, or damaged.', (c) => c.rejected);
  counter(
    'lastref_stream_skipped_messages_total',
    'Came after a hole, before the epoch could be entered again.',
    (c) => c.skipped,
  );
  gauge('lastref_stream_behind_messages', 'In the stream, and not read yet.', ({ stream }) => {
    return stream?.behind ?? null;
  });
  counter('lastref_agent_dropped_messages_total', 'Had no room in its spool.', (c) => c.dropped);
  gauge('lastref_agent_spooled_bytes', 'Waiting on its disk, as it said last.', ({ stream }) => {
    return stream?.spooledBytes ?? null;
  });
  counter('lastref_stream_takeovers_total', 'Taken from another server.', (c) => c.takeovers);
  out.gauge('lastref_broker_connected', '0: it is away.', (family) => {
    family.add({}, broker().connected ? 1 : 0);
  });
  out.counter('lastref_broker_reconnects_total', 'Times it came back.', (family) => {
    family.add({}, broker().reconnects);
  });
}
