/** What NDJSON and CSV say of each thing, as plain data. docs/export.md describes the fields. */

import { RULES } from '../../model/contract/rules.ts';
import type { GoneHugepage } from '../../model/hugepages.ts';
import type { Incarnation } from '../../model/incarnation.ts';
import type { Model } from '../../model/model.ts';
import type { PoolSample } from '../../model/pools.ts';
import { owed, whyUnseen } from '../../model/unseen.ts';
import { INODE_STAGES, isObserved } from '../../protocol/stages.ts';
import { formatAddress, formatDev, type SbDev } from '../../protocol/units.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import { stageContexts } from './contexts.ts';

export type Scalar = string | number | boolean | null;

/** `EPOCH.NUMBER`: names an inode within the export. */
export function inodeId(pipeline: Pipeline, inode: Incarnation): string {
  return `${pipeline.info.number}.${inode.number}`;
}

/** What is the same in every record of an epoch. */
function of({ info }: Pipeline) {
  return { epoch: info.number, host: info.host };
}

export function epochRecord(pipeline: Pipeline) {
  const { info } = pipeline;
  return {
    ...of(pipeline),
    boot_id: info.boot_id,
    kernel: info.kernel,
    machine: info.machine,
    bpftrace: info.bpftrace,
    cpus: info.cpus,
    fs: info.fs,
    detail: info.detail,
    started: new Date(info.started_ms).toISOString(),
    plan: info.plan,
  };
}

/** At the end of an epoch: the counts of the report, and what its times are relative to. */
export function totalsRecord(pipeline: Pipeline) {
  const { model, ledger, origin } = pipeline;
  const counts = [...model.inodes.filesystems.counts.values()];
  const sum = (of: 'ended' | 'live' | 'lost') => counts.reduce((n, c) => n + c[of], 0);
  const losses = ledger.totals();
  return {
    ...of(pipeline),
    boottime_ns: origin === null ? null : String(origin),
    wall_ms: origin === null || pipeline.wallMs(0) === 0 ? null : pipeline.wallMs(0),
    last_ns: model.now,
    events: ledger.events,
    inodes: { ended: sum('ended'), live: sum('live'), lost: sum('lost') },
    hugepages: {
      allocated: model.hugepages.allocated,
      freed: model.seesFree ? model.hugepages.freed : null,
      attributed: model.seesFree ? model.hugepages.attributed : null,
      outstanding: model.seesFree ? model.hugepages.outstanding : null,
    },
    losses: {
      not_run: losses.not_run,
      map_full: losses.map_full,
      ring_buffer: losses.ring_buffer,
      rejected: ledger.rejected,
      balanced: losses.balanced,
    },
  };
}

export function inodeRecord(pipeline: Pipeline, inode: Incarnation) {
  const { model } = pipeline;
  const stages: Record<string, number | null> = {};
  const unseen: Record<string, string> = {};
  for (const stage of INODE_STAGES) {
    stages[stage] = inode.at(stage);
    // one that is in use has reached none
    if (stages[stage] === null && isObserved(model.plan[stage]) && inode.state !== 'open') {
      unseen[stage] = whyUnseen(model, inode, stage);
    }
  }
  return {
    ...of(pipeline),
    id: inodeId(pipeline, inode),
    ...identity(inode),
    state: inode.state,
    born: inode.born,
    doubtful: model.doubtful(inode),
    first_ns: inode.first,
    last_ns: inode.last,
    ...lastUser(inode),
    ...backing(model, inode),
    evict_took_ns:
      inode.between('evict', 'evict_end') ?? inode.between('evict_inode', 'evict_inode_end'),
    grace_took_ns: inode.between('destroy_inode', 'i_callback'),
    free_context: inode.freeContext,
    free_cpu: inode.freeCpu === -1 ? null : inode.freeCpu,
    broken: verdicts(inode, 'broken'),
    suspected: verdicts(inode, 'suspected'),
    stages,
    unseen,
    contexts: Object.fromEntries(stageContexts(inode)),
  };
}
export type InodeRecord = ReturnType<typeof inodeRecord>;

