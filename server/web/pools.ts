/** Pools, the subpools of mounts, promised hugepages, and leaks with their alerts. */
import type { Subpool } from '../model/subpools.ts';
import type { SessionAlert } from '../protocol/alerts.ts';
import type { LeakRow, PoolRow, PoolsView, PromisedRow, SubpoolRow } from '../protocol/pool-map.ts';
import { isObserved, type Stage } from '../protocol/stages.ts';
import { formatAddress, formatDev, type SbDev } from '../protocol/units.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** Rows of one list. */
const MAX_ROWS = 500;

/** A pipeline with its place in the session. */
export type Epoch = readonly [number: number, pipeline: Pipeline];

export function poolsView(epochs: readonly Epoch[]): PoolsView {
  return {
    pools: epochs.flatMap(([, pipeline]) => poolRows(pipeline)),
    subpools: epochs.flatMap((epoch) => subpoolRows(epoch)).slice(0, MAX_ROWS),
    promised: epochs
      .flatMap((epoch) => promisedRows(epoch))
      .sort((a, b) => b.pages - a.pages)
      .slice(0, MAX_ROWS),
    unseen: epochs.flatMap(([, pipeline]) => [
      ...missing(pipeline, 'subpools', ['new_subpool', 'subpool', 'put_subpool']),
      ...missing(pipeline, 'promises', ['reserve', 'unreserve']),
    ]),
  };
}

function poolRows({ info, model }: Pipeline): PoolRow[] {
  return model.pools.latest().map(({ sizeKb, node, total, free, reserved, surplus }) => ({
    host: info.host,
    size_kb: sizeKb,
    node,
    total,
    free,
    reserved,
    surplus,
  }));
}

function subpoolRows([number, pipeline]: Epoch): SubpoolRow[] {
  const { model, info } = pipeline;
  return model.subpools.all().map((subpool) => {
    const finding = leakOf(pipeline, subpool);
    return {
      host: info.host,
      subpool: formatAddress(subpool.address),
      dev: subpool.dev === null ? '' : formatDev(subpool.dev as SbDev),
      max: limit(subpool.max),
      min: limit(subpool.min),
      used: subpool.max < 0 ? null : subpool.used,
      reserved: subpool.min < 0 ? null : subpool.reserved,
      told_ms: Math.round(pipeline.wallMs(subpool.told)),
      state: finding === undefined ? subpool.state : 'leaked',
      verdict: finding?.verdict ?? null,
      finding: finding === undefined ? '' : `${number}.${finding.number}`,
      doubtful: model.gaps.overlaps(subpool.made.ts, model.now),
    };
  });
}

/** -1 stands for none. */
function limit(pages: number): number | null {
  return pages < 0 ? null : pages;
}

/** The finding that nobody put it. */
function leakOf({ model }: Pipeline, { made }: Subpool) {
  return model.contract.findings.find(
    ({ rule, lines }) =>
      rule === 'R19' &&
      lines.some(
        (line) =>
          (line.kind === 'new_subpool' || line.kind === 'subpool') &&
          line.subpool === made.subpool &&
          line.ts === made.ts,
      ),
  );
}

function promisedRows([number, pipeline]: Epoch): PromisedRow[] {
  const { model, info } = pipeline;
  const out: PromisedRow[] = [];
  for (const { inode, pages, exact } of model.promises.all()) {
    if (inode.canary) continue;
    out.push({
      host: info.host,
      inode: `${number}.${inode.number}`,
      fs: inode.fs,
      dev: formatDev(inode.dev as SbDev),
      ino: inode.ino,
      size_kb: model.pageSizes.of(inode) / 1024,
      pages,
      exact,
      doubtful: model.doubtful(inode),
    });
  }
  return out;
}

/** The first stage of these that this host does not show. */
function missing(
  { info }: Pipeline,
  what: 'subpools' | 'promises',
  stages: readonly Stage[],
): PoolsView['unseen'] {
  for (const stage of stages) {
    const entry = info.plan[stage];
    if (!isObserved(entry)) return [{ host: info.host, what, why: `${stage}: ${entry.missing}` }];
  }
  return [];
}

/** Leaks of hugepages of inodes: those of all epochs shown, each with the alert that it raised. */
export function leakRows(
  epochs: readonly Epoch[],
  alerts: readonly SessionAlert[],
  inode?: string,
): LeakRow[] {
  const keys = new Map(
    [...alerts]
      .reverse()
      .map((alert) => [alert.leak.id, `${alert.fingerprint}-${alert.active_ms}`]),
  );
  const rows = epochs.flatMap(([, pipeline]) =>
    pipeline
      .leaks()
      .filter((leak) => (inode === undefined ? leak.state === 'firing' : leak.inode === inode))
      .map(
        (leak): LeakRow => ({
          id: leak.id,
          kind: leak.kind,
          state: leak.state,
          verdict: leak.verdict,
          host: leak.host,
          fs: leak.fs,
          ino: leak.ino,
          inode: leak.inode,
          pages: leak.pages,
          bytes: leak.bytes,
          text: leak.text,
          suspects: leak.suspects,
          since_ms: Math.round(pipeline.wallMs(leak.since_ns)),
          until_ms: leak.until_ns === null ? null : Math.round(pipeline.wallMs(leak.until_ns)),
          alert: keys.get(leak.id) ?? '',
        }),
      ),
  );
  const order = (leak: LeakRow) =>
    (leak.state === 'firing' ? 0 : 4) +
    (leak.kind === 'pinned' ? 0 : 2) +
    (leak.verdict === 'certain' ? 0 : 1);
  return rows.sort((a, b) => order(a) - order(b)).slice(0, MAX_ROWS);
}
