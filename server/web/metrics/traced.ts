/** What was traced: events and losses, inodes, stages, hugepages, the contract, leaks. */
import { LEAK_KINDS } from '../../protocol/leaks.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import type { Source } from '../source.ts';
import type { Exposition, Labels } from './exposition.ts';

/**
 * Edges of the histograms as powers of two of a nanosecond: each twice the one before
 * from 1 us to 17 ms, four times above, up to 69 s.
 */
export const EDGES: readonly number[] = [
  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 30, 32, 34, 36,
];
/** In seconds. */
const EDGE_TEXTS = EDGES.map((edge) => String(2 ** edge / 1e9));

export function tracedMetrics(out: Exposition, source: Source): void {
  const pipelines = source.pipelines();
  eventMetrics(out, pipelines);
  inodeMetrics(out, source);
  hugepageMetrics(out, source);
  contractMetrics(out, pipelines);
  leakMetrics(out, source);
}

function eventMetrics(out: Exposition, pipelines: readonly Pipeline[]): void {
  out.counter('lastref_events_total', 'Events decoded.', (family) => {
    for (const pipeline of pipelines) family.add(of(pipeline), pipeline.ledger.events);
  });
  out.counter('lastref_lost_events_total', 'Events lost, by place.', (family) => {
    for (const pipeline of pipelines) {
      const { not_run, map_full, ring_buffer, rejected } = pipeline.ledger.totals();
      const places = { map_full, ring_buffer, rejected };
      // a kernel that does not count them says nothing, which is not 0
      if (not_run !== null) family.add({ ...of(pipeline), place: 'not_run' }, not_run);
      for (const [place, lost] of Object.entries(places)) {
        family.add({ ...of(pipeline), place }, lost);
      }
    }
  });
  out.gauge('lastref_ledger_balanced', '0: events are missing unexplained.', (family) => {
    for (const pipeline of newest(pipelines)) {
      const { balanced } = pipeline.ledger.totals();
      if (balanced !== null) family.add(of(pipeline), balanced ? 1 : 0);
    }
  });
  out.counter(
    'lastref_late_events_total',
    'Events that the model took after one of a later time.',
    (family) => {
      for (const pipeline of pipelines) family.add(of(pipeline), pipeline.late);
    },
  );
}

function inodeMetrics(out: Exposition, source: Source): void {
  const pipelines = source.pipelines();
  out.counter('lastref_inodes_ended_total', 'Inodes whose end was seen or presumed.', (family) => {
    for (const pipeline of pipelines) {
      for (const [fs, { ended }] of pipeline.model.inodes.filesystems.counts) {
        family.add({ ...of(pipeline), fs }, ended);
      }
    }
  });
  out.gauge('lastref_inodes_live', 'Inodes that are known and have not ended.', (family) => {
    for (const { host, pipeline } of source.hosts()) {
      for (const [fs, { live }] of pipeline?.model.inodes.filesystems.counts ?? [])
        family.add({ host, fs }, live);
    }
  });
  out.histogram('lastref_stage_seconds', 'Time between two stages of an end.', (family) => {
    for (const pipeline of pipelines) {
      for (const [key, histogram] of pipeline.model.inodes.filesystems.latencies) {
        const [pair, fs] = key.split(' ') as [string, string];
        const { count, sum } = histogram;
        family.histogram({ ...of(pipeline), pair, fs }, EDGE_TEXTS, histogram.below(EDGES), {
          count,
          sum: sum / 1e9,
        });
      }
    }
  });
}

function hugepageMetrics(out: Exposition, source: Source): void {
  out.gauge('lastref_pool_hugepages', 'Hugepages of each pool.', (family) => {
    for (const { host, pipeline } of source.hosts()) {
      for (const pool of pipeline?.model.pools.latest() ?? []) {
        const labels = {
          host,
          size_kb: String(pool.sizeKb),
          node: pool.node < 0 ? 'all' : String(pool.node),
        };
        for (const state of ['total', 'free', 'reserved', 'surplus'] as const) {
          const pages = pool[state];
          if (pages !== null) family.add({ ...labels, state }, pages);
        }
      }
    }
  });
  out.gauge('lastref_hugepages_outstanding', 'Left a page cache and not yet freed.', (family) => {
    for (const { host, pipeline } of source.hosts()) {
      if (pipeline?.model.seesFree) family.add({ host }, pipeline.model.hugepages.outstanding);
    }
  });
  out.gauge('lastref_hardware_corrupted_bytes', 'Memory that is poisoned.', (family) => {
    for (const { host, pipeline } of source.hosts()) {
      if (pipeline !== null) family.add({ host }, pipeline.model.pools.corruptedKb * 1024);
    }
  });
}

/** Rules of which nothing was seen are left out: they are most on most hosts. */
function contractMetrics(out: Exposition, pipelines: readonly Pipeline[]): void {
  const results = pipelines.map((pipeline) => ({
    labels: of(pipeline),
    rules: pipeline.model.contract
      .results()
      .filter(({ checked, broken, suspected }) => checked + broken + suspected > 0),
  }));
  out.counter('lastref_contract_total', 'Objects each rule was checked on.', (family) => {
    for (const { labels, rules } of results) {
      for (const { rule, checked } of rules) family.add({ ...labels, rule: rule.id }, checked);
    }
  });
  // a suspicion may be taken back: no counter
  out.gauge('lastref_contract_breaches', 'Those that broke it, by verdict.', (family) => {
    for (const { labels, rules } of results) {
      for (const { rule, broken, suspected } of rules) {
        family.add({ ...labels, rule: rule.id, verdict: 'certain' }, broken);
        family.add({ ...labels, rule: rule.id, verdict: 'suspected' }, suspected);
      }
    }
  });
}

function leakMetrics(out: Exposition, source: Source): void {
  const firing = source.hosts().flatMap(({ host, pipeline }) => {
    if (pipeline === null) return [];
    const leaks = pipeline.leaks().filter(({ state }) => state === 'firing');
    return LEAK_KINDS.flatMap((kind) =>
      (['certain', 'suspected'] as const).map((verdict) => ({
        labels: { host, kind, verdict },
        leaks: leaks.filter((leak) => leak.kind === kind && leak.verdict === verdict),
      })),
    );
  });
  out.gauge('lastref_leaks', 'Leaks now, by kind and verdict.', (family) => {
    for (const { labels, leaks } of firing) family.add(labels, leaks.length);
  });
  out.gauge('lastref_leaked_bytes', 'Hugepages of these leaks.', (family) => {
    for (const { labels, leaks } of firing) {
      family.add(
        labels,
        leaks.reduce((sum, { bytes }) => sum + bytes, 0),
      );
    }
  });
  out.counter(
    'lastref_leaks_total',
    'Leaks so far: that fired, and of those, that were resolved, and that were none (refuted).',
    (family) => {
      for (const pipeline of source.pipelines()) {
        const { counts } = pipeline.model.leaks;
        for (const kind of LEAK_KINDS) {
          const count = counts.get(kind) ?? { fired: 0, resolved: 0, refuted: 0 };
          for (const [state, leaks] of Object.entries(count)) {
            family.add({ ...of(pipeline), kind, state }, leaks);
          }
        }
      }
    },
  );
}

function of({ info }: Pipeline): Labels {
  return { host: info.host, epoch: info.boot_id };
}

/** Of each host and boot, the last: with another plan the account begins anew. */
function newest(pipelines: readonly Pipeline[]): Iterable<Pipeline> {
  return new Map(pipelines.map((p) => [`${p.info.host} ${p.info.boot_id}`, p])).values();
}
