/**
 * Fills and empties a spool as fast as it can and says what it did, until it is killed:
 * node spooler.ts DIRECTORY. Prints `put N` when the firing and the resolution of alert N
 * are on disk, `taken KEY` (without the time) when the oldest one was taken.
 */
import { writeSync } from 'node:fs';
import { Spool } from '../../server/notify/spool.ts';
import { StateDir } from '../../server/notify/state-dir.ts';
import type { Notification } from '../../server/protocol/alerts.ts';
import { leakOf } from '../fixtures/leaks.ts';

const [directory] = process.argv.slice(2) as [string];
new StateDir(directory);
const spool = new Spool({ directory, limit: 100_000, say: (text) => writeSync(2, `${text}\n`) });

/** Not console.log: what was said must be out when the next thing is done. */
const say = (text: string) => writeSync(1, `${text}\n`);

for (let n = 1; ; n++) {
  const firing: Notification = {
    version: 1,
    key: '',
    status: 'firing',
    fingerprint: n.toString(16).padStart(16, '0'),
    labels: {},
    annotations: {},
    starts_at: new Date(Date.now() - 1000).toISOString(),
    ends_at: null,
    lasted_ms: null,
    note: '',
    url: '',
    leak: leakOf(),
  };
  const key = (status: string) => `${firing.fingerprint}-${Date.parse(firing.starts_at)}-${status}`;
  spool.firing({ ...firing, key: key('firing') });
  spool.resolved({ ...firing, key: key('resolved'), status: 'resolved' });
  say(`put ${n}`);
  if (n % 3 === 0) continue; // some are left
  const head = spool.head!;
  spool.headTaken();
  say(`taken ${head.fingerprint}-${head.status}`);
}
