import { computed, effect } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { formatClock } from '../format/clock.ts';
import { formatCount } from '../format/number.ts';
import { cancelDraw, requestDraw } from '../frame.ts';
import { range } from '../range.ts';
import type { Column } from '../series.ts';
import { second, store } from '../session.ts';
import { theme } from '../theme.ts';
import { chartRange } from './chartRange.ts';
import { choosing, hoverTime } from './choosing.ts';
import { gapsOf, pointsOf } from './points.ts';
import { shownTime } from './shownTime.ts';
import { nearest } from './timeAxis.ts';
import { TimeChart } from './timeChart.ts';

/** One line: what it is called, its colour, and where its values are in the series. */
export interface LineSource {
  readonly label: string;
  readonly colour: string;
  readonly dash?: readonly number[];
  readonly right?: boolean;
  readonly values: () => Column;
}

/**
 * A chart with its legend; the legend's numbers are those under the pointer, else
 * the latest. Points never pass through component state: the buffer is read when
 * the frame is drawn.
 */
export function TimeChartView({ label, lines }: { label: string; lines: readonly LineSource[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<TimeChart | null>(null);
  const current = useRef(lines);
  current.current = lines;
  const identity = lines.map((line) => line.label).join('|');
  useEffect(() => {
    const made = new TimeChart(canvas.current!);
    chart.current = made;
    const draw = () => made.show(drawingOf(current.current));
    const stopData = effect(() => {
      // Each second even without news: time goes on when the tracer is silent.
      void [store.seriesVersion.value, second.value, chartRange.value, range.value, theme.value];
      requestDraw(draw);
    });
    const hover = () => made.hover(hoverTime.peek());
    const stopHover = effect(() => {
      void hoverTime.value;
      requestDraw(hover);
    });
    return () => {
      stopData();
      stopHover();
      cancelDraw(draw);
      cancelDraw(hover);
      made.destroy();
    };
  }, []);
  // A new set of lines is drawn at once.
  useEffect(() => {
    chart.current?.show(drawingOf(current.current));
  }, [identity]);
  return (
    <div class="chart">
      <Legend lines={lines} identity={identity} />
      <div class="chart-canvas">
        <canvas
          ref={canvas}
          role="img"
          aria-label={label}
          title="drag: choose a stretch of time"
          {...choosing(() => chart.current)}
        />
      </div>
    </div>
  );
}

function Legend({ lines, identity }: { lines: readonly LineSource[]; identity: string }) {
  // The signals live as long as the lines do.
  const values = useMemo(() => lines.map((line) => computed(() => valueText(line))), [identity]);
  const time = useMemo(() => computed(timeText), []);
  return (
    <ul class="legend">
      <li class="legend-time dim">{time}</li>
      {lines.map((line, index) => (
        <li key={line.label}>
          <svg width="14" height="8" aria-hidden="true">
            <line
              x1="0"
              y1="4"
              x2="14"
              y2="4"
              stroke={`var(${line.colour})`}
              stroke-width="2"
              stroke-dasharray={line.dash?.join(' ')}
            />
          </svg>
          {line.label} <b class="num">{values[index]}</b>
        </li>
      ))}
    </ul>
  );
}

function timeText(): string {
  if (hoverTime.value !== null) return formatClock(hoverTime.value);
  return store.paused.value ? formatClock(store.shownAt.value) : 'now';
}

function valueText(line: LineSource): string {
  void store.seriesVersion.value;
  const { t } = store.series;
  const at = hoverTime.value;
  const index = at === null ? t.length - 1 : nearest(t, at, 1500);
  return formatCount(line.values()[index] ?? null);
}

function drawingOf(lines: readonly LineSource[]) {
  const { t, lost } = store.series;
  const time = shownTime(t);
  return {
    lines: lines.map((line) => ({ ...line, points: pointsOf(t, line.values(), time.from) })),
    gaps: gapsOf(t, lost, time.from),
    ...time,
  };
}
