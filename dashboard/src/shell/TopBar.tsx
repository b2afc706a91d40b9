import { addLedgers } from '../../../server/protocol/hosts.ts';
import { formatAge } from '../format/duration.ts';
import { formatCount, formatShort } from '../format/number.ts';
import { byTrouble, NAMED, SILENT_MS, troubleOf } from '../hosts/trouble.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { STATUS_TONE } from '../parts/words.ts';
import { go, isStale, linkTo, mayOperate, route, store } from '../session.ts';
import { ShareMenu } from '../share/ShareMenu.tsx';
import { nextTheme, themeChoice } from '../theme.ts';
import { ledgerWord } from './ledgerText.ts';

/** Product, hosts and their health, rate, ledger, theme, help: the same in every view. */
export function TopBar({ onHelp }: { onHelp: () => void }) {
  return (
    <header class={isStale() ? 'top is-stale' : 'top'}>
      <a
        class="brand"
        href={linkTo({ view: 'overview' })}
        title={`lastref ${store.hello.value?.lastref ?? ''}`}
      >
        lastref
      </a>
      <HostSwitch />
      <Health />
      {!mayOperate.value && (
        <span class="dim" title="this link shows everything and changes nothing">
          looking only
        </span>
      )}
      <span class="spring" />
      {store.hello.value?.mode !== 'compare' && (
        <>
          <Rate />
          <LedgerState />
        </>
      )}
      <ShareMenu />
      <button
        type="button"
        class="quiet"
        onClick={nextTheme}
        title="theme: dark, light, or as the system (t)"
      >
        ◐ {themeChoice}
      </button>
      <button type="button" class="quiet" onClick={onHelp} aria-label="Keyboard help">
        ?
      </button>
    </header>
  );
}

function HostSwitch() {
  const hosts = store.hosts.value.map((host) => host.host);
  const chosen = route.value.host;
  if (hosts.length < 2 && chosen === '') return null;
  return (
    <label class="host-switch">
      <span class="visually-hidden">Host</span>
      <select value={chosen} onChange={(event) => go({ host: event.currentTarget.value })}>
        <option value="">all hosts</option>
        {hosts.map((host) => (
          <option key={host} value={host}>
            {host}
          </option>
        ))}
        {chosen !== '' && !hosts.includes(chosen) && (
          <option value={chosen}>{chosen} (not here)</option>
        )}
      </select>
    </label>
  );
}

/** A dot and a word for each host's tracer. */
function Health() {
  if (store.hosts.value.length > NAMED) return <ManyHosts />;
  return (
    <ul class="health" aria-label="Tracers" aria-live="polite">
      {store.hosts.value.map((host) => {
        const silent = host.status === 'ready' && (host.silent_ms ?? 0) > SILENT_MS;
        const tone = silent ? 'warn' : STATUS_TONE[host.status];
        return (
          <li key={host.host} title={[host.kernel, host.bpftrace].filter(Boolean).join(' · ')}>
            <span class={`dot dot-${tone}`} aria-hidden="true" />
            <b>
              <Foreign text={host.host} />
            </b>
            <span class={tone === 'good' ? 'dim' : `tone-${tone}`}>
              {silent ? `silent for ${formatAge(host.silent_ms ?? 0)}` : host.status}
            </span>
          </li>
        );
      })}
    </ul>
  );
}

/** How many are as they should be, and the worst that is wrong with the others. */
function ManyHosts() {
  const hosts = store.hosts.value;
  const ready = hosts.filter(({ status }) => status === 'ready').length;
  const [worst] = byTrouble(hosts);
  const { tone, words } = troubleOf(worst!);
  return (
    <a class="fact" href={linkTo({ view: 'hosts' })} aria-live="polite" title="all hosts (H)">
      <span class={`dot dot-${tone}`} aria-hidden="true" />
      <b>
        {formatCount(ready)} of {formatCount(hosts.length)}
      </b>{' '}
      hosts ready
      {words.length > 0 && (
        <span class={tone === 'bad' ? 'tone-bad' : 'warn-text'}>
          {' '}
          · <Foreign text={worst!.host} /> {words[0]}
        </span>
      )}
    </a>
  );
}

function Rate() {
  const hosts = shownHosts();
  const rate = hosts.reduce((sum, host) => sum + host.events_per_s, 0);
  return (
    <span class="fact">
      <b class="num rate">{formatShort(Math.round(rate))}</b> events/s
    </span>
  );
}

function LedgerState() {
  const hosts = shownHosts();
  if (hosts.length === 0) return null;
  const { word, tone } = ledgerWord(addLedgers(hosts.map((host) => host.ledger)));
  return (
    <a class="fact" href={linkTo({ view: 'losses' })} title="where every event went">
      ledger <b class={`tone-${tone}`}>{word}</b>
    </a>
  );
}

function shownHosts() {
  const chosen = route.value.host;
  return store.hosts.value.filter((host) => chosen === '' || host.host === chosen);
}
