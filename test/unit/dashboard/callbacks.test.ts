import { describe, expect, it } from 'vitest';
import { callbacksAsText } from '../../../dashboard/src/callbacks/asText.ts';
import { asText } from '../../../dashboard/src/share/plainText.ts';
import type { CallbackRow } from '../../../server/protocol/messages.ts';
import type { ByFs } from '../../../server/protocol/report.ts';

const row = (dev: string, more: Partial<CallbackRow> = {}): CallbackRow => ({
  host: 'vm',
  fs: 'ext4',
  dev,
  drop_inode: '0',
  evict_inode: 'ext4_evict_inode',
  destroy_inode: 'ext4_destroy_inode',
  free_inode: 'ext4_free_in_core_inode',
  rule: 'destroy_inode at once, free_inode after a grace period from i_callback',
  confirmed: 2,
  contradicted: 0,
  ...more,
});

const OF: ByFs[string] = {
  ended: 4,
  live: 0,
  lost: 0,
  i_callback: { softirq: 3, ksoftirqd: 0, rcu_thread: 1 },
  hugepages_back: {
    before_evict: 1,
    evict_inode: 200,
    destroy_inode: 0,
    evict: 0,
    grace_period: 0,
    later: 2,
  },
};

const textOf = (...args: Parameters<typeof callbacksAsText>) =>
  asText([], [callbacksAsText(...args)]);

describe('callbacks as text', () => {
  it('say each set of functions once, whole, and of which devices', () => {
    const text = textOf([row('8:1'), row('8:2'), row('8:3', { free_inode: '0' })], {}, []);
    expect(text.match(/ext4_destroy_inode/g)).toHaveLength(2);
    expect(text).toMatch(/^ext4 +8:1 8:2 on vm$/m);
    expect(text).toMatch(/^ {2}drop_inode +NULL$/m);
    expect(text).toMatch(/^ {2}seen +4 confirmed, 0 contradicted$/m);
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('say what ran, and leave out what did not', () => {
    const spread = { count: 4, p50_ns: 1500, p90_ns: 2000, p99_ns: 3000, max_ns: 3000 };
    const latencies = [{ pair: 'destroy_inode..i_callback', fs: 'hugetlbfs', ...spread }];
    const text = textOf([], { hugetlbfs: OF, tmpfs: { ...OF, ended: 0 } }, latencies);
    expect(text).not.toContain('tmpfs');
    expect(text).not.toContain('evict_inode took');
    expect(text).toMatch(/^ {2}RCU waited +p50 1\.50 µs, p99 3\.00 µs$/m);
    expect(text).toMatch(/^ {2}i_callback\(\) ran +3 in softirq, 1 in a thread of RCU$/m);
    expect(text.replaceAll(/\s+/g, ' ')).toContain(
      'hugepages back 1 before evict(), 200 in s_op->evict_inode, 2 after i_callback()',
    );
  });

  it('let no name of the host out of its place', () => {
    const text = textOf([row('8:1', { fs: '\u202egnp', evict_inode: 'a\nb\u001b[31m' })], {}, []);
    expect(text).toContain('\\u202egnp');
    expect(text).not.toMatch(/[\u202e\u001b]/);
  });
});
