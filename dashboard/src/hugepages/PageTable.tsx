import { useMemo } from 'preact/hooks';
import type { HugepagesOfPool } from '../../../server/protocol/pool-map.ts';
import { formatAge } from '../format/duration.ts';
import { formatCount, plural } from '../format/number.ts';
import { extraRefsText, formatPfn } from '../inode/hugepageWords.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { go, linkTo, route, second, store } from '../session.ts';
import { CELL_STATES, type CellState, stateOfRow } from './cells.ts';
import { keyOfRow } from './choose.ts';
import { leakOf } from './PageTip.tsx';
import { CELL_TEXT } from './words.ts';

/** Hugepages that are known to be outside the pool, of the state and inode that are chosen: the worst first. */
export function PageTable(props: {
  pages: HugepagesOfPool | null;
  filter: CellState | '';
  /** Index of the chosen inode; -1: all. */
  of: number;
}) {
  void second.value;
  const { pages, filter, of } = props;
  const rows = useMemo(
    () => (pages === null ? [] : rowsToShow(pages, filter, of)),
    [pages, filter, of],
  );
  const all = pages?.pfn.length ?? 0;
  const inode = pages?.inodes[of];
  return (
    <Panel
      title="Hugepages outside the pool"
      side={
        <span class="dim">
          {rows.length < all && `${formatCount(rows.length)} of `}
          {plural(all, 'hugepage')}
          {filter !== '' && `, ${CELL_TEXT[filter].name}`}
          {inode !== undefined && (
            <>
              , of <Foreign text={inode.fs} /> inode {inode.ino}
            </>
          )}{' '}
          {rows.length < all && (
            <button type="button" onClick={() => go({ state: '', of: '', page: '' })}>
              show all
            </button>
          )}
        </span>
      }
    >
      {pages === null || rows.length === 0 ? (
        <p class="pad dim">
          {filter === '' && of < 0
            ? 'None is known one by one. They appear here once they leave the pool while tracing.'
            : 'None of these is known one by one.'}
        </p>
      ) : (
        <Scroll label="Hugepages outside the pool, table" tall>
          <table class="data">
            <thead>
              <tr>
                <th scope="col" class="num">
                  pfn
                </th>
                <th scope="col">state</th>
                <th scope="col" class="num">
                  for
                </th>
                <th scope="col">extra references</th>
                <th scope="col">inode</th>
                <th scope="col" class="num">
                  index
                </th>
                <th scope="col">taken by</th>
                <th scope="col">folio</th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, MOST).map((row) => (
                <Row key={keyOfRow(pages, row)} pages={pages} row={row} />
              ))}
            </tbody>
          </table>
          {rows.length > MOST && (
            <p class="pad dim">
              The first {MOST} of {formatCount(rows.length)}.
            </p>
          )}
        </Scroll>
      )}
    </Panel>
  );
}

const MOST = 100;

function Row({ pages, row }: { pages: HugepagesOfPool; row: number }) {
  const state = stateOfRow(pages, row);
  const key = keyOfRow(pages, row);
  const inode = pages.inodes[pages.inode[row]!];
  const taker = pages.tasks[pages.taker[row]!];
  const leak = leakOf(pages, row);
  const index = pages.index[row]!;
  const chosen = route.value.page === key;
  const tone = state === 'leaked' ? 'owed' : state === 'owed' ? 'tone-warn' : '';
  return (
    <tr class={`${state === 'leaked' ? 'row-owed' : ''} ${chosen ? 'is-chosen' : ''}`}>
      <td class="num">
        <button
          type="button"
          class="link mono"
          aria-pressed={chosen}
          title="on the map"
          onClick={() => go({ page: chosen ? '' : key })}
        >
          {formatPfn(pages.pfn[row]!)}
        </button>
      </td>
      <td class={tone}>
        {CELL_TEXT[state].name}{' '}
        {leak !== undefined && leak.alert !== '' && (
          <a href={linkTo({ view: 'alerts', alert: leak.alert })}>alert</a>
        )}
      </td>
      <td class="num">{formatAge(store.serverNow() - pages.since_ms[row]!)}</td>
      <td class="mono">{pages.state[row] === 2 ? extraRefsText(pages.extra_refs[row]!) : ''}</td>
      <td class="mono">
        {inode === undefined ? (
          <span class="dim">not known</span>
        ) : (
          <a href={linkTo({ view: 'inode', inode: inode.id })}>
            <Foreign text={inode.fs} /> {inode.ino}
          </a>
        )}
      </td>
      <td class="num">{index < 0 ? '–' : index}</td>
      <td class="mono">
        {taker === undefined ? (
          <span class="dim">not seen</span>
        ) : (
          <>
            <Foreign text={taker.comm} /> {taker.pid}
          </>
        )}
      </td>
      <td class="mono dim">{pages.folio[row]}</td>
    </tr>
  );
}

/** The worst state first, then the longest in it. */
function rowsToShow(pages: HugepagesOfPool, filter: CellState | '', of: number): number[] {
  const weight = pages.pfn.map((_, row) => CELL_STATES.indexOf(stateOfRow(pages, row)));
  const wanted = filter === '' ? -1 : CELL_STATES.indexOf(filter);
  return pages.pfn
    .map((_, row) => row)
    .filter((row) => (wanted < 0 || weight[row] === wanted) && (of < 0 || pages.inode[row] === of))
    .sort((a, b) => weight[a]! - weight[b]! || pages.since_ms[a]! - pages.since_ms[b]!);
}