/** Null until a line tells it: alloc_inode() gives none yet. */
function numberOf(inode: Incarnation): number | null {
  return inode.ino === 0 ? null : inode.ino;
}

export function identity(inode: Incarnation) {
  return {
    fs: inode.fs,
    s_dev: formatDev(inode.dev as SbDev),
    ino: numberOf(inode),
    address: inode.address === 0 ? null : formatAddress(inode.address),
  };
}

/** The task that dropped the last reference, and the inode as it was then. */
export function lastUser(inode: Incarnation) {
  return {
    pid: inode.pid,
    tid: inode.tid,
    comm: inode.comm,
    nlink: inode.nlink,
    mode: inode.mode,
    size: inode.size,
  };
}

/** Hugepages: held at evict, given back since, still owed; null where the host does not show it. */
export function backing(model: Model, inode: Incarnation) {
  return {
    pages: inode.pages,
    freed: model.seesFree ? inode.freed - inode.freedBefore : null,
    owed: model.seesFree ? owed(inode) : null,
  };
}

/** The rules of the contract that it broke, or seems to have broken. */
export function verdicts(inode: Incarnation, which: 'broken' | 'suspected'): string[] {
  return RULES.filter((_, i) => (inode[which] & (1 << i)) !== 0).map((rule) => rule.id);
}

export function hugepageRecord(pipeline: Pipeline, gone: GoneHugepage) {
  const { page, owner, folio } = gone;
  const removed = page === null || Number.isNaN(page.removedAt) ? null : page.removedAt;
  return {
    ...of(pipeline),
    inode: owner === null ? null : inodeId(pipeline, owner),
    fs: owner?.fs ?? null,
    s_dev: owner === null ? null : formatDev(owner.dev as SbDev),
    ino: owner === null ? null : numberOf(owner),
    folio: folio === 0 ? null : formatAddress(folio),
    pfn: page?.pfn ?? pipeline.model.hugepages.pfnOf(folio),
    index: page === null || owner === null ? null : page.index,
    state: hugepageState(pipeline.model, gone),
    fate: page?.fate ?? null,
    extra_refs: page?.extraRefs ?? null,
    removed_ns: removed,
    freed_ns: gone.freedAt,
    back_ns: removed === null || gone.freedAt === null ? null : gone.freedAt - removed,
  };
}
export type HugepageRecord = ReturnType<typeof hugepageRecord>;

/** Where it was last: still there when the recording ends, unless `freed`, `unseen` or `lost`. */
function hugepageState(
  model: Model,
  { page, freedAt }: GoneHugepage,
): 'freed' | 'unseen' | 'lost' | 'allocated' | 'cached' | 'removed' {
  if (freedAt !== null || page === null) return 'freed';
  if (!model.hugepages.isKnown(page)) return model.seesFree ? 'lost' : 'unseen';
  return page.state;
}

export function poolRecord(pipeline: Pipeline, sample: PoolSample) {
  return {
    ...of(pipeline),
    ts_ns: sample.ts,
    size_kb: sample.sizeKb,
    node: sample.node,
    total: sample.total,
    free: sample.free,
    reserved: sample.reserved,
    surplus: sample.surplus,
  };
}

export function gapRecords(pipeline: Pipeline) {
  return pipeline.model.gaps.list.map((gap) => ({
    ...of(pipeline),
    from_ns: gap.from,
    to_ns: Number.isFinite(gap.to) ? gap.to : null,
    lost: gap.lost,
    where: gap.where,
    detail: gap.detail,
  }));
}

export function leakRecords(pipeline: Pipeline) {
  return pipeline.leaks().map(({ epoch: _, host: _host, ...leak }) => ({
    ...of(pipeline),
    ...leak,
  }));
}

export function findingRecords(pipeline: Pipeline) {
  return pipeline.model.contract.findings.map((finding) => ({
    ...of(pipeline),
    number: finding.number,
    rule: finding.rule,
    verdict: finding.verdict,
    ts_ns: finding.ts,
    inode: finding.inode === null ? null : inodeId(pipeline, finding.inode),
    what: finding.what,
    sentence: finding.sentence,
  }));
}
