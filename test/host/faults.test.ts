/** What goes wrong on a host or on the way to it, done for real: see docs/reliability.md. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_ALERTING } from '../../server/protocol/config.ts';
import type { HostState } from '../../server/protocol/hosts.ts';
import type { Report } from '../../server/protocol/report.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { Session } from '../../server/tracer/session.ts';
import { eventually, lastref, RunningServer, tracingPids, workload } from '../support/cli.ts';
import { Island } from '../support/island.ts';

const doctor = await lastref(['doctor', '--host', 'local', '--json', '--fs', 'hugetlbfs']);

function churn(count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(workload('memfd_churn'), [String(count)], (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

describe.runIf(doctor.code === 0)('lastref check', () => {
  /** Once the workload runs: what is done to its bpftrace; then its lines and exit code. */
  async function checked(during: (pids: readonly number[]) => Promise<void>) {
    const old = tracingPids();
    const push = ['--push', workload('memfd_churn')];
    const check = new RunningServer([
      ...['check', '--host', 'local', '--fs', 'hugetlbfs', ...push],
      ...['--', 'sh', '-c', 'sleep 3; ./memfd_churn 100'],
    ]);
    const ended = new Promise<number | null>((resolve) => check.child.once('close', resolve));
    await eventually(120_000, () => check.stdout.includes('KTAP'), 'the workload');
    await during(tracingPids().filter((pid) => !old.includes(pid)));
    return { code: await ended, stdout: check.stdout };
  }

  it('waits for a bpftrace that is silent when the workload ends', async () => {
    const { code, stdout } = await checked(async (pids) => {
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      await sleep(8000);
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    });
    // each inode: alloc, evict, free; this kernel skips some runs, which are told
    const decoded = Number(/^# (\d+) events decoded$/m.exec(stdout)?.[1]);
    const skipped = Number(/^# lost: (\d+) probes that did not run$/m.exec(stdout)?.[1] ?? 0);
    expect(decoded).toBeGreaterThan(200);
    expect(decoded + skipped).toBeGreaterThanOrEqual(300);
    expect(code).toBe(0);
  });

  it('proves nothing where bpftrace had to be started again', async () => {
    const { code, stdout } = await checked(async (pids) => {
      expect(pids).not.toEqual([]);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
    });
    expect(stdout).toMatch(/^Bail out! tracing /m);
    expect(stdout).not.toMatch(/^ok/m);
    expect(code).toBe(3);
  });
});

