import { effect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { HugepagesOfPool } from '../../../server/protocol/pool-map.ts';
import { useKeys } from '../keyboard.ts';
import { go, route } from '../session.ts';
import { theme } from '../theme.ts';
import { CELL_STATES, type CellState, type PoolCells } from './cells.ts';
import { cellOfKey, keyOfCell, nextOf } from './choose.ts';
import type { MapController, Scene } from './controller.ts';
import { moveBy } from './grid.ts';
import { HoverTip } from './PageTip.tsx';

/** One cell for each hugepage. The pointer tells, a click pins, arrows move what is pinned. */
export function PoolMap(props: {
  controller: MapController;
  scene: Scene;
  /** All of it in a sentence. */
  summary: string;
}) {
  const { controller, scene, summary } = props;
  const scroll = useRef<HTMLElement>(null);
  const below = useRef<HTMLCanvasElement>(null);
  const above = useRef<HTMLCanvasElement>(null);
  // at once: keys ask it for the grid as soon as the map is seen
  useLayoutEffect(
    () => controller.attach(scroll.current!, [below.current!, above.current!]),
    [controller],
  );
  useLayoutEffect(() => controller.setScene(scene), [controller, scene]);
  useEffect(
    () =>
      effect(() => {
        void theme.value;
        controller.redraw();
      }),
    [controller],
  );
  const current = useRef(scene);
  current.current = scene;
  useEffect(() => bindPointer(scroll.current!, controller, current), [controller]);
  useMapKeys(controller, scene);
  return (
    <div class="map">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and keys move in it */}
      <section ref={scroll} class="map-scroll" aria-label="Map of the pool" tabIndex={0}>
        <div class="map-space">
          <div class="map-window">
            <canvas
              ref={below}
              role="img"
              aria-label={`${summary} The tables below have the same.`}
            />
            <span class="map-above" aria-hidden="true">
              <canvas ref={above} />
            </span>
          </div>
          <div class="map-frame map-hover" hidden />
          <div class="map-frame map-pin" hidden />
        </div>
      </section>
      <HoverTip controller={controller} scene={scene} />
    </div>
  );
}

/** Keys of the map; those that lead to a cell pin it. */
function useMapKeys(controller: MapController, scene: Scene): void {
  const { cells, pages, filter } = scene;
  // keys may come faster than the page is rendered
  const pinned = () => cellOfKey(cells, pages, route.value.page);
  const to = (cell: number | null) => {
    if (cell !== null && cell >= 0) pin(cells, pages, cell);
  };
  const arrows = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'];
  useKeys([
    {
      keys: arrows,
      help: 'move in the map',
      run: (event) => to(moveBy(controller.grid, pinned(), event.key)),
    },
    {
      keys: ['j'],
      help: 'next hugepage of the chosen state, else of the worst',
      run: () => to(nextOf(cells, pinned(), 1, filter)),
    },
    { keys: ['k'], help: 'the one before', run: () => to(nextOf(cells, pinned(), -1, filter)) },
    { keys: ['f'], help: 'next state only', run: () => go({ state: nextState(cells, filter) }) },
    {
      keys: ['Enter'],
      help: 'the inode of the hugepage',
      run: () => {
        const inode = pages?.inodes[pages.inode[cells.rows[pinned()] ?? -1] ?? -1];
        if (inode !== undefined && inode.id !== '') go({ view: 'inode', inode: inode.id });
      },
    },
    { keys: ['Escape'], help: 'choose nothing', run: () => go({ page: '', state: '', of: '' }) },
  ]);
}

/** The next state that the pool has, then all. */
function nextState({ counts }: PoolCells, filter: CellState | ''): CellState | '' {
  const there = CELL_STATES.filter((state) => counts[state] > 0);
  return there[filter === '' ? 0 : there.indexOf(filter) + 1] ?? '';
}

function pin(cells: PoolCells, pages: HugepagesOfPool | null, cell: number): void {
  go({ page: keyOfCell(cells, pages, cell) });
}

/** Pointer events go to the controller directly: nothing but the tip is rendered while it moves. */
function bindPointer(
  scroll: HTMLElement,
  controller: MapController,
  current: { readonly current: Scene },
): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const at = (event: MouseEvent): [number, number] => {
    const box = scroll.getBoundingClientRect();
    return [
      event.clientX - box.left - scroll.clientLeft,
      event.clientY - box.top - scroll.clientTop,
    ];
  };
  scroll.addEventListener('pointermove', (event) => controller.point(...at(event)), { signal });
  scroll.addEventListener('pointerleave', () => controller.leave(), { signal });
  scroll.addEventListener(
    'click',
    (event) => {
      const { cells, pages, pinned } = current.current;
      const cell = controller.cellAt(...at(event));
      if (cell < 0 || cell === pinned) go({ page: '' });
      else pin(cells, pages, cell);
    },
    { signal },
  );
  return () => stop.abort();
}
