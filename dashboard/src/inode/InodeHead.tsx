import type { InodeDetail } from '../../../server/protocol/messages.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { formatBytes } from '../format/number.ts';
import { CopyButton } from '../parts/CopyButton.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { StateWord } from '../parts/StateWord.tsx';
import { store } from '../session.ts';
import { inodeAsText } from './asText.ts';
import { heldText } from './hugepageWords.ts';

/** Who this is, what it held, how it went. */
export function InodeHead({ detail }: { detail: InodeDetail }) {
  const { row } = detail;
  const kernel = store.hosts.value.find((host) => host.host === row.host)?.kernel ?? '';
  return (
    <header class="inode-head">
      <div class="inode-title">
        <h1>
          <Foreign text={row.fs} /> inode <span class="num">{row.ino}</span>
        </h1>
        <StateWord state={row.state} />
        {row.doubtful && (
          <span class="tone-warn" title="what is missing here may have been lost">
            doubtful: events were lost during its life
          </span>
        )}
        <span class="spring" />
        <CopyButton label="copy as text" text={() => inodeAsText(detail, kernel)} />
        <CopyButton label="copy link" text={() => location.href} />
      </div>
      <dl class="inode-facts mono">
        <Fact name="host">
          <Foreign text={row.host} />
        </Fact>
        <Fact name="dev">{row.dev}</Fact>
        <Fact name="address">{row.address || 'not shown by this host'}</Fact>
        <Fact name="incarnation">{row.id}</Fact>
        <Fact name={row.evict_ns === null && row.state === 'open' ? 'first seen' : 'evicted at'}>
          {formatClockMs(row.at_ms)}
        </Fact>
        <Fact name="by">
          <Foreign text={row.comm} empty="–" /> {row.pid}
        </Fact>
        <Fact name="size">{formatBytes(row.size)}</Fact>
        <Fact name="nlink">{row.nlink ?? '–'}</Fact>
        <Fact name="evict">{formatDuration(row.evict_ns)}</Fact>
        <Fact name="grace period">{formatDuration(row.grace_ns)}</Fact>
        <Fact name="hugepages">
          <span class={row.owed ? 'owed' : ''}>{heldText(row)}</span>
        </Fact>
      </dl>
    </header>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
