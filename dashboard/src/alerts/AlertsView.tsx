import { useState } from 'preact/hooks';
import type { SessionAlert } from '../../../server/protocol/alerts.ts';
import { formatCount, plural } from '../format/number.ts';
import { useKeys } from '../keyboard.ts';
import { Empty, Waiting } from '../parts/Empty.tsx';
import { Panel } from '../parts/Panel.tsx';
import { go, mayOperate, route, store } from '../session.ts';
import { ActiveAlert } from './ActiveAlert.tsx';
import { History } from './History.tsx';
import { NoticeButton } from './NoticeButton.tsx';
import { removeSilence, silenceAlert } from './requests.ts';
import { SilenceTable } from './SilenceTable.tsx';
import { SinkTable } from './SinkTable.tsx';
import { isChosen, keyOf } from './words.ts';

const HOUR_MS = 3600e3;

/** What fires, who is suspected, who was told, and what is over. */
export function AlertsView() {
  const view = store.alerts.value;
  const [said, say] = useState('');
  const active = view?.alerts.filter((alert) => alert.state !== 'resolved') ?? [];
  const live = store.hello.value?.mode === 'live';
  const doing = async (work: Promise<string>) => say(await work);
  const actions: AlertActions | null =
    live && mayOperate.value
      ? {
          silence: (alert, hour) =>
            void doing(silenceAlert(alert, hour ? store.serverNow() + HOUR_MS : 'resolved')),
          unsilence: (id) => void doing(removeSilence(id)),
        }
      : null;
  const chosen = () => active.find((alert) => isChosen(alert, route.value.alert));
  const silence = (hour: boolean) => {
    const alert = chosen();
    if (alert !== undefined && alert.silence === null) actions?.silence(alert, hour);
  };
  useKeys([
    { keys: ['j', 'ArrowDown'], help: 'next alert', run: () => move(active, 1) },
    { keys: ['k', 'ArrowUp'], help: 'previous alert', run: () => move(active, -1) },
    { keys: ['Enter'], help: 'the inode of the alert', run: () => openInode(chosen()) },
    ...(actions === null
      ? []
      : [
          { keys: ['s'], help: 'silence the alert for an hour', run: () => silence(true) },
          {
            keys: ['S'],
            help: 'silence the alert until it is resolved',
            run: () => silence(false),
          },
        ]),
  ]);
  if (view === null) return <Waiting what="alerts" />;
  return (
    <div class="alerts">
      <h1 class="visually-hidden">Alerts</h1>
      <Panel title="Firing and pending" side={<Side active={active} />}>
        {active.length === 0 ? (
          <Empty title="No alert fires.">
            <p>
              Hugepages that do not come back raise one, once the threshold of their kind has
              passed, and so do inodes that do not end. Rules, thresholds and who is told stand in
              the config file; <code>docs/alerts.md</code> describes it.
            </p>
          </Empty>
        ) : (
          <ul class="alert-list">
            {active.map((alert) => (
              <ActiveAlert
                key={keyOf(alert)}
                alert={alert}
                actions={actions}
                silence={view.silences.find(({ id }) => id === alert.silence)}
              />
            ))}
          </ul>
        )}
        {live && !mayOperate.value && active.length > 0 && (
          <p class="pad dim">This link is for looking: silences need the link of the operator.</p>
        )}
        <p role="status" class={said === '' ? '' : 'pad tone-bad'}>
          {said}
        </p>
      </Panel>
      <SilenceTable silences={view.silences} actions={actions} />
      <SinkTable sinks={view.sinks} />
      <History
        alerts={view.alerts.filter((alert) => alert.state === 'resolved')}
        forgotten={view.forgotten}
      />
    </div>
  );
}

/** Null in a replay, which nobody is told of, and for a viewer. */
export interface AlertActions {
  /** For an hour, or until it is resolved. */
  readonly silence: (alert: SessionAlert, hour: boolean) => void;
  readonly unsilence: (id: string) => void;
}

function Side({ active }: { active: readonly SessionAlert[] }) {
  const firing = active.filter((alert) => alert.state === 'firing');
  const certain = firing.filter(({ leak }) => leak.verdict === 'certain').length;
  const silenced = firing.filter((alert) => alert.silence !== null).length;
  return (
    <span>
      <b class={certain > 0 ? 'tone-bad' : firing.length > 0 ? 'tone-warn' : 'dim'}>
        {plural(firing.length, 'alert')} firing
      </b>
      <span class="dim">
        {firing.length > 0 && ` · ${formatCount(certain)} certain`}
        {silenced > 0 && ` · ${formatCount(silenced)} silenced`}
        {active.length > firing.length &&
          ` · ${formatCount(active.length - firing.length)} pending`}
      </span>{' '}
      <NoticeButton />
    </span>
  );
}

function move(alerts: readonly SessionAlert[], by: number): void {
  if (alerts.length === 0) return;
  const at = alerts.findIndex((alert) => isChosen(alert, route.value.alert));
  const from = at < 0 && by < 0 ? alerts.length : at;
  const next = alerts[Math.min(Math.max(from + by, 0), alerts.length - 1)]!;
  go({ alert: keyOf(next) });
  document.getElementById(`alert-${keyOf(next)}`)?.scrollIntoView({ block: 'nearest' });
}

function openInode(alert: SessionAlert | undefined): void {
  const inode = alert?.leak.inode ?? null;
  if (inode !== null) go({ view: 'inode', inode });
}
