/** What the callbacks of a filesystem did, in the words of the report and of the page. */
import type { ByFs } from './report.ts';
import { BACK_WHEN, type BackWhen } from './stages.ts';

export const BACK_TEXT: Record<BackWhen, string> = {
  before_evict: 'before evict()',
  evict_inode: 'in s_op->evict_inode',
  destroy_inode: 'in destroy_inode()',
  evict: 'elsewhere in evict()',
  grace_period: 'in the grace period',
  later: 'after i_callback()',
};

/** `3 in softirq, 1 in ksoftirqd`; empty where none was seen. */
export function ranWords({ softirq, ksoftirqd, rcu_thread }: ByFs[string]['i_callback']): string {
  return counted([
    [softirq, 'in softirq'],
    [ksoftirqd, 'in ksoftirqd'],
    [rcu_thread, 'in a thread of RCU'],
  ]);
}

/** `5 before evict(), 8 in s_op->evict_inode`; empty where none came back, or nobody sees that. */
export function backWords(back: ByFs[string]['hugepages_back']): string {
  return back === null ? '' : counted(BACK_WHEN.map((when) => [back[when], BACK_TEXT[when]]));
}

/** What there is none of is left out. */
function counted(all: readonly (readonly [count: number, what: string])[]): string {
  const some = all.filter(([count]) => count > 0);
  return some.map(([count, what]) => `${count} ${what}`).join(', ');
}
