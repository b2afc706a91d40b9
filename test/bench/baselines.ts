/** Others that read as many events, on this machine and in the same run. */
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Decoder } from '../../server/tracer/decoder.ts';
import { eventually, newerBpftrace, ROOT, workload } from '../support/cli.ts';
import type { Input } from './repeat.ts';

export interface Baseline {
  readonly name: string;
  /** Events a second. */
  readonly rate: number;
}

/** `jq` reads the first events of the input as NDJSON, and counts them. */
export function jqBaseline(input: Input, events: number): Baseline {
  return inTemporaryDirectory((directory) => {
    const file = join(directory, 'events.ndjson');
    const written = writeNdjson(file, input, events);
    const began = performance.now();
    const count = execFileSync('jq', ['-n', 'reduce inputs as $event (0; . + 1)', file], {
      encoding: 'utf8',
    });
    const seconds = (performance.now() - began) / 1000;
    if (Number(count) !== written) throw new Error(`jq read ${count.trim()} of ${written} events`);
    return { name: 'jq', rate: Math.round(written / seconds) };
  });
}

function writeNdjson(file: string, input: Input, events: number): number {
  const fd = openSync(file, 'w');
  let written = 0;
  let lines: string[] = [];
  const ignore = () => {};
  const sink = { hits: ignore, lost: ignore, full: ignore, kept: ignore, frame: ignore };
  const decoder = new Decoder({
    ...sink,
    program: ignore,
    rejected: ignore,
    event: (event) => lines.push(JSON.stringify(event)),
  });
  for (const { kind, bytes } of input.frames) {
    if (kind === 'out') decoder.push(bytes);
    if (lines.length > 0) writeSync(fd, `${lines.join('\n')}\n`);
    written += lines.length;
    lines = [];
    if (written >= events) break;
  }
  closeSync(fd);
  return written;
}

/** The tracepoints that our lines come from; before 6.13 there are none. */
const SAME = ['hugetlbfs_alloc_inode', 'hugetlbfs_evict_inode', 'hugetlbfs_free_inode'].map(
  (name) => `hugetlbfs:${name}`,
);

/**
 * What `perf script` makes of events that perf recorded here: tracepoints of hugetlbfs while
 * inodes are made and dropped or, where there are none, system calls of dd. Recorded once; each
 * call prints them again, so that it stands beside what was measured a moment before.
 * Null where perf cannot record; why, goes to standard error.
 */
export function perfBaseline(events: number): (() => Baseline) | null {
  const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true }));
  const file = join(directory, 'perf.data');
  const record = (what: readonly string[], command: readonly string[]) =>
    spawnSync('perf', ['record', '-q', '-m', '64M', ...what, '-o', file, '--', ...command], {
      encoding: 'utf8',
    });
  const churn = [workload('memfd_churn'), String(Math.ceil(events / SAME.length))];
  let name = 'perf script of tracepoints of hugetlbfs';
  let recorded = record(['-a', '-e', SAME.join(',')], churn);
  if (recorded.error === undefined && recorded.status !== 0) {
    name = 'perf script of system calls';
    const calls = ['-e', 'raw_syscalls:sys_enter', '-e', 'raw_syscalls:sys_exit'];
    const dd = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=1', `count=${Math.ceil(events / 4)}`];
    recorded = record(calls, dd);
  }
  if (recorded.error !== undefined || recorded.status !== 0) {
    const why = recorded.error?.message ?? recorded.stderr.trim().split('\n').slice(0, 2).join(' ');
    process.stderr.write(`no comparison with perf script: perf record says: ${why}\n`);
    return null;
  }
  return () => {
    const began = performance.now();
    const script = spawnSync('sh', ['-c', `perf script -i '${file}' 2>/dev/null | wc -l`], {
      encoding: 'utf8',
    });
    const seconds = (performance.now() - began) / 1000;
    const count = Number(script.stdout);
    if (!(count > 0)) throw new Error('perf script printed nothing of what perf recorded');
    return { name, rate: Math.round(count / seconds) };
  };
}

/** Of `/proc/PID/stat`, a second: USER_HZ, which is 100 wherever Linux runs. */
const TICKS = 100;
/** A buffer that takes what bpftrace cannot print at once, 4 KiB pages. */
const BUFFER_PAGES = '16384';

/**
 * What bpftrace prints in a second of its own processor time: the lines of our steps, from the
 * tracepoints of hugetlbfs while inodes are made and dropped. Who reads them need not be faster.
 * Null where it cannot trace; why, goes to standard error.
 */
export async function bpftraceBaseline(events: number): Promise<Baseline | null> {
  const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
  const [printed, said] = [join(directory, 'lines'), join(directory, 'errors')];
  const child = spawn(newerBpftrace(), ['-B', 'line', `${ROOT}bpf/hugetlbfs-tracepoints.bt`], {
    stdio: ['ignore', openSync(printed, 'w'), openSync(said, 'w')],
    env: { ...process.env, BPFTRACE_PERF_RB_PAGES: BUFFER_PAGES },
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = () =>
    Number(spawnSync('grep', ['-c', '^tp_', printed], { encoding: 'utf8' }).stdout);
  const cpuSeconds = () => {
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(stat[11]) + Number(stat[12])) / TICKS;
  };
  try {
    const begins = () => /^lastref /m.test(readFileSync(printed, 'utf8'));
    await eventually(20_000, () => begins() || child.exitCode !== null, 'a line of bpftrace');
    if (!begins()) {
      const why = readFileSync(said, 'utf8').trim().split('\n').slice(-2).join(' ');
      process.stderr.write(`no comparison with bpftrace: it says: ${why}\n`);
      return null;
    }
    const [before, idle] = [lines(), cpuSeconds()];
    await promisify(execFile)(workload('memfd_churn'), [String(Math.ceil(events / SAME.length))]);
    // the last are freed when their grace period is over
    let told = -1;
    for (let now = before; now > told; now = lines()) {
      told = now;
      await sleep(1000);
    }
    return { name: 'bpftrace', rate: Math.round((told - before) / (cpuSeconds() - idle)) };
  } finally {
    child.kill('SIGINT');
    await ended;
    rmSync(directory, { recursive: true });
  }
}

function inTemporaryDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'lastref-bench-'));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
