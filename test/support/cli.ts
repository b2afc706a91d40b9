/** Drives the real command line, as a user does. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { HostState } from '../../server/protocol/hosts.ts';
import type { Report } from '../../server/protocol/report.ts';
import { hasRawTracepoints } from '../../server/tracer/versions.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = `${ROOT}server/cli/main.ts`;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function lastref(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  main = MAIN,
): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...env } });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A running `lastref live` or `replay`. */
export class RunningServer {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  link = '';

  constructor(args: readonly string[], main = MAIN) {
    this.child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (text) => {
      this.stdout += text;
    });
    this.child.stderr!.on('data', (text) => {
      this.stderr += text;
    });
  }

  /** `lastref live` of a host on any free port, ready. */
  static live(host: string, ...more: readonly string[]): Promise<RunningServer> {
    return RunningServer.ready(['live', '--host', host, '--port', '0', '--no-open', ...more]);
  }

  /** Starts and waits until every host is ready. */
  static async ready(args: readonly string[]): Promise<RunningServer> {
    const server = new RunningServer(args);
    await eventually(120_000, () => {
      if (server.child.exitCode !== null) throw new Error(`it ended: ${server.stderr}`);
      server.link = /http:\S+/.exec(server.stdout)?.[0] ?? '';
      return server.link !== '';
    });
    let hosts: HostState[] = [];
    await eventually(240_000, async () => {
      hosts = await server.get<HostState[]>('/api/hosts');
      const failed = hosts.find(({ status }) => status === 'failed');
      if (failed !== undefined) throw new Error(failed.message);
      // a replay may have come to its end meanwhile
      const fine = args[0] === 'replay' ? ['ready', 'stopped'] : ['ready'];
      return hosts.length > 0 && hosts.every(({ status }) => fine.includes(status));
    }).catch((error: Error) => {
      server.child.kill('SIGKILL');
      const states = hosts.map(({ host, status, message }) => `${host} ${status}: ${message}`);
      throw new Error([error.message, ...states, server.stderr.slice(-4000)].join('\n'));
    });
    return server;
  }

  async get<T>(path: string): Promise<T> {
    const url = new URL(this.link);
    const response = await fetch(new URL(path, url), {
      headers: { Authorization: `Bearer ${url.searchParams.get('token')}` },
    }).catch((error: Error) => {
      const { exitCode, signalCode } = this.child;
      if (exitCode === null && signalCode === null) throw error;
      throw new Error(`the server ended (${exitCode ?? signalCode}): ${this.stderr.slice(-4000)}`);
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  report(): Promise<Report> {
    return this.get<Report>('/api/report');
  }

  /** As Ctrl-C does; resolves to the exit code. */
  stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number | null> {
    const { exitCode, signalCode } = this.child;
    if (exitCode !== null || signalCode !== null) return Promise.resolve(exitCode);
    return new Promise((resolve) => {
      this.child.once('close', (code) => resolve(code));
      this.child.kill(signal);
    });
  }
}

/** Asks until the answer is yes; an error of the last try is told when time is up. */
export async function eventually(
  ms: number,
  check: () => boolean | Promise<boolean>,
  what = 'it',
): Promise<void> {
  const end = Date.now() + ms;
  for (;;) {
    if (await check()) return;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A workload or scenario in C, built once, static. Returns its path. */
export function workload(name: string): string {
  const folder = /^s\d\d_/.test(name) ? 'scenarios' : 'workloads';
  const source = `${ROOT}test/${folder}/${name}.c`;
  const built = `${ROOT}test/artefacts/bin/${name}`;
  if (!existsSync(built) || statSync(built).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(`${ROOT}test/artefacts/bin`, { recursive: true });
    execFileSync('cc', ['-O1', '-Wall', '-static', '-o', built, source]);
  }
  return built;
}

/** Of this machine's own: `0.17.0`; `0.0.0` where there is none. */
export function bpftraceVersion(): string {
  const { stdout } = spawnSync('bpftrace', ['--version'], { encoding: 'utf8' });
  return /\d+\.\d+\.\d+/.exec(stdout ?? '')?.[0] ?? '0.0.0';
}

/** A bpftrace with raw tracepoints: this machine's own, or one that is fetched once. */
export function newerBpftrace(): string {
  if (hasRawTracepoints(bpftraceVersion())) return 'bpftrace';
  return execFileSync(`${ROOT}scripts/bpftrace`, { encoding: 'utf8' }).trim();
}

/** Pids of bpftrace on this machine. */
export function bpftracePids(): number[] {
  return pgrep('-x', 'bpftrace');
}

/** Of these, those that trace, and not those that are asked for their version. */
export function tracingPids(): number[] {
  return pgrep('-f', '^[^ ]*bpftrace -B line');
}

/** Pids of the shells that run bpftrace on this machine. */
export function agentPids(): number[] {
  return pgrep('-f', '^[^ ]*sh -c LASTREF_BPFTRACE=');
}

function pgrep(...args: string[]): number[] {
  try {
    const answer = execFileSync('pgrep', args, { encoding: 'utf8' });
    return answer.split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
