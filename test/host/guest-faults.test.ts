/** A guest whose clock is set, and one whose kernel panics: see docs/reliability.md. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostState } from '../../server/protocol/hosts.ts';
import type { InodePage } from '../../server/protocol/messages.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

let guest: Guest;
let server: RunningServer;
let pages: string;

const host = async () => (await server.get<HostState[]>('/api/hosts'))[0]!;
const rows = async (filter: string) =>
  (await server.get<InodePage>(`/api/inodes?filter=${encodeURIComponent(filter)}`)).rows;

/** A memfd of so many hugepages under this name: its row, when it has ended. */
async function memfd(count: number, comm: string) {
  await guest.sh(`${pages} ${count} ${comm} >/dev/null`);
  const filter = `comm:${comm} state:ended`;
  await eventually(20_000, async () => (await rows(filter)).length === 1, `the end of ${comm}`);
  return (await rows(filter))[0]!;
}

beforeAll(async () => {
  guest = await Guest.up();
  pages = await guest.push('memfd_pages');
  server = await RunningServer.live('vm', '--fs', 'hugetlbfs');
});
afterAll(async () => {
  await server?.stop();
});

it('the clock of the host is set forward and back: times go on, and nothing is lost', async () => {
  const real = Number(await guest.sh('date +%s'));
  const began = performance.now();
  const first = await memfd(1, 'before');
  await guest.sh(`date -s @${real + 3600}`);
  const second = await memfd(1, 'forward');
  await guest.sh(`date -s @${real - 7200}`);
  const third = await memfd(1, 'back');
  await guest.sh(`date -s @${real + Math.round((performance.now() - began) / 1000)}`);
  // in the time of the trace, which is that since boot, and on the wall clock as it began
  const begins = [first, second, third].map((row) => row.at_ms);
  expect(begins.toSorted((a, b) => a - b)).toEqual(begins);
  expect(begins[2]! - begins[0]!).toBeLessThan(60_000);
  expect(Math.abs(begins[0]! / 1000 - real)).toBeLessThan(60);
  const { gaps, losses } = await server.report();
  expect(gaps).toEqual([]);
  expect(losses.balanced).not.toBe(false);
  expect((await host()).status).toBe('ready');
});

it('somebody turns probes on functions off: a gap, told at once, and no host that looks idle', async () => {
  const before = (await server.report()).gaps.length;
  await guest.sh('sysctl -qw kernel.ftrace_enabled=0');
  try {
    await eventually(10_000, async () => (await host()).status === 'blind', 'the word');
    expect((await host()).message).toMatch(/^kernel\.ftrace_enabled is 0: /);
    await guest.sh(`${pages} 2 unseen >/dev/null`);
  } finally {
    await guest.sh('sysctl -qw kernel.ftrace_enabled=1');
  }
  await eventually(10_000, async () => (await host()).status === 'ready', 'probes that run');
  await memfd(2, 'seen');
  expect(await rows('comm:unseen')).toEqual([]);
  const { gaps, losses, leaks } = await server.report();
  expect(gaps.slice(before)).toMatchObject([
    { where: 'tracer_down', to_ns: expect.any(Number) as number },
  ]);
  expect(losses.balanced).not.toBe(false);
  expect(leaks.filter(({ state }) => state === 'firing')).toEqual([]);
});

it('a guest that panics is booted again: a new epoch, and what was seen before is kept', async () => {
  await memfd(2, 'old');
  const before = await server.report();
  expect(before.epochs).toHaveLength(1);
  await guest.host.run('echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger', {
    timeoutMs: 10_000,
  });
  await eventually(20_000, async () => (await host()).status === 'restarting', 'the word');
  await eventually(300_000, async () => (await host()).status === 'ready', 'a new guest');
  const kept = /its console is in (\S+)/.exec(server.stderr)?.[1];
  expect(readFileSync(kept!, 'latin1')).toContain('sysrq triggered crash');
  guest = await Guest.up();
  pages = await guest.push('memfd_pages');
  await memfd(3, 'new');
  expect(await rows('comm:old state:ended')).toHaveLength(1);
  const after = await server.report();
  expect(new Set(after.epochs.map(({ id }) => id)).size).toBe(2);
  expect(after.events.decoded).toBeGreaterThan(before.events.decoded);
  expect(after.losses.balanced).not.toBe(false);
  expect(after.leaks.filter(({ state }) => state === 'firing')).toEqual([]);
});
