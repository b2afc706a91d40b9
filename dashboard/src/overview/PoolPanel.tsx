import { useState } from 'preact/hooks';
import { type LineSource, TimeChartView } from '../charts/TimeChartView.tsx';
import { formatCount, formatPageSize } from '../format/number.ts';
import { Empty } from '../parts/Empty.tsx';
import { Panel } from '../parts/Panel.tsx';
import { type Column, type PoolColumns, parsePoolKey } from '../series.ts';
import { store } from '../session.ts';
import { poolsToShow } from './pools.ts';

/** The hugepage pools: one drawn, all of them as numbers; choosing a row draws it. */
export function PoolPanel() {
  void store.seriesVersion.value;
  const [chosen, choose] = useState('');
  const pools = poolsToShow(store.series.pools);
  const shown = pools.find((pool) => pool.key === chosen) ?? pools[0];
  const title = shown ? `Pool: ${nameOf(shown.key, manyHosts())}` : 'Hugepage pools';
  return (
    <Panel title={title} class="pool">
      {shown ? (
        <>
          <TimeChartView
            key={shown.key}
            label={`${title}, hugepages over time`}
            lines={linesOf(shown.key)}
          />
          <div class="pool-table">
            <table>
              <thead>
                <tr>
                  <th scope="col">pool</th>
                  <th scope="col" class="num">
                    total
                  </th>
                  <th scope="col" class="num">
                    used
                  </th>
                  <th scope="col" class="num">
                    resv
                  </th>
                  <th scope="col" class="num">
                    surp
                  </th>
                </tr>
              </thead>
              <tbody>
                {pools.map((pool) => (
                  <tr key={pool.key} class={pool === shown ? 'is-chosen' : ''}>
                    <th scope="row">
                      <button
                        type="button"
                        class="link"
                        aria-pressed={pool === shown}
                        onClick={() => choose(pool.key)}
                      >
                        {nameOf(pool.key, manyHosts())}
                      </button>
                    </th>
                    <td class="num">{formatCount(pool.total)}</td>
                    <td class="num">{formatCount(pool.used)}</td>
                    <td class="num">{formatCount(pool.reserved)}</td>
                    <td class="num">{formatCount(pool.surplus)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      ) : (
        <Empty title="No hugepage pool has been reported.">
          <p>
            Pool counters come each second once a tracer is ready. An empty pool is filled with{' '}
            <code>echo 64 &gt; /proc/sys/vm/nr_hugepages</code>
          </p>
        </Empty>
      )}
    </Panel>
  );
}

function manyHosts(): boolean {
  const hosts = [...store.series.pools.keys()].map((key) => parsePoolKey(key).host);
  return new Set(hosts).size > 1;
}

function nameOf(key: string, withHost: boolean): string {
  const { host, sizeKb, node } = parsePoolKey(key);
  const place = node < 0 ? '' : ` node ${node}`;
  return `${withHost ? `${host} ` : ''}${formatPageSize(sizeKb)}${place}`;
}

function linesOf(key: string): LineSource[] {
  const pool = (): PoolColumns | undefined => store.series.pools.get(key);
  const used = (): Column => {
    const columns = pool();
    return (columns?.total ?? []).map((total, index) => {
      const free = columns?.free[index] ?? null;
      return total === null || free === null ? null : total - free;
    });
  };
  return [
    { label: 'total', colour: '--dim', values: () => pool()?.total ?? [] },
    { label: 'used', colour: '--line-1', values: used },
    { label: 'reserved', colour: '--line-2', dash: [5, 3], values: () => pool()?.reserved ?? [] },
    { label: 'surplus', colour: '--line-3', dash: [2, 2], values: () => pool()?.surplus ?? [] },
  ];
}
