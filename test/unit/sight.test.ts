/** Probes that somebody turns off while bpftrace runs. */
import { describe, expect, it } from 'vitest';
import { Gaps, type ModelGap } from '../../server/model/gaps.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import type { Plan } from '../../server/protocol/stages.ts';
import { LiveHost } from '../fixtures/live-host.ts';
import { planOf } from '../fixtures/trace.ts';

const byFentry: Plan = { ...planOf([]), evict: { probe: 'fentry:vmlinux:evict' } };

class Host extends LiveHost {
  constructor(info: Partial<EpochInfo> = {}) {
    super({ fs: [], plan: byFentry, ...info });
    this.seconds(2).says('ftrace', '1');
  }

  seconds(s: number): this {
    return this.beats(s * 1000);
  }

  canary(): this {
    this.pipeline.err(Buffer.from('a canary hugetlbfs 17 99\n'));
    return this;
  }

  event(): this {
    return this.rows(`${this.ms} 0 a/0 evict A ino=99`);
  }

  /** In seconds. */
  get spans() {
    return this.gaps.map(({ from, to, where }) => [from / 1e9, to / 1e9, where]);
  }
}

describe('kernel.ftrace_enabled', () => {
  it('is a gap while it is 0, from when it was last seen at 1', () => {
    const host = new Host().seconds(3).says('ftrace', '0');
    expect(host.spans).toEqual([[4, Number.POSITIVE_INFINITY, 'tracer_down']]);
    expect(host.pipeline.blindness).toMatch(/^kernel\.ftrace_enabled is 0/);
    expect(host.pipeline.model.gaps.isDown).toBe(true);
    host.seconds(60);
    // to take probes off and on now breaks the kernel's function tracer
    expect(host.pipeline.wantsRestart).toBeNull();
    host.says('ftrace', '1').seconds(1);
    expect(host.spans).toEqual([[4, 65, 'tracer_down']]);
    expect(host.pipeline.model.gaps.isDown).toBe(false);
    expect(host.pipeline.blindness).toBeNull();
  });

  it('is one gap, though nothing comes of canaries, and though a line comes that was under way', () => {
    const host = new Host().seconds(3).says('ftrace', '0').event().seconds(30).canary().seconds(40);
    expect(host.spans).toHaveLength(1);
    expect(host.pipeline.blindness).toMatch(/^kernel\.ftrace_enabled is 0/);
  });

  it('is nothing to tracepoints', () => {
    const plan: Plan = { ...planOf([]), free_inode: { probe: 'tracepoint:hugetlbfs:x' } };
    const host = new Host({ plan }).seconds(3).says('ftrace', '0').seconds(1);
    expect(host.spans).toEqual([]);
  });
});

describe('a canary of a quiet host', () => {
  it('whose end is told shows that probes run', () => {
    const host = new Host().seconds(40).canary().event().seconds(60);
    expect(host.spans).toEqual([]);
  });

  it('... also where its lines came before it was announced, again and again', () => {
    const host = new Host();
    for (let i = 0; i < 4; i++) host.seconds(30).event().seconds(2).canary();
    expect(host.seconds(60).spans).toEqual([]);
  });

  it('of which nothing comes shows that none runs: a gap since the last event, and a new bpftrace', () => {
    const host = new Host().event().seconds(40).canary().seconds(20);
    expect(host.spans).toEqual([]);
    host.seconds(10);
    expect(host.spans).toEqual([[2, Number.POSITIVE_INFINITY, 'tracer_down']]);
    expect(host.pipeline.wantsRestart).toMatch(/^no probe runs: /);
    expect(host.pipeline.blindness).toMatch(/^no probe runs: /);
  });

  it('... and is over with the next event', () => {
    const host = new Host().event().seconds(40).canary().seconds(30).event().seconds(1);
    expect(host.spans).toEqual([[2, 72, 'tracer_down']]);
    expect(host.pipeline.wantsRestart).toBeNull();
  });

  it('that came after one of which nothing had come is the one that counts', () => {
    const host = new Host().event().seconds(40).canary().seconds(5).event().seconds(40).canary();
    host.seconds(24);
    expect(host.spans).toEqual([]);
    host.seconds(2);
    expect(host.spans).toHaveLength(1);
  });
});

it.each([0, 1, 2])('an open gap ends though hundreds came after it (%i before it)', (before) => {
  const gaps = new Gaps();
  const closed = (from: number): ModelGap => {
    return { from, to: from + 1e9, lost: 1, where: 'rejected', detail: '' };
  };
  const open: ModelGap = { ...closed(0), to: Number.POSITIVE_INFINITY, where: 'tracer_down' };
  for (let i = 0; i < before; i++) gaps.add(closed(i * 10e9));
  gaps.add(open);
  for (let i = before; i < 600; i++) gaps.add(closed(i * 10e9));
  expect(gaps.isDown).toBe(true);
  open.to = 5;
  expect(gaps.isDown).toBe(false);
  expect(gaps.list.reduce((sum, { lost }) => sum + lost, 0)).toBe(601);
});
