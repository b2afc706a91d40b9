/** The machine lastref runs on. */
import { copyFile, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { runCommand, spawnCommand } from './command.ts';
import {
  type CommandOptions,
  type Host,
  HostError,
  type HostProcess,
  type RunOptions,
  type RunResult,
} from './host.ts';

/**
 * What tracing needs where it is not root's, as bits of /proc/PID/status: BPF and
 * PERFMON for the kernel; DAC_READ_SEARCH and DAC_OVERRIDE, without which bpftrace
 * refuses to start; SYSLOG for addresses of kernel symbols; SYS_PTRACE, without which
 * the holders of hugepages are not seen. docs/security.md has how this was measured.
 */
const CAPABILITIES = {
  dacOverride: 1,
  dacReadSearch: 2,
  sysPtrace: 19,
  syslog: 34,
  perfmon: 38,
  bpf: 39,
};

/** Whether a process with this /proc/PID/status hands down all that tracing needs. */
export function canTrace(status: string): boolean {
  const ambient = /^CapAmb:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (ambient === undefined) return false;
  const held = BigInt(`0x${ambient}`);
  return Object.values(CAPABILITIES).every((bit) => ((held >> BigInt(bit)) & 1n) === 1n);
}

export class LocalHost implements Host {
  readonly name = 'local';
  /** Neither for root, nor where the capabilities were given to lastref. */
  #needsSudo = process.getuid?.() !== 0;

  async open(): Promise<void> {
    if (!this.#needsSudo) return;
    this.#needsSudo = !canTrace(await readFile('/proc/self/status', 'utf8'));
    if (!this.#needsSudo) return;
    const answer = await runCommand('sudo', ['-n', 'sh', '-c', ':']); // what sudoers allows
    if (answer.code !== 0) throw sudoRefused('local', answer);
  }

  run(script: string, options: RunOptions = {}): Promise<RunResult> {
    const [file, args] = this.#command(script, options);
    return runCommand(file, args, options);
  }

  spawn(script: string, options: CommandOptions = {}): HostProcess {
    const [file, args] = this.#command(script, options);
    return spawnCommand(file, args);
  }

  async push(localFile: string, directory: string): Promise<string> {
    const target = join(directory, basename(localFile));
    await copyFile(localFile, target);
    await stat(target);
    return target;
  }

  async close(): Promise<void> {}

  #command(script: string, options: CommandOptions): [string, string[]] {
    const command = ['sh', '-c', script];
    if (options.root === true && this.#needsSudo) return ['sudo', ['-n', ...command]];
    return [command[0]!, command.slice(1)];
  }
}

/** What to say where `sudo -n` is refused. */
export function sudoRefused(host: string, answer: RunResult): HostError {
  const said = answer.stderr.trim().split('\n').slice(0, 2).join(' ');
  return new HostError(
    host,
    `bpftrace needs root on ${host}, and sudo refused to give it without a password: ${said}`,
    [
      'Either run as root there, or let this user run a shell as root without a password:',
      '  echo "$USER ALL=(root) NOPASSWD: /bin/sh" | sudo tee /etc/sudoers.d/lastref',
      'What that grants, and how to do with less: docs/security.md',
    ].join('\n'),
  );
}
