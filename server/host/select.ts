/** The host that a name means: `local`, `vm`, `vm:KERNEL`, or what ssh accepts. */
import type { Host } from './host.ts';
import { LocalHost } from './local.ts';
import { SshHost } from './ssh.ts';
import { kernelOfName, VmHost } from './vm.ts';

/** Throws HostError for a guest whose kernel is not known. */
export function selectHost(name: string): Host {
  if (name === 'local') return new LocalHost();
  if (name === 'vm' || name.startsWith('vm:') || kernelOfName(name) !== null)
    return new VmHost(name);
  return new SshHost(name, { destination: name });
}
