/**
 * Where the bundled guest keeps its things. The cache holds what is costly to
 * make and may be deleted at any time; a run directory exists while a guest runs.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The kernel of a host that is called just `vm`. */
export const DEFAULT_KERNEL = '6.12';

/** The kernel that a host name asks for (`vm`, `vm:6.1`); null when it names no guest. */
export function kernelOfName(name: string): string | null {
  if (name === 'vm') return DEFAULT_KERNEL;
  return /^vm:(\d+(?:\.\d+)?)$/.exec(name)?.[1] ?? null;
}

/** The name under which the guest's ssh_config knows it. */
export function sshAlias(kernel: string): string {
  return `lastref-vm-${kernel}`;
}

function cacheHome(): string {
  return process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
}

/** Images by kernel and recipe, and what is known about this machine's accelerator. */
export function imagesDir(): string {
  return join(cacheHome(), 'lastref', 'vm');
}

/** The directory of all run directories. */
export function runsDir(): string {
  // Set but missing (a container, `su` without a session) is as good as not set.
  const runtime = process.env.XDG_RUNTIME_DIR;
  const base = runtime && existsSync(runtime) ? runtime : cacheHome();
  return join(base, 'lastref', 'run');
}

/** Process id, port, keys, ssh_config and console of the one guest with this kernel. */
export function runDir(kernel: string): string {
  return join(runsDir(), `vm-${kernel}`);
}
