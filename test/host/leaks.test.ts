/** Hugepages that do not come back, in the guest: found, named, and told when they are back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Leak } from '../../server/protocol/leaks.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

let guest: Guest;
let pin: string;
let server: RunningServer;

const leaksOf = async (ino: string): Promise<Leak[]> =>
  (await server.report()).leaks.filter((leak) => leak.ino === Number(ino));

/** One that waits for a line: `go` gives it one, and resolves to what it printed at its end. */
async function waiting(way: string, when: string, hold: number) {
  const path = `/var/tmp/pin-${way}-${when}`;
  await guest.sh(
    `rm -f ${path}.in; mkfifo ${path}.in
     setsid sh -c '${pin} ${way} 4 ${hold} ${when} <>${path}.in >${path}.out 2>&1' </dev/null >/dev/null 2>&1 &`,
  );
  await eventually(10_000, async () => /^\d+ \d+$/m.test(await guest.sh(`cat ${path}.out`)));
  const [ino, pid] = (await guest.sh(`cat ${path}.out`)).trim().split(' ') as [string, string];
  const go = () => guest.sh(`echo >${path}.in`);
  return { ino, pid: Number(pid), go };
}

beforeAll(async () => {
  guest = await Guest.up();
  pin = await guest.push('pin_pages');
});

describe('a hugepage that somebody holds', () => {
  beforeAll(async () => {
    server = await RunningServer.live('vm');
  });
  afterAll(async () => {
    await server?.stop();
  });

  it.each([
    ['vmsplice', 'vmsplice'],
    ['io_uring', 'io_uring registered buffer'],
    ['private', 'vmsplice'],
    // a futex in it takes a reference with each call, and gives it back
    ['futexes', 'vmsplice'],
  ])('by %s is one leak, with the task and how, and ends when it lets go', async (way, how) => {
    const [first, held] = (await guest.sh(`${pin} ${way} 4 6000`)).trim().split('\n');
    const [ino, pid] = first!.split(' ') as [string, string];
    await eventually(10_000, async () => (await leaksOf(ino))[0]?.state === 'resolved', 'its end');
    const leaks = await leaksOf(ino);
    expect(leaks).toHaveLength(1);
    const [leak] = leaks as [Leak];
    expect(leak).toMatchObject({ kind: 'pinned', verdict: 'certain', pages: 1, bytes: 2 << 20 });
    expect(leak.suspects[0]).toMatchObject({ pid: Number(pid), comm: 'pin_pages', how });
    // two seconds are the threshold, and it is told within two more
    expect(leak.fired_ns - leak.since_ns).toBeGreaterThanOrEqual(2e9);
    expect(leak.fired_ns - leak.since_ns).toBeLessThan(4e9);
    expect(Math.abs((leak.until_ns! - leak.since_ns) / 1e6 - Number(held))).toBeLessThan(100);
  });

  it('and hugepages that all come back are none', async () => {
    const pages = await guest.push('memfd_pages');
    await guest.sh(`for i in 1 2 3 4 5; do ${pages} 4; done`);
    await new Promise((resolve) => setTimeout(resolve, 6000));
    const leaks = (await server.report()).leaks.filter(({ state }) => state === 'firing');
    expect(leaks).toEqual([]);
  });
});

describe('tracing that began', () => {
  afterAll(async () => {
    await server?.stop();
  });

  it('after the hugepages were made, or pinned, finds them all the same', async () => {
    const touched = await waiting('vmsplice', 'touched', 8000);
    const pinned = await waiting('io_uring', 'pinned', 8000);
    server = await RunningServer.live('vm');
    await touched.go();
    await pinned.go();
    for (const { ino } of [touched, pinned]) {
      await eventually(15_000, async () => (await leaksOf(ino)).length === 1, 'the leak');
    }
    const [first] = await leaksOf(touched.ino);
    expect(first).toMatchObject({ kind: 'pinned', pages: 1 });
    expect(first!.suspects[0]).toMatchObject({ pid: touched.pid, how: 'vmsplice' });
    // nobody saw it being pinned: the host is looked at
    await eventually(
      20_000,
      async () =>
        (await leaksOf(pinned.ino))[0]!.suspects.some(
          ({ pid, how }) => pid === pinned.pid && how === 'io_uring registered buffer',
        ),
      'the suspect',
    );
    for (const { ino } of [touched, pinned]) {
      await eventually(
        20_000,
        async () => (await leaksOf(ino))[0]!.state === 'resolved',
        'its end',
      );
    }
  });
});
