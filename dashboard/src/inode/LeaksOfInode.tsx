import type { LeakRow } from '../../../server/protocol/pool-map.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatAge } from '../format/duration.ts';
import { formatBytes, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Suspects } from '../parts/Suspects.tsx';
import { WHOLE_MAP } from '../route.ts';
import { linkTo, second, store } from '../session.ts';

/** What leaks, or leaked, of this inode: before everything else, with who is suspected. */
export function LeaksOfInode({ id }: { id: string }) {
  void second.value;
  const leaks = store.leaks.value.filter(({ inode }) => inode === id);
  if (leaks.length === 0) return null;
  const firing = leaks.filter(({ state }) => state === 'firing').length;
  return (
    <Panel
      title={leaks.length === 1 ? 'Leak' : 'Leaks'}
      class={firing > 0 ? 'leak-panel' : ''}
      side={firing === 0 ? <span class="dim">over</span> : <b class="owed">{firing} firing</b>}
    >
      <ul>
        {leaks.map((leak) => (
          <Leak key={leak.id} leak={leak} />
        ))}
      </ul>
    </Panel>
  );
}

function Leak({ leak }: { leak: LeakRow }) {
  const firing = leak.state === 'firing';
  const until = leak.until_ms ?? store.serverNow();
  return (
    <li class="leak-of-inode">
      <div class="alert-head">
        <b class={firing ? (leak.verdict === 'certain' ? 'tone-bad' : 'tone-warn') : 'dim'}>
          {leak.kind}
        </b>
        <span class="dim">{firing ? leak.verdict : leak.state}</span>
        {leak.pages > 0 && (
          <b class="mono">
            {plural(leak.pages, 'hugepage')}, {formatBytes(leak.bytes)}
          </b>
        )}
        <span class="dim">
          since {formatClockMs(leak.since_ms)}, {firing ? 'for' : 'it lasted'}{' '}
          {formatAge(until - leak.since_ms)}
        </span>
        {leak.alert !== '' && <a href={linkTo({ view: 'alerts', alert: leak.alert })}>its alert</a>}
        {firing && leak.kind !== 'stuck' && (
          <a href={linkTo({ ...WHOLE_MAP, of: leak.inode ?? '' })}>on the map</a>
        )}
      </div>
      <p>
        <Foreign text={leak.text} />
      </p>
      {(firing || leak.suspects.length > 0) && <Suspects suspects={leak.suspects} />}
    </li>
  );
}
