/** The tracers whose cost is compared, on this machine and in the guest. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  bpftraceVersion,
  eventually,
  newerBpftrace,
  RunningServer,
  workload,
} from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

/** What a tracer saw of the workload and said it lost, in words. */
export interface Account {
  readonly text: string;
}

export interface Traced {
  readonly name: string;
  /** Resolves when it traces. */
  start(): Promise<Running>;
}

interface Running {
  /** Ends it when it has taken what it can. `inodes`: that were made under it. */
  stop(inodes: number): Promise<Account>;
}

export interface Compared {
  readonly tracers: readonly Traced[];
  /** Makes so many inodes, as fast as it can or so many a second; the nanoseconds that took. */
  work(inodes: number, rate: number): Promise<number>;
}

const count = (n: number) => n.toLocaleString('en');

export async function onThisMachine(): Promise<Compared> {
  const churn = workload('memfd_churn');
  const perf = perfHere();
  const newer = newerBpftrace();
  return {
    tracers: [
      lastref('local', 'lifecycle', newer),
      ...(newer === 'bpftrace'
        ? []
        : [
            {
              ...lastref('local', 'lifecycle', 'bpftrace'),
              name: `lastref lifecycle, bpftrace ${bpftraceVersion()}`,
            },
          ]),
      lastref('local', 'steps', newer),
      bpftraceHere(),
      ...(perf === null ? [] : [perf]),
    ],
    work: (inodes, rate) =>
      new Promise((resolve, reject) => {
        execFile(churn, [String(inodes), '', String(rate)], (error, stdout) =>
          error === null ? resolve(Number(stdout)) : reject(error),
        );
      }),
  };
}

/** In the guest, with fentry. perf is not in the guest: it is left out there. */
export async function onGuest(): Promise<Compared> {
  const guest = await Guest.up();
  const churn = await guest.push('memfd_churn');
  return {
    tracers: [lastref('vm', 'lifecycle'), lastref('vm', 'steps'), bpftraceIn(guest)],
    work: async (inodes, rate) => Number(await guest.sh(`${churn} ${inodes} '' ${rate}`)),
  };
}

function lastref(host: string, detail: 'steps' | 'lifecycle', bpftrace = 'bpftrace'): Traced {
  return {
    name: `lastref ${detail}`,
    async start() {
      const args = ['--fs', 'hugetlbfs', '--detail', detail, '--bpftrace', bpftrace];
      const server = await RunningServer.live(host, ...args);
      const before = await server.report();
      return {
        async stop(inodes) {
          const ended = (by: Pick<typeof before, 'inodes'>) =>
            by.inodes.by_fs.hugetlbfs?.ended ?? 0;
          const all = async () => {
            const now = await server.report();
            const { not_run, map_full, ring_buffer } = now.losses;
            const lost = (not_run ?? 0) + map_full + ring_buffer;
            return now.losses.balanced === true && ended(now) - ended(before) + lost >= inodes;
          };
          await eventually(60_000, all, 'a balanced ledger').catch(() => {});
          const { losses, ...now } = await server.report();
          await server.stop();
          const { not_run, map_full, ring_buffer, rejected } = losses;
          const lost = (not_run ?? 0) + map_full + ring_buffer + rejected;
          return {
            text: `${count(ended(now) - ended(before))} of ${count(inodes)} ends told, ${count(lost)} events lost and counted, ledger ${losses.balanced ? 'balanced' : 'NOT balanced'}`,
          };
        },
      };
    },
  };
}

/** A line for each step, as somebody would write it. */
const HERE = ['alloc', 'evict', 'free'].map(
  (step) =>
    `tracepoint:hugetlbfs:hugetlbfs_${step}_inode { printf("${step} %llu %d %d %d %s %llu\\n", nsecs, cpu, pid, tid, comm, args->ino); }`,
);
const IN_GUEST = ['evict_inode', 'destroy_inode', 'free_inode'].map(
  (step) =>
    `fentry:vmlinux:hugetlbfs_${step} { printf("${step} %llu %d %d %d %s %llx\\n", nsecs, cpu, pid, tid, comm, (uint64)args.inode); }`,
);

