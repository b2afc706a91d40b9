import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { useKeys } from '../keyboard.ts';
import { theme } from '../theme.ts';
import type { TimelineController } from './controller.ts';
import type { TimelineLayout } from './layout.ts';
import { TimelineTip } from './TimelineTip.tsx';

/** The picture of one inode's end. Wheel zooms, drag pans, click pins a line; the keys are Perfetto's. */
export function Timeline(props: {
  controller: TimelineController;
  layout: TimelineLayout;
  /** Changes when another inode is shown: then its end comes into sight. */
  subject: string;
}) {
  const { controller, layout, subject } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useRef('');
  useEffect(() => controller.attach(canvas.current!), [controller]);
  useEffect(() => {
    controller.setLayout(layout, shown.current !== subject);
    shown.current = subject;
  }, [controller, layout, subject]);
  useEffect(
    () =>
      effect(() => {
        void theme.value;
        controller.redraw();
      }),
    [controller],
  );
  useEffect(() => bindPointer(canvas.current!, controller), [controller]);
  useTimelineKeys(controller, layout);
  const { evict } = layout;
  return (
    <>
      <div class="timeline-bar">
        <button type="button" title="(f)" onClick={() => controller.showEnd()}>
          {evict ? 'evict to free' : 'fit'}
        </button>
        <button
          type="button"
          disabled={!evict}
          title="from evict begin to evict end (e)"
          onClick={() => evict && controller.show(evict.from, evict.to)}
        >
          evict only
        </button>
        <button type="button" title="with its birth (g)" onClick={() => controller.showWholeLife()}>
          whole life
        </button>
        <label title="waits much longer than evict are drawn shorter than they are (z)">
          <input
            type="checkbox"
            checked={controller.squeeze.value}
            onChange={(event) => controller.setSqueeze(event.currentTarget.checked)}
          />{' '}
          squeeze long waits
        </label>
        <span class="spring" />
        <Key />
      </div>
      <div class="timeline">
        <canvas
          ref={canvas}
          role="img"
          aria-label="Timeline of this inode. Everything in it is in the tables below."
        />
        <TimelineTip controller={controller} />
      </div>
    </>
  );
}

/** What the colours mean. */
function Key() {
  return (
    <ul class="legend">
      {KEY.map(([name, colour]) => (
        <li key={name}>
          <span class={`swatch swatch-${colour}`} aria-hidden="true" /> {name}
        </li>
      ))}
    </ul>
  );
}

const KEY = [
  ['task', 'task'],
  ['softirq', 'softirq'],
  ['RCU thread', 'thread'],
  ['waiting', 'waiting'],
  ['hugepage leaves the cache', 'remove'],
  ['hugepage free', 'free'],
] as const;

function useTimelineKeys(controller: TimelineController, { evict }: TimelineLayout): void {
  useKeys([
    { keys: ['w', '+'], help: 'zoom in', run: () => controller.zoom(0.7) },
    { keys: ['s', '-'], help: 'zoom out', run: () => controller.zoom(1 / 0.7) },
    { keys: ['a', 'ArrowLeft'], help: 'earlier', run: () => controller.move(-0.15) },
    { keys: ['d', 'ArrowRight'], help: 'later', run: () => controller.move(0.15) },
    { keys: ['f'], help: 'fit: evict to free', run: () => controller.showEnd() },
    { keys: ['g'], help: 'whole life, with its birth', run: () => controller.showWholeLife() },
    { keys: ['e'], help: 'evict only', run: () => evict && controller.show(evict.from, evict.to) },
    {
      keys: ['z'],
      help: 'squeeze long waits, or to scale',
      run: () => controller.setSqueeze(!controller.squeeze.value),
    },
  ]);
}

/** Pointer events go to the controller directly: nothing is rendered while something moves. */
function bindPointer(canvas: HTMLCanvasElement, controller: TimelineController): () => void {
  const stop = new AbortController();
  const on = <K extends keyof HTMLElementEventMap>(
    type: K,
    run: (event: HTMLElementEventMap[K]) => void,
  ) => canvas.addEventListener(type, run, { signal: stop.signal, passive: false });
  let from: { x: number; moved: boolean; minimap: boolean } | null = null;
  on('wheel', (event) => {
    // As in Perfetto: sideways pans, up and down zooms at the pointer.
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      controller.move(event.deltaX / 1000);
    } else {
      controller.zoom(1.0015 ** event.deltaY, event.offsetX);
    }
    event.preventDefault();
  });
  on('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = { x: event.offsetX, moved: false, minimap: controller.isMinimap(event.offsetY) };
  });
  on('pointermove', (event) => {
    if (from) {
      const by = event.offsetX - from.x;
      if (!from.moved && Math.abs(by) < 4) return;
      from.moved = true;
      from.x = event.offsetX;
      controller.drag(by, from.minimap);
    } else {
      controller.point(event.offsetX, event.offsetY);
    }
  });
  on('pointerup', (event) => {
    if (from && !from.moved) controller.pin(event.offsetX, event.offsetY);
    from = null;
  });
  on('pointerleave', () => controller.leave());
  return () => stop.abort();
}
