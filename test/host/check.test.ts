/** `lastref check` over workloads in the guest: the verdict, how it is told, the exit code. */
import { beforeAll, expect, it } from 'vitest';
import type { Judged } from '../../server/cli/check-judge.ts';
import { Report } from '../../server/protocol/report.ts';
import { lastref, workload } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

beforeAll(async () => {
  await Guest.up();
});

it('a workload that gives everything back is clean, and its own results nest', async () => {
  const script = 'echo TAP version 13; echo 1..1; ./memfd_pages 4 >&2; echo ok 1 - pages';
  const push = ['--push', workload('memfd_pages')];
  const { code, stdout, stderr } = await lastref([
    ...['check', '--host', 'vm', ...push],
    ...['--', 'sh', '-c', script],
  ]);
  expect(stderr).not.toMatch(/ALERT|BUG/);
  const lines = stdout.trimEnd().split('\n');
  expect(lines.slice(0, 6)).toEqual([
    'KTAP version 1',
    '1..30',
    '  TAP version 13',
    '  1..1',
    '  ok 1 - pages',
    'ok 1 workload',
  ]);
  expect(lines.filter((line) => line.startsWith('not ok'))).toEqual([]);
  for (const name of ['ledger', 'leak pinned', 'contract R1 evict order', 'contract R12 ']) {
    expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^ok \\d+ ${name}[^#]*$`)));
  }
  expect(lines.at(-1)).toMatch(/^# Totals: pass:\d+ fail:0 /);
  expect(code).toBe(0);
});

it('a hugepage that is left pinned fails it, with who pinned it', async () => {
  // the process that pins goes on when the workload has ended
  const script = './pin_pages vmsplice 4 30000 >/dev/null 2>&1 & sleep 1; exit 7';
  const { code, stdout } = await lastref([
    ...['check', '--host', 'vm', '--format', 'json', '--push', workload('pin_pages')],
    ...['--', 'sh', '-c', script],
  ]);
  expect(code).toBe(1);
  const { check, ...rest } = JSON.parse(stdout) as { check: { exit: number; tests: Judged[] } };
  const { leaks } = Report.parse(rest);
  expect(leaks).toEqual([
    expect.objectContaining({ kind: 'pinned', state: 'firing', verdict: 'certain', pages: 1 }),
  ]);
  expect(leaks[0]!.suspects[0]).toMatchObject({ comm: 'pin_pages', how: 'vmsplice' });
  expect(check.exit).toBe(1);
  const failed = check.tests.filter(({ outcome }) => outcome === 'fail');
  expect(failed.map(({ name }) => name)).toEqual(['workload', 'leak pinned']);
  expect(failed[0]!.why).toBe('it ended with status 7');
});

it('a workload that nobody could watch to its end proves nothing', async () => {
  const script = `sysctl -qw kernel.ftrace_enabled=0; sleep 2; ./memfd_pages 4 >&2
    sysctl -qw kernel.ftrace_enabled=1; sleep 2`;
  const push = ['--push', workload('memfd_pages')];
  const { code, stdout } = await lastref([
    ...['check', '--host', 'vm', ...push],
    ...['--', 'sh', '-c', script],
  ]);
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(
    'Bail out! not all was seen: kernel.ftrace_enabled is 0: probes on functions do not run',
  );
  expect(code).toBe(3);
});
