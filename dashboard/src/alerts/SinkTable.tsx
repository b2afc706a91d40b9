import type { SinkStatus } from '../../../server/protocol/alerts.ts';
import { formatAge } from '../format/duration.ts';
import { formatCount } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { second, store } from '../session.ts';
import { sinkWord } from './words.ts';

/** Who is told, and whether that works. Nothing where nobody is. */
export function SinkTable({ sinks }: { sinks: readonly SinkStatus[] }) {
  void second.value;
  if (sinks.length === 0) return null;
  return (
    <Panel title="Who is told">
      <Scroll label="Sinks, table">
        <table class="data">
          <thead>
            <tr>
              <th scope="col">sink</th>
              <th scope="col">kind</th>
              <th scope="col">goes to</th>
              <th scope="col" class="num">
                told
              </th>
              <th scope="col" class="num" title="on disk, until the sink takes them">
                waiting
              </th>
              <th scope="col" class="num" title="attempts that failed and are made again">
                failures
              </th>
              <th scope="col" class="num" title="refused by the sink for good">
                refused
              </th>
              <th scope="col" class="num" title="not kept, because too many waited">
                dropped
              </th>
              <th scope="col">state</th>
            </tr>
          </thead>
          <tbody>
            {sinks.map((sink) => (
              <Row key={sink.name} sink={sink} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function Row({ sink }: { sink: SinkStatus }) {
  const { word, tone } = sinkWord(sink);
  const counts = [
    [sink.sent, ''],
    [sink.waiting, 'tone-warn'],
    [sink.failures, 'tone-warn'],
    [sink.refused, 'tone-bad'],
    [sink.dropped, 'tone-bad'],
  ] as const;
  return (
    <tr>
      <th scope="row" class="mono">
        {sink.name}
      </th>
      <td>{sink.kind}</td>
      <td class="mono">
        <Foreign text={sink.target} />
      </td>
      {counts.map(([count, look], index) => (
        <td key={index} class={`num ${count > 0 ? look : 'dim'}`}>
          {formatCount(count)}
        </td>
      ))}
      <td class={`wrap tone-${tone}`}>
        <Foreign text={word} />
        {sink.retry_ms !== null && (
          <span class="dim">
            {' '}
            · again in {formatAge(Math.max(0, sink.retry_ms - store.serverNow()))}
          </span>
        )}
      </td>
    </tr>
  );
}