function bpftraceHere(): Traced {
  return plainBpftrace('bpftrace printf', HERE, (program) => {
    const child = spawn('bpftrace', ['-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise((resolve) => child.once('close', resolve));
    return {
      stdout: child.stdout,
      stderr: child.stderr,
      stop: () => void child.kill('SIGINT'),
      ended,
    };
  });
}

function bpftraceIn(guest: Guest): Traced {
  return plainBpftrace('bpftrace printf', IN_GUEST, (program) => {
    const child = guest.host.spawn(`exec bpftrace -e '${program}'`, { root: true });
    return {
      stdout: child.stdout,
      stderr: child.stderr,
      stop: () => void guest.host.run('pkill -INT -x bpftrace'),
      ended: child.ended,
    };
  });
}

interface Printing {
  readonly stdout: NodeJS.ReadableStream | null;
  readonly stderr: NodeJS.ReadableStream | null;
  stop(): void;
  readonly ended: Promise<unknown>;
}

function plainBpftrace(
  name: string,
  probes: readonly string[],
  run: (program: string) => Printing,
): Traced {
  // it says that it attaches before it does; an interval comes when all are attached
  const program = `${probes.join(' ')} interval:ms:200 { printf("tick\\n"); }`;
  return {
    name,
    async start() {
      const printing = run(program);
      let lines = 0;
      let said = '';
      let ticks = 0;
      printing.stdout!.on('data', (bytes: Buffer) => {
        for (const byte of bytes) if (byte === 10) lines++;
        if (ticks < 3) ticks += bytes.toString('latin1').split('tick\n').length - 1;
      });
      printing.stderr!.on('data', (bytes: Buffer) => {
        said += bytes.toString('latin1');
      });
      await eventually(180_000, () => ticks >= 3, `bpftrace: ${said}`);
      const before = lines;
      return {
        async stop(inodes) {
          for (let last = -1; last !== lines && lines - last > 20; await sleep(1000)) last = lines;
          printing.stop();
          await printing.ended;
          const lost = [...said.matchAll(/Lost (\d+) events/g)].reduce(
            (sum, m) => sum + Number(m[1]),
            0,
          );
          return {
            text: `${count(lines - before)} lines for ${count(inodes * probes.length)} steps, ticks among them; ${count(lost)} told as lost`,
          };
        },
      };
    },
  };
}

/** Null where perf cannot record here; why, goes to standard error. */
function perfHere(): Traced | null {
  const what = [
    '-a',
    '-m',
    '16M',
    '-e',
    'hugetlbfs:hugetlbfs_alloc_inode,hugetlbfs:hugetlbfs_evict_inode,hugetlbfs:hugetlbfs_free_inode',
  ];
  const probe = spawnSync('perf', ['record', '-q', ...what, '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  });
  if (probe.error !== undefined || probe.status !== 0) {
    const why = probe.error?.message ?? probe.stderr.trim().split('\n').slice(0, 2).join(' ');
    process.stderr.write(`no comparison with perf record: ${why}\n`);
    return null;
  }
  return {
    name: 'perf record',
    async start() {
      const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
      const file = join(directory, 'perf.data');
      const child = spawn('perf', ['record', ...what, '-o', file], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const ended = new Promise((resolve) => child.once('close', resolve));
      await sleep(1500);
      return {
        async stop(inodes) {
          await sleep(1000);
          child.kill('SIGINT');
          await ended;
          const script = spawnSync('sh', ['-c', `perf script -i '${file}' 2>/dev/null | wc -l`], {
            encoding: 'utf8',
          });
          rmSync(directory, { recursive: true });
          return { text: `${count(Number(script.stdout))} samples for ${count(inodes * 3)} steps` };
        },
      };
    },
  };
}
