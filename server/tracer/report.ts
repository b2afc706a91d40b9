/** The report of a session: a function of its pipelines alone, so that a replay gives the same. */

import { LATENCY_PAIRS } from '../model/by-filesystem.ts';
import { noneBack } from '../model/callback-runs.ts';
import { Histogram } from '../model/histogram.ts';
import { teardownRule } from '../model/superblocks.ts';
import type { ByFs, Report } from '../protocol/report.ts';
import { BACK_WHEN } from '../protocol/stages.ts';
import { formatDev } from '../protocol/units.ts';
import { alertsOf } from './alerts.ts';
import { reportContract } from './contract.ts';
import type { Pipeline } from './pipeline.ts';

export function makeReport(pipelines: readonly Pipeline[]): Report {
  const ledgers = pipelines.map((p) => p.ledger.totals());
  const seeing = pipelines.filter((p) => p.model.seesFree);
  const sum = <T>(list: readonly T[], of: (item: T) => number) =>
    list.reduce((total, item) => total + of(item), 0);
  const byFs = inodesByFs(pipelines);
  return {
    format: 1,
    epochs: pipelines.map(({ info }) => ({
      id: info.boot_id,
      host: info.host,
      kernel: info.kernel,
      bpftrace: info.bpftrace,
      started: new Date(info.started_ms).toISOString(),
      plan: { ...info.plan },
    })),
    events: {
      decoded: sum(pipelines, (p) => p.ledger.events),
      rejected: sum(pipelines, (p) => p.ledger.rejected),
      late: sum(pipelines, (p) => p.late),
    },
    losses: {
      not_run: ledgers.some((l) => l.not_run === null) ? null : sum(ledgers, (l) => l.not_run ?? 0),
      map_full: sum(ledgers, (l) => l.map_full),
      ring_buffer: sum(ledgers, (l) => l.ring_buffer),
      rejected: sum(pipelines, (p) => p.ledger.rejected),
      balanced: ledgers.some((l) => l.balanced === false)
        ? false
        : ledgers.some((l) => l.balanced === null) || ledgers.length === 0
          ? null
          : true,
    },
    inodes: {
      ended: sum(Object.values(byFs), (c) => c.ended),
      live: sum(Object.values(byFs), (c) => c.live),
      lost: sum(Object.values(byFs), (c) => c.lost),
      by_fs: byFs,
    },
    stages: stageLatencies(pipelines),
    callbacks: pipelines.flatMap((p) =>
      p.model.superblocks.all().map(({ dev, ...sb }) => ({
        host: p.info.host,
        fs: sb.fs,
        s_dev: formatDev(dev),
        drop_inode: sb.drop_inode,
        evict_inode: sb.evict_inode,
        destroy_inode: sb.destroy_inode,
        free_inode: sb.free_inode,
        rule: teardownRule(sb.destroy_inode, sb.free_inode),
        confirmed: sb.confirmed,
        contradicted: sb.contradicted,
      })),
    ),
    hugepages: {
      allocated: sum(pipelines, (p) => p.model.hugepages.allocated),
      freed: seeing.length === 0 ? null : sum(seeing, (p) => p.model.hugepages.freed),
      attributed: seeing.length === 0 ? null : sum(seeing, (p) => p.model.hugepages.attributed),
      outstanding: seeing.length === 0 ? null : sum(seeing, (p) => p.model.hugepages.outstanding),
    },
    pools: pipelines.flatMap((p) =>
      p.model.pools.latest().map((pool) => ({
        host: p.info.host,
        size_kb: pool.sizeKb,
        node: pool.node,
        total: pool.total,
        free: pool.free,
        reserved: pool.reserved,
        surplus: pool.surplus,
      })),
    ),
    ...reportContract(pipelines),
    leaks: pipelines.flatMap((p) => p.leaks()),
    alerts: alertsOf(pipelines).map(({ alert }) => alert),
    gaps: pipelines.flatMap((p) =>
      p.model.gaps.list.map((gap) => ({
        host: p.info.host,
        from_ns: gap.from,
        to_ns: Number.isFinite(gap.to) ? gap.to : null,
        lost: gap.lost,
        where: gap.where,
        detail: gap.detail,
      })),
    ),
  };
}

export function inodesByFs(pipelines: readonly Pipeline[]): ByFs {
  const out: ByFs = {};
  for (const { model } of pipelines) {
    for (const [fs, counts] of model.inodes.filesystems.counts) {
      out[fs] ??= {
        ended: 0,
        live: 0,
        lost: 0,
        i_callback: { softirq: 0, ksoftirqd: 0, rcu_thread: 0 },
        hugepages_back: null,
      };
      const of = out[fs];
      of.ended += counts.ended;
      of.live += counts.live;
      of.lost += counts.lost;
      const runs = model.inodes.filesystems.runsOf(fs)!;
      of.i_callback.softirq += runs.softirq;
      of.i_callback.ksoftirqd += runs.ksoftirqd;
      of.i_callback.rcu_thread += runs.rcuThread;
      if (!model.seesFree) continue;
      of.hugepages_back ??= noneBack();
      for (const when of BACK_WHEN) of.hugepages_back[when] += runs.back[when];
    }
  }
  return out;
}

function stageLatencies(pipelines: readonly Pipeline[]): Report['stages'] {
  const merged = new Map<string, Histogram>();
  const add = (key: string, from: Histogram) => {
    const histogram = merged.get(key) ?? new Histogram();
    histogram.merge(from);
    merged.set(key, histogram);
  };
  for (const pair of LATENCY_PAIRS.map(([from, to]) => `${from}..${to}`)) {
    for (const pipeline of pipelines) {
      for (const [key, histogram] of pipeline.model.inodes.filesystems.latencies) {
        if (!key.startsWith(`${pair} `)) continue;
        add(pair, histogram);
        add(key, histogram);
      }
    }
  }
  return Object.fromEntries(
    [...merged].map(([key, h]) => [
      key,
      {
        count: h.count,
        p50_ns: h.quantile(0.5),
        p90_ns: h.quantile(0.9),
        p99_ns: h.quantile(0.99),
        max_ns: Math.round(h.max),
      },
    ]),
  );
}
