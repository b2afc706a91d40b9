import {
  Chart,
  type ChartConfiguration,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  type Scale,
} from 'chart.js';
import type { LatencyChange } from '../../../server/protocol/compare.ts';
import { formatDuration } from '../format/duration.ts';
import { cssColour } from '../theme.ts';
import { decadesOf, type Point, stepsOf } from './distribution.ts';

Chart.register(LineController, LineElement, PointElement, LinearScale);

/** Two distributions of durations over a logarithmic time axis, with their medians. */
export class DistributionChart {
  readonly #chart: Chart<'line', Point[]>;
  #medians: readonly [a: number, b: number] = [0, 0];

  constructor(canvas: HTMLCanvasElement) {
    this.#chart = new Chart(canvas, this.#configuration());
  }

  show({ distribution, a, b }: LatencyChange): void {
    const { data, options } = this.#chart;
    this.#medians = [Math.log10(Math.max(a.p50_ns, 1)), Math.log10(Math.max(b.p50_ns, 1))];
    const lines = [distribution.a, distribution.b].map((counts) =>
      stepsOf(distribution.edges_ns, counts),
    );
    data.datasets = lines.map((points, run) => ({
      data: points,
      borderColor: cssColour(COLOURS[run]!),
      borderDash: run === 0 ? [] : [5, 2],
      borderWidth: 1.75,
      pointRadius: 0,
      borderJoinStyle: 'miter',
    }));
    const { x, y } = options.scales!;
    const edges = distribution.edges_ns;
    x!.min = Math.log10(Math.max(edges[0]!, 1)) - 0.05;
    x!.max = Math.log10(Math.max(edges.at(-1)!, 1)) + 0.05;
    for (const scale of [x, y]) {
      scale!.ticks!.color = cssColour('--dim');
      scale!.grid!.color = cssColour('--grid');
      scale!.border!.color = cssColour('--line');
    }
    this.#chart.update('none');
  }

  destroy(): void {
    this.#chart.destroy();
  }

  /** The medians, from top to bottom, in the colours of the lines. */
  #drawMedians({ ctx, chartArea, scales }: Chart): void {
    ctx.save();
    this.#medians.forEach((median, run) => {
      ctx.strokeStyle = cssColour(COLOURS[run]!);
      ctx.globalAlpha = 0.7;
      ctx.setLineDash(run === 0 ? [] : [5, 2]);
      ctx.beginPath();
      const at = Math.round(scales.x!.getPixelForValue(median)) + 0.5;
      ctx.moveTo(at, chartArea.top);
      ctx.lineTo(at, chartArea.bottom);
      ctx.stroke();
    });
    ctx.restore();
  }

  #configuration(): ChartConfiguration<'line', Point[]> {
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
        layout: { padding: { top: 4, right: 4 } },
        scales: {
          x: {
            type: 'linear',
            afterBuildTicks: (scale: Scale) => {
              scale.ticks = decadesOf(scale.min, scale.max).map((value) => ({ value }));
            },
            ticks: {
              maxRotation: 0,
              font: FONT,
              callback: (value) => formatDuration(10 ** Number(value)).replace(/\.0+(?= )/, ''),
            },
            grid: { tickLength: 3 },
            border: {},
          },
          y: {
            type: 'linear',
            beginAtZero: true,
            ticks: { maxTicksLimit: 3, font: FONT, callback: (value) => `${value} %` },
            grid: { tickLength: 3 },
            border: {},
          },
        },
      },
      plugins: [{ id: 'medians', afterDatasetsDraw: (chart) => this.#drawMedians(chart) }],
    };
  }
}

/** Run A and run B, in every chart and legend. */
export const COLOURS = ['--line-1', '--line-2'] as const;

const FONT = { size: 10, family: 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace' };
