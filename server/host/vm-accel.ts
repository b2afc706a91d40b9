/**
 * KVM or TCG? That /dev/kvm exists says little: inside some virtual machines it
 * opens, takes a guest and then never runs it, or aborts QEMU. So the guest's own
 * kernel is tried; the answer holds until the machine is booted again.
 */
import { accessSync, constants } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { GuestImage } from './vm-image.ts';
import { imagesDir } from './vm-paths.ts';

/** How the guest's instructions are run: by the CPU (KVM) or emulated (TCG). */
export type Accelerator = 'kvm' | 'tcg';

/** With KVM the guest's first process speaks within a second or two. */
const TRIAL_MS = 8_000;

/** The initrd's first line: what says it has passed firmware, kernel and page tables. */
const ALIVE = 'lastref: initrd';

/** The accelerator that works here, tried for real once per boot of this machine. */
export async function accelerator(image: GuestImage): Promise<Accelerator> {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return 'tcg'; // Not remembered: joining the group kvm takes no reboot.
  }
  const memory = join(imagesDir(), 'accelerator.json');
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const known = await remembered(memory, bootId);
  if (known) return known;
  const found: Accelerator = (await kvmRuns(image)) ? 'kvm' : 'tcg';
  await writeFile(memory, JSON.stringify({ bootId, accelerator: found }));
  return found;
}

/** QEMU's arguments for machine and CPU. `max` under TCG has SVM, hence /dev/kvm in the guest. */
export function machineArguments(accel: Accelerator): string[] {
  // Not microvm: that starts no sooner than `pc` without its extras, and has one timer alone to
  // measure the CPU's clock by. On a busy machine the measurement fails and the guest never gets further.
  const machine = ['-machine', 'pc,vmport=off,smbus=off', '-cpu', 'max', '-smp', '2'];
  return [...machine, '-accel', accel === 'kvm' ? 'kvm' : 'tcg,thread=multi'];
}

async function remembered(memory: string, bootId: string): Promise<Accelerator | null> {
  try {
    const { bootId: then, accelerator } = JSON.parse(await readFile(memory, 'utf8'));
    return then === bootId && (accelerator === 'kvm' || accelerator === 'tcg') ? accelerator : null;
  } catch {
    return null;
  }
}

async function kvmRuns(image: GuestImage): Promise<boolean> {
  const trial = execa(
    'qemu-system-x86_64',
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
      ...machineArguments('kvm'),
      ...['-m', '512', '-kernel', image.kernel, '-initrd', image.initrd],
      ...['-append', image.commandLine],
    ],
    // cwd: a QEMU that aborts may leave a core file.
    { buffer: false, reject: false, stdin: 'ignore', timeout: TRIAL_MS, cwd: tmpdir() },
  );
  let said = '';
  let alive = false;
  trial.stdout.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('latin1')).slice(-4096);
    if (!said.includes(ALIVE)) return;
    alive = true;
    trial.kill('SIGKILL');
  });
  // After this message the guest stands still and QEMU waits for a debugger.
  trial.stderr.on('data', (chunk: Buffer) => {
    if (chunk.includes('KVM internal error')) trial.kill('SIGKILL');
  });
  await trial;
  return alive;
}
