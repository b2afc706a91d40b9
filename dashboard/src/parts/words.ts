import type { TracerStatus } from '../../../server/protocol/hosts.ts';
import type { InodeState } from '../../../server/protocol/messages.ts';
import type { Context } from '../../../server/protocol/stages.ts';

/** What each state means, in a sentence: for tooltips. */
export const STATE_TEXT: Record<InodeState, string> = {
  open: 'seen, not in evict',
  evicting: 'evict() runs',
  grace: 'destroyed, waiting for RCU',
  ended: 'its memory was freed',
  lost: 'its end fell into a gap of the trace',
};

export const CONTEXT_TEXT: Record<Context, string> = {
  task: 'task',
  softirq: 'softirq',
  ksoftirqd: 'ksoftirqd',
  'rcu-thread': 'RCU thread',
  unknown: 'unknown',
};

/** How a tracer's status looks: tone, and whether it is on its way. */
export const STATUS_TONE: Record<TracerStatus, 'good' | 'warn' | 'bad' | 'idle'> = {
  connecting: 'warn',
  planning: 'warn',
  attaching: 'warn',
  ready: 'good',
  blind: 'bad',
  restarting: 'bad',
  stopped: 'idle',
  failed: 'bad',
};

/** What a pair of stages measures; unknown pairs are shown by their stages alone. */
export const PAIR_TEXT: Readonly<Record<string, string>> = {
  'evict..evict_end': 'evict() in all',
  'evict..evict_inode': 'before the file system’s hook',
  'evict_inode..evict_inode_end': 's_op->evict_inode',
  'evict..clear_inode': 'until clear_inode()',
  'evict_inode..free_inode': 'from its hook to its slab',
  'evict_inode..clear_inode': 'pages and reservations',
  'clear_inode..destroy_inode': 'after clear_inode()',
  'destroy_inode..destroy_op': 'before s_op->destroy_inode',
  'destroy_inode..i_callback': 'grace period',
  'evict_end..i_callback': 'grace period after evict()',
  'i_callback..free_inode': 'RCU callback to free',
  'evict..i_callback': 'evict to RCU callback',
  'evict..free_inode': 'whole end of the inode',
};
