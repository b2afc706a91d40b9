/** Prometheus' text format (0.0.4): what a fleet's monitoring wants of one server. */
import type { SessionAlerts } from '../notify/session-alerts.ts';
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

export function metrics(source: Source, stream: Stream, alerts: SessionAlerts): string {
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
  text.family(
    'lastref_contract_total',
    'counter',
    'Objects each rule of the contract was checked on.',
  );
  for (const { info, model } of pipelines) {
    for (const { rule, checked } of model.contract.results()) {
      text.value({ host: info.host, epoch: info.boot_id, rule: rule.id }, checked);
    }
  }
  text.family('lastref_contract_breaches', 'gauge', 'Those that broke it, by verdict.');
  for (const { info, model } of pipelines) {
    for (const { rule, broken, suspected } of model.contract.results()) {
      const labels = { host: info.host, epoch: info.boot_id, rule: rule.id };
      text.value({ ...labels, verdict: 'certain' }, broken);
      text.value({ ...labels, verdict: 'suspected' }, suspected);
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
  alertMetrics(text, source, alerts);
  text.family('lastref_page_clients', 'gauge', 'Open pages.').value({}, stream.clients);
  text
    .family('lastref_page_updates_folded_total', 'counter', 'Updates folded for slow pages.')
    .value({}, stream.coalesced);
  text.family('lastref_page_clients_dropped_total', 'counter', 'Pages dropped, by why.');
  for (const [why, count] of Object.entries(stream.dropped)) text.value({ why }, count);
  return text.toString();
}

function alertMetrics(text: Text, source: Source, alerts: SessionAlerts): void {
  const counts = new Map<string, number>();
  for (const { state, silence, labels } of alerts.list()) {
    if (state === 'resolved') continue;
    const key = JSON.stringify([state, labels.severity, silence === null ? 'no' : 'yes']);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  text.family('lastref_alerts', 'gauge', 'Alerts that are pending or fire.');
  for (const [key, count] of counts) {
    const [state, severity, silenced] = JSON.parse(key) as [string, string, string];
    text.value({ state, severity, silenced }, count);
  }
  text.family('lastref_alerts_fired_total', 'counter', 'Alerts that fired.');
  for (const { info, alerts: of } of source.pipelines()) {
    text.value({ host: info.host, epoch: info.boot_id }, of.fired);
  }
  const sinks = alerts.view().sinks;
  const families = [
    ['sent_total', 'counter', 'Notifications that the sink took.', 'sent'],
    ['failed_total', 'counter', 'Attempts that failed and are made again.', 'failures'],
    ['refused_total', 'counter', 'Notifications that the sink refused for good.', 'refused'],
    ['dropped_total', 'counter', 'Notifications dropped because the spool was full.', 'dropped'],
    ['spooled', 'gauge', 'Notifications that wait on disk.', 'waiting'],
  ] as const;
  for (const [name, type, help, field] of families) {
    text.family(`lastref_notifications_${name}`, type, help);
    for (const sink of sinks) text.value({ sink: sink.name }, sink[field]);
  }
}
