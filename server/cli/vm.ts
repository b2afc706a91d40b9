/** `lastref vm up|down|status|ssh`: the bundled QEMU guests. */
import { spawnSync } from 'node:child_process';
import { vmDown, vmSshArgs, vmStatus, vmUp } from '../host/vm.ts';
import { EXIT } from './exit.ts';

export const VM_ACTIONS = ['up', 'down', 'status', 'ssh'] as const;
export type VmAction = (typeof VM_ACTIONS)[number];

export async function vm(
  action: VmAction,
  options: { kernel: string; json: boolean },
  command: readonly string[],
): Promise<number> {
  const progress = (text: string) => process.stderr.write(`lastref: ${text}\n`);
  switch (action) {
    case 'up': {
      const guest = await vmUp(options.kernel, progress);
      process.stdout.write(
        options.json
          ? `${JSON.stringify(guest)}\n`
          : `vm:${guest.kernel} is up (${guest.accel}, pid ${guest.pid}, ssh port ${guest.port})\n`,
      );
      return EXIT.good;
    }
    case 'down': {
      const was = await vmDown(options.kernel);
      process.stdout.write(`vm:${options.kernel} ${was ? 'is down' : 'was not running'}\n`);
      return EXIT.good;
    }
    case 'status': {
      const guests = await vmStatus();
      if (options.json) process.stdout.write(`${JSON.stringify(guests)}\n`);
      else if (guests.length === 0) process.stdout.write('no guest is running\n');
      for (const guest of options.json ? [] : guests) {
        const since = new Date(guest.sinceMs).toLocaleString();
        process.stdout.write(
          `vm:${guest.kernel}  ${guest.accel}  pid ${guest.pid}  ssh port ${guest.port}  since ${since}\n`,
        );
      }
      return EXIT.good;
    }
    case 'ssh': {
      await vmUp(options.kernel, progress);
      const args = vmSshArgs(options.kernel);
      return spawnSync('ssh', [...args, ...command], { stdio: 'inherit' }).status ?? EXIT.tracing;
    }
  }
}
