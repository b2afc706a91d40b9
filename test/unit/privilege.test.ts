/** How root is come by on a host: as little as the documented line of sudoers, or none. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { canTrace, LocalHost } from '../../server/host/local.ts';
import { SshHost } from '../../server/host/ssh.ts';

/** Programs that are found before those of the machine. */
function programs(texts: Record<string, string>): void {
  const dir = join(mkdtempSync(join(tmpdir(), 'lastref-bin-')), 'bin');
  mkdirSync(dir);
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(dir, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(dir, name), 0o755);
  }
  vi.stubEnv('PATH', `${dir}:${process.env.PATH}`);
}

/** As sudo with the line of docs/security.md: a shell and nothing else. */
const SUDO =
  '[ "$1 $2" = "-n sh" ] || { echo "a password is required" >&2; exit 1; }; shift; AS=root exec "$@"';
const NO_SUDO = 'echo "a password is required" >&2; exit 1';
/** Runs there what it is given, as a user who is not root. */
const SSH = 'for last; do :; done; exec sh -c "$last"';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe.each<[string, () => LocalHost | SshHost]>([
  ['local', () => new LocalHost()],
  ['ssh', () => new SshHost('box', { destination: 'box' })],
])('an ordinary user on a %s host', (_, make) => {
  it('needs no more of sudo than a shell, and uses it for root alone', async () => {
    programs({ sudo: SUDO, ssh: SSH, id: 'echo 1000' });
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    const host = make();
    await host.open(() => {});
    const who = 'echo "as $AS"';
    expect((await host.run(who, { root: true })).stdout).toBe('as root\n');
    expect((await host.run(who)).stdout).toBe('as \n');
  });

  it('is told what to allow where sudo refuses', async () => {
    programs({ sudo: NO_SUDO, ssh: SSH, id: 'echo 1000' });
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    await expect(make().open(() => {})).rejects.toMatchObject({
      message: expect.stringContaining('a password is required'),
      hint: expect.stringMatching(/NOPASSWD: \/bin\/sh.*docs\/security\.md/s),
    });
  });
});

describe('capabilities', () => {
  const status = (ambient: string) =>
    `Name:\tnode\nCapEff:\tffffffffffffffff\nCapAmb:\t${ambient}\n`;

  it.each<[string, string, boolean]>([
    ['all that tracing needs', '000000c400080006', true],
    ['more', '000001ffffffffff', true],
    ['none', '0000000000000000', false],
    ['bpftrace’s alone, without SYS_PTRACE', '000000c400000006', false],
    ['without SYSLOG', '000000c000080006', false],
    ['without BPF', '0000004400080006', false],
    ['without PERFMON', '0000008400080006', false],
    ['without DAC_OVERRIDE', '000000c400080004', false],
  ])('%s: %s', (_, ambient, enough) => {
    expect(canTrace(status(ambient))).toBe(enough);
  });

  it('that are not handed down are none', () => {
    expect(canTrace('CapEff:\t000001ffffffffff\n')).toBe(false);
  });
});