describe.runIf(doctor.code === 0)('bpftrace on this machine', () => {
  let server: RunningServer;
  const host = async () => (await server.get<HostState[]>('/api/hosts'))[0]!;
  const status = (wanted: HostState['status'], ms: number) =>
    eventually(ms, async () => (await host()).status === wanted, `status ${wanted}`);
  const lost = ({ losses }: Report) =>
    losses.ring_buffer + losses.rejected + (losses.not_run ?? 0) + losses.map_full;

  beforeAll(async () => {
    server = await RunningServer.live('local', '--fs', 'hugetlbfs', '--detail', 'steps');
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('that is stopped for some seconds is said to be silent, and nothing of them is missing', async () => {
    const before = await server.report();
    const pids = tracingPids();
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      await status('restarting', 6000);
      expect((await host()).message).toContain('has said nothing for 3 s');
      await churn(1000);
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await status('ready', 10_000);
    expect(tracingPids()).toEqual(pids);
    // each inode: alloc, evict, free; a tracepoint may be skipped, which the lives tell after 15 s
    const expected = before.events.decoded + 3000;
    const ended = (report: Report) => report.inodes.by_fs.hugetlbfs?.ended ?? 0;
    await eventually(
      60_000,
      async () => {
        const report = await server.report();
        if (report.losses.balanced !== true || report.inodes.live > 0) return false;
        // lines that have come wait for those of other CPUs before they are anything of an inode
        if (ended(report) - ended(before) !== 1000) return false;
        return report.events.decoded + lost(report) === expected;
      },
      'an exact account',
    );
    const after = await server.report();
    expect(after.gaps.filter(({ where }) => where === 'tracer_down')).toEqual([]);
  });

  it('that is killed while it attaches is started again, and nobody has to do anything', async () => {
    const other = new RunningServer([
      ...['live', '--host', 'local', '--fs', 'hugetlbfs', '--port', '0', '--no-open'],
    ]);
    try {
      const old = tracingPids();
      const starting = () => tracingPids().filter((pid) => !old.includes(pid));
      await eventually(30_000, () => starting().length > 0, 'the start of bpftrace');
      for (const pid of starting()) process.kill(pid, 'SIGKILL');
      await eventually(60_000, () => other.stderr.includes('local ready'), 'tracing');
      expect(other.stderr).toContain('bpftrace was killed (SIGKILL) before it was ready; again');
    } finally {
      await other.stop();
    }
  });

  it('that stays stopped is ended and started again, and the time between is a gap', async () => {
    const pids = tracingPids();
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    await eventually(
      30_000,
      () => tracingPids().every((pid) => !pids.includes(pid)),
      'the end of those that were stopped',
    );
    await status('ready', 60_000);
    const { gaps, losses } = await server.report();
    const down = gaps.filter(({ where }) => where === 'tracer_down');
    expect(down).toHaveLength(1);
    expect(down[0]!.to_ns! - down[0]!.from_ns).toBeGreaterThan(14e9);
    expect(losses.balanced).not.toBe(false);
  });
});

describe.runIf(doctor.code === 0 && process.getuid?.() === 0)('the cable to an ssh host', () => {
  let island: Island;
  let session: Session;
  const tracer = () => session.tracers[0]!;
  const report = () => makeReport(session.pipelines());
  const ended = () => report().inodes.by_fs.hugetlbfs?.ended ?? 0;
  const downs = () => report().gaps.filter(({ where }) => where === 'tracer_down');
  /** So many inodes end there, and their end is told. */
  const told = async (count: number) => {
    const before = ended();
    await churn(count);
    await eventually(
      60_000,
      () => ended() - before === count && report().inodes.live === 0,
      'the end of each inode',
    );
  };

  beforeAll(async () => {
    island = await Island.up();
    session = new Session([island.host], {
      trace: {
        fs: ['hugetlbfs'],
        detail: 'steps',
        families: ['tracepoint'],
        bpftrace: 'bpftrace',
        stepsBelow: 5000,
      },
      keep: 10_000,
      alerts: DEFAULT_ALERTING,
    });
    session.start();
    await tracer().ready();
  });
  afterAll(async () => {
    await session?.stop();
    island?.down();
  });

  it('is out for a second: what comes late is complete, and there is no gap', async () => {
    await told(100);
    island.pull();
    const late = told(500);
    await sleep(1200);
    island.plug();
    await late;
    expect(downs()).toEqual([]);
    expect(tracer().status).toBe('ready');
  });

  it('is out for long: bpftrace is gone from the host, the gap is kept, and it goes on by itself', async () => {
    const pids = tracingPids();
    expect(pids.length).toBeGreaterThan(0);
    island.pull();
    await eventually(6000, () => tracer().status === 'restarting', 'the word');
    await eventually(
      10_000,
      () => tracingPids().every((pid) => !pids.includes(pid)),
      'the end of bpftrace',
    );
    const began = Date.now();
    await churn(300); // seen by nobody
    const ended = Date.now();
    island.plug();
    // what was on its way comes first, then word of the end
    await eventually(
      90_000,
      () => downs().length > 0 && tracer().status === 'ready',
      'tracing again',
    );
    expect(session.pipelines()).toHaveLength(1);
    const [gap, ...more] = downs();
    expect(more).toEqual([]);
    // all of what nobody saw lies in it
    const [pipeline] = session.pipelines();
    expect(pipeline!.wallMs(gap!.from_ns)).toBeLessThan(began);
    expect(pipeline!.wallMs(gap!.to_ns!)).toBeGreaterThan(ended);
    await told(100);
    expect(report().losses.balanced).not.toBe(false);
    expect(report().findings.filter(({ verdict }) => verdict === 'certain')).toEqual([]);
  });
});
