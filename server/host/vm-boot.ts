/** Starts QEMU and waits until the guest lets us in. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { HostError } from './host.ts';
import { type Accelerator, accelerator, machineArguments } from './vm-accel.ts';
import type { GuestImage } from './vm-image.ts';
import { sshAlias } from './vm-paths.ts';
import { type GuestStatus, prepareRun, recordRun, runFiles, runningGuest } from './vm-run.ts';

/** A machine with two busy cores needs a good minute; nothing healthy needs this long. */
const READY_MS = 240_000;

/** The guest's sshd says so on the console, see scripts/vm/build-image.sh. */
const SSHD_LISTENS = 'lastref: sshd listens';

/** Boots a guest with a disk that forgets. The caller holds the kernel's lock; none runs yet. */
export async function startGuest(
  host: string,
  kernel: string,
  image: GuestImage,
  progress: (text: string) => void,
): Promise<GuestStatus> {
  const accel = await accelerator(image);
  await prepareRun(kernel, image);
  progress(`booting the guest, kernel ${kernel} (${describe(accel)})`);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const sinceMs = Date.now();
    const qemu = await execa('qemu-system-x86_64', qemuArguments(kernel, image, accel, port), {
      reject: false,
      stdin: 'ignore',
      // Where -snapshot keeps what the guest writes: on a disk, not in the memory behind /tmp.
      env: { TMPDIR: image.dir },
    });
    if (qemu.exitCode === 0) {
      const pid = Number.parseInt(await readFile(runFiles(kernel).pid, 'utf8'), 10);
      const guest = { kernel, pid, port, accel, sinceMs, imageDir: image.dir };
      await recordRun(guest);
      return guest;
    }
    // Somebody may have taken the port between our look and QEMU's.
    if (attempt < 3 && qemu.stderr.includes('host forwarding')) continue;
    throw new HostError(
      host,
      `QEMU did not start: ${qemu.stderr.trim() || qemu.shortMessage}`,
      'lastref vm status; is there 1.5 GiB of free memory?',
    );
  }
}

/** The guest's kernel panicked, or QEMU ended, before ssh worked. */
export class GuestDied extends HostError {
  constructor(host: string, { message, hint }: HostError) {
    super(host, message, hint);
  }
}

/** Returns when ssh works. Also for a guest that another process has just started. */
export async function waitForSsh(host: string, guest: GuestStatus): Promise<void> {
  const { kernel } = guest;
  const files = runFiles(kernel);
  const deadline = Math.max(guest.sinceMs + READY_MS, Date.now() + 60_000);
  let refusal = 'its sshd has not started';
  let booted = false;
  while (Date.now() < deadline) {
    if ((await runningGuest(kernel))?.pid !== guest.pid) {
      throw new GuestDied(host, await notReady(host, kernel, 'the guest died while booting'));
    }
    // Before that line a connection would only wait in QEMU, and come through late.
    booted ||= (await readFile(files.console, 'latin1')).includes(SSHD_LISTENS);
    if (booted) {
      const arguments_ = ['-F', files.sshConfig, '-o', 'BatchMode=yes', sshAlias(kernel), 'true'];
      const answer = await execa('ssh', arguments_, {
        reject: false,
        stdin: 'ignore',
        timeout: 90_000,
      });
      if (answer.exitCode === 0) return;
      refusal = answer.stderr.trim() || answer.shortMessage || 'ssh failed';
    }
    await sleep(booted ? 500 : 100);
  }
  throw await notReady(host, kernel, `the guest does not answer: ${refusal}`);
}

function qemuArguments(
  kernel: string,
  image: GuestImage,
  accel: Accelerator,
  port: number,
): string[] {
  const files = runFiles(kernel);
  const forward = `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22`;
  return [
    ...['-name', sshAlias(kernel), '-nodefaults', '-no-user-config', '-display', 'none'],
    ...machineArguments(accel),
    ...['-m', '1536', '-no-reboot'],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', image.commandLine],
    // Writes go to a temporary file that is unlinked at once: it cannot outlive QEMU.
    ...['-snapshot', '-drive', `file=${comma(image.disk)},format=raw,if=none,id=disk,cache=unsafe`],
    ...['-device', 'virtio-blk-pci,drive=disk'],
    ...['-netdev', forward, '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...['-device', 'virtio-rng-pci'],
    ...['-serial', `file:${files.console}`],
    // The guest stays when we end. QEMU returns from this once all of the above is in place.
    ...['-daemonize', '-pidfile', files.pid],
  ];
}

/** In the value of a QEMU option a comma is written twice. */
function comma(path: string): string {
  return path.replaceAll(',', ',,');
}

function describe(accel: Accelerator): string {
  return accel === 'kvm' ? 'KVM' : 'emulated, TCG: no working KVM here';
}

async function notReady(host: string, kernel: string, what: string): Promise<HostError> {
  const { console } = runFiles(kernel);
  const text = await readFile(console, 'latin1').catch(() => '');
  // The terminal's colours and line ends are of no use in a message.
  const plain = text.replace(/\x1b\[[0-9;?!]*[a-zA-Z]|\r/g, '').trimEnd();
  const last = plain.split('\n').slice(-15).join('\n');
  return new HostError(
    host,
    `${what}. Its console last said:\n${last}`,
    `start afresh: lastref vm down --kernel ${kernel}; the whole console: ${console}`,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
