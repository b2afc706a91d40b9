/** CPUs that go and come, where bpftrace has a buffer for each (up to 0.18). */
import { describe, expect, it } from 'vitest';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { LiveHost } from '../fixtures/live-host.ts';
import { epochOf, lines, planOf } from '../fixtures/trace.ts';

const OLD: Partial<EpochInfo> = { bpftrace: '0.17.0', cpus: 2 };
/** Tracing begins where nothing has to come through before it is ready. */
const READY: Partial<EpochInfo> = { fs: [], canaries: [], plan: planOf([]) };

class Host extends LiveHost {
  constructor(info: Partial<EpochInfo> = {}) {
    super({ ...OLD, ...READY, ...info });
  }

  online(list: string): this {
    return this.says('online', list);
  }
}

it('a loss that is told while lines wait for those of another CPU lies between these, too', () => {
  const host = new Host().beats(1000, [0, 1]).rows('9000 0 sh/5 tick seq=9');
  expect(host.pipeline.model.now).toBeLessThan(2e9);
  host.pipeline.err(Buffer.from('b Lost 10 events\n'));
  expect(host.gaps).toHaveLength(1);
  expect(host.pipeline.model.gaps.overlaps(8.9e9, 9.1e9)).toBe(true);
});

describe('a CPU that goes', () => {
  it('is waited for no more: what the others say is told at once', () => {
    const host = new Host().beats(1000, [0, 1]).online('0-1').beats(1000, [0, 1]);
    host.beats(3000, [0]);
    expect(host.pipeline.model.now).toBe(1.8e9); // nobody knows that it has gone
    host.online('0').beats(200, [0]);
    expect(host.pipeline.model.now).toBe(5e9);
    expect(host.gaps).toEqual([]);
    expect(host.pipeline.wantsRestart).toBeNull();
  });

  it('and CPUs whose numbers are not the first ones are those that are waited for', () => {
    const host = new Host({ cpus: 2 }).online('0,2').beats(1000, [0, 2]);
    expect(host.pipeline.model.now).toBe(0.8e9);
    host.rows('2000 0 a/0 beat track=0\n2000 0 a/0 beat track=1');
    expect(host.pipeline.waiting.events).toBeGreaterThan(0);
  });
});

