import { computed, effect, signal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { cellEdge } from '../../../server/protocol/series.ts';
import { chartRange } from '../charts/chartRange.ts';
import { choosing, hoverTime } from '../charts/choosing.ts';
import { gapsOf, pointsOf } from '../charts/points.ts';
import { shownTime } from '../charts/shownTime.ts';
import { nearest } from '../charts/timeAxis.ts';
import { TimeChart } from '../charts/timeChart.ts';
import { formatDuration } from '../format/duration.ts';
import { cancelDraw, requestDraw } from '../frame.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { PAIR_TEXT } from '../parts/words.ts';
import { range } from '../range.ts';
import { parseEndedKey } from '../series.ts';
import { go, pairShown, second, store } from '../session.ts';
import { theme } from '../theme.ts';
import { durationsAround, heatOf } from './heat.ts';
import { PERCENTILES } from './latencyBuffer.ts';
import { paintHeat } from './paintHeat.ts';

/** Which filesystem's latency is shown; one that has none gives way to the first that has. */
const wanted = signal('');

/** How long a step takes over time: percentiles over a heatmap, on the time of the other charts. */
export function LatencyPanel() {
  void store.latencyVersion.value;
  const keys = [...store.latency.by.keys()].sort();
  const key = keys.includes(wanted.value) ? wanted.value : (keys[0] ?? '');
  return (
    <Panel
      title="Latency over time"
      class="latency-panel"
      side={
        <>
          {keys.some((one) => parseEndedKey(one).host === '') && (
            <span class="dim">all hosts together</span>
          )}
          <PairChoice />
          <KeyChoice keys={keys} chosen={key} />
        </>
      }
    >
      <LatencyChart of={key} />
    </Panel>
  );
}

function PairChoice() {
  const pairs = [...new Set((store.latencies.value ?? []).map(({ pair }) => pair))].sort();
  const chosen = pairShown.value;
  if (!pairs.includes(chosen)) pairs.unshift(chosen);
  return (
    <label>
      <span class="visually-hidden">Pair of stages</span>
      <select value={chosen} onChange={(event) => go({ pair: event.currentTarget.value })}>
        {pairs.map((pair) => (
          <option key={pair} value={pair}>
            {pair.replace('..', ' → ')} {PAIR_TEXT[pair] ? `(${PAIR_TEXT[pair]})` : ''}
          </option>
        ))}
      </select>
    </label>
  );
}

function KeyChoice({ keys, chosen }: { keys: readonly string[]; chosen: string }) {
  if (keys.length < 2) return null;
  const many = new Set(keys.map((key) => parseEndedKey(key).host)).size > 1;
  return (
    <fieldset class="segments">
      <legend class="visually-hidden">Filesystem</legend>
      {keys.map((key) => {
        const { host, fs } = parseEndedKey(key);
        return (
          <button
            key={key}
            type="button"
            aria-pressed={key === chosen}
            onClick={() => {
              wanted.value = key;
            }}
          >
            <Foreign text={many && host !== '' ? `${host} ${fs}` : fs} />
          </button>
        );
      })}
    </fieldset>
  );
}

function LatencyChart({ of }: { of: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const chart = useRef<TimeChart | null>(null);
  const current = useRef(of);
  current.current = of;
  useEffect(() => {
    const made = new TimeChart(canvas.current!, { durations: true });
    chart.current = made;
    const draw = () => made.show(drawingOf(current.current));
    const stopData = effect(() => {
      const moves = [store.latencyVersion.value, second.value, chartRange.value];
      void [moves, range.value, theme.value];
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
  useEffect(() => {
    chart.current?.show(drawingOf(of));
  }, [of]);
  return (
    <div class="chart">
      <Values of={of} />
      <div class="chart-canvas">
        <canvas
          ref={canvas}
          role="img"
          aria-label="Latency over time: percentiles of each second, and how many inodes took how long. The table below has them for the whole session."
          title="drag: choose a stretch of time"
          {...choosing(() => chart.current)}
        />
      </div>
    </div>
  );
}

/** The percentiles under the pointer, else of the newest second in which anything ended. */
function Values({ of }: { of: string }) {
  const values = useMemo(
    () =>
      PERCENTILES.map((name) =>
        computed(() => {
          void store.latencyVersion.value;
          const { t, by } = store.latency;
          const column = by.get(of)?.[name] ?? [];
          const at = hoverTime.value;
          if (at !== null) return formatDuration(column[nearest(t, at, 1500)] ?? null);
          return formatDuration(column.findLast((ns) => ns !== null) ?? null);
        }),
      ),
    [of],
  );
  return (
    <ul class="legend">
      {PERCENTILES.map((name, i) => (
        <li key={name}>
          <svg width="14" height="8" aria-hidden="true">
            <line x1="0" y1="4" x2="14" y2="4" stroke={`var(${COLOURS[name]})`} stroke-width="2" />
          </svg>
          {name} <b class="num">{values[i]}</b>
        </li>
      ))}
      <li>
        <span class="swatch swatch-heat" aria-hidden="true" /> how many took so long
      </li>
    </ul>
  );
}

const COLOURS = { p50: '--line-4', p90: '--line-2', p99: '--line-5' } as const;

function drawingOf(of: string) {
  const { t, by } = store.latency;
  const time = shownTime(t);
  const columns = by.get(of);
  const heat = (width: number) => heatOf(t, columns?.cells ?? [], time, width);
  const { lowest, cells } = heat(1);
  const [least, most] = durationsAround(cellEdge(lowest), cellEdge(lowest + cells));
  return {
    lines: PERCENTILES.map((name) => ({
      label: name,
      colour: COLOURS[name],
      points: pointsOf(t, columns?.[name] ?? [], time.from),
    })),
    gaps: gapsOf(store.series.t, store.series.lost, time.from),
    ...time,
    least,
    most,
    under: (ctx: CanvasRenderingContext2D, area: Parameters<typeof paintHeat>[2]) =>
      paintHeat(ctx, heat(area.right - area.left), area, cellEdge),
  };
}
