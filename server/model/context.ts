/** Where RCU called back: the flags and the name of the task that it borrowed. */
import type { Context } from '../protocol/stages.ts';

/** PF_KTHREAD (include/linux/sched.h): the same bit since 3.x. */
const PF_KTHREAD = 0x0020_0000;

/** RCU callbacks run in a softirq on top of any task, in ksoftirqd, or in a thread of RCU (rcu_nocbs). */
export function callbackContext(flags: number, comm: string): Context {
  if ((flags & PF_KTHREAD) !== 0) {
    if (/^rcu(op|og|oc|c|b)\//.test(comm) || comm.startsWith('rcu_')) return 'rcu-thread';
    if (comm.startsWith('ksoftirqd/')) return 'ksoftirqd';
  }
  return 'softirq';
}

/** Where RCU called back, from the flags of the task it borrowed and the first bytes of its name. */
export function lifeContext({
  flags,
  by,
}: {
  readonly flags: number;
  readonly by: number;
}): Context {
  if ((flags & PF_KTHREAD) === 0) return callbackContext(flags, '');
  const name = String.fromCharCode(by & 0xff, (by >>> 8) & 0xff, (by >>> 16) & 0xff, by >>> 24);
  // `rcuo`, `rcuc`, `rcub`, `rcu_`, `ksof`: as much of the name as the line has room for
  const full: Record<string, string> = { ksof: 'ksoftirqd/', rcu_: 'rcu_' };
  return callbackContext(flags, full[name] ?? (/^rcu[ocgb]/.test(name) ? 'rcuop/' : name));
}
