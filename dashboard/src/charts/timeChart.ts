import {
  Chart,
  type ChartConfiguration,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  type Scale,
} from 'chart.js';
import { formatClock } from '../format/clock.ts';
import { formatShort } from '../format/number.ts';
import { cssColour } from '../theme.ts';
import { fade } from '../timeline/pen.ts';
import type { Point } from './points.ts';
import { clockTicks } from './timeAxis.ts';

// Only what is used is registered, so that only that is in the bundle.
Chart.register(LineController, LineElement, PointElement, LinearScale, LogarithmicScale);

export interface Line {
  readonly label: string;
  /** A custom property of the style sheet, e.g. `--task`. */
  readonly colour: string;
  readonly dash?: readonly number[];
  /** Drawn against the right axis, which shows only when it is needed. */
  readonly right?: boolean;
  readonly points: readonly Point[];
}

export interface Drawing {
  readonly lines: readonly Line[];
  readonly gaps: readonly (readonly [number, number])[];
  readonly from: number;
  readonly to: number;
  /** Ends of the left axis; by default those of the lines. */
  readonly least?: number;
  readonly most?: number;
  /** Drawn below the lines. */
  readonly under?: (ctx: CanvasRenderingContext2D, area: Area) => void;
}

/** Where the lines are, and the pixel of a value. */
export interface Area {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly y: (value: number) => number;
}

/** A chart over wall clock: chart.js without animation, parsing, points or events of its own. */
export class TimeChart {
  readonly #chart: Chart<'line', Point[]>;
  #drawing: Drawing = { lines: [], gaps: [], from: 0, to: 1 };
  #hover: number | null = null;
  marked: readonly [number, number] | null = null;

  /** `durations`: in ns, on an axis of powers of ten; otherwise counts. */
  constructor(canvas: HTMLCanvasElement, { durations = false } = {}) {
    this.#chart = new Chart(canvas, this.#configuration(durations));
  }

  show(drawing: Drawing): void {
    this.#drawing = drawing;
    const { data, options } = this.#chart;
    data.datasets = drawing.lines.map((line) => ({
      label: line.label,
      data: line.points as Point[],
      yAxisID: line.right ? 'lost' : 'y',
      borderColor: cssColour(line.colour),
      borderDash: [...(line.dash ?? [])],
      borderWidth: 1.5,
      pointRadius: 0,
      stepped: line.right ? 'middle' : false,
    }));
    const scales = options.scales!;
    scales.x!.min = drawing.from;
    scales.x!.max = drawing.to;
    if (drawing.least !== undefined) scales.y!.min = drawing.least;
    if (drawing.most !== undefined) scales.y!.max = drawing.most;
    scales.lost!.display = drawing.lines.some((line) => line.right);
    for (const scale of Object.values(scales)) {
      scale!.ticks!.color = cssColour('--dim');
      scale!.grid!.color = cssColour('--grid');
      scale!.border!.color = cssColour('--line');
    }
    this.#chart.update('none');
  }

  /** A line at a moment, in all charts together. */
  hover(time: number | null): void {
    if (time === this.#hover) return;
    this.#hover = time;
    this.#chart.draw();
  }

  /** A stretch that is being chosen. */
  mark(marked: readonly [number, number] | null): void {
    if (marked === this.marked) return;
    this.marked = marked;
    this.#chart.draw();
  }

  timeAt(x: number): number | null {
    const { left, right } = this.#chart.chartArea;
    if (x < left || x > right) return null;
    return this.#chart.scales.x!.getValueForPixel(x) ?? null;
  }

  destroy(): void {
    this.#chart.destroy();
  }

  #configuration(durations: boolean): ChartConfiguration<'line', Point[]> {
    return {
      type: 'line',
      data: { datasets: [] },
      options: {
        animation: false,
        parsing: false,
        normalized: true,
        responsive: true,
        maintainAspectRatio: false,
        events: [],
        layout: { padding: { top: 4, right: 2 } },
        scales: {
          x: {
            type: 'linear',
            afterBuildTicks: (scale: Scale) => {
              const most = Math.max(2, Math.floor(scale.width / 76));
              scale.ticks = clockTicks(scale.min, scale.max, most).map((value) => ({ value }));
            },
            ticks: {
              maxRotation: 0,
              font: FONT,
              callback: (value) => formatClock(Number(value)),
            },
            grid: { tickLength: 3 },
            border: {},
          },
          y: durations ? durationAxis() : leftAxis(),
          lost: {
            ...leftAxis(),
            position: 'right',
            display: false,
            grid: { drawOnChartArea: false },
          },
        },
      },
      plugins: [
        {
          id: 'gaps',
          beforeDatasetsDraw: (chart) => {
            this.#drawGaps(chart);
            const { left, right, top, bottom } = chart.chartArea;
            const y = (value: number) => chart.scales.y!.getPixelForValue(value);
            this.#drawing.under?.(chart.ctx, { left, right, top, bottom, y });
          },
          afterDatasetsDraw: (chart) => this.#drawHover(chart),
        },
      ],
    };
  }

