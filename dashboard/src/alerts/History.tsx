import type { SessionAlert } from '../../../server/protocol/alerts.ts';
import { formatClockMs, formatDate } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { formatCount, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { store } from '../session.ts';
import { InodeOfLeak } from './ActiveAlert.tsx';
import { keyOf, pagesText } from './words.ts';

/** Alerts that are over, newest first: how long each lasted, and why it ended. */
export function History(props: { alerts: readonly SessionAlert[]; forgotten: number }) {
  const { alerts, forgotten } = props;
  const manyHosts = store.hosts.value.length > 1;
  return (
    <Panel
      title="Resolved"
      side={<span class="dim">{plural(alerts.length + forgotten, 'alert')}</span>}
    >
      {alerts.length === 0 ? (
        <p class="pad dim">None yet.</p>
      ) : (
        <Scroll label="Resolved alerts, table" tall>
          <table class="data history">
            <thead>
              <tr>
                <th scope="col">resolved</th>
                <th scope="col" class="num">
                  lasted
                </th>
                <th scope="col">alert</th>
                <th scope="col">verdict</th>
                {manyHosts && <th scope="col">host</th>}
                <th scope="col">hugepages</th>
                <th scope="col">inode</th>
                <th scope="col">why it ended</th>
              </tr>
            </thead>
            <tbody>
              {alerts.map((alert) => (
                <tr key={keyOf(alert)}>
                  <td class="mono" title={formatDate(alert.ends_ms!)}>
                    {formatClockMs(alert.ends_ms!)}
                  </td>
                  <td class="num">{formatDuration(alert.lasted_ms * 1e6)}</td>
                  <th scope="row">
                    <Foreign text={alert.labels.alertname ?? ''} />
                  </th>
                  <td class={alert.leak.state === 'refuted' ? 'dim' : ''}>{verdictOf(alert)}</td>
                  {manyHosts && (
                    <td class="mono">
                      <Foreign text={alert.leak.host} />
                    </td>
                  )}
                  <td class="mono">{pagesText(alert.leak)}</td>
                  <td class="mono">
                    <InodeOfLeak alert={alert} />
                  </td>
                  <td class="wrap">
                    {alert.note === '' ? (
                      <span class="dim">{END_TEXT[alert.leak.kind]}</span>
                    ) : (
                      <Foreign text={alert.note} />
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {forgotten > 0 && <p class="pad dim">{formatCount(forgotten)} older ones are not kept.</p>}
    </Panel>
  );
}

/** A refuted leak was none, whatever was thought of it. */
function verdictOf({ leak }: SessionAlert): string {
  return leak.state === 'refuted' ? 'refuted' : leak.verdict;
}

/** How a leak of each kind ends by itself. */
const END_TEXT: Record<SessionAlert['leak']['kind'], string> = {
  pinned: 'back in the pool',
  held: 'closed, unmapped and back in the pool',
  reservation: 'given back',
  'pool drift': 'the counters agree again',
  stuck: 'its end was finished',
  surplus: 'given back',
};
