/**
 * What one line at the end of an inode says of it: said when the line comes, and again
 * when the inode is unpacked (packed-lives.ts), so that both are the same.
 */
import type { EventOf, TraceEvent } from '../protocol/events.ts';
import { isLife } from '../protocol/line-kinds.ts';
import { lifeContext } from './context.ts';
import { type Incarnation, STAGE_PLACE } from './incarnation.ts';

/** A line that tells of all stages. */
export type LifeEvent = EventOf<'life' | 'tp_life' | 'raw_life'>;

export function isLifeEvent(event: TraceEvent): event is LifeEvent {
  return isLife(event.kind);
}

/** When evict() began, ns of the epoch; where tracepoints alone tell, its s_op->evict_inode. */
export function beginOf(event: LifeEvent): number {
  return event.ts - (event.kind === 'life' ? event.evict : event.evict_inode);
}

/** All but the superblock and the hugepages, which take knowledge of the time of the line. */
export function tell(inode: Incarnation, event: LifeEvent): void {
  inode.ino = event.ino;
  inode.nlink = event.nlink;
  inode.mode = event.mode;
  inode.size = event.size;
  inode.usedBy(event);
  inode.freeContext = lifeContext(event);
  if (event.kind === 'life') tellStages(inode, event);
  else {
    inode.reach('evict_inode', beginOf(event));
    inode.reach('free_inode', event.ts);
  }
  inode.note(event);
}

function tellStages(inode: Incarnation, event: EventOf<'life'>): void {
  const { ts } = event;
  inode.reachBefore(STAGE_PLACE.evict, ts, event.evict);
  inode.reachBefore(STAGE_PLACE.evict_inode, ts, event.evict_inode);
  inode.reachBefore(STAGE_PLACE.truncate_final, ts, event.truncate_final);
  inode.reachBefore(STAGE_PLACE.clear_inode, ts, event.clear_inode);
  inode.reachBefore(STAGE_PLACE.evict_inode_end, ts, event.evict_inode_end);
  inode.reachBefore(STAGE_PLACE.destroy_inode, ts, event.destroy_inode);
  inode.reachBefore(STAGE_PLACE.destroy_op, ts, event.destroy_op);
  inode.reachBefore(STAGE_PLACE.evict_end, ts, event.evict_end);
  inode.reachBefore(STAGE_PLACE.i_callback, ts, event.i_callback);
  // the last step is at the time of the line
  if (event.free_op > 0) inode.reach('free_inode', ts);
  else if (event.i_callback > 0) inode.reach('i_callback', ts);
  inode.freeCpu = event.cpu;
}
