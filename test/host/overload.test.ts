/**
 * More than a small buffer can take, of everything at once, and no leak in it: nothing may
 * be told as certain, and when it is quiet again nothing may be left. Twenty seconds; for
 * longer: LASTREF_CHURN_S=600 ./scripts/test host test/host/overload.test.ts
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Report } from '../../server/protocol/report.ts';
import { eventually, RunningServer } from '../support/cli.ts';
import { Guest } from '../support/guest.ts';

const SECONDS = Number(process.env.LASTREF_CHURN_S ?? 20);
/** Every kind of leak has its threshold, and its end, in this time. */
const QUIET_MS = 90_000;

let guest: Guest;
let server: RunningServer;

beforeAll(async () => {
  guest = await Guest.up();
  server = await RunningServer.live('vm', '--buffer-pages', '2', '--detail', 'steps');
});
afterAll(async () => {
  await server?.stop();
});

const certain = ({ leaks }: Report) =>
  leaks.filter((l) => l.verdict === 'certain' && l.state !== 'refuted' && l.kind !== 'held');

it(
  `has no certain leak in ${SECONDS} s of churn with losses, and none is left after it`,
  async () => {
    const [churn, pages] = [await guest.push('memfd_churn'), await guest.push('memfd_pages')];
    const end = Date.now() + SECONDS * 1000;
    while (Date.now() < end) {
      const left = Math.max(2, Math.min(20, Math.round((end - Date.now()) / 1000)));
      await guest.sh(
        `e=$(($(date +%s) + ${left}))
         while [ $(date +%s) -lt $e ]; do
           ${churn} 400 & for i in 1 2 3 4; do ${pages} $i >/dev/null; done
           for i in 1 2 3 4 5 6 7 8; do : >/dev/shm/c$i; rm /dev/shm/c$i; done; wait
         done`,
      );
      expect(certain(await server.report())).toEqual([]);
    }
    const { losses, contract } = await server.report();
    expect(losses.ring_buffer).toBeGreaterThan(0);
    expect(contract.filter(({ broken }) => broken > 0)).toEqual([]);
    await eventually(
      QUIET_MS,
      async () => (await server.report()).leaks.every(({ state }) => state !== 'firing'),
      'an end of all that was suspected',
    );
    const after = await server.report();
    expect(certain(after)).toEqual([]);
    expect(after.losses.balanced).toBe(true);
  },
  SECONDS * 1000 + QUIET_MS + 120_000,
);
