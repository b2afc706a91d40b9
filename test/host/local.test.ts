/**
 * The machine the tests run on, traced for real. On a locked-down kernel that has
 * the hugetlbfs tracepoints only (6.13 and newer), most stages are not observable;
 * elsewhere these tests hold as well, with more to see.
 */
import { execFile } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostState } from '../../server/protocol/hosts.ts';
import type { InodePage } from '../../server/protocol/messages.ts';
import type { Report } from '../../server/protocol/report.ts';
import { isObserved, type Plan } from '../../server/protocol/stages.ts';
import {
  agentPids,
  bpftracePids,
  eventually,
  lastref,
  newerBpftrace,
  RunningServer,
  workload,
} from '../support/cli.ts';

const doctor = await lastref(['doctor', '--host', 'local', '--json', '--fs', 'hugetlbfs']);
const plan = doctor.code === 0 ? (JSON.parse(doctor.stdout) as { plan: Plan }).plan : null;
const tracepointsOnly = plan !== null && !isObserved(plan.evict) && isObserved(plan.free_inode);

function run(file: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(file, args, (error) => (error === null ? resolve() : reject(error)));
  });
}

function lostOf({ ring_buffer, rejected, not_run }: Report['losses']): number {
  return ring_buffer + rejected + (not_run ?? 0);
}

/** A server that traced 200,000 inodes of hugetlbfs at full speed, and its report before them. */
async function churned(
  detail: string,
  bpftrace = 'bpftrace',
): Promise<{ server: RunningServer; before: Report }> {
  const churn = workload('memfd_churn');
  const args = ['--fs', 'hugetlbfs', '--detail', detail, '--bpftrace', bpftrace];
  const server = await RunningServer.live('local', ...args);
  const before = await server.report();
  await run(churn, ['200000']);
  return { server, before };
}

describe.runIf(tracepointsOnly)('a host that offers tracepoints only', () => {
  it('says what it can see, and for the rest why not and what would help', () => {
    expect(plan!.evict_inode).toMatchObject({
      probe: 'tracepoint:hugetlbfs:hugetlbfs_evict_inode',
    });
    expect(plan!.evict).toMatchObject({
      missing: expect.stringContaining('no fentry'),
      help: expect.stringContaining('CONFIG_DEBUG_INFO_BTF'),
    });
  });

  it('accounts for every event of 200,000 inodes made and dropped at full speed', async () => {
    const { before, server } = await churned('steps');
    try {
      const expected = before.events.decoded + 600_000;
      // a tracepoint may be skipped without being counted; the lives of the inodes tell, after 15 s
      await eventually(
        90_000,
        async () => {
          const { events, losses, inodes } = await server.report();
          const exact = losses.balanced === true && events.decoded + lostOf(losses) === expected;
          const { ended, live } = inodes.by_fs.hugetlbfs!;
          // of an inode whose eviction and release were both lost in the buffer, nothing tells
          const all = ended >= 200_000 - losses.ring_buffer;
          return exact && all && (losses.ring_buffer > 0 || live === 0);
        },
        'an exact ledger, and the end of each',
      );
      const report = await server.report();
      const { ended, live } = report.inodes.by_fs.hugetlbfs!;
      const { ring_buffer } = report.losses;
      expect(live).toBeLessThanOrEqual(ring_buffer);
      expect(ended + live).toBeLessThanOrEqual(200_000);
      if ((report.losses.not_run ?? 0) > 0) {
        expect(report.gaps.some((gap) => gap.where === 'not_run')).toBe(true);
      }
    } finally {
      await server.stop();
    }
  });

  it('tells or counts as lost the end of each of them, also in one line for an inode', async () => {
    const { before, server } = await churned('lifecycle');
    try {
      const ended = async () => (await server.report()).inodes.by_fs.hugetlbfs!.ended;
      await eventually(
        90_000,
        async () => {
          const { losses } = await server.report();
          return losses.balanced === true && (await ended()) + lostOf(losses) >= 200_000;
        },
        'an account of every end',
      );
      expect(await ended()).toBeLessThanOrEqual(200_000);
      expect((await server.report()).events.decoded).toBeLessThanOrEqual(
        before.events.decoded + 200_000,
      );
    } finally {
      await server.stop();
    }
  });
});

describe.runIf(tracepointsOnly)('a host that offers raw tracepoints', () => {
  it.each(['lifecycle', 'auto'])(
    'tells or counts the end of each, in detail %s',
    async (detail) => {
      const { server } = await churned(detail, newerBpftrace());
      try {
        const [host] = await server.get<HostState[]>('/api/hosts');
        expect(host!.plan!.lifecycle).toMatchObject({
          probe: 'rawtracepoint:hugetlbfs_free_inode',
        });
        const ended = ({ inodes }: Report) => inodes.by_fs.hugetlbfs!.ended;
        // which ones the kernel left out shows when nothing has come for 15 s
        await eventually(
          90_000,
          async () => {
            const report = await server.report();
            const { losses, inodes } = report;
            const exact = losses.balanced === true && ended(report) + lostOf(losses) === 200_000;
            return exact && inodes.live === 0;
          },
          'an exact account of every end',
        );
        const report = await server.report();
        expect(report.losses).toMatchObject({ ring_buffer: 0, rejected: 0, map_full: 0 });
        expect(report.losses.not_run).toBeLessThan(2000);
        expect(report.alerts).toEqual([]);
      } finally {
        await server.stop();
      }
    },
  );
});

