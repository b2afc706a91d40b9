/** Looks for the programs that the bundled guest needs, before anything is begun. */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { HostError } from './host.ts';

/** Program to Debian package: what it takes to start a guest whose image is there. */
const RUN_TOOLS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  ssh: 'openssh-client',
} as const;

/** What it takes, beside that, to build the image. */
const BUILD_TOOLS = {
  mmdebstrap: 'mmdebstrap',
  'mkfs.ext4': 'e2fsprogs',
  'ssh-keygen': 'openssh-client',
} as const;

/** Comes with Debian; Ubuntu has it as a package. It says whose packages those are. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Throws one HostError that names every missing package, for building too if asked for. */
export function requireTools(host: string, toBuild: boolean): void {
  const tools: Record<string, string> = toBuild ? { ...RUN_TOOLS, ...BUILD_TOOLS } : RUN_TOOLS;
  const missing = Object.keys(tools).filter((tool) => !onPath(tool));
  const packages = new Set(missing.map((tool) => tools[tool]));
  if (toBuild && !existsSync(KEYRING)) {
    missing.push("Debian's archive keys");
    packages.add('debian-archive-keyring');
  }
  if (missing.length === 0) return;
  throw new HostError(
    host,
    `the bundled guest needs ${missing.join(', ')}`,
    `install with: apt-get install ${[...packages].join(' ')}`,
  );
}

function onPath(tool: string): boolean {
  // mkfs lives in sbin, which is not on the PATH of an ordinary user.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
