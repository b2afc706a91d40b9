/** The Hugepages view as the server makes it, over a pool that leaks. */
import { expect, it } from 'vitest';
import { PAGE_STATES } from '../../server/protocol/pool-map.ts';
import { Views } from '../../server/web/views.ts';
import { LeakyHost } from '../fixtures/leaks.ts';
import { endLeak, POOL_EPOCH, traceLeakyPool } from '../fixtures/leaky-pool.ts';

function leaky() {
  const host = new LeakyHost(POOL_EPOCH, () => {}, true);
  traceLeakyPool(host);
  const { pipeline } = host;
  const views = new Views(
    {
      mode: 'live',
      banner: null,
      workload: null,
      now: () => 0,
      hosts: () => [{ host: 'box', status: 'ready', message: '', pipeline, heardAt: 0 }],
      pipelines: () => [pipeline],
    },
    () => 0,
  );
  return { host, views };
}

it('tells each hugepage that is not in the pool, whose it is, and which leak it is in', () => {
  const { views } = leaky();
  const leaks = views.leaks([], {});
  const [table, ...others] = views.hugepages(leaks);
  expect(others).toEqual([]);
  const rows = table!.pfn.map((_, row) => {
    const inode = table!.inodes[table!.inode[row]!]!.ino;
    const leak = table!.leak[row]! < 0 ? '' : ' leaked';
    const taker = table!.tasks[table!.taker[row]!];
    return `${inode}[${table!.index[row]}] ${PAGE_STATES[table!.state[row]!]}${leak}${taker ? ` by ${taker.comm} ${taker.pid}` : ''}`;
  });
  expect(rows.sort()).toEqual([
    '2078[1] removed leaked',
    '2078[2] removed leaked',
    '3000[-1] private by perl 395',
    ...Array.from({ length: 9 }, (_, i) => `3000[${i}] cached`),
    '3000[9] removed',
  ]);
  for (const column of ['folio', 'state', 'inode', 'index', 'extra_refs', 'since_ms'] as const) {
    expect(table![column]).toHaveLength(13);
  }
  expect(table).toMatchObject({ host: 'box', size_kb: 2048, left_out: 0 });
});

it('tells hugepages in the page cache of a held file, and none of a leak that is over', () => {
  const { views } = leaky();
  const [pinned] = views.leaks([], {});
  const held = { ...pinned!, id: '1.held.9', kind: 'held', inode: '0.2' } as const;
  const leaking = (leaks: Parameters<typeof views.hugepages>[0]) => {
    const [table] = views.hugepages(leaks);
    return table!.leak.flatMap((leak, row) =>
      leak < 0 ? [] : [`${table!.leaks[leak]} ${PAGE_STATES[table!.state[row]!]}`],
    );
  };
  expect(leaking([held])).toEqual(Array(9).fill('1.held.9 cached'));
  expect(leaking([{ ...pinned!, state: 'resolved' }])).toEqual([]);
});

it('names the leak that hugepages are in, with its alert, and all of one inode after its end', () => {
  const { host, views } = leaky();
  const alerts = host.pipeline.alerts.list().map((alert) => ({
    ...alert,
    active_ms: 5,
    starts_ms: 5,
    ends_ms: null,
    since_ms: 0,
    lasted_ms: 0,
    silence: null,
    recording: null,
  }));
  expect(views.leaks(alerts, {})).toMatchObject([
    {
      kind: 'pinned',
      inode: '0.1',
      pages: 2,
      alert: `${alerts.find((a) => a.leak.kind === 'pinned')!.fingerprint}-5`,
    },
    { kind: 'reservation', inode: null, pages: 2 },
  ]);
  expect(views.leaks([], { host: 'other' })).toEqual([]);
  endLeak(host);
  expect(views.leaks([], {}).map(({ kind }) => kind)).toEqual(['reservation']);
  expect(views.leaks([], { inode: '0.1' })).toMatchObject([{ kind: 'pinned', state: 'resolved' }]);
  const [table] = views.hugepages(views.leaks([], {}));
  expect(table!.leak.every((leak) => leak < 0)).toBe(true);
});

it('tells pools, mounts with the finding of one that leaked, and promises', () => {
  const { views } = leaky();
  expect(views.pools()).toMatchObject({
    pools: [{ host: 'box', size_kb: 2048, node: -1, total: 64, free: 48, reserved: 12 }],
    subpools: [
      { dev: '0:44', state: 'mounted', max: 8, min: 4, used: 0, reserved: 4, finding: '' },
      { dev: '0:45', state: 'leaked', verdict: 'certain', max: null, used: null, reserved: 2 },
    ],
    promised: [{ inode: '0.2', ino: 3000, pages: 6, exact: true, doubtful: false, size_kb: 2048 }],
    unseen: [],
  });
  const { finding } = views.pools().subpools[1]!;
  expect(views.finding(finding)?.row.rule).toBe('R19');
  expect(views.pools('other')).toEqual({ pools: [], subpools: [], promised: [], unseen: [] });
});
