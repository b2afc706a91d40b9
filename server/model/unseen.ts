/** What is missing of an inode: hugepages that it owes, and stages that were not seen. */
import { INODE_STAGES, type InodeStage } from '../protocol/stages.ts';
import type { Incarnation } from './incarnation.ts';
import type { Model } from './model.ts';
import { freesItself } from './superblocks.ts';

/** Hugepages that left the page cache, or were in it at evict, and are not back. */
export function owed(inode: Incarnation): number {
  const left = Math.max(0, inode.removed - inode.freed);
  const held = inode.pages - (inode.freed - inode.freedBefore);
  return inode.state === 'open' ? left : Math.max(left, held, 0);
}

/** Not observable, NULL, not reached, or lost: each is a different thing. */
export function whyUnseen(model: Model, inode: Incarnation, stage: InodeStage): string {
  const entry = model.plan[stage];
  if ('missing' in entry) return `not observable here: ${entry.missing}`;
  const sb = model.superblocks.get(inode.dev);
  const op = {
    evict_inode: 'evict_inode',
    evict_inode_end: 'evict_inode',
    destroy_op: 'destroy_inode',
    free_inode: 'free_inode',
  } as const;
  const name = op[stage as keyof typeof op];
  if (sb !== undefined && name !== undefined && sb[name] === '0') {
    return `not called: s_op->${name} is NULL`;
  }
  if (stage === 'i_callback' && sb !== undefined && freesItself(sb)) {
    return `not called: ${sb.destroy_inode}() frees the inode by itself`;
  }
  if (inode.state === 'open') return 'not reached: the inode is in use';
  const later = INODE_STAGES.slice(INODE_STAGES.indexOf(stage) + 1);
  const passed = inode.state === 'ended' || later.some((s) => inode.at(s) !== null);
  if (inode.state === 'lost') return 'lost: its end fell into a gap';
  if (!passed) return inode.state === 'grace' ? 'not reached: waiting for RCU' : 'not reached yet';
  if (model.doubtful(inode)) return 'lost: events were lost while this inode lived';
  return 'not seen, though nothing is known to be lost: tracing may have begun in between';
}
