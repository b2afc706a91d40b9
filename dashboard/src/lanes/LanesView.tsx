import { effect, useComputed } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { gapsOf } from '../charts/points.ts';
import { formatCount } from '../format/number.ts';
import { FirstInode } from '../inodes/EmptyTable.tsx';
import { FilterBox } from '../inodes/FilterBox.tsx';
import { useKeys } from '../keyboard.ts';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { range, setRange } from '../range.ts';
import { go, route, store } from '../session.ts';
import { sayAlso } from '../share/extra.ts';
import { theme } from '../theme.ts';
import { lanesAsText } from './asText.ts';
import { type Around, LanesController } from './controller.ts';
import { LaneDetail } from './LaneDetail.tsx';
import { LaneTip } from './LaneTip.tsx';
import { bindPointer } from './pointer.ts';

/** The ends of many inodes beside each other: who ran when, who waited, who came back. */
export function LanesView() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const controller = useMemo(makeController, []);
  useEffect(() => controller.attach(canvas.current!), [controller]);
  useEffect(() => bindPointer(canvas.current!, controller), [controller]);
  useEffect(() => {
    const stops = [
      effect(() => {
        void [store.lanesVersion.value, store.shownAt.value];
        controller.redraw();
      }),
      effect(() => {
        void theme.value;
        controller.recolour();
      }),
      effect(() => controller.select(route.value.inode)),
      effect(() => controller.showRange(range.value)),
      sayAlso(() => {
        const now = (store.shownAt.peek() - store.lanes.baseMs) * 1e6;
        return lanesAsText(store.lanes, controller, now);
      }),
    ];
    canvas.current?.focus({ preventScroll: true });
    return () => {
      for (const stop of stops) stop();
    };
  }, [controller]);
  useLaneKeys(controller);
  return (
    <div class="lanes-view">
      <h1 class="visually-hidden">Timeline of all inodes</h1>
      <div class="inodes-bar">
        <FilterBox id="filter" />
        <Buttons controller={controller} />
      </div>
      <div class="lanes">
        {/* biome-ignore-start lint/a11y: a picture that takes keys; all of it is said below and in the table */}
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label="Timeline of all inodes. J and K go from inode to inode, which is then described below; the Inodes view has the same as a table."
        />
        {/* biome-ignore-end lint/a11y: as above */}
        <LaneTip controller={controller} />
        <Nothing />
      </div>
      <LaneDetail />
      <Foot controller={controller} />
    </div>
  );
}

function makeController(): LanesController {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new LanesController(store.lanes, readAround, {
    onRange: (wanted) => {
      // the address follows when the hand rests
      clearTimeout(timer);
      if (wanted === null) setRange(null);
      else timer = setTimeout(() => setRange(wanted), 250);
    },
    onSelect: (inode) => go({ inode }),
    onOpen: (inode) => go({ view: 'inode', inode, follow: false }),
  });
}

function readAround(): Around {
  const status = store.replay.peek();
  const { t, lost } = store.series;
  const { columns, count, baseMs } = store.lanes;
  const first = count === 0 ? store.shownAt.peek() : baseMs + columns.begin[0]! / 1e6;
  if (status !== null) {
    const gaps = (store.marks.peek()?.gaps ?? []).map((gap) => [gap.from_ms, gap.to_ms] as const);
    return { now: status.at_ms, begin: status.begin_ms, end: status.end_ms, gaps, live: false };
  }
  const now = store.shownAt.peek();
  const begin = Math.min(first, t[0] ?? first);
  return { now, begin, end: now, gaps: gapsOf(t, lost, begin), live: true };
}

