/** Where RCU called back: the flags and the name of the task that it borrowed. */
import type { Context } from '../protocol/stages.ts';

/** PF_KTHREAD (include/linux/sched.h): the same bit since 3.x. */
const PF_KTHREAD = 0x0020_0000;

/** RCU callbacks run in a softirq on top of any task, in ksoftirqd, or in a thread of RCU (rcu_nocbs). */
export function callbackContext(flags: number, comm: string): Context {
  if ((flags & PF_KTHREAD) !== 0) {
    if (comm.startsWith('rcu') && /^rcu((op|og|oc|c|b)\/|_)/.test(comm)) return 'rcu-thread';
    if (comm.startsWith('ksoftirqd/')) return 'ksoftirqd';
  }
  return 'softirq';
}

/** Kernel threads that RCU calls back in, by the first four bytes of their names. */
const CONTEXTS = new Map<number, Context>([
  ...['rcuo', 'rcuc', 'rcug', 'rcub', 'rcu_'].map(
    (name) => [firstBytes(name), 'rcu-thread'] as const,
  ),
  [firstBytes('ksof'), 'ksoftirqd'],
]);

function firstBytes(name: string): number {
  return Buffer.from(name, 'latin1').readInt32LE(0);
}

/** Where RCU called back, from the flags of the task it borrowed and the first bytes of its name. */
export function lifeContext({
  flags,
  by,
}: {
  readonly flags: number;
  readonly by: number;
}): Context {
  if ((flags & PF_KTHREAD) === 0) return 'softirq';
  // as much of the name as the line has room for
  return CONTEXTS.get(by | 0) ?? 'softirq';
}
