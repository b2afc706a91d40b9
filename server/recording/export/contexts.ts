/** In which task, on which CPU and in which context each stage of an inode ran, as far as told. */
import type { Incarnation } from '../../model/incarnation.ts';
import type { TraceEvent } from '../../protocol/events.ts';
import { type Context, INODE_STAGES, type InodeStage } from '../../protocol/stages.ts';

export interface StageContext {
  readonly cpu: number | null;
  readonly context: Context;
  /** The task; null where RCU borrowed whatever ran. */
  readonly pid: number | null;
  readonly tid: number | null;
}

const TRACEPOINT_STAGE: Partial<Record<TraceEvent['kind'], InodeStage>> = {
  tp_evict_inode: 'evict_inode',
  tp_free_inode: 'free_inode',
  raw_free_inode: 'free_inode',
};
const STAGES: ReadonlySet<string> = new Set(INODE_STAGES);

/** Of the stages that were seen. */
export function stageContexts(inode: Incarnation): Map<InodeStage, StageContext> {
  const cpus = stageCpus(inode);
  const contexts = new Map<InodeStage, StageContext>();
  for (const stage of INODE_STAGES) {
    if (inode.at(stage) === null) continue;
    const cpu = cpus.get(stage) ?? null;
    contexts.set(
      stage,
      stage === 'i_callback' || stage === 'free_inode'
        ? { cpu, context: inode.freeContext, pid: null, tid: null }
        : { cpu, context: 'task', pid: inode.pid, tid: inode.tid },
    );
  }
  return contexts;
}

/** A line at the end tells only two of them. */
function stageCpus(inode: Incarnation): Map<InodeStage, number> {
  const cpus = new Map<InodeStage, number>();
  for (const event of inode.evidence) {
    const stage = TRACEPOINT_STAGE[event.kind] ?? event.kind;
    if (STAGES.has(stage)) cpus.set(stage as InodeStage, event.cpu);
    if (event.kind !== 'life' && event.kind !== 'tp_life' && event.kind !== 'raw_life') continue;
    const begin = event.kind === 'life' ? 'evict' : 'evict_inode';
    if (!cpus.has(begin)) cpus.set(begin, event.evict_cpu);
    for (const last of ['i_callback', 'free_inode'] as const) {
      if (!cpus.has(last)) cpus.set(last, event.cpu);
    }
  }
  return cpus;
}
