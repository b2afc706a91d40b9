/** What a client puts together from the changes of hosts is what the server sees. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyHosts, foldUpdates } from '../../dashboard/src/fold.ts';
import { byTrouble, troubleOf } from '../../dashboard/src/hosts/trouble.ts';
import type { HostState } from '../../server/protocol/hosts.ts';
import type { Update } from '../../server/protocol/messages.ts';
import type { Plan } from '../../server/protocol/stages.ts';
import { HostChanges } from '../../server/web/host-changes.ts';
import { ledgerOf } from '../fixtures/ledgers.ts';

const plan = {} as Plan;

function hostOf(host: string, change: Partial<HostState> = {}): HostState {
  return {
    host,
    status: 'ready',
    message: '',
    epoch: 'e',
    kernel: '6.12',
    bpftrace: 'v0.23',
    fs: ['hugetlbfs'],
    plan,
    silent_ms: 0,
    events_per_s: 0,
    ledger: ledgerOf(),
    gaps: 0,
    broken: 0,
    suspected: 0,
    detail: null,
    inodes_live: 0,
    inodes_ended: 0,
    pool: null,
    leaks: { firing: 0, pages: 0, certain: false },
    ...change,
  };
}

const state = fc
  .record({
    events_per_s: fc.nat(3),
    gaps: fc.nat(2),
    pool: fc.option(fc.record({ total_kb: fc.nat(2), used_kb: fc.nat(2) })),
  })
  .map((change) => (host: string) => hostOf(host, change));
const world = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd e'), { maxLength: 4 })
  .chain((names) => fc.tuple(...names.map((name) => state.map((make) => make(name)))));

describe('changes of hosts', () => {
  it('add up to the hosts, whatever changes, comes and goes, also folded', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ hosts: world, shown: fc.boolean() })), (steps) => {
        const changes = new HostChanges();
        let shown: readonly HostState[] = [];
        let held: Update | null = null;
        for (const { hosts, shown: now } of steps) {
          const next = changes.next(() => hosts as readonly HostState[]);
          if (next !== null) {
            const update: Update = {
              ...{ type: 'update', seq: 0, view: 'hosts', coalesced: 0, now_ms: 0 },
              hosts: JSON.parse(JSON.stringify(next)),
            };
            held = foldUpdates(held, update);
          }
          if (!now || held === null) continue;
          shown = applyHosts(shown, held.hosts!);
          held = null;
          expect(shown).toEqual(hosts);
        }
      }),
    );
  });

  it('say nothing when nothing changed, and not what is large again', () => {
    const changes = new HostChanges();
    const whole = changes.next(() => [hostOf('a'), hostOf('b')]);
    expect(whole).toMatchObject({ names: ['a', 'b'], changed: [{ plan }, { plan }] });
    expect(changes.next(() => [hostOf('a'), hostOf('b')])).toBeNull();
    const some = changes.next(() => [hostOf('a'), hostOf('b', { gaps: 1 })]);
    expect(some).toEqual({ changed: [{ host: 'b', gaps: 1 }] });
    changes.reset();
    expect(changes.next(() => [hostOf('a')])).toMatchObject({ names: ['a'], changed: [{ plan }] });
  });

  it('look at many hosts less often', () => {
    const changes = new HostChanges();
    let made = 0;
    const hosts = () => {
      made++;
      return Array.from({ length: 200 }, (_, i) => hostOf(`h${i}`, { gaps: made }));
    };
    for (let i = 0; i < 100; i++) changes.next(hosts);
    expect(made).toBe(10);
  });
});

describe('trouble of hosts', () => {
  it('comes in the order in which somebody should look', () => {
    const hosts = [
      hostOf('calm'),
      hostOf('lossy', { ledger: ledgerOf({ ring_buffer: 7 }) }),
      hostOf('leaky', { leaks: { firing: 1, pages: 3, certain: true } }),
      hostOf('gone', { status: 'failed', message: 'no route' }),
      hostOf('quiet', { silent_ms: 9000 }),
      hostOf('starting', { status: 'attaching' }),
    ];
    expect(byTrouble(hosts).map(({ host }) => host)).toEqual([
      ...['gone', 'leaky', 'quiet', 'lossy', 'starting', 'calm'],
    ]);
    expect(troubleOf(hosts[2]!)).toMatchObject({ tone: 'bad', words: ['1 leak, 3 hugepages'] });
    expect(troubleOf(hosts[0]!)).toEqual({ tone: 'good', words: [], rank: 0 });
  });
});
