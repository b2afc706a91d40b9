/** The machine lastref runs on. */
import { copyFile, stat } from 'node:fs/promises';
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

export class LocalHost implements Host {
  readonly name = 'local';
  readonly #isRoot = process.getuid?.() === 0;

  async open(): Promise<void> {
    if (this.#isRoot) return;
    const answer = await runCommand('sudo', ['-n', 'true']);
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
    if (options.root === true && !this.#isRoot) return ['sudo', ['-n', ...command]];
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
    ].join('\n'),
  );
}