  /** Where events were lost the lines tell less than they seem to: shade it. */
  #drawGaps({ ctx, chartArea, scales }: Chart): void {
    ctx.save();
    ctx.fillStyle = cssColour('--gap');
    for (const [from, to] of this.#drawing.gaps) {
      const x0 = Math.max(scales.x!.getPixelForValue(from), chartArea.left);
      const x1 = Math.min(scales.x!.getPixelForValue(to), chartArea.right);
      if (x1 < chartArea.left) continue;
      ctx.fillRect(x0, chartArea.top, Math.max(x1 - x0, 1), chartArea.height);
    }
    ctx.restore();
  }

  #drawHover({ ctx, chartArea, scales }: Chart): void {
    if (this.marked !== null) {
      const [a, b] = this.marked.map((ms) => scales.x!.getPixelForValue(ms)) as [number, number];
      ctx.fillStyle = fade(cssColour('--accent'), 0.2);
      ctx.fillRect(Math.min(a, b), chartArea.top, Math.abs(b - a), chartArea.height);
    }
    if (this.#hover === null) return;
    const x = scales.x!.getPixelForValue(this.#hover);
    if (x < chartArea.left || x > chartArea.right) return;
    ctx.fillStyle = cssColour('--dim');
    ctx.fillRect(Math.round(x), chartArea.top, 1, chartArea.height);
  }
}

const FONT = { size: 10, family: 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace' };

function leftAxis() {
  return {
    type: 'linear' as const,
    beginAtZero: true,
    suggestedMax: 1,
    ticks: {
      maxTicksLimit: 5,
      precision: 0,
      font: FONT,
      callback: (value: string | number) => formatShort(Number(value)),
    },
    grid: { tickLength: 3 },
    border: {},
    // All charts start at the same x, so that times line up under each other.
    afterFit: (scale: Scale) => {
      if (scale.id === 'y') scale.width = Math.max(scale.width, 40);
    },
  };
}

/** Powers of ten: 1 µs, 10 µs, 100 µs; between them 2 and 5 where there are few. */
function durationAxis() {
  return {
    type: 'logarithmic' as const,
    afterBuildTicks: (scale: Scale) => {
      const ticks: { value: number }[] = [];
      const few = scale.max / scale.min < 50;
      for (let ten = 1; ten <= scale.max; ten *= 10) {
        for (const value of few ? [ten, 2 * ten, 5 * ten] : [ten]) {
          if (value >= scale.min && value <= scale.max) ticks.push({ value });
        }
      }
      scale.ticks = ticks;
    },
    ticks: { font: FONT, callback: (value: string | number) => formatTen(Number(value)) },
    grid: { tickLength: 3 },
    border: {},
    afterFit: (scale: Scale) => {
      scale.width = Math.max(scale.width, 40);
    },
  };
}

function formatTen(ns: number): string {
  const units = ['ns', 'µs', 'ms', 's'];
  const unit = Math.min(3, Math.floor(Math.log10(ns) / 3 + 1e-9));
  return `${Math.round(ns / 1000 ** unit)} ${units[unit]}`;
}
