/**
 * What is known of a guest that runs. The run directory is only a claim: a guest
 * counts as running when the process of its pid is the very QEMU we started.
 */
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Accelerator } from './vm-accel.ts';
import type { GuestImage } from './vm-image.ts';
import { runDir, runsDir, sshAlias } from './vm-paths.ts';

/** A guest that runs. */
export interface GuestStatus {
  readonly kernel: string;
  readonly pid: number;
  /** The port of 127.0.0.1 that leads to the guest's sshd. */
  readonly port: number;
  readonly accel: Accelerator;
  /** When QEMU was started, in milliseconds since 1970. */
  readonly sinceMs: number;
  readonly imageDir: string;
}

/** The files of a run directory. */
export function runFiles(kernel: string): {
  dir: string;
  pid: string;
  state: string;
  console: string;
  sshConfig: string;
  identity: string;
  knownHosts: string;
} {
  const dir = runDir(kernel);
  return {
    dir,
    pid: join(dir, 'pid'),
    state: join(dir, 'state.json'),
    console: join(dir, 'console.log'),
    sshConfig: join(dir, 'ssh_config'),
    identity: join(dir, 'id_ed25519'),
    knownHosts: join(dir, 'known_hosts'),
  };
}

/** The guest of that kernel if it runs; null when it does not, whatever the files say. */
export async function runningGuest(kernel: string): Promise<GuestStatus | null> {
  try {
    const pid = await verifiedPid(kernel);
    const state = JSON.parse(await readFile(runFiles(kernel).state, 'utf8'));
    return pid === null ? null : { kernel, pid, ...state };
  } catch {
    return null; // No state: its starter died before the guest was of any use.
  }
}

/** All guests that run, by kernel. */
export async function runningGuests(): Promise<GuestStatus[]> {
  const names = await readdir(runsDir()).catch(() => []);
  const kernels = names.filter((name) => name.startsWith('vm-')).map((name) => name.slice(3));
  const guests = await Promise.all(kernels.sort().map(runningGuest));
  return guests.filter((guest) => guest !== null);
}

/** Empties the run directory and fills in all that ssh needs to get into a guest of this image. */
export async function prepareRun(kernel: string, image: GuestImage): Promise<void> {
  const files = runFiles(kernel);
  await rm(files.dir, { recursive: true, force: true });
  await mkdir(files.dir, { recursive: true, mode: 0o700 });
  // A copy, since the image may be replaced while the guest runs.
  await copyFile(image.identityFile, files.identity);
  await chmod(files.identity, 0o600);
  await writeFile(files.knownHosts, `${sshAlias(kernel)} ${image.hostKey}\n`);
}

/** Writes down a guest that was started, which makes it one for others to use. */
export async function recordRun(guest: GuestStatus): Promise<void> {
  const files = runFiles(guest.kernel);
  const { port, accel, sinceMs, imageDir } = guest;
  await writeFile(files.sshConfig, sshConfig(guest.kernel, port));
  await writeFile(files.state, JSON.stringify({ port, accel, sinceMs, imageDir }));
}

/** Ends the guest's QEMU and removes the run directory. False when none ran. */
export async function endRun(kernel: string): Promise<boolean> {
  const pid = await verifiedPid(kernel);
  if (pid !== null) {
    for (let waited = 0; (await verifiedPid(kernel)) === pid; waited += 100) {
      // The guest's disk is thrown away anyway: nothing is lost by not shutting it down.
      if (waited === 0) send(pid, 'SIGTERM');
      if (waited === 5_000) send(pid, 'SIGKILL');
      await sleep(100);
    }
  }
  await rm(runDir(kernel), { recursive: true, force: true });
  return pid !== null;
}

/**
 * Puts the console of a guest that died by itself where the next one does not overwrite
 * it; null when there is none. The caller holds the kernel's lock; no guest runs.
 */
export async function keepConsole(kernel: string): Promise<string | null> {
  const kept = join(runsDir(), `console-${kernel}.log`);
  try {
    await rename(runFiles(kernel).console, kept);
    return kept;
  } catch {
    return null;
  }
}

/** The pid in the run directory, provided that process was started by us for this directory. */
async function verifiedPid(kernel: string): Promise<number | null> {
  const { pid: pidFile } = runFiles(kernel);
  try {
    const pid = Number.parseInt(await readFile(pidFile, 'utf8'), 10);
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
    return command[0]?.includes('qemu-system') && command.includes(pidFile) ? pid : null;
  } catch {
    return null;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone between the look and the signal.
  }
}

function sshConfig(kernel: string, port: number): string {
  const files = runFiles(kernel);
  const path = (file: string) => `"${file.replaceAll('%', '%%')}"`;
  return [
    `Host ${sshAlias(kernel)}`,
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    '  User root',
    `  IdentityFile ${path(files.identity)}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    // The port changes from run to run, the key does not.
    `  HostKeyAlias ${sshAlias(kernel)}`,
    `  UserKnownHostsFile ${path(files.knownHosts)}`,
    '  GlobalKnownHostsFile /dev/null',
    '  StrictHostKeyChecking yes',
    '  UpdateHostKeys no',
    // An emulated guest under load can be silent for a while and yet be well.
    '  ConnectTimeout 60',
    '  ServerAliveInterval 15',
    '  ServerAliveCountMax 8',
    '  LogLevel ERROR',
    '',
  ].join('\n');
}
