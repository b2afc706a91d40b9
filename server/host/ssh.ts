/**
 * Anything the OpenSSH client reaches: the user's ssh_config, jump hosts, agent
 * and vsock proxies all work, because it is the user's own client. One master
 * connection carries everything; its control socket lies in a private directory.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { quote } from './agent.ts';
import { runCommand, spawnCommand } from './command.ts';
import {
  type CommandOptions,
  type Host,
  HostError,
  type HostProcess,
  type RunOptions,
  type RunResult,
} from './host.ts';
import { sudoRefused } from './local.ts';

/** Sockets of the master connections; a short path, since the kernel allows 107 bytes. */
const CONTROL_DIRECTORY = join(homedir(), '.cache', 'lastref', 'ssh');

export interface SshOptions {
  /** What the OpenSSH client takes as its destination. */
  readonly destination: string;
  /** An ssh_config to use instead of the user's. */
  readonly configFile?: string;
  /** Seconds for the TCP connection and the handshake. An emulated, busy guest takes 10. */
  readonly connectTimeoutS?: number;
}

export class SshHost implements Host {
  readonly name: string;
  readonly #options: SshOptions;
  #isRoot = false;

  constructor(name: string, options: SshOptions) {
    this.name = name;
    this.#options = options;
  }

  async open(progress: (text: string) => void): Promise<void> {
    progress(`connecting to ${this.name}`);
    await mkdir(CONTROL_DIRECTORY, { recursive: true, mode: 0o700 });
    const answer = await this.run('id -u', {
      timeoutMs: ((this.#options.connectTimeoutS ?? 30) + 15) * 1000,
    });
    if (answer.code !== 0) throw unreachable(this.name, this.#options.destination, answer);
    this.#isRoot = answer.stdout.trim() === '0';
    if (this.#isRoot) return;
    const sudo = await this.run('sudo -n sh -c :'); // what sudoers allows
    if (sudo.code !== 0) throw sudoRefused(this.name, sudo);
  }

  run(script: string, options: RunOptions = {}): Promise<RunResult> {
    return runCommand('ssh', this.#arguments(script, options), options);
  }

  spawn(script: string, options: CommandOptions = {}): HostProcess {
    return spawnCommand('ssh', this.#arguments(script, options));
  }

  async push(localFile: string, directory: string): Promise<string> {
    const target = `${directory}/${basename(localFile)}`;
    const [content, info] = await Promise.all([readFile(localFile), stat(localFile)]);
    const mode = (info.mode & 0o777).toString(8);
    const answer = await this.run(`cat > ${quote(target)} && chmod ${mode} ${quote(target)}`, {
      input: content,
      timeoutMs: 300_000,
    });
    if (answer.code !== 0) {
      throw new HostError(
        this.name,
        `cannot copy ${localFile} to ${this.name}:${target}: ${answer.stderr.trim()}`,
        'Is there room, and may this user write there?',
      );
    }
    return target;
  }

  async close(): Promise<void> {
    // the master goes by itself, 20 s after its last user: another lastref may be one
  }

  #connection(): string[] {
    const config = this.#options.configFile;
    return [
      ...(config === undefined ? [] : ['-F', config]),
      '-o',
      'BatchMode=yes',
      '-o',
      `ConnectTimeout=${this.#options.connectTimeoutS ?? 30}`,
      '-o',
      'ServerAliveInterval=5',
      '-o',
      'ServerAliveCountMax=3',
      '-o',
      'ControlMaster=auto',
      '-o',
      'ControlPersist=20',
      '-o',
      `ControlPath=${join(CONTROL_DIRECTORY, '%C')}`,
      '-T',
    ];
  }

  /** The remote login shell may be any shell: it is given one word-safe command of sh. */
  #arguments(script: string, options: CommandOptions): string[] {
    const sudo = options.root === true && !this.#isRoot ? 'sudo -n ' : '';
    return [
      ...this.#connection(),
      '--',
      this.#options.destination,
      `${sudo}sh -c ${quote(script)}`,
    ];
  }
}

/** The client's own words say best what is wrong; add what to do about each. */
function unreachable(name: string, destination: string, answer: RunResult): HostError {
  const said = answer.stderr.trim().split('\n').slice(-3).join('\n');
  const by = (pattern: RegExp) => pattern.test(said);
  let hint = `Try: ssh ${destination} true`;
  if (by(/Could not resolve/i)) {
    hint =
      'No such host is known. Is the name right, and is it in DNS, /etc/hosts or ~/.ssh/config?';
  } else if (by(/Permission denied/i)) {
    hint = `The host refused every key. Try: ssh ${destination} true   (lastref never asks for a password; an agent or a key file must do)`;
  } else if (by(/Host key verification failed|REMOTE HOST IDENTIFICATION/i)) {
    hint = `The host's key is not the known one, or not yet known. Look at it once with: ssh ${destination} true`;
  } else if (by(/refused|timed out|No route/i) || answer.timedOut) {
    hint = 'Is the machine up, and does its sshd listen there?';
  } else if (answer.code === 127) {
    hint = 'Install the OpenSSH client: apt install openssh-client';
  }
  return new HostError(name, `cannot reach ${name} over ssh:\n${said || 'no answer'}`, hint);
}
