import { useSignal } from '@preact/signals';
import type { HostState } from '../../../server/protocol/hosts.ts';
import { formatBytes, formatCount, formatShort, plural } from '../format/number.ts';
import { useKeys } from '../keyboard.ts';
import { Empty } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';
import { STATUS_TONE } from '../parts/words.ts';
import { go, linkTo, store } from '../session.ts';
import { byTrouble, troubleOf } from './trouble.ts';

/** Every host of the session in a line, those in trouble on top. */
export function HostsView() {
  const word = useSignal('');
  const box = () => document.getElementById('find-host') as HTMLInputElement | null;
  useKeys([{ keys: ['/'], help: 'find a host', run: () => box()?.focus() }]);
  const all = store.hosts.value;
  const wanted = word.value.trim().toLowerCase();
  const hosts = byTrouble(all.filter((host) => isFound(host, wanted)));
  const calm = all.filter((host) => troubleOf(host).rank === 0).length;
  return (
    <>
      <h1 class="visually-hidden">Hosts</h1>
      <Panel
        title={plural(all.length, 'host')}
        side={
          <span class="hosts-head">
            <span class={calm === all.length ? 'dim' : ''}>
              {calm === all.length
                ? 'all are traced, and nothing is lost or leaked'
                : `${formatCount(all.length - calm)} in trouble, on top`}
            </span>
            <input
              id="find-host"
              type="search"
              placeholder="find: name, kernel, status (/)"
              aria-label="Find a host by name, kernel or status"
              value={word.value}
              onInput={({ currentTarget: { value } }) => {
                word.value = value;
              }}
              onKeyDown={({ key, currentTarget }) => key === 'Escape' && currentTarget.blur()}
            />
          </span>
        }
      >
        {hosts.length === 0 ? (
          <Empty title={all.length === 0 ? 'No host yet.' : 'No host is called that.'} />
        ) : (
          <Table hosts={hosts} />
        )}
      </Panel>
    </>
  );
}

function isFound({ host, kernel, status }: HostState, wanted: string): boolean {
  return (
    wanted === '' || [host, kernel, status].some((text) => text.toLowerCase().includes(wanted))
  );
}

function Table({ hosts }: { hosts: readonly HostState[] }) {
  return (
    <Scroll label="Hosts, table" tall>
      <table class="data hosts">
        <thead>
          <tr>
            <th scope="col">host</th>
            <th scope="col">tracer</th>
            <th scope="col">what is wrong</th>
            <th scope="col">kernel</th>
            <th scope="col" class="num">
              events/s
            </th>
            <th scope="col" class="num">
              inodes live
            </th>
            <th scope="col" class="num">
              ended
            </th>
            <th scope="col" class="num" title="hugepages of all sizes: in use, and all of them">
              hugepages used
            </th>
            <th scope="col" class="num">
              of
            </th>
          </tr>
        </thead>
        <tbody>
          {hosts.map((host) => (
            <Row key={host.host} host={host} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Row({ host }: { host: HostState }) {
  const { tone, words } = troubleOf(host);
  const bytes = (kb: number | undefined) => (kb === undefined ? '' : formatBytes(kb * 1024));
  return (
    <tr>
      <th scope="row">
        <a
          href={linkTo({ view: 'overview', host: host.host })}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            go({ view: 'overview', host: host.host });
          }}
        >
          <Foreign text={host.host} />
        </a>
      </th>
      <td>
        <span class={`dot dot-${STATUS_TONE[host.status]}`} aria-hidden="true" /> {host.status}
      </td>
      <td class={tone === 'bad' ? 'tone-bad' : 'warn-text'} title={host.message}>
        {words.join(' · ')}
      </td>
      <td class="mono dim">
        <Foreign text={host.kernel} />
      </td>
      <td class="num">{formatShort(Math.round(host.events_per_s))}</td>
      <td class="num">{formatCount(host.inodes_live)}</td>
      <td class="num">{formatCount(host.inodes_ended)}</td>
      <td class="num">{bytes(host.pool?.used_kb)}</td>
      <td class="num dim">{bytes(host.pool?.total_kb)}</td>
    </tr>
  );
}
