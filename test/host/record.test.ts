/** `lastref record` on the machine the tests run on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from '../../server/protocol/report.ts';
import { bpftracePids, lastref, workload } from '../support/cli.ts';

const doctor = await lastref(['doctor', '--host', 'local', '--json', '--fs', 'hugetlbfs']);
const directory = mkdtempSync(join(tmpdir(), 'lastref-record-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Of hugetlbfs on this machine, into a file of that name; the report of the file. */
async function recorded(name: string, ...more: readonly string[]) {
  const file = join(directory, name);
  const how = await lastref([
    'record',
    '--host',
    'local',
    '--fs',
    'hugetlbfs',
    '-o',
    file,
    ...more,
  ]);
  const { stdout } = await lastref(['report', file, '--json']);
  return { ...how, report: JSON.parse(stdout) as Report };
}

describe.runIf(doctor.code === 0)('lastref record', () => {
  it('ends with the workload, leaves no bpftrace, and the file is whole', async () => {
    const churn = workload('memfd_churn');
    const before = bpftracePids();
    const { code, stderr, report } = await recorded(
      'w.lastref',
      ...['--push', churn, '--', './memfd_churn', '500'],
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(/lastref: \d+ events, \d+ lost; the ledger/);
    expect(stderr).toMatch(/lastref: recorded in .*w\.lastref\n/);
    // tracepoints: what the kernel skipped is counted, and its inode may not be told
    const { not_run: skipped, ring_buffer: lost } = report.losses;
    const told = report.inodes.by_fs.hugetlbfs!.ended;
    expect(told + (skipped ?? 0) + lost).toBeGreaterThanOrEqual(500);
    expect(report.recording).toBeUndefined();
    expect(bpftracePids()).toEqual(before);
  });

  it('ends when its time is up', async () => {
    const { code, report } = await recorded('d.lastref', '--duration', '2s');
    expect(code).toBe(0);
    expect(report.epochs).toHaveLength(1);
  });

  it('tells by its exit code that the workload failed', async () => {
    expect((await recorded('f.lastref', '--', 'false')).code).toBe(4);
  });
});
