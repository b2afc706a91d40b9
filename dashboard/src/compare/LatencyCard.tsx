import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { LatencyChange } from '../../../server/protocol/compare.ts';
import { formatCount } from '../format/number.ts';
import { cancelDraw, requestDraw } from '../frame.ts';
import { DurationCell } from '../parts/DurationCell.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { PAIR_TEXT } from '../parts/words.ts';
import { theme } from '../theme.ts';
import { DistributionChart } from './distributionChart.ts';
import { RESULT_TEXT, RESULT_TONE } from './words.ts';

/** One pair of stages of one filesystem: both distributions, numbers, and what follows. */
export function LatencyCard({ change }: { change: LatencyChange }) {
  const { host, fs, pair, result, verdict, why } = change;
  const tone = RESULT_TONE[result];
  return (
    <article class={`card ${tone === '' ? '' : `card-${tone}`}`}>
      <header>
        <h3 class="mono">
          {pair.replace('..', ' → ')}{' '}
          <span class="card-fs">
            <Foreign text={`${host} ${fs}`.trim()} />
          </span>
        </h3>
        <p>
          <span class="dim">{PAIR_TEXT[pair] ?? ''}</span>{' '}
          <b class={tone === '' ? 'dim' : `tone-${tone}`}>
            {isChange(result) && verdict === 'suspected' ? 'suspected: ' : ''}
            {RESULT_TEXT[result]}
          </b>
        </p>
      </header>
      <Distribution change={change} />
      <Numbers change={change} />
      {why !== '' && (
        <p class="card-why dim">
          <Foreign text={why} />
        </p>
      )}
    </article>
  );
}

function Distribution({ change }: { change: LatencyChange }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useRef(change);
  shown.current = change;
  useEffect(() => {
    const chart = new DistributionChart(canvas.current!);
    const draw = () => chart.show(shown.current);
    const stop = effect(() => {
      void theme.value;
      requestDraw(draw);
    });
    return () => {
      stop();
      cancelDraw(draw);
      chart.destroy();
    };
  }, []);
  const label = `${change.fs} ${change.pair}: share of inodes by duration, A and B`;
  return (
    <div class="card-chart">
      <canvas ref={canvas} role="img" aria-label={label} />
    </div>
  );
}

const QUANTILES = ['p50', 'p90', 'p99', 'max'] as const;

function Numbers({ change: { a, b, ratio, typical, tail, longer } }: { change: LatencyChange }) {
  return (
    <table class="data card-numbers">
      <thead>
        <tr>
          <td />
          {QUANTILES.map((name) => (
            <th key={name} scope="col" class="num">
              {name}
            </th>
          ))}
          <th scope="col" class="num">
            inodes
          </th>
        </tr>
      </thead>
      <tbody>
        {(['A', 'B'] as const).map((name, i) => {
          const of = i === 0 ? a : b;
          return (
            <tr key={name}>
              <th scope="row">
                <span class={`run run-${i}`}>{name}</span>
              </th>
              {QUANTILES.map((quantile) => (
                <DurationCell key={quantile} ns={of[`${quantile}_ns`]} />
              ))}
              <td class="num">{formatCount(of.count)}</td>
            </tr>
          );
        })}
        {ratio !== null && (
          <tr>
            <th scope="row" class="dim">
              B/A
            </th>
            {(['p50', 'p90', 'p99'] as const).map((name) => {
              const { value, low, high } = ratio[name];
              const interval = `${low.toFixed(2)} to ${high.toFixed(2)}`;
              return (
                <td key={name} class="num">
                  ×{value.toFixed(2)}
                  <span class="interval">{interval}</span>
                </td>
              );
            })}
            <td colSpan={2} class="num dim">
              p {pText(typical.adjusted)}, tail {pText(tail.adjusted)}
              <span class="interval">B longer in {Math.round((longer ?? 0.5) * 100)} %</span>
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function pText(p: number | null): string {
  return p === null ? '–' : p < 0.001 ? '<0.001' : p.toFixed(p < 0.1 ? 3 : 2);
}

function isChange(result: LatencyChange['result']): boolean {
  return RESULT_TONE[result] !== '';
}
