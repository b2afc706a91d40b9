/** From the model to what the page shows of an inode. */

import { callbackContext } from '../model/context.ts';
import type { Hugepage, Incarnation } from '../model/incarnation.ts';
import type { Model } from '../model/model.ts';
import { teardownRule } from '../model/superblocks.ts';
import { owed, whyUnseen } from '../model/unseen.ts';
import type { TraceEvent } from '../protocol/events.ts';
import { LINES } from '../protocol/grammar.ts';
import type {
  CallbackRow,
  InodeDetail,
  InodeHugepage,
  InodeRow,
  TimelineEntry,
} from '../protocol/messages.ts';
import { type Context, INODE_STAGES, type InodeStage, isObserved } from '../protocol/stages.ts';
import { type Address, formatAddress, formatDev, type SbDev } from '../protocol/units.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { STAGE_OF_LINE } from '../tracer/programs.ts';
import { inodeRules } from './inode-rules.ts';

export function inodeRow(pipeline: Pipeline, epoch: number, inode: Incarnation): InodeRow {
  const { model } = pipeline;
  return {
    id: `${epoch}.${inode.number}`,
    host: pipeline.info.host,
    fs: inode.fs,
    dev: formatDev(inode.dev as SbDev),
    ino: inode.ino,
    address: inode.address === 0 ? '' : formatAddress(inode.address),
    state: inode.state,
    at_ms: pipeline.wallMs(inode.began),
    pid: inode.pid,
    comm: inode.comm,
    pages: inode.pages,
    freed: model.seesFree ? inode.freed - inode.freedBefore : null,
    owed: model.seesFree ? owed(inode) : null,
    size: inode.size,
    nlink: inode.nlink,
    evict_ns:
      inode.between('evict', 'evict_end') ?? inode.between('evict_inode', 'evict_inode_end'),
    grace_ns:
      inode.between('destroy_inode', 'i_callback') ??
      (isObserved(model.plan.i_callback) ? null : inode.between('evict_inode', 'free_inode')),
    doubtful: model.doubtful(inode),
  };
}

export function callbackRow(pipeline: Pipeline, dev: number): CallbackRow | null {
  const sb = pipeline.model.superblocks.get(dev);
  if (sb === undefined) return null;
  return {
    host: pipeline.info.host,
    fs: sb.fs,
    dev: formatDev(sb.dev),
    drop_inode: sb.drop_inode,
    evict_inode: sb.evict_inode,
    destroy_inode: sb.destroy_inode,
    free_inode: sb.free_inode,
    rule: teardownRule(sb.destroy_inode, sb.free_inode),
    confirmed: sb.confirmed,
    contradicted: sb.contradicted,
  };
}

export function inodeDetail(pipeline: Pipeline, epoch: number, inode: Incarnation): InodeDetail {
  const zero = inode.began;
  return {
    row: inodeRow(pipeline, epoch, inode),
    stages: INODE_STAGES.map((stage) => {
      const at = inode.at(stage);
      return {
        stage,
        ns: at === null ? null : at - zero,
        context: at === null ? 'unknown' : stageContext(inode, stage),
        why: at === null ? whyUnseen(pipeline.model, inode, stage) : '',
      };
    }),
    timeline: inode.evidence.map((event) => timelineEntry(inode, event, zero)),
    hugepages: inode.hugepages.map((page) => hugepageOf(page, pipeline.model)),
    callbacks: callbackRow(pipeline, inode.dev),
    rules: inodeRules(pipeline, epoch, inode),
  };
}

function stageContext(inode: Incarnation, stage: InodeStage): Context {
  return stage === 'i_callback' || stage === 'free_inode' ? inode.freeContext : 'task';
}

/** `inode`: whom the line is about, for the name of its task; null when that is not known. */
export function timelineEntry(
  inode: Incarnation | null,
  event: TraceEvent,
  zero: number,
): TimelineEntry {
  return {
    what: STAGE_OF_LINE[event.kind as keyof typeof STAGE_OF_LINE],
    ns: event.ts - zero,
    cpu: event.cpu,
    context: eventContext(inode, event),
    pid: event.pid,
    tid: event.tid,
    comm: commOf(inode, event),
    detail: detail(event),
  };
}

function eventContext(inode: Incarnation | null, event: TraceEvent): Context {
  switch (event.kind) {
    case 'i_callback':
    case 'tp_free_inode':
    case 'raw_free_inode':
      return callbackContext(event.flags, event.comm);
    case 'free_inode':
      return inode?.freeContext ?? 'unknown';
    default:
      return 'task';
  }
}

/** Only some lines carry the name of the task; others of the same task share it. */
function commOf(inode: Incarnation | null, event: TraceEvent): string {
  if ('comm' in event) return event.comm;
  return event.tid === inode?.tid && event.kind !== 'free_inode' ? inode.comm : '';
}

/** What the line says beyond time and place, in words: `refcount 514 index 3`. */
function detail(event: TraceEvent): string {
  const values = event as unknown as Record<string, number | string>;
  const skip = new Set(['inode', 'dev', 'ino', 'comm', 'sb', 'magic']);
  return LINES[event.kind].fields
    .filter(([name]) => !skip.has(name))
    .map(([name, type]) => {
      const value = values[name]!;
      if (type === 'a') return `${name} ${formatAddress(value as Address)}`;
      if (type === 'x') return `${name} 0x${Number(value).toString(16)}`;
      if (name === 'mode') return `mode 0${Number(value).toString(8)}`;
      // page cache units, which are base pages since 6.12
      if (name === 'index' && event.kind === 'hugepage_remove') return `pgoff ${value}`;
      if (Number(value) >= 2 ** 62) return `${name} max`;
      return `${name} ${value}`;
    })
    .join(' ');
}

function hugepageOf(page: Hugepage, model: Model): InodeHugepage {
  return {
    folio: page.folio === 0 ? '' : formatAddress(page.folio),
    pfn: page.pfn ?? model.hugepages.pfnOf(page.folio),
    index: page.index,
    fate: fateOf(page, model),
    extra_refs: page.extraRefs,
    back_ns:
      page.state === 'freed' && !Number.isNaN(page.removedAt)
        ? page.freedAt - page.removedAt
        : null,
  };
}

function fateOf(page: Hugepage, model: Model): InodeHugepage['fate'] {
  if (page.state === 'cached' || page.state === 'allocated') return 'cached';
  if (page.state === 'freed') return page.fate ?? 'unknown';
  return model.seesFree ? 'removed' : 'unknown';
}
