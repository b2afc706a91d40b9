import type { PoolsView, SubpoolRow } from '../../../server/protocol/pool-map.ts';
import { formatAge } from '../format/duration.ts';
import { formatCount, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { linkTo, second, store } from '../session.ts';

/** Mounts with size= or min_size=: what they may use, and what is kept for them. */
export function SubpoolTable(props: {
  rows: readonly SubpoolRow[];
  host: string;
  unseen: PoolsView['unseen'];
}) {
  void second.value;
  const { rows, host, unseen } = props;
  const now = store.serverNow();
  const blind = unseen.find((row) => row.what === 'subpools' && row.host === host);
  const leaked = rows.filter((row) => row.state === 'leaked').length;
  return (
    <Panel
      title="Mounts with size= or min_size="
      side={leaked > 0 && <b class="owed">{plural(leaked, 'subpool')} leaked</b>}
    >
      {rows.length === 0 ? (
        <p class="pad dim">None was seen.</p>
      ) : (
        <Scroll label="Mounts with size= or min_size=, table">
          <table class="data">
            <thead>
              <tr>
                <th scope="col">mount</th>
                <th scope="col">state</th>
                <Count name="max" />
                <Count name="used" />
                <Count name="min" />
                <Count name="reserved" />
                <th scope="col" class="num">
                  told before
                </th>
                <th scope="col" class="wide-only">
                  subpool
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr
                  key={`${row.subpool} ${row.told_ms} ${row.state}`}
                  class={row.state === 'leaked' ? 'row-owed' : ''}
                >
                  <th scope="row" class="mono" title={`subpool ${row.subpool}`}>
                    {row.dev === '' ? <span class="dim">not known</span> : row.dev}
                  </th>
                  <td title={STATE_TEXT[row.state]}>
                    <State row={row} />
                  </td>
                  <td class="num">{formatCount(row.max)}</td>
                  <td class="num">{formatCount(row.used)}</td>
                  <td class="num">{formatCount(row.min)}</td>
                  <td class={`num ${row.state === 'leaked' ? 'owed' : ''}`}>
                    {formatCount(row.reserved)}
                  </td>
                  <td class="num dim" title="used and reserved are of then">
                    {formatAge(now - row.told_ms)}
                  </td>
                  <td class="mono dim wide-only">{row.subpool}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {blind !== undefined && (
        <p class="pad dim">
          Subpools are not seen: <Foreign text={blind.why} />
        </p>
      )}
    </Panel>
  );
}

const STATE_TEXT: Record<SubpoolRow['state'], string> = {
  mounting: 'made for a mount that is not done yet',
  mounted: 'the mount is there',
  failed: 'its mount failed, and hugepage_put_subpool() has not run yet',
  kept: 'the mount let go of it while hugepages of it were in use; it goes with the last of them',
  gone: 'the mount is gone, and it was freed',
  leaked: 'its mount is gone and hugepage_put_subpool() did not run: what is reserved stays so',
};

function State({ row }: { row: SubpoolRow }) {
  const doubt = row.doubtful && row.state !== 'leaked' && (
    <span class="tone-warn" title="lines were lost since it was made">
      {' '}
      doubtful
    </span>
  );
  if (row.state !== 'leaked') {
    return (
      <span class={row.state === 'gone' ? 'dim' : row.state === 'failed' ? 'tone-warn' : ''}>
        {row.state}
        {doubt}
      </span>
    );
  }
  return (
    <a class="owed" href={linkTo({ view: 'contract', finding: row.finding })}>
      leaked, {row.verdict}
    </a>
  );
}

function Count({ name }: { name: string }) {
  return (
    <th scope="col" class="num">
      {name}
    </th>
  );
}
