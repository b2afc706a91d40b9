/** Points of the charts: of a few hosts each, of many their sum. */
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../server/model/histogram.ts';
import type { Pipeline } from '../../server/tracer/pipeline.ts';
import { History } from '../../server/web/history.ts';
import type { Source } from '../../server/web/source.ts';

/** A host with counters that a test sets. */
class Host {
  readonly counts = { ended: 0, live: 0, lost: 0 };
  readonly ledger = { events: 0, lostEvents: 0 };
  readonly gaps = { isDown: false };
  readonly latencies = new Map([['evict..evict_end hugetlbfs', new Histogram()]]);
  readonly pipeline: Pipeline;

  constructor(host: string, free: number) {
    const pool = { ts: 0, sizeKb: 2048, node: -1, total: 10, free, reserved: null, surplus: 1 };
    this.pipeline = {
      info: { host, boot_id: host },
      ledger: this.ledger,
      model: {
        inodes: {
          filesystems: {
            counts: new Map([['hugetlbfs', this.counts]]),
            latencies: this.latencies,
          },
        },
        pools: { latest: () => [pool] },
        gaps: this.gaps,
      },
    } as unknown as Pipeline;
  }

  passes(ended: number): void {
    this.counts.ended += ended;
    this.ledger.events += 10 * ended;
    for (let i = 0; i < ended; i++) this.latencies.get('evict..evict_end hugetlbfs')!.add(1000);
  }
}

function sourceOf(hosts: readonly Host[]): Source {
  return {
    mode: 'live',
    hosts: () => hosts.map(({ pipeline }) => ({ host: pipeline.info.host })),
    pipelines: () => hosts.map(({ pipeline }) => pipeline),
  } as unknown as Source;
}

const hostsOf = (count: number) => Array.from({ length: count }, (_, i) => new Host(`h ${i}`, i));

describe('the charts', () => {
  it('have a line for each of a few hosts, and that of one where it is chosen', () => {
    const hosts = hostsOf(3);
    const history = new History(sourceOf(hosts));
    for (const [i, host] of hosts.entries()) host.passes(i + 1);
    history.sample(1000);
    const all = history.since(0)!;
    expect(all.ended).toEqual({ 'h 0 hugetlbfs': [1], 'h 1 hugetlbfs': [2], 'h 2 hugetlbfs': [3] });
    expect([all.events, all.lost]).toEqual([[60], [0]]);
    const one = history.since(0, 'h 1')!;
    expect(one.ended).toEqual({ 'h 1 hugetlbfs': [2] });
    expect(Object.keys(one.pools)).toEqual(['h 1 2048 -1']);
    expect(one.events).toEqual([20]);
    const latency = history.latency('evict..evict_end', 0, 'h 1')!;
    expect(Object.keys(latency.by)).toEqual(['h 1 hugetlbfs']);
  });

  it('have the sum of many hosts, under the name of none; of one, ten minutes', () => {
    const hosts = hostsOf(20);
    const history = new History(sourceOf(hosts));
    for (let second = 1; second <= 700; second++) {
      for (const host of hosts) host.passes(1);
      if (second === 700) hosts[3]!.ledger.lostEvents = 5;
      history.sample(second * 1000);
    }
    const all = history.since(0)!;
    expect(all.t).toHaveLength(700);
    expect(all.ended).toEqual({ ' hugetlbfs': new Array(700).fill(20) });
    expect(all.events).toEqual(new Array(700).fill(200));
    expect(all.lost.at(-1)).toBe(5);
    const pool = all.pools[' 2048 -1']!;
    expect([pool.total[0], pool.free[699], pool.reserved[0], pool.surplus[0]]).toEqual([
      ...[200, 190, null, 20],
    ]);
    const one = history.since(0, 'h 3')!;
    expect(one.t).toHaveLength(600);
    expect(one.events).toEqual(new Array(600).fill(10));
    expect([one.lost[0], one.lost.at(-1)]).toEqual([0, 5]);
    const latency = history.latency('evict..evict_end', 0, 'h 3')!;
    expect(Object.keys(latency.by)).toEqual([' hugetlbfs']);
    const { cells, p50 } = latency.by[' hugetlbfs']!;
    expect(cells[300]![1]).toBe(20);
    expect(p50[300]).toBeGreaterThan(900);
  });

  it('have a hole, and no zero, where nobody watches: of one host, and of all of them', () => {
    const hosts = hostsOf(2);
    const history = new History(sourceOf(hosts));
    const watched = [
      [true, true],
      [true, false],
      [false, false],
      [false, false],
      [false, false],
      [true, true],
    ];
    watched.forEach((states, second) => {
      states.forEach((sees, i) => {
        hosts[i]!.gaps.isDown = !sees;
      });
      history.sample((second + 1) * 1000);
    });
    expect(history.since(0)!.t).toEqual([1000, 2000, 6000]);
    expect(history.since(0, 'h 0')!.t).toEqual([1000, 2000, 6000]);
    expect(history.since(0, 'h 1')!.t).toEqual([1000, 6000]);
    // what a page has stays, also where nothing is added to it
    expect(history.since(1, 'h 1')).toMatchObject({ reset: false, t: [6000] });
    hosts[1]!.gaps.isDown = true;
    history.sample(7000);
    expect(history.since(3, 'h 1')).toMatchObject({ reset: false, t: [], events: [] });
    expect(history.since(3, 'h 0')).toMatchObject({ reset: false, t: [7000] });
  });
});
