/** The units of systemd, as systemd reads them. What they can do was tried apart: docs/security.md. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.ts';

const UNITS = ['server', 'tracer', 'fleet', 'agent'].map(
  (name) => `packaging/systemd/lastref-${name}.service`,
);
const version = analyze('--version').match(/systemd (\d+)/)?.[1] ?? '0';

function analyze(...args: string[]): string {
  try {
    return execFileSync('systemd-analyze', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: string; stdout?: string; stderr?: string };
    return code === 'ENOENT' ? '' : `${stdout}${stderr}`;
  }
}

describe.runIf(Number(version) >= 250)('systemd-analyze', () => {
  it.each(UNITS)('finds nothing wrong with %s', (unit) => {
    expect(analyze('verify', '--man=no', unit)).toBe('');
  });

  it.each([
    [UNITS[0]!, 1.5],
    [UNITS[1]!, 3.5],
    [UNITS[2]!, 1.5],
    [UNITS[3]!, 3.5],
  ])('says that %s is exposed by at most %d', (unit, most) => {
    const said = analyze('security', '--no-pager', '--offline=true', unit);
    expect(Number(/exposure level for .*: ([\d.]+)/.exec(said)?.[1])).toBeLessThanOrEqual(most);
  });
});

it.each([UNITS[1], UNITS[3]])(
  '%s has the capabilities that lastref asks for, and docs/security.md names',
  (file) => {
    const unit = readFileSync(`${ROOT}${file}`, 'utf8');
    const local = readFileSync(`${ROOT}server/host/local.ts`, 'utf8');
    const doc = readFileSync(`${ROOT}docs/security.md`, 'utf8');
    const sets = [...unit.matchAll(/^(?:AmbientCapabilities|CapabilityBoundingSet)=(.*)$/gm)];
    expect(sets[0]![1]).toBe(sets[1]![1]);
    for (const name of sets[0]![1]!.split(' ')) {
      expect(local).toContain(name.replace('CAP_', ''));
      expect(doc).toContain(`\`${name}\``);
    }
  },
);
