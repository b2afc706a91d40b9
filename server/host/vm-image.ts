/**
 * The guest's image: built once by scripts/vm/build-image.sh, then kept until the
 * script changes. A directory that bears the final name is complete, since it is
 * built under another name and renamed.
 */
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { HostError } from './host.ts';
import { imagesDir } from './vm-paths.ts';
import { requireTools } from './vm-tools.ts';

const [RECIPE, ...PARTS] = ['build-image.sh', 'machine-mirror.sh', 'unpack-bpftrace.sh'].map(
  (name) => fileURLToPath(new URL(`../../scripts/vm/${name}`, import.meta.url)),
) as [string, ...string[]];

/** What the build script leaves in an image's directory. */
export interface GuestImage {
  readonly dir: string;
  readonly disk: string;
  /** An unpacked kernel where that can be started, else a bzImage. */
  readonly kernel: string;
  readonly initrd: string;
  readonly commandLine: string;
  readonly identityFile: string;
  /** The guest's public host key, in the form of a known_hosts line without the name. */
  readonly hostKey: string;
}

/** Where the image of a kernel is, or will be, under the recipe as it stands now. */
export async function imageDir(kernel: string): Promise<string> {
  const hash = createHash('sha256');
  for (const part of [RECIPE, ...PARTS]) hash.update(await readFile(part));
  hash.update(kernel);
  return join(imagesDir(), `${kernel}-${hash.digest('hex').slice(0, 12)}`);
}

/** The image of a kernel, built if need be. The caller holds the kernel's lock. */
export async function guestImage(
  host: string,
  kernel: string,
  progress: (text: string) => void,
): Promise<GuestImage> {
  const dir = await imageDir(kernel);
  const cached = existsSync(dir);
  requireTools(host, !cached);
  if (!cached) await build(host, kernel, dir, progress);
  const unpacked = join(dir, 'vmlinux');
  return {
    dir,
    disk: join(dir, 'disk.img'),
    kernel: existsSync(unpacked) ? unpacked : join(dir, 'vmlinuz'),
    initrd: join(dir, 'initrd'),
    commandLine: (await readFile(join(dir, 'cmdline'), 'utf8')).trim(),
    identityFile: join(dir, 'id_ed25519'),
    hostKey: (await readFile(join(dir, 'ssh_host_ed25519_key.pub'), 'utf8')).trim(),
  };
}

async function build(
  host: string,
  kernel: string,
  dir: string,
  progress: (text: string) => void,
): Promise<void> {
  if (process.arch !== 'x64') {
    throw new HostError(
      host,
      `the bundled guest is built on amd64, this machine is ${process.arch}`,
      'trace another machine: lastref live --host USER@MACHINE',
    );
  }
  await mkdir(imagesDir(), { recursive: true, mode: 0o700 });
  // Whoever left these is gone: we hold the lock.
  await removeImages((name) => name.startsWith(`.build-${kernel}-`));
  progress(`building the guest image (kernel ${kernel}): once, about a minute`);

  const draft = join(imagesDir(), `.build-${kernel}-${process.pid}`);
  const logFile = join(imagesDir(), `build-${kernel}.log`);
  const log = createWriteStream(logFile);
  const last: string[] = [];
  const script = execa('bash', [RECIPE, kernel, draft], {
    all: true,
    buffer: false,
    reject: false,
    stdin: 'ignore',
  });
  for await (const line of createInterface({ input: script.all })) {
    log.write(`${line}\n`);
    if (line.startsWith('== ')) progress(line.slice(3));
    last.push(line);
    if (last.length > 8) last.shift();
  }
  const { exitCode } = await script;
  log.end();
  if (exitCode !== 0) {
    await removeImages((name) => name.startsWith(`.build-${kernel}-`));
    throw new HostError(
      host,
      `the guest image (kernel ${kernel}) could not be built:\n${last.join('\n')}`,
      `all that was said: ${logFile}`,
    );
  }
  await rename(draft, dir);
  // A guest that still runs from one of these keeps its files open and its key elsewhere.
  await removeImages((name) => name.startsWith(`${kernel}-`) && join(imagesDir(), name) !== dir);
}

async function removeImages(which: (name: string) => boolean): Promise<void> {
  for (const name of (await readdir(imagesDir())).filter(which)) {
    // An interrupted build may have left /proc or /dev mounted in its root: rm must not go there.
    const dir = join(imagesDir(), name);
    await execa('rm', ['-rf', '--one-file-system', dir], { reject: false });
  }
}