describe.runIf(plan !== null)('the tracer on this machine', () => {
  let server: RunningServer;

  beforeAll(async () => {
    server = await RunningServer.live('local', '--fs', 'hugetlbfs');
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('shows the name of a process as it is, and is not forged by it', async () => {
    const churn = workload('memfd_churn');
    const names = [
      'a\ntick 1 1 1 1 9',
      '\n@hits[21]: 9',
      'Lost 9 events\n',
      '"<script>\\\x1b[31m',
      '\u202Eabc',
      'x\xff\xfe',
    ];
    for (const name of names) await run(churn, ['3', name]);
    const wanted = names.map((name) => Buffer.from(name).subarray(0, 15).toString('utf8'));
    await eventually(
      10_000,
      async () => {
        const page = await server.get<InodePage>('/api/inodes?limit=100');
        const seen = new Set(page.rows.map((row) => row.comm));
        return wanted.every((name) => seen.has(name));
      },
      'every name',
    );
    const report = await server.report();
    expect(report.events.rejected).toBe(0);
    expect(report.losses.ring_buffer).toBe(0);
  });

  it('says at once when bpftrace is killed, starts it again, and keeps the gap as an event', async () => {
    const [pid] = bpftracePids();
    process.kill(pid!, 'SIGKILL');
    await eventually(1500, () => server.stderr.includes('restarting'), 'the word');
    await eventually(
      60_000,
      async () => {
        const [host] = await server.get<{ status: string }[]>('/api/hosts');
        return host!.status === 'ready';
      },
      'the restart',
    );
    const { gaps } = await server.report();
    const gap = gaps.find((g) => g.where === 'tracer_down');
    expect(gap).toMatchObject({ detail: expect.stringContaining('SIGKILL') });
    expect(gap!.to_ns).toBeGreaterThan(gap!.from_ns);
  });

  it('goes on when the shell that runs bpftrace is killed, and leaves nothing of it behind', async () => {
    const shells = agentPids();
    const mine = bpftracePids();
    // the one that all others were started by
    process.kill(Math.min(...shells), 'SIGKILL');
    await eventually(
      60_000,
      async () => {
        const [host] = await server.get<{ status: string }[]>('/api/hosts');
        const old = [...bpftracePids(), ...agentPids()];
        return host!.status === 'ready' && ![...shells, ...mine].some((pid) => old.includes(pid));
      },
      'the restart',
    );
    const { gaps } = await server.report();
    expect(gaps.map(({ detail }) => detail)).toContainEqual(
      expect.stringContaining('the process that leads to bpftrace was killed (SIGKILL)'),
    );
  });

  it('leaves nothing behind when it is ended, or killed with SIGKILL', async () => {
    const mine = bpftracePids();
    expect(mine.length).toBeGreaterThan(0);
    await server.stop('SIGKILL');
    await eventually(5000, () => bpftracePids().every((pid) => !mine.includes(pid)), 'its end');
    const second = await RunningServer.live('local', '--fs', 'hugetlbfs');
    const before = bpftracePids();
    expect(before.length).toBeGreaterThan(0);
    expect(agentPids().length).toBeGreaterThan(0);
    expect(await second.stop('SIGINT')).toBe(0);
    expect(bpftracePids().filter((pid) => before.includes(pid))).toEqual([]);
    // of the agent, too, and of both sessions
    await eventually(5000, () => agentPids().length === 0, 'the end of the agents');
  });
});

describe('what stands in the way is told on one screen', () => {
  it.each([
    [
      ['live', '--host', 'no-such-host.invalid', '--port', '0', '--no-open'],
      3,
      'Could not resolve',
    ],
    [
      ['live', '--host', 'local', '--fs', 'no such fs', '--port', '0'],
      2,
      'is no type of a filesystem',
    ],
    [['live', '--host', 'local', '--fs', 'nosuchfs', '--port', '0', '--no-open'], 3, 'nosuchfs'],
    [['live', '--host', 'vm:1.0', '--port', '0', '--no-open'], 3, '6.12'],
    [['replay', '/nonexistent.lastref'], 2, 'no such file'],
    [['replay', 'samples/demo-6.12.lastref', '--at', 'noon'], 2, 'as 2026-11-27T03:14:05Z'],
    [
      ['replay', 'samples/demo-6.12.lastref', '--at', '1999-01-01T00:00:00Z', '--port', '0'],
      2,
      'it goes from 20',
    ],
    [['report', '--port', '1'], 2, 'no lastref'],
    [['frobnicate'], 2, 'unknown command'],
  ])('%j', async (args, code, text) => {
    const result = await lastref(args);
    expect(result.stderr).toContain(text);
    expect(result.stderr.split('\n').length).toBeLessThan(24);
    expect(result.code).toBe(code);
  });

  it('a port that is in use', async () => {
    const { createServer } = await import('node:net');
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const result = await lastref(['live', '--host', 'local', '--port', String(port), '--no-open']);
    other.close();
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(new RegExp(`^lastref: port ${port} is in use`));
  });
});
