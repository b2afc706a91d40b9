import type { Gap } from '../../../server/protocol/messages.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { formatCount, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { store } from '../session.ts';

/** Stretches of time in which events were lost, newest first. */
export function GapList({ gaps }: { gaps: readonly Gap[] }) {
  const sorted = [...gaps].sort((a, b) => b.from_ms - a.from_ms).slice(0, MOST);
  const manyHosts = store.hosts.value.length > 1;
  return (
    <Panel title="Gaps" side={<span class="dim">{plural(gaps.length, 'gap')}</span>}>
      {sorted.length === 0 ? (
        <p class="pad dim">None: nothing was lost.</p>
      ) : (
        <Scroll label="Gaps, table">
          <table class="data">
            <thead>
              <tr>
                <th scope="col">from</th>
                <th scope="col" class="num">
                  for
                </th>
                <th scope="col" class="num">
                  lost
                </th>
                {manyHosts && <th scope="col">host</th>}
                <th scope="col">where</th>
                <th scope="col">detail</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((gap) => (
                <tr key={`${gap.host} ${gap.where} ${gap.from_ms}`}>
                  <td class="mono">{formatClockMs(gap.from_ms)}</td>
                  <td class="num">
                    {gap.to_ms === null ? (
                      <b class="tone-bad">still open</b>
                    ) : (
                      formatDuration((gap.to_ms - gap.from_ms) * 1e6)
                    )}
                  </td>
                  <td class="num tone-warn">{formatCount(gap.lost)}</td>
                  {manyHosts && (
                    <td class="mono">
                      <Foreign text={gap.host} />
                    </td>
                  )}
                  <td>{WHERE_TEXT[gap.where]}</td>
                  <td class="wrap">
                    <Foreign text={gap.detail} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

const MOST = 500;

const WHERE_TEXT: Record<Gap['where'], string> = {
  not_run: 'not run',
  map_full: 'map full',
  ring_buffer: 'ring buffer',
  rejected: 'rejected',
  tracer_down: 'tracer down',
};
