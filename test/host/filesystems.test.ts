/**
 * Filesystems that lastref's own table does not know, on a real kernel: their functions are asked
 * of it. One of each kind of s_op: NULL/NULL (ramfs), both in a module (overlay), one that frees its
 * inodes by itself (pipefs), free_inode alone (sockfs).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../server/protocol/report.ts';
import { lastref, ROOT } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

const SCRIPT = `${ROOT}test/workloads/filesystems.sh`;
const ROUNDS = 12;
const directory = mkdtempSync(join(tmpdir(), 'lastref-filesystems-'));
let guest: Guest;

beforeAll(async () => {
  guest = await Guest.up();
});
afterAll(() => rmSync(directory, { recursive: true }));

/** That of pipefs cannot be told in one line. */
const fsOf = (detail: string) =>
  detail === 'steps' ? ['ramfs', 'overlay', 'sockfs', 'pipefs'] : ['ramfs', 'overlay', 'sockfs'];

async function recorded(detail: string): Promise<Report> {
  await guest.sh(
    `cat > /tmp/filesystems.sh <<'END'\n${readFileSync(SCRIPT, 'utf8')}\nEND\nsh /tmp/filesystems.sh`,
  );
  const file = join(directory, `${detail}.lastref`);
  const { code, stderr } = await lastref([
    'record',
    ...['--host', 'vm', '--fs', fsOf(detail).join(','), '--detail', detail, '-o', file],
    ...['--push', SCRIPT, '--', 'sh', './filesystems.sh', String(ROUNDS)],
  ]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse((await lastref(['report', file, '--json'])).stdout) as Report;
}

describe.each(['steps', 'auto', 'lifecycle'])(
  'filesystems that are mounted, told in %s',
  (detail) => {
    let report: Report;
    beforeAll(async () => {
      report = await recorded(detail);
    });

    /** As many as there were, but for one at most with each run that the kernel skipped and counted. */
    function expectAll(found: number, there: number): void {
      expect(found).toBeLessThanOrEqual(there);
      expect(found).toBeGreaterThanOrEqual(there - report.losses.not_run!);
    }

    it('has the end of each inode, and no loss', () => {
      expect(report.losses).toMatchObject({ map_full: 0, ring_buffer: 0, rejected: 0 });
      expect(report.losses.balanced).toBe(true);
      const { ramfs, overlay, pipefs } = report.inodes.by_fs;
      expect(report.epochs[0]!.plan.lifecycle).toHaveProperty(
        detail === 'steps' ? 'missing' : 'probe',
      );
      // that of the canary is traced, and not shown
      expect(report.inodes.by_fs).not.toHaveProperty('tmpfs');
      // those that were left, and the root, are evicted by umount
      expectAll(ramfs!.ended, ROUNDS + 4);
      expectAll(overlay!.ended, ROUNDS);
      expectAll(ROUNDS - ramfs!.live, ROUNDS);
      expectAll(ROUNDS - overlay!.live, ROUNDS);
      if (detail !== 'steps') return;
      expect(pipefs!.ended).toBeGreaterThanOrEqual(ROUNDS - report.losses.not_run!);
      // those of others in the guest are in use
      expect(pipefs!.live).toBeLessThan(ROUNDS);
    });

    it('knows which callbacks each has, and that RCU calls back where it should', () => {
      const of = (fs: string) => report.callbacks.find((sb) => sb.fs === fs)!;
      expect(of('ramfs')).toMatchObject({ destroy_inode: '0', free_inode: '0', contradicted: 0 });
      expectAll(of('ramfs').confirmed, ROUNDS + 4);
      expect(of('overlay')).toMatchObject({
        destroy_inode: 'ovl_destroy_inode',
        free_inode: 'ovl_free_inode',
        contradicted: 0,
      });
      expectAll(of('overlay').confirmed, ROUNDS);
      const times = report.stages;
      expectAll(times['destroy_inode..i_callback overlay']!.count, ROUNDS);
      expectAll(times['i_callback..free_inode overlay']!.count, ROUNDS);
      expectAll(times['destroy_inode..i_callback ramfs']!.count, ROUNDS + 4);
      if (detail !== 'steps') return;
      expect(of('pipefs')).toMatchObject({
        destroy_inode: 'free_inode_nonrcu',
        free_inode: '0',
        confirmed: 0,
        contradicted: 0,
      });
      expect(times).not.toHaveProperty('destroy_inode..i_callback pipefs');
    });

    it('keeps the contract, and is asked nothing about hugepages', () => {
      expect(report.findings).toEqual([]);
      expect(report.leaks).toEqual([]);
      const rule = (id: string) => report.contract.find((row) => row.rule === id)!;
      expect(rule('R4').checked).toBeGreaterThanOrEqual(2 * ROUNDS);
      if (detail !== 'lifecycle') expect(rule('R22').checked).toBeGreaterThan(0);
      const { plan } = report.epochs[0]!;
      expect(plan.hugepage_free).toMatchObject({ missing: 'no hugetlbfs was asked for' });
    });
  },
);

it('one that is not mounted there is an error that names those that are', async () => {
  const { code, stderr } = await lastref(['doctor', '--host', 'vm', '--fs', 'overlay,nosuchfs']);
  expect(code).toBe(3);
  expect(stderr).toContain('no filesystem of the type nosuchfs is mounted on vm');
  expect(stderr).toMatch(/Types there: .*\bsockfs\b/);
});
