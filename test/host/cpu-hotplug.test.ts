/** CPUs of a guest that go and come, as bpftrace 0.17 and newer ones see it: docs/reliability.md. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostState } from '../../server/protocol/hosts.ts';
import type { InodePage } from '../../server/protocol/messages.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

let guest: Guest;
let pages: string;

beforeAll(async () => {
  guest = await Guest.up();
  pages = await guest.push('memfd_pages');
});
afterAll(() => cpu1(true));

async function cpu1(online: boolean): Promise<void> {
  await guest.sh(`echo ${online ? 1 : 0} > /sys/devices/system/cpu/cpu1/online`);
}

describe.each([
  ['a bpftrace with a buffer for each CPU', 'bpftrace-0.17', true],
  ['a bpftrace with one buffer', 'bpftrace-0.23', false],
] as const)('%s', (_, bpftrace, perCpu) => {
  let server: RunningServer;

  beforeAll(async () => {
    const path = `/usr/local/bin/${bpftrace}`;
    server = await RunningServer.live('vm', '--fs', 'hugetlbfs', '--bpftrace', path);
  });
  afterAll(async () => {
    await server?.stop();
  });

  const host = async () => (await server.get<HostState[]>('/api/hosts'))[0]!;

  /** A memfd of two hugepages, made and dropped on a CPU, is seen to its end within ten seconds. */
  async function seesMemfd(comm: string, cpu: number): Promise<void> {
    await guest.sh(`taskset -c ${cpu} ${pages} 2 ${comm} >/dev/null`);
    const path = `/api/inodes?filter=${encodeURIComponent(`comm:${comm} state:ended`)}`;
    const ended = async () => (await server.get<InodePage>(path)).rows.length === 1;
    await eventually(10_000, ended, `the end of ${comm}`);
  }

  it('does not wait for a CPU that is gone', async () => {
    await seesMemfd('both', 1);
    await cpu1(false);
    await seesMemfd('alone', 0);
    expect((await server.report()).gaps).toEqual([]);
  });

  it(
    perCpu ? 'is started again when it is back, to hear it' : 'hears it when it is back',
    async () => {
      await cpu1(true);
      if (perCpu) {
        await eventually(30_000, async () => (await host()).status === 'restarting', 'the word');
        await eventually(200_000, async () => (await host()).status === 'ready', 'the new one');
        const [gap] = (await server.report()).gaps;
        expect(gap).toMatchObject({ where: 'tracer_down' });
        expect(gap!.detail).toMatch(/^bpftrace 0\.17\.\d does not hear CPU 1,/);
      }
      await seesMemfd('back', 1);
      const { gaps, losses } = await server.report();
      expect(losses.balanced).not.toBe(false);
      if (!perCpu) expect(gaps).toEqual([]);
    },
  );
});
