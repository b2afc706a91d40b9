/** What the page says of one line. */
import { expect, it } from 'vitest';
import type { TraceEvent } from '../../server/protocol/events.ts';
import { timelineEntry } from '../../server/web/rows.ts';

const KTHREAD = 0x0020_0000;

it.each([
  ['i_callback', 0, 'memfd', 'softirq'],
  ['i_callback', KTHREAD, 'ksoftirqd/1', 'ksoftirqd'],
  ['tp_free_inode', KTHREAD, 'rcuop/3', 'rcu-thread'],
  ['raw_free_inode', KTHREAD, 'rcuc/0', 'rcu-thread'],
  ['raw_free_inode', KTHREAD, 'ksoftirqd/0', 'ksoftirqd'],
  ['raw_free_inode', 0, 'ksoftirqd/0', 'softirq'],
  ['free_inode', KTHREAD, 'rcuop/3', 'unknown'],
  ['evict', KTHREAD, 'rcuop/3', 'task'],
])('%s, flags %i, of %s: %s', (kind, flags, comm, context) => {
  const event = { kind, ts: 5, cpu: 1, pid: 2, tid: 3, flags, comm } as unknown as TraceEvent;
  expect(timelineEntry(null, event, 2)).toMatchObject({ ns: 3, cpu: 1, context, comm });
});
