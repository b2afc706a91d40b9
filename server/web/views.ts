/** The sections of each view, made from the model when a client shows that view. */
import type { Histogram } from '../model/histogram.ts';
import type { Incarnation } from '../model/incarnation.ts';
import type { SessionAlert } from '../protocol/alerts.ts';
import { parseFilter } from '../protocol/filter.ts';
import { APART, type HostDetail, type HostState, type Ledger } from '../protocol/hosts.ts';
import type { LanesBlock } from '../protocol/lanes.ts';
import type {
  CallbackRow,
  ContractView,
  FindingDetail,
  Gap,
  InodeDetail,
  InodePage,
  InodeRow,
  LossesView,
  ProbeLedger,
  Subscribe,
  Totals,
} from '../protocol/messages.ts';
import type { HugepagesOfPool, LeakRow, PoolsView } from '../protocol/pool-map.ts';
import type { ByFs } from '../protocol/report.ts';
import type { StageLatency } from '../protocol/series.ts';
import { isObserved } from '../protocol/stages.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { STAGE_OF_LINE } from '../tracer/programs.ts';
import { inodesByFs } from '../tracer/report.ts';
import { contractView, findingDetail } from './contract.ts';
import { type InodeAsk, inodePage } from './inode-page.ts';
import { LanesFeed } from './lanes.ts';
import { hugepagesOf } from './pool-map.ts';
import { leakRows, poolsView } from './pools.ts';
import { callbackRow, inodeDetail, inodeRow } from './rows.ts';
import type { Source } from './source.ts';
import { MAX_GAPS, mergedCallbacks, mergedHistogram, mergedLedgers } from './together.ts';

const NO_EVENTS: Ledger = {
  kernel_hits: 0,
  decoded: 0,
  not_run: null,
  map_full: 0,
  ring_buffer: 0,
  rejected: 0,
  in_flight: 0,
  balanced: null,
};

/** Of many hosts, lines that were rejected. */
const MAX_SAMPLES = 50;
/** Thousands of distributions are added up then. */
const MERGE_EVERY_MS = 1000;

