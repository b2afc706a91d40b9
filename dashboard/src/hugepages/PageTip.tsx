import type { HugepagesOfPool, LeakRow } from '../../../server/protocol/pool-map.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatAge } from '../format/duration.ts';
import { extraRefsText, formatPfn } from '../inode/hugepageWords.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Suspects } from '../parts/Suspects.tsx';
import { go, linkTo, second, store } from '../session.ts';
import { CELL_STATES, type CellState } from './cells.ts';
import type { MapController, Scene } from './controller.ts';
import { CELL_TEXT } from './words.ts';

/** What the pointer is over, beside it. */
export function HoverTip({ controller, scene }: { controller: MapController; scene: Scene }) {
  const hovered = controller.hovered.value;
  const state = hovered === null ? undefined : stateOf(scene, hovered.cell);
  if (hovered === null || state === undefined || hovered.cell === scene.pinned) return null;
  const left = hovered.x > controller.grid.columns * controller.grid.pitch * 0.6;
  const by = `translate(calc(${hovered.x + (left ? -30 : 8)}px - ${left ? 100 : 0}%), ${hovered.y + 8}px)`;
  return (
    <div class="tip" style={{ transform: by }}>
      <Title state={state} />
      <Facts scene={scene} cell={hovered.cell} suspects />
    </div>
  );
}

/** The pinned cell: the same, with links, and it stays. */
export function PinnedCell({ scene }: { scene: Scene }) {
  void second.value;
  const state = stateOf(scene, scene.pinned);
  const { pages } = scene;
  const row = scene.cells.rows[scene.pinned] ?? -1;
  if (state === undefined) return null;
  const leak = leakOf(pages, row);
  const inode = pages?.inodes[pages.inode[row] ?? -1];
  return (
    <section class={`map-card ${state === 'leaked' ? 'is-leaked' : ''}`} aria-label="Chosen cell">
      <div class="map-card-head">
        <Title state={state} />
        {inode !== undefined && inode.id !== '' && (
          <a href={linkTo({ view: 'inode', inode: inode.id })}>
            <Foreign text={inode.fs} /> inode {inode.ino}
          </a>
        )}
        {leak !== undefined && leak.alert !== '' && (
          <a href={linkTo({ view: 'alerts', alert: leak.alert })}>its alert</a>
        )}
        <span class="spring" />
        <button type="button" class="quiet" onClick={() => go({ page: '' })}>
          close
        </button>
      </div>
      <div class="map-card-body">
        <Facts scene={scene} cell={scene.pinned} />
        {leak !== undefined && (
          <div>
            <p>
              <Foreign text={leak.text} />{' '}
              <span class={leak.verdict === 'certain' ? 'tone-bad' : 'tone-warn'}>
                {leak.verdict}
              </span>
            </p>
            <Suspects suspects={leak.suspects} />
          </div>
        )}
      </div>
    </section>
  );
}

/** One line for screen readers when the choice moves. */
export function cellAsText(scene: Scene): string {
  const state = stateOf(scene, scene.pinned);
  if (state === undefined) return '';
  const { pages } = scene;
  const row = scene.cells.rows[scene.pinned] ?? -1;
  const inode = pages?.inodes[pages.inode[row] ?? -1];
  const name = row < 0 ? `cell ${scene.pinned}` : `pfn ${formatPfn(pages!.pfn[row]!)}`;
  return `${name}: ${CELL_TEXT[state].name}${inode === undefined ? '' : `, ${inode.fs} inode ${inode.ino}`}`;
}

function stateOf({ cells }: Scene, cell: number): CellState | undefined {
  return CELL_STATES[cells.states[cell] ?? -1];
}

export function leakOf(pages: HugepagesOfPool | null, row: number): LeakRow | undefined {
  const id = pages?.leaks[pages.leak[row] ?? -1];
  return id === undefined ? undefined : store.leaks.value.find((leak) => leak.id === id);
}

function Title({ state }: { state: CellState }) {
  const tone =
    state === 'leaked' || state === 'lost' ? 'tone-bad' : state === 'owed' ? 'tone-warn' : '';
  return (
    <>
      <b class={tone}>{CELL_TEXT[state].name}</b>
      <p class="dim">{CELL_TEXT[state].help}</p>
    </>
  );
}

function Facts(props: { scene: Scene; cell: number; suspects?: boolean }) {
  const { scene, cell, suspects = false } = props;
  const { pages, cells } = scene;
  const row = cells.rows[cell]!;
  if (pages === null || row < 0) return <p class="dim">Which page frame it is, is not known.</p>;
  const inode = pages.inodes[pages.inode[row]!];
  const taker = pages.tasks[pages.taker[row]!];
  const leak = leakOf(pages, row);
  const since = pages.since_ms[row]!;
  return (
    <dl class="facts mono">
      <dt>pfn</dt>
      <dd>{formatPfn(pages.pfn[row]!)}</dd>
      {pages.folio[row] !== '' && (
        <>
          <dt>folio</dt>
          <dd>{pages.folio[row]}</dd>
        </>
      )}
      {inode !== undefined && (
        <>
          <dt>inode</dt>
          <dd>
            <Foreign text={inode.fs} /> {inode.ino} <span class="dim">dev {inode.dev}</span>
          </dd>
        </>
      )}
      {pages.index[row]! >= 0 && (
        <>
          <dt>index</dt>
          <dd>{pages.index[row]}</dd>
        </>
      )}
      <dt>since</dt>
      <dd>
        {formatClockMs(since)} <span class="dim">{formatAge(store.serverNow() - since)}</span>
      </dd>
      {pages.state[row] === 2 && (
        <>
          <dt>extra references</dt>
          <dd>{extraRefsText(pages.extra_refs[row]!)} when it left the cache</dd>
        </>
      )}
      {taker !== undefined && (
        <>
          <dt>taken by</dt>
          <dd>
            <Foreign text={taker.comm} /> {taker.pid}
          </dd>
        </>
      )}
      {suspects && leak !== undefined && leak.suspects.length > 0 && (
        <>
          <dt>suspects</dt>
          <dd>
            {leak.suspects.slice(0, 3).map(({ pid, comm, how }) => (
              <div key={`${pid} ${how}`}>
                <Foreign text={comm} /> {pid} <Foreign text={how} />
              </div>
            ))}
          </dd>
        </>
      )}
    </dl>
  );
}
