import { signal } from '@preact/signals';
import { setRange } from '../range.ts';
import type { TimeChart } from './timeChart.ts';

/** The moment under the pointer, shared by all charts of the page. */
export const hoverTime = signal<number | null>(null);

/** Points are a second apart: what is narrower was a click. */
const SHORTEST_MS = 300;

/** What the pointer does over a chart: it shows a moment, and a drag chooses a stretch of time. */
export function choosing(chart: () => TimeChart | null) {
  let from: number | null = null;
  return {
    onPointerDown: (event: PointerEvent) => {
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
      from = chart()?.timeAt(event.offsetX) ?? null;
    },
    onPointerMove: (event: PointerEvent) => {
      const at = chart()?.timeAt(event.offsetX) ?? null;
      hoverTime.value = at;
      if (from !== null && at !== null) chart()?.mark([from, at]);
    },
    onPointerUp: () => {
      const marked = chart()?.marked ?? null;
      chart()?.mark(null);
      from = null;
      if (marked === null) return;
      const [a, b] = [Math.min(...marked), Math.max(...marked)];
      if (b - a >= SHORTEST_MS) setRange({ from: a, to: b });
    },
    onPointerLeave: () => {
      hoverTime.value = null;
    },
  };
}