function useLaneKeys(controller: LanesController): void {
  useKeys([
    { keys: ['w', '+'], help: 'zoom in', run: () => controller.zoom(0.7) },
    { keys: ['s', '-'], help: 'zoom out', run: () => controller.zoom(1 / 0.7) },
    { keys: ['a', 'ArrowLeft'], help: 'earlier', run: () => controller.move(-0.15) },
    { keys: ['d', 'ArrowRight'], help: 'later', run: () => controller.move(0.15) },
    { keys: ['j', 'ArrowDown'], help: 'the inode that began next', run: () => controller.step(1) },
    { keys: ['k', 'ArrowUp'], help: 'the inode before', run: () => controller.step(-1) },
    {
      keys: ['Enter'],
      help: 'open the pinned inode',
      run: () => {
        if (route.value.inode) go({ view: 'inode', follow: false });
      },
    },
    {
      keys: ['z'],
      help: 'the pinned inode, as wide as can be',
      run: () => controller.zoomToSelected(),
    },
    { keys: ['Escape'], help: 'take the pin away', run: () => go({ inode: '' }) },
    { keys: ['f'], help: 'fit: all there is', run: () => controller.fit() },
    { keys: ['e'], help: 'up to now, and follow', run: () => controller.follow() },
    { keys: ['/'], help: 'filter', run: () => document.getElementById('filter')?.focus() },
  ]);
}

function Buttons({ controller }: { controller: LanesController }) {
  const live = store.replay.value === null;
  return (
    <div class="lanes-buttons">
      <button type="button" title="all there is (f)" onClick={() => controller.fit()}>
        fit
      </button>
      {live && (
        <button
          type="button"
          title="up to now, and on with what comes (e)"
          aria-pressed={controller.following}
          onClick={() => controller.follow()}
        >
          follow
        </button>
      )}
      <button
        type="button"
        title="the pinned inode, as wide as can be (z)"
        disabled={route.value.inode === ''}
        onClick={() => controller.zoomToSelected()}
      >
        to the pin
      </button>
      <button
        type="button"
        title="closer (w)"
        aria-label="zoom in"
        onClick={() => controller.zoom(0.5)}
      >
        +
      </button>
      <button
        type="button"
        title="wider (s)"
        aria-label="zoom out"
        onClick={() => controller.zoom(2)}
      >
        −
      </button>
    </div>
  );
}

/** Before anything can be drawn: what is waited for, or what to do. */
function Nothing() {
  void store.lanesVersion.value;
  if (store.lanes.count > 0) return null;
  const asked = store.lanesVersion.value > 0;
  return (
    <div class="lanes-nothing">
      {!asked ? (
        <Waiting what="inodes" />
      ) : route.value.filter === '' ? (
        <FirstInode />
      ) : (
        <Empty title="No inode matches this filter.">
          <p>
            <button type="button" onClick={() => go({ filter: '' })}>
              clear the filter
            </button>
          </p>
        </Empty>
      )}
    </div>
  );
}

function Foot({ controller }: { controller: LanesController }) {
  const text = useComputed(() => {
    void store.lanesVersion.value;
    const { count, forgotten, leftOut, pending } = store.lanes;
    const parts = [`${formatCount(controller.inSight.value)} in sight of ${formatCount(count)}`];
    if (pending > 0) parts.push(`${formatCount(pending)} on their way`);
    if (forgotten + leftOut > 0)
      parts.push(`${formatCount(forgotten + leftOut)} older ones are not here`);
    return parts.join(' · ');
  });
  return (
    <div class="lanes-foot">
      <p class="foot dim num">{text}</p>
      <span class="spring" />
      <ul class="legend">
        {KEY.map(([name, colour]) => (
          <li key={name}>
            <span class={`swatch swatch-${colour}`} aria-hidden="true" /> {name}
          </li>
        ))}
      </ul>
    </div>
  );
}

const KEY = [
  ['evict (task)', 'evict'],
  ['evict_inode in it', 'inner'],
  ['grace period', 'waiting'],
  ['softirq', 'softirq'],
  ['RCU thread', 'thread'],
  ['hugepage back', 'back'],
  ['hugepages owed', 'owed'],
] as const;