export class Views {
  readonly #source: Source;
  readonly #eventsPerS: (host: string) => number;
  /** Rows of ended incarnations do not change any more (but for a late gap). */
  readonly #rows = new WeakMap<Incarnation, InodeRow>();
  #ofAll: { at: number; list: readonly StageLatency[] } = {
    at: Number.NEGATIVE_INFINITY,
    list: [],
  };

  /** `eventsPerS`: of a host, now. */
  constructor(source: Source, eventsPerS: (host: string) => number) {
    this.#source = source;
    this.#eventsPerS = eventsPerS;
  }

  hosts(now: number): HostState[] {
    return this.#source.hosts().map(({ host, status, message, pipeline, heardAt }) => ({
      host,
      status,
      message,
      epoch: pipeline?.info.boot_id ?? '',
      kernel: pipeline?.info.kernel ?? '',
      bpftrace: pipeline?.info.bpftrace ?? '',
      fs: pipeline?.info.fs ?? [],
      plan: pipeline?.info.plan ?? null,
      silent_ms: heardAt === null ? null : Math.max(0, Math.round((now - heardAt) / 100) * 100),
      // while nobody watches there is no newer point
      events_per_s: pipeline?.model.gaps.isDown === true ? 0 : this.#eventsPerS(host),
      ledger: pipeline?.ledger.totals() ?? NO_EVENTS,
      gaps: pipeline?.model.gaps.list.length ?? 0,
      ...breaches(pipeline),
      detail: pipeline === null ? null : hostDetail(pipeline),
      ...inodesOf(pipeline),
      pool: pipeline === null ? null : poolOf(pipeline),
      leaks: leaksOf(pipeline),
    }));
  }

  totals(host?: string): Totals {
    const pipelines = this.#pipelines(host).map(([, p]) => p);
    const seeing = pipelines.filter((p) => p.model.seesFree);
    const sum = (of: (p: Pipeline) => number) => pipelines.reduce((t, p) => t + of(p), 0);
    const free = (of: (p: Pipeline) => number) =>
      seeing.length === 0 ? null : seeing.reduce((t, p) => t + of(p), 0);
    const inodes = (p: Pipeline) => [...p.model.inodes.filesystems.counts.values()];
    return {
      inodes_live: sum((p) => inodes(p).reduce((t, c) => t + c.live, 0)),
      inodes_ended: sum((p) => inodes(p).reduce((t, c) => t + c.ended, 0)),
      inodes_lost: sum((p) => inodes(p).reduce((t, c) => t + c.lost, 0)),
      hugepages_freed: free((p) => p.model.hugepages.freed),
      hugepages_attributed: free((p) => p.model.hugepages.attributed),
      hugepages_outstanding: free((p) => p.model.hugepages.outstanding),
    };
  }

  /** Of one host, or of all of them together: of many, not more often than each second. */
  latencies(host?: string): readonly StageLatency[] {
    if (!this.#isMany(host)) return this.#latencies(host);
    const { at, list } = this.#ofAll;
    const now = performance.now();
    if (now - at < MERGE_EVERY_MS) return list;
    this.#ofAll = { at: now, list: this.#latencies() };
    return this.#ofAll.list;
  }

  #latencies(host?: string): StageLatency[] {
    const byKey = new Map<string, Histogram[]>();
    for (const [, pipeline] of this.#pipelines(host)) {
      for (const [key, histogram] of pipeline.model.inodes.filesystems.latencies) {
        const some = byKey.get(key);
        if (some === undefined) byKey.set(key, [histogram]);
        else some.push(histogram);
      }
    }
    const out = [...byKey].map(([key, histograms]) => {
      const [pair, fs] = key.split(' ') as [string, string];
      const [first, ...others] = histograms;
      const all = others.length === 0 ? first! : mergedHistogram(histograms);
      return {
        pair,
        fs,
        count: all.count,
        p50_ns: all.quantile(0.5),
        p90_ns: all.quantile(0.9),
        p99_ns: all.quantile(0.99),
        max_ns: Math.round(all.max),
      };
    });
    return out.sort((a, b) => a.fs.localeCompare(b.fs));
  }

  /** What a page's timeline is to be sent. Throws FilterError for an expression that is none. */
  lanesFeed({ filter = '', from, to }: Pick<Subscribe, 'filter' | 'from' | 'to'>): LanesFeed {
    return new LanesFeed({
      filter: parseFilter(filter),
      rowOf: filter.trim() === '' ? null : (...about) => this.#row(...about),
      from: from ?? Number.NEGATIVE_INFINITY,
      to: to ?? Number.POSITIVE_INFINITY,
    });
  }

  lanes(feed: LanesFeed, host?: string): LanesBlock | null {
    return feed.next(this.#pipelines(host));
  }

  /** Throws FilterError for an expression that is none. */
  inodes(ask: InodeAsk): InodePage {
    return inodePage(this.#pipelines(ask.host), ask, (...about) => this.#row(...about));
  }

  inode(id: string): InodeDetail | null {
    const match = /^(\d+)\.(\d+)$/.exec(id);
    const pipeline = match === null ? undefined : this.#source.pipelines()[Number(match[1])];
    const inode = pipeline?.model.inodes.byNumber(Number(match![2]));
    if (pipeline === undefined || inode === undefined) return null;
    return inodeDetail(pipeline, Number(match![1]), inode);
  }

  /** Of the epochs that run: what was in use before a boot is not any more. */
  hugepages(leaks: readonly LeakRow[], host?: string): HugepagesOfPool[] {
    return this.#running(host).flatMap(([epoch, pipeline]) => hugepagesOf(pipeline, epoch, leaks));
  }

  pools(host?: string): PoolsView {
    return poolsView(this.#running(host));
  }

  /** Firing ones, of the epochs that run; with `inode`, all of that one. */
  leaks(
    alerts: readonly SessionAlert[],
    { host, inode }: { host?: string | undefined; inode?: string },
  ): LeakRow[] {
    const epochs = inode === undefined ? this.#running(host) : this.#pipelines();
    return leakRows(epochs, alerts, inode);
  }

  callbacks(host?: string): CallbackRow[] {
    const rows = this.#pipelines(host).flatMap(([, pipeline]) =>
      pipeline.model.superblocks.all().map((sb) => callbackRow(pipeline, sb.dev)!),
    );
    return this.#isMany(host) ? mergedCallbacks(rows) : rows;
  }

  /** What was counted of the inodes of each. */
  filesystems(host?: string): ByFs {
    return inodesByFs(this.#pipelines(host).map(([, pipeline]) => pipeline));
  }

  contract(host?: string): ContractView {
    const all = this.#source.pipelines();
    const shown = this.#pipelines(host).map(([, p]) => p);
    return contractView(shown, (pipeline) => all.indexOf(pipeline));
  }

  finding(id: string): FindingDetail | null {
    const match = /^(\d+)\.(\d+)$/.exec(id);
    const pipeline = match === null ? undefined : this.#source.pipelines()[Number(match[1])];
    if (pipeline === undefined) return null;
    return findingDetail(pipeline, Number(match![1]), Number(match![2]));
  }

  losses(host?: string): LossesView {
    const pipelines = this.#pipelines(host).map(([, p]) => p);
    const many = this.#isMany(host);
    const { probes, gaps, samples } = this.#lossesOf(pipelines);
    if (!many) return { probes, gaps, samples };
    const newest = gaps.sort((a, b) => a.from_ms - b.from_ms).slice(-MAX_GAPS);
    return { probes: mergedLedgers(probes), gaps: newest, samples: samples.slice(-MAX_SAMPLES) };
  }

  /** Whether this is of many hosts together. */
  #isMany(host: string | undefined): boolean {
    return host === undefined && this.#source.hosts().length > APART;
  }

  #lossesOf(pipelines: readonly Pipeline[]): {
    probes: ProbeLedger[];
    gaps: Gap[];
    samples: LossesView['samples'];
  } {
    return {
      probes: pipelines.flatMap((pipeline) =>
        pipeline.ledger.rows().map(({ line, ledger }) => {
          const stage = STAGE_OF_LINE[line as keyof typeof STAGE_OF_LINE];
          const entry = pipeline.info.plan[stage];
          return {
            ...ledger,
            host: pipeline.info.host,
            probe: isObserved(entry) ? entry.probe : line,
            stage,
          };
        }),
      ),
      gaps: pipelines.flatMap((pipeline) =>
        pipeline.model.gaps.list.map(
          (gap): Gap => ({
            host: pipeline.info.host,
            from_ms: pipeline.wallMs(gap.from),
            to_ms: Number.isFinite(gap.to) ? pipeline.wallMs(gap.to) : null,
            lost: gap.lost,
            where: gap.where,
            detail: gap.detail,
          }),
        ),
      ),
      samples: pipelines.flatMap((pipeline) =>
        pipeline.samples.map((sample) => ({ host: pipeline.info.host, ...sample })),
      ),
    };
  }

  #pipelines(host?: string): [number, Pipeline][] {
    const all = this.#source.pipelines().map((p, i): [number, Pipeline] => [i, p]);
    return host === undefined ? all : all.filter(([, p]) => p.info.host === host);
  }

  #running(host?: string): [number, Pipeline][] {
    const running = new Set(this.#source.hosts().map(({ pipeline }) => pipeline));
    return this.#pipelines(host).filter(([, pipeline]) => running.has(pipeline));
  }

  #row(pipeline: Pipeline, epoch: number, inode: Incarnation): InodeRow {
    const cached = this.#rows.get(inode);
    if (cached !== undefined) return cached;
    const row = inodeRow(pipeline, epoch, inode);
    // free_inode still follows i_callback, and a loss may be told a second later
    const settled = inode.state === 'lost' || inode.state === 'ended';
    if (settled && (row.owed ?? 0) === 0 && pipeline.model.now - inode.last > 3e9) {
      this.#rows.set(inode, row);
    }
    return row;
  }
}

