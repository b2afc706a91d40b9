/** Prometheus' text format (0.0.4): what a fleet's monitoring wants of one server. */
import type { Source } from './source.ts';
import type { Stream } from './stream.ts';

type Labels = Readonly<Record<string, string>>;

class Text {
  readonly #lines: string[] = [];
  #name = '';

  family(name: string, type: 'counter' | 'gauge', help: string): this {
    this.#name = name;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    return this;
  }

  value(labels: Labels, value: number): void {
    const text = Object.entries(labels)
      .map(
        ([key, v]) => `${key}="${v.replace(/["\\\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
      )
      .join(',');
    this.#lines.push(`${this.#name}${text === '' ? '' : `{${text}}`} ${value}`);
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

export function metrics(source: Source, stream: Stream): string {
  const text = new Text();
  const pipelines = source.pipelines();
  text.family(
    'lastref_tracer_ready',
    'gauge',
    '1 when the tracer of the host has seen its canary.',
  );
  for (const { host, status } of source.hosts()) text.value({ host }, status === 'ready' ? 1 : 0);
  text.family('lastref_events_total', 'counter', 'Events decoded.');
  for (const { info, ledger } of pipelines) {
    text.value({ host: info.host, epoch: info.boot_id }, ledger.events);
  }
  text.family('lastref_lost_events_total', 'counter', 'Events lost, by place.');
  for (const { info, ledger } of pipelines) {
    const { not_run, map_full, ring_buffer, rejected } = ledger.totals();
    const places = { not_run: not_run ?? 0, map_full, ring_buffer, rejected };
    for (const [place, lost] of Object.entries(places)) {
      text.value({ host: info.host, epoch: info.boot_id, place }, lost);
    }
  }
  text.family('lastref_inodes_ended_total', 'counter', 'Inodes whose end was seen or presumed.');
  for (const { info, model } of pipelines) {
    for (const [fs, counts] of model.inodes.byFs) {
      text.value({ host: info.host, epoch: info.boot_id, fs }, counts.ended);
    }
  }
  text.family('lastref_stage_seconds', 'gauge', 'Time between two stages over the session.');
  for (const { info, model } of pipelines) {
    for (const [key, histogram] of model.inodes.latencies) {
      const [pair, fs] = key.split(' ') as [string, string];
      for (const quantile of [0.5, 0.9, 0.99]) {
        const labels = {
          host: info.host,
          epoch: info.boot_id,
          pair,
          fs,
          quantile: String(quantile),
        };
        text.value(labels, histogram.quantile(quantile) / 1e9);
      }
    }
  }
  text.family('lastref_hugepages_outstanding', 'gauge', 'Left a page cache and not yet freed.');
  for (const { info, model } of pipelines) {
    if (model.seesFree) text.value({ host: info.host }, model.hugepages.outstanding);
  }
  for (const field of ['total', 'free', 'reserved', 'surplus'] as const) {
    text.family(`lastref_pool_${field}`, 'gauge', `Hugepages of each pool: ${field}.`);
    for (const { host, pipeline } of source.hosts()) {
      for (const pool of pipeline?.model.pools.latest() ?? []) {
        const value = pool[field];
        if (value === null) continue;
        const node = pool.node < 0 ? 'all' : String(pool.node);
        text.value({ host, size_kb: String(pool.sizeKb), node }, value);
      }
    }
  }
  text.family('lastref_page_clients', 'gauge', 'Open pages.').value({}, stream.clients);
  text
    .family('lastref_page_updates_folded_total', 'counter', 'Updates folded for slow pages.')
    .value({}, stream.coalesced);
  return text.toString();
}
