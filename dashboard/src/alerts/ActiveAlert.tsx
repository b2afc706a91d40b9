import type { SessionAlert, Silence } from '../../../server/protocol/alerts.ts';
import { formatClockMs, formatDate } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Suspects } from '../parts/Suspects.tsx';
import { WHOLE_MAP } from '../route.ts';
import { go, linkTo, route, store } from '../session.ts';
import type { AlertActions } from './AlertsView.tsx';
import { isChosen, keyOf, labelPairs, pagesText, silenceEnd } from './words.ts';

/** One alert that is pending or fires: what, whose, since when, and who is suspected. */
export function ActiveAlert(props: {
  alert: SessionAlert;
  silence: Silence | undefined;
  actions: AlertActions | null;
}) {
  const { alert, silence, actions } = props;
  const { leak, labels } = alert;
  const chosen = isChosen(alert, route.value.alert);
  const pending = alert.state === 'pending';
  const tone = pending ? 'pending' : silence ? 'silenced' : leak.verdict;
  return (
    <li id={`alert-${keyOf(alert)}`} class={`alert alert-${tone} ${chosen ? 'is-chosen' : ''}`}>
      <div class="alert-head">
        <button
          type="button"
          class="link alert-name"
          aria-expanded={chosen}
          title="labels and address of this alert"
          onClick={() => go({ alert: chosen ? '' : keyOf(alert) })}
        >
          <Foreign text={labels.alertname ?? ''} />
        </button>
        <span class={leak.verdict === 'certain' ? 'tone-bad' : 'tone-warn'}>{leak.verdict}</span>
        {pending && <span class="dim">pending</span>}
        {leak.pages > 0 && <b class="mono">{pagesText(leak)}</b>}
        <span class="mono">
          <InodeOfLeak alert={alert} />
        </span>
        <MapOfLeak alert={alert} />
        {store.hosts.value.length > 1 && (
          <span class="mono dim">
            on <Foreign text={leak.host} />
          </span>
        )}
        <span class="spring" />
        <span class="dim" title={`a leak since ${formatDate(alert.since_ms)}, and for how long`}>
          since <span class="mono">{formatClockMs(alert.since_ms)}</span>
        </span>
        <span class="mono alert-for">
          {formatDuration(Math.floor(alert.lasted_ms / 100) * 1e8)}
        </span>
      </div>
      <p class="alert-text">
        <Foreign text={leak.text} />
      </p>
      <Suspects suspects={leak.suspects} />
      {alert.recording !== null && (
        <p class="dim">
          what led to it: <code>{alert.recording}</code> (lastref replay)
        </p>
      )}
      {chosen && <Labels alert={alert} />}
      <SilenceLine alert={alert} silence={silence} actions={actions} />
    </li>
  );
}

/** Its hugepages on the map, where it is about some. */
function MapOfLeak({ alert }: { alert: SessionAlert }) {
  const { inode, kind } = alert.leak;
  if (inode !== null && (kind === 'pinned' || kind === 'held')) {
    return <a href={linkTo({ ...WHOLE_MAP, of: inode })}>on the map</a>;
  }
  if (kind === 'stuck' || kind === 'held' || kind === 'pinned') return null;
  return <a href={linkTo(WHOLE_MAP)}>the pool</a>;
}

/** The inode as a link; what has none is named by its kind. */
export function InodeOfLeak({ alert }: { alert: SessionAlert }) {
  const { leak } = alert;
  if (leak.inode === null) {
    return (
      <span class="dim">
        {leak.kind}
        {alert.labels.subject !== undefined && `, ${alert.labels.subject}`}
      </span>
    );
  }
  return (
    <a href={linkTo({ view: 'inode', inode: leak.inode })}>
      <Foreign text={leak.fs} /> inode {leak.ino}
    </a>
  );
}

function Labels({ alert }: { alert: SessionAlert }) {
  return (
    <p class="labels mono">
      {labelPairs(alert.labels).map(([name, value]) => (
        <span key={name}>
          <span class="dim">{name}=</span>
          <Foreign text={value} />
        </span>
      ))}
      <span>
        <span class="dim">fingerprint=</span>
        {alert.fingerprint}
      </span>
    </p>
  );
}

function SilenceLine(props: {
  alert: SessionAlert;
  silence: Silence | undefined;
  actions: AlertActions | null;
}) {
  const { alert, silence, actions } = props;
  if (silence !== undefined) {
    return (
      <p class="silence-line">
        <span class="tone-warn">silenced {silenceEnd(silence, store.serverNow())}</span>
        {silence.reason !== '' && (
          <span class="dim">
            <Foreign text={silence.reason} />
          </span>
        )}
        {silence.config ? (
          <span class="dim">by the config file</span>
        ) : (
          actions !== null && (
            <button type="button" onClick={() => actions.unsilence(silence.id)}>
              remove the silence
            </button>
          )
        )}
      </p>
    );
  }
  if (actions === null) return null;
  return (
    <p class="silence-line">
      <span class="dim">silence</span>
      <button type="button" onClick={() => actions.silence(alert, true)}>
        for 1 h
      </button>
      <button type="button" onClick={() => actions.silence(alert, false)}>
        until resolved
      </button>
    </p>
  );
}