describe('a CPU that comes back', () => {
  const back = () =>
    new Host()
      .beats(1000, [0, 1])
      .online('0-1')
      .beats(2000, [0, 1])
      .online('0')
      .beats(4000, [0])
      .online('0-1')
      .beats(1000, [0]);

  it('is not heard: a gap, from before it was seen, and none of the others waits', () => {
    const host = back();
    expect(host.pipeline.model.now).toBe(7.8e9);
    expect(host.pipeline.model.gaps.isDown).toBe(false);
    expect(host.gaps).toEqual([
      {
        from: 6e9,
        to: Number.POSITIVE_INFINITY,
        lost: 0,
        where: 'tracer_down',
        detail: 'bpftrace 0.17.0 does not hear CPU 1, which came online after it was started',
        inPart: true,
      },
    ]);
  });

  it('is a reason to start bpftrace again, once no CPU comes or goes any more', () => {
    const host = back();
    expect(host.pipeline.wantsRestart).toBeNull();
    host.beats(4200, [0]);
    expect(host.pipeline.wantsRestart).toMatch(/does not hear CPU 1,/);
    host.online('0-2').beats(1000, [0]);
    expect(host.pipeline.wantsRestart).toBeNull();
  });

  it('ends with it when it goes again', () => {
    const host = back().online('0').beats(1000, [0]);
    expect(host.gaps.map(({ from, to }) => [from, to])).toEqual([[6e9, 8e9]]);
    expect(host.pipeline.wantsRestart).toBeNull();
  });

  it('while bpftrace attaches keeps nobody waiting, and is a gap from when it is ready', () => {
    const plan = planOf(['evict']);
    const host = new Host({ fs: ['hugetlbfs'], canaries: ['hugetlbfs'], plan });
    host.online('0').beats(1000, [0]).online('0-1').beats(2000, [0]);
    expect(host.pipeline.model.now).toBe(2.8e9);
    expect(host.pipeline.readyAt).toBeNull();
    host.rows('3000 0 a/7 evict A ino=9');
    host.pipeline.err(Buffer.from('a canary hugetlbfs 17 9\n'));
    host.beats(1000, [0]);
    const { readyAt } = host.pipeline;
    expect(readyAt).not.toBeNull();
    expect(host.gaps.at(-1)).toMatchObject({ from: readyAt, to: Number.POSITIVE_INFINITY });
    expect(host.beats(5000, [0]).pipeline.wantsRestart).toMatch(/does not hear CPU 1,/);
  });

  it('ends when another bpftrace is ready, which hears all', () => {
    const host = back();
    host.pipeline.end(false, 'started again');
    host.pipeline.begin([['evict'], []]);
    host.beats(10_000, [0, 1]);
    expect(host.gaps.every(({ to }) => to <= host.pipeline.model.now)).toBe(true);
    expect(host.pipeline.wantsRestart).toBeNull();
  });

  it('is counted in a quiet moment, with what it said to nobody', () => {
    const host = back();
    host.rows('@hits[3]: 40').beats(2000, [0]).rows('@hits[3]: 40').beats(100, [0]);
    expect(host.pipeline.ledger.totals()).toMatchObject({ ring_buffer: 40, in_flight: 0 });
    expect(host.gaps.at(-1)).toMatchObject({
      lost: 40,
      where: 'ring_buffer',
      detail: expect.stringContaining('CPU 1') as string,
    });
  });

  it('between two looks is known by its silence', () => {
    const host = new Host().beats(1000, [0, 1]).online('0-1').beats(2000, [0, 1]);
    host.beats(14_900, [0]);
    expect(host.gaps).toEqual([]);
    host.beats(400, [0]);
    expect(host.gaps.map(({ from, to }) => [from, to])).toEqual([
      [2.9e9, Number.POSITIVE_INFINITY],
    ]);
    expect(host.pipeline.model.now).toBe(18.1e9);
  });

  it('... but not while lines are lost, when bpftrace does not get to each buffer', () => {
    const host = new Host().beats(1000, [0, 1]).online('0-1').beats(2000, [0, 1]);
    for (let i = 0; i < 4; i++) {
      host.beats(10_000, [0]);
      host.pipeline.err(Buffer.from('b Lost 10 events\n'));
    }
    expect(host.gaps.map(({ where }) => where)).toEqual(['ring_buffer']);
    expect(host.pipeline.wantsRestart).toBeNull();
  });
});

it('a bpftrace with one buffer hears all CPUs, whenever they come', () => {
  const host = new Host({ bpftrace: '0.23.2' }).online('0').beats(1000, [0]);
  host.online('0-1').beats(30_000, [0]);
  expect(host.gaps).toEqual([]);
  expect(host.pipeline.wantsRestart).toBeNull();
  expect(host.pipeline.model.now).toBe(30.8e9);
});

it('a recording that begins in the middle knows which CPUs are waited for', () => {
  const host = new Host().beats(1000, [0, 1]).online('0').beats(2000, [0]);
  const part = new Pipeline(epochOf({ ...OLD, ...READY }), { keep: 100 });
  const [[, frame]] = host.pipeline.handover() as [[string, Buffer]];
  part.resume(JSON.parse(frame.toString()) as Parameters<Pipeline['resume']>[0]);
  part.out(Buffer.from(lines('4000 0 a/0 beat track=0\n4000 0 a/0 beat track=1\n4100 0 a/0 tick')));
  expect(part.waiting.events).toBe(1); // of a moment ago, and not of the CPU that is gone
});
