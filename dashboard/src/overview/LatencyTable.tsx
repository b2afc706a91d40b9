import type { StageLatency } from '../../../server/protocol/series.ts';
import { formatCount } from '../format/number.ts';
import { DurationCell } from '../parts/DurationCell.tsx';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { LogBar, LogScale } from '../parts/LogBar.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { PAIR_TEXT } from '../parts/words.ts';
import { store } from '../session.ts';

/** How long each step takes, over the session, by file system. */
export function LatencyTable() {
  const latencies = store.latencies.value;
  return (
    <Panel title="Time between stages" side={<span class="dim">over the session</span>}>
      {latencies === null ? (
        <Waiting what="latencies" />
      ) : latencies.length === 0 ? (
        <Empty title="No inode has been seen from one stage to another yet." />
      ) : (
        <Scroll label="Time between stages, table" tall>
          <table class="data latencies">
            <thead>
              <tr>
                <th scope="col">from → to</th>
                <th scope="col">what</th>
                <th scope="col">fs</th>
                <th scope="col" class="num">
                  count
                </th>
                <th scope="col" class="num">
                  p50
                </th>
                <th scope="col" class="num">
                  p90
                </th>
                <th scope="col" class="num">
                  p99
                </th>
                <th scope="col" class="num">
                  max
                </th>
                <th scope="col">
                  <span class="visually-hidden">p50 to max, logarithmic</span>
                  <LogScale />
                </th>
              </tr>
            </thead>
            <tbody>
              {latencies.map((row) => (
                <Row key={`${row.fs} ${row.pair}`} row={row} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function Row({ row }: { row: StageLatency }) {
  return (
    <tr>
      <th scope="row" class="mono">
        {row.pair.replace('..', ' → ')}
      </th>
      <td class="dim">{PAIR_TEXT[row.pair] ?? ''}</td>
      <td class="mono">
        <Foreign text={row.fs} />
      </td>
      <td class="num">{formatCount(row.count)}</td>
      <DurationCell ns={row.p50_ns} />
      <DurationCell ns={row.p90_ns} />
      <DurationCell ns={row.p99_ns} />
      <DurationCell ns={row.max_ns} />
      <td>
        <LogBar p50={row.p50_ns} p90={row.p90_ns} p99={row.p99_ns} max={row.max_ns} />
      </td>
    </tr>
  );
}
