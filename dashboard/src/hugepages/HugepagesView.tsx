import { useMemo } from 'preact/hooks';
import type { HugepagesOfPool, PoolRow, PoolsView } from '../../../server/protocol/pool-map.ts';
import { formatCount, plural } from '../format/number.ts';
import { ChooseHost, isHostOpen } from '../hosts/ChooseHost.tsx';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { Panel } from '../parts/Panel.tsx';
import { go, route, store } from '../session.ts';
import { CELL_STATES, poolCells } from './cells.ts';
import {
  cellOfKey,
  chosenPool,
  countedLeaks,
  keyOfPool,
  pagesOfPool,
  poolsToMap,
} from './choose.ts';
import { MapController, type Scene } from './controller.ts';
import { HolderTable } from './HolderTable.tsx';
import { holdersOf } from './holders.ts';
import { LeakLines } from './LeakLines.tsx';
import { MapLegend } from './MapLegend.tsx';
import { PageTable } from './PageTable.tsx';
import { cellAsText, PinnedCell } from './PageTip.tsx';
import { PoolMap } from './PoolMap.tsx';
import { SubpoolTable } from './SubpoolTable.tsx';
import { notesOf, poolName, summaryOf } from './words.ts';

/** The pool as a map: who has what of it, what leaks, and what is promised. */
export function HugepagesView() {
  if (isHostOpen() && route.value.pool === '') return <ChooseHost what="Map of hugepages" />;
  const tables = store.hugepages.value;
  const view = store.pools.value;
  if (tables === null || view === null) return <Waiting what="hugepages" />;
  const pools = poolsToMap(view.pools, tables);
  const pool = chosenPool(pools, tables, route.value);
  return (
    <>
      <h1 class="visually-hidden">Hugepages</h1>
      {pool === undefined ? (
        <Panel title="Hugepage pools">
          <Empty title="No hugepage pool has been reported.">
            <p>
              Pool counters come each second once a tracer is ready. An empty pool is filled with{' '}
              <code>echo 64 &gt; /proc/sys/vm/nr_hugepages</code>
            </p>
          </Empty>
        </Panel>
      ) : (
        <OnePool pool={pool} pools={pools} pages={pagesOfPool(tables, pool)} view={view} />
      )}
    </>
  );
}

function OnePool(props: {
  pool: PoolRow;
  pools: readonly PoolRow[];
  pages: HugepagesOfPool | null;
  view: PoolsView;
}) {
  const { pool, pools, pages, view } = props;
  const controller = useMemo(() => new MapController(), []);
  const { state, of: inode, page } = route.value;
  const { total, free, reserved } = pool;
  const lost = countedLeaks(store.leaks.value, pool);
  const cells = useMemo(
    () => poolCells(pool, pages, lost),
    [pages, total, free, reserved, lost.reserved, lost.unseen, lost.free],
  );
  const filter = CELL_STATES.find((name) => name === state) ?? '';
  const of = inode === '' || pages === null ? -1 : pages.inodes.findIndex(({ id }) => id === inode);
  const pinned = useMemo(() => cellOfKey(cells, pages, page), [cells, pages, page]);
  const scene = useMemo<Scene>(
    () => ({ cells, pages, filter, of, pinned }),
    [cells, pages, filter, of, pinned],
  );
  const holders = useMemo(
    () => holdersOf(pool, pages, view.promised),
    [pool, pages, view.promised],
  );
  const summary = summaryOf(pool, cells);
  const pinnedRow = cells.rows[pinned] ?? -1;
  const leaks = store.leaks.value.filter(
    ({ host, kind }) => host === pool.host && kind !== 'stuck',
  );
  const hosts = new Set(pools.map(({ host }) => host)).size;
  return (
    <>
      <Panel
        title={`Pool of ${poolName(pool, hosts > 1)} hugepages`}
        side={<PoolChoice pools={pools} shown={pool} manyHosts={hosts > 1} />}
      >
        <LeakLines leaks={leaks} />
        <MapLegend cells={cells} filter={filter} />
        {total === 0 ? (
          <p class="pad dim">The pool is empty.</p>
        ) : (
          <PoolMap controller={controller} scene={scene} summary={summary} />
        )}
        <p role="status" class="visually-hidden">
          {cellAsText(scene)}
        </p>
        <PinnedCell scene={scene} />
        {page !== '' && pinned < 0 && (
          <p class="pad dim">
            The chosen hugepage <span class="mono">{page.slice(0, 40)}</span> is not known to be
            outside the pool (any more).{' '}
            <button type="button" onClick={() => go({ page: '' })}>
              close
            </button>
          </p>
        )}
        {inode !== '' && of < 0 && (
          <p class="pad dim">
            Inode <span class="mono">{inode.slice(0, 40)}</span> has no hugepage outside this pool
            (any more).{' '}
            <button type="button" onClick={() => go({ of: '' })}>
              show all
            </button>
          </p>
        )}
        <Notes notes={notesOf(pool, cells, pages?.left_out ?? 0)} />
      </Panel>
      <div class="map-columns">
        <HolderTable
          controller={controller}
          holders={holders}
          host={pool.host}
          unseen={view.unseen}
        />
        <SubpoolTable
          rows={view.subpools.filter(({ host }) => host === pool.host)}
          host={pool.host}
          unseen={view.unseen}
        />
      </div>
      <PageTable
        pages={pages}
        filter={filter}
        of={of >= 0 || pinnedRow < 0 ? of : pages!.inode[pinnedRow]!}
      />
    </>
  );
}

function PoolChoice(props: { pools: readonly PoolRow[]; shown: PoolRow; manyHosts: boolean }) {
  const { pools, shown, manyHosts } = props;
  if (pools.length < 2) {
    return (
      <span class="dim">
        {plural(shown.total, 'hugepage')}, {formatCount(shown.total - shown.free)} in use
      </span>
    );
  }
  return (
    <div class="segments">
      {pools.map((pool) => (
        <button
          key={keyOfPool(pool)}
          type="button"
          aria-pressed={pool === shown}
          onClick={() => go({ pool: keyOfPool(pool), page: '', of: '', state: '' })}
        >
          {poolName(pool, manyHosts)}{' '}
          <span class="num dim">
            {formatCount(pool.total - pool.free)}/{formatCount(pool.total)}
          </span>
        </button>
      ))}
    </div>
  );
}

function Notes({ notes }: { notes: readonly string[] }) {
  return (
    <ul class="map-notes dim">
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  );
}