function breaches(pipeline: Pipeline | null): { broken: number; suspected: number } {
  const results = pipeline?.model.contract.results() ?? [];
  return {
    broken: results.reduce((sum, result) => sum + result.broken, 0),
    suspected: results.reduce((sum, result) => sum + result.suspected, 0),
  };
}

function inodesOf(pipeline: Pipeline | null): { inodes_live: number; inodes_ended: number } {
  const counts = [...(pipeline?.model.inodes.filesystems.counts.values() ?? [])];
  return {
    inodes_live: counts.reduce((sum, { live }) => sum + live, 0),
    inodes_ended: counts.reduce((sum, { ended }) => sum + ended, 0),
  };
}

/** Of the whole host: the counters of its nodes say the same once more. */
function poolOf({ model }: Pipeline): HostState['pool'] {
  const pools = model.pools.latest().filter(({ node }) => node < 0);
  if (pools.length === 0) return null;
  const total_kb = pools.reduce((sum, { sizeKb, total }) => sum + sizeKb * total, 0);
  const free_kb = pools.reduce((sum, { sizeKb, free }) => sum + sizeKb * free, 0);
  return { total_kb, used_kb: total_kb - free_kb };
}

function leaksOf(pipeline: Pipeline | null): HostState['leaks'] {
  const firing = (pipeline?.leaks() ?? []).filter(({ state }) => state === 'firing');
  return {
    firing: firing.length,
    pages: firing.reduce((sum, { pages }) => sum + pages, 0),
    certain: firing.some(({ verdict }) => verdict === 'certain'),
  };
}

function hostDetail(pipeline: Pipeline): HostDetail {
  const { steps, since, rate } = pipeline.model.detail;
  const since_ms = since === 0 ? 0 : pipeline.wallMs(since);
  return { asked: pipeline.info.detail, steps, since_ms, rate };
}
