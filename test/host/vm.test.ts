/** A real kernel with fentry: every stage of every inode, on the bundled guest. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SshHost } from '../../server/host/ssh.ts';
import { vmSshArgs } from '../../server/host/vm.ts';
import type { InodeDetail, InodePage } from '../../server/protocol/messages.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

let guest: Guest;
let server: RunningServer;

beforeAll(async () => {
  guest = await Guest.up();
  server = await RunningServer.live('vm');
});
afterAll(async () => {
  await server?.stop();
});

async function inodes(filter: string): Promise<InodePage> {
  return server.get<InodePage>(`/api/inodes?filter=${encodeURIComponent(filter)}`);
}

async function detail(filter: string): Promise<InodeDetail> {
  const page = await inodes(filter);
  return server.get<InodeDetail>(`/api/inodes?id=${page.rows[0]!.id}`);
}

describe('a memfd of four hugepages, created, touched and closed', () => {
  let found: InodeDetail;
  let pid: number;

  beforeAll(async () => {
    const pages = await guest.push('memfd_pages');
    const [ino, itsPid] = (await guest.sh(`${pages} 4`)).trim().split(' ').map(Number);
    pid = itsPid!;
    const filter = `fs:hugetlbfs ino:${ino} state:ended`;
    await eventually(10_000, async () => (await inodes(filter)).matched > 0, 'its end');
    expect((await inodes(filter)).matched).toBe(1);
    found = await detail(filter);
  });

  it('goes through its stages in order', () => {
    const seen = found.stages.filter((s) => s.ns !== null).sort((a, b) => a.ns! - b.ns!);
    expect(seen.map((s) => s.stage)).toEqual([
      'evict',
      'evict_inode',
      'clear_inode',
      'evict_inode_end',
      'destroy_inode',
      'destroy_op',
      'evict_end',
      'i_callback',
      'free_inode',
    ]);
    const order = found.timeline.map((entry) => entry.what);
    const at = (what: string) => order.indexOf(what);
    expect(at('evict_inode')).toBeLessThan(at('hugepage_free'));
    expect(order.lastIndexOf('hugepage_free')).toBeLessThan(at('clear_inode'));
    expect(order.filter((what) => what === 'hugepage_free')).toHaveLength(4);
    // a grace period lies between
    expect(found.row.grace_ns).toBeGreaterThan(1000);
  });

  it('is told the same by the line of each stage and by the one at its end', () => {
    const told = found.stages.filter(({ ns, context }) => ns !== null && context === 'task');
    expect(told).toHaveLength(7);
    const apart = told.map(({ stage, ns }) =>
      Math.abs(found.timeline.find(({ what }) => what === stage)!.ns - ns!),
    );
    expect(Math.max(...apart)).toBeLessThan(5e6);
    expect(Math.max(...apart)).toBeGreaterThan(0); // two programs took the time
  });

  it('ends in its task, and is freed in the softirq or its thread', () => {
    for (const stage of found.stages) {
      if (stage.stage === 'truncate_final') {
        expect(stage.ns).toBeNull(); // hugetlbfs_evict_inode() does not call it
        continue;
      }
      const rcu = stage.stage === 'i_callback' || stage.stage === 'free_inode';
      expect(stage.context).toMatch(rcu ? /^(softirq|ksoftirqd|rcu-thread)$/ : /^task$/);
    }
    expect(found.row).toMatchObject({ pid, comm: 'memfd_pages', nlink: 0 });
  });

  it('gives all four hugepages back, each with its page frame number', () => {
    expect(found.row).toMatchObject({ pages: 4, freed: 4, owed: 0, doubtful: false });
    expect(found.hugepages.map((page) => page.fate)).toEqual(['pool', 'pool', 'pool', 'pool']);
    for (const page of found.hugepages) {
      expect(page.pfn! % 512).toBe(0);
      expect(page.extra_refs).toBe(0);
      expect(page.back_ns).toBeGreaterThan(0);
    }
  });

  it('falls under the rule that its superblock has', () => {
    expect(found.callbacks).toMatchObject({
      fs: 'hugetlbfs',
      drop_inode: '0',
      evict_inode: 'hugetlbfs_evict_inode',
      destroy_inode: 'hugetlbfs_destroy_inode',
      free_inode: 'hugetlbfs_free_inode',
      contradicted: 0,
    });
    expect(found.callbacks!.confirmed).toBeGreaterThan(0);
  });
});

describe('under load', () => {
  it('balances to the last event', async () => {
    const churn = await guest.push('memfd_churn');
    const before = await server.report();
    await guest.sh(`${churn} 5000`);
    await eventually(
      60_000,
      async () => {
        const { inodes: counts, losses } = await server.report();
        const ended = counts.by_fs.hugetlbfs!.ended - before.inodes.by_fs.hugetlbfs!.ended;
        return losses.balanced === true && ended >= 5000;
      },
      'an exact ledger',
    );
    const after = await server.report();
    const of = (report: typeof after) =>
      report.events.decoded + report.losses.ring_buffer + (report.losses.not_run ?? 0);
    // at least the line at the end of each inode: beyond a rate the stages are left out
    expect(of(after) - of(before)).toBeGreaterThanOrEqual(5000);
  });
});

describe('names', () => {
  it('are shown as they are and forge nothing', async () => {
    const pages = await guest.push('memfd_pages');
    const name = '\n@hits[3]: 9\n';
    await guest.sh(`${pages} 1 "$(printf '\\n@hits[3]: 9\\nx')"`);
    await eventually(
      10_000,
      async () => {
        const { rows } = await inodes('pages=1 state:ended');
        return rows.some((row) => row.comm === `${name}x`);
      },
      'the name',
    );
    expect((await server.report()).events.rejected).toBe(0);
  });
});

describe('without root', () => {
  const as = (user: string) => {
    const args = vmSshArgs('6.12');
    return new SshHost(user, { destination: `${user}@${args.at(-1)}`, configFile: args[1]! });
  };

  it('goes through sudo -n where it is allowed', async () => {
    const host = as('tracer');
    await host.open(() => {});
    expect((await host.run('id -u', { root: true })).stdout.trim()).toBe('0');
    await host.close();
  });

  it('says clearly that sudo was refused, and what to do', async () => {
    const host = as('guest');
    await expect(host.open(() => {})).rejects.toMatchObject({
      message: expect.stringContaining('needs root'),
      hint: expect.stringContaining('sudoers.d'),
    });
  });
});

describe('when it ends', () => {
  // An emulated kernel takes five seconds to take forty probes off after bpftrace was killed
  // (milliseconds on real hardware): its processes are dead, but still listed as waiting.
  const running = `ps -o stat= -C bpftrace | grep -v '^[DIZX]'`;
  const dead = async () => (await guest.host.run(running)).stdout === '';
  const gone = async () => (await guest.host.run('pgrep -x bpftrace')).code === 1;

  it('no bpftrace is left in the guest five seconds after kill -9', async () => {
    expect(await guest.sh('pgrep -x bpftrace')).toMatch(/\d+/);
    await server.stop('SIGKILL');
    await eventually(5000, dead, 'its end');
    await eventually(60_000, gone, 'the end of its probes');
  });

  it('nor when the connection goes dead without a word', async () => {
    const second = await RunningServer.live('vm', '--fs', 'hugetlbfs');
    // a stopped server is what a cut cable looks like from the host: silence
    second.child.kill('SIGSTOP');
    await eventually(5000, dead, 'its end');
    await eventually(60_000, gone, 'the end of its probes');
    second.child.kill('SIGCONT');
    await second.stop('SIGKILL');
  });
});
