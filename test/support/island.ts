/**
 * This machine once more, as an ssh host behind a cable that can be pulled: a network
 * namespace with an sshd in it. Same kernel, same processes. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SshHost } from '../../server/host/ssh.ts';
import { eventually, ROOT } from './cli.ts';

const NAME = `lastref${process.pid}`;
/** Ours, and that of the island. */
const [HERE, THERE] = ['10.213.77.1', '10.213.77.2'];
const CABLE = 'lastref-cable';
/** As installed, or as scripts/test unpacked it, with the library that it needs. */
const UNPACKED = `${ROOT}test/artefacts/sshd`;
const SSHD = existsSync('/usr/sbin/sshd') ? '/usr/sbin/sshd' : `${UNPACKED}/usr/sbin/sshd`;
const LIBRARIES = `${UNPACKED}/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

export class Island {
  readonly host: SshHost;
  readonly #directory = mkdtempSync(join(tmpdir(), 'lastref-island-'));
  readonly #shell: ReturnType<typeof spawn>;

  private constructor() {
    const at = (name: string) => join(this.#directory, name);
    for (const key of ['key', 'hostkey']) {
      run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', at(key));
    }
    writeFileSync(
      at('sshd_config'),
      [
        `ListenAddress ${THERE}`,
        `HostKey ${at('hostkey')}`,
        `AuthorizedKeysFile ${at('key.pub')}`,
        'PermitRootLogin yes',
        'UsePAM no',
        'StrictModes no',
        'PidFile none',
        '',
      ].join('\n'),
    );
    // it wants a user of its own, and a directory
    writeFileSync(
      at('passwd'),
      `${readFileSync('/etc/passwd', 'utf8')}sshd:x:64999:65534::/run/sshd:/bin/false\n`,
    );
    writeFileSync(
      at('config'),
      [
        'Host island',
        `  HostName ${THERE}`,
        '  User root',
        `  IdentityFile ${at('key')}`,
        '  IdentitiesOnly yes',
        '  StrictHostKeyChecking no',
        `  UserKnownHostsFile ${at('known_hosts')}`,
        '  LogLevel ERROR',
        '',
      ].join('\n'),
    );
    run('ip', 'netns', 'add', NAME);
    run('ip', 'link', 'add', CABLE, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', NAME);
    run('ip', 'addr', 'add', `${HERE}/30`, 'dev', CABLE);
    run('ip', '-n', NAME, 'addr', 'add', `${THERE}/30`, 'dev', 'eth0');
    run('ip', '-n', NAME, 'link', 'set', 'eth0', 'up');
    this.plug();
    const server = [
      'set -e',
      `mount --bind ${at('passwd')} /etc/passwd`,
      'mount -t tmpfs none /run',
      'mkdir -m 755 /run/sshd',
      `exec ${SSHD} -D -f ${at('sshd_config')}`,
    ].join('\n');
    this.#shell = spawn(
      'ip',
      ['netns', 'exec', NAME, 'unshare', '-m', '--propagation', 'private', 'sh', '-c', server],
      { stdio: 'ignore', env: { ...process.env, LD_LIBRARY_PATH: LIBRARIES } },
    );
    this.host = new SshHost('island', { destination: 'island', configFile: at('config') });
  }

  static async up(): Promise<Island> {
    const island = new Island();
    try {
      await eventually(10_000, async () => (await island.host.run('true')).code === 0, 'an sshd');
      return island;
    } catch (error) {
      island.down();
      throw error;
    }
  }

  /** The cable is out: no packet passes, and nobody is told. */
  pull(): void {
    run('ip', '-n', NAME, 'link', 'set', 'eth0', 'down');
  }

  plug(): void {
    run('ip', 'link', 'set', CABLE, 'up');
    run('ip', '-n', NAME, 'link', 'set', 'eth0', 'up');
  }

  down(): void {
    this.#shell.kill('SIGKILL');
    // the connection that stays open for a while, and what still runs in it
    const inside = execFileSync('ip', ['netns', 'pids', NAME], { encoding: 'utf8' });
    for (const pid of inside.split('\n').filter(Boolean)) process.kill(Number(pid), 'SIGKILL');
    run('ip', 'link', 'del', CABLE);
    run('ip', 'netns', 'del', NAME);
    rmSync(this.#directory, { recursive: true });
  }
}

function run(file: string, ...args: string[]): void {
  execFileSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
