/**
 * The bundled test host: a Debian guest with bpftrace and the kernel of choice,
 * in QEMU. Once booted it is an ssh host like any other, so that what works there
 * works on a lab machine. One guest per kernel, shared by all who ask for it, and
 * left running when they end: the next session starts at once.
 */
import {
  type CommandOptions,
  type Host,
  HostError,
  type HostProcess,
  type RunOptions,
  type RunResult,
} from './host.ts';
import { SshHost } from './ssh.ts';
import { GuestDied, startGuest, waitForSsh } from './vm-boot.ts';
import { guestImage, imageDir } from './vm-image.ts';
import { withLock } from './vm-lock.ts';
import { kernelOfName, runDir, sshAlias } from './vm-paths.ts';
import {
  endRun,
  type GuestStatus,
  keepConsole,
  runFiles,
  runningGuest,
  runningGuests,
} from './vm-run.ts';

export { DEFAULT_KERNEL, kernelOfName } from './vm-paths.ts';
export type { GuestStatus } from './vm-run.ts';

/** The host `vm` or `vm:KERNEL`. */
export class VmHost implements Host {
  readonly name: string;
  readonly #kernel: string;
  #ssh: SshHost | null = null;

  constructor(name: string) {
    const kernel = kernelOfName(name);
    if (kernel === null) {
      throw new HostError(name, `${name} is no guest`, 'vm, or vm:KERNEL as in vm:6.12');
    }
    this.name = name;
    this.#kernel = kernel;
  }

  async open(progress: (text: string) => void): Promise<void> {
    await vmUp(this.#kernel, progress);
    const configFile = runFiles(this.#kernel).sshConfig;
    this.#ssh = new SshHost(this.name, { destination: sshAlias(this.#kernel), configFile });
    await this.#ssh.open(progress);
  }

  async run(script: string, options?: RunOptions): Promise<RunResult> {
    return this.#opened().run(script, options);
  }

  spawn(script: string, options?: CommandOptions): HostProcess {
    return this.#opened().spawn(script, options);
  }

  async push(localFile: string, directory: string): Promise<string> {
    return this.#opened().push(localFile, directory);
  }

  async close(): Promise<void> {
    await this.#ssh?.close();
    this.#ssh = null;
  }

  #opened(): SshHost {
    if (this.#ssh) return this.#ssh;
    throw new HostError(this.name, `${this.name} has not been opened`, 'a mistake in lastref');
  }
}

/** Sees to it that a guest with that kernel runs and answers ssh: built, booted or just found. */
export async function vmUp(kernel: string, progress: (text: string) => void): Promise<GuestStatus> {
  const host = `vm:${kernel}`;
  for (let attempt = 1; ; attempt++) {
    const guest = await findOrStart(host, kernel, progress);
    try {
      await waitForSsh(host, guest);
      return guest;
    } catch (error) {
      // an emulated kernel panics once in a while, as it patches its own code on two CPUs
      if (!(error instanceof GuestDied) || guest.accel === 'kvm' || attempt === BOOT_ATTEMPTS) {
        throw error;
      }
      progress('the guest died while booting, as emulated ones do at times: starting it again');
    }
  }
}

const BOOT_ATTEMPTS = 3;

function findOrStart(
  host: string,
  kernel: string,
  progress: (text: string) => void,
): Promise<GuestStatus> {
  return withLock(
    runDir(kernel),
    () => progress(`waiting for another lastref that sets up kernel ${kernel}`),
    async () => {
      const running = await runningGuest(kernel);
      if (running) {
        if (running.imageDir !== (await imageDir(kernel))) {
          progress(`using a guest of an older image; renew: lastref vm down --kernel ${kernel}`);
        }
        return running;
      }
      const console = await keepConsole(kernel);
      if (console !== null) progress(`the guest of before died; its console is in ${console}`);
      const image = await guestImage(host, kernel, progress);
      await endRun(kernel); // What a starter that died half-way may have left.
      return startGuest(host, kernel, image, progress);
    },
  );
}

/** Ends the guest of that kernel. False when none was running. */
export async function vmDown(kernel: string): Promise<boolean> {
  return withLock(
    runDir(kernel),
    () => {},
    () => endRun(kernel),
  );
}

/** The guests that run. */
export async function vmStatus(): Promise<GuestStatus[]> {
  return runningGuests();
}

/** Arguments for `ssh` that lead into the guest; what follows is the command. It has to be up. */
export function vmSshArgs(kernel: string): string[] {
  return ['-F', runFiles(kernel).sshConfig, sshAlias(kernel)];
}
