import type { ReplayStatus } from '../../../server/protocol/replay.ts';
import { formatClock } from '../format/clock.ts';
import { formatCount, plural } from '../format/number.ts';
import { Empty } from '../parts/Empty.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { seekTo } from '../replay/controls.ts';
import { busyAfter, formatElapsed } from '../replay/time.ts';
import { go, mayOperate, route, store } from '../session.ts';

/** Nothing has been torn down: where one looks, since when, and how to make it happen. */
export function FirstInode() {
  const chosen = route.value.host;
  const hosts = store.hosts.value.filter((host) => chosen === '' || host.host === chosen);
  const ready = hosts.filter((host) => host.status === 'ready');
  if (ready.length === 0) {
    return (
      <Empty title="No tracer is ready yet.">
        {hosts.slice(0, 8).map((host) => (
          <p key={host.host}>
            <b>
              <Foreign text={host.host} />
            </b>{' '}
            {host.status}: <Foreign text={host.message} />
          </p>
        ))}
      </Empty>
    );
  }
  const fs = [...new Set(ready.flatMap((host) => host.fs))].join(', ');
  const names =
    ready.length > 8 ? plural(ready.length, 'host') : ready.map((host) => host.host).join(', ');
  if (store.replay.value !== null) return <NotYetRecorded fs={fs} status={store.replay.value} />;
  return (
    <Empty title="No inode yet.">
      <p>
        Nothing of <b>{fs || 'the traced file systems'}</b> was torn down on{' '}
        <b>
          <Foreign text={names} />
        </b>{' '}
        since {formatClock(store.firstAt.value)}. Try there:
      </p>
      <pre>{TRY_THIS}</pre>
    </Empty>
  );
}

/** Nothing can be made to happen in a recording: where to go instead. */
function NotYetRecorded({ fs, status }: { fs: string; status: ReplayStatus }) {
  const next = busyAfter(store.marks.value?.rate ?? [], status);
  const to = next ?? status.end_ms;
  return (
    <Empty title={status.at_end ? 'No inode in this recording.' : 'No inode up to here.'}>
      <p>
        Nothing of <b>{fs || 'the traced file systems'}</b> was torn down in the first{' '}
        {formatElapsed(status.at_ms - status.begin_ms)} of{' '}
        {formatElapsed(status.end_ms - status.begin_ms)}.{' '}
        {!status.at_end && mayOperate.value && (
          <button type="button" onClick={() => seekTo(to)}>
            {next === null ? 'to the end' : `to where events come, ${formatClock(next)}`}
          </button>
        )}
      </p>
    </Empty>
  );
}

export function NoMatch() {
  return (
    <Empty title="No inode matches this filter.">
      <p>
        {formatCount(store.inodes.value?.total ?? 0)} in the session.{' '}
        <button type="button" onClick={() => go({ filter: '' })}>
          clear the filter
        </button>
      </p>
    </Empty>
  );
}

const TRY_THIS = `# shmem: one inode, made and gone
f=$(mktemp -p /dev/shm) && rm "$f"

# hugetlbfs: four 2 MiB hugepages, allocated and given back (as root)
echo 16 > /proc/sys/vm/nr_hugepages
mountpoint -q /dev/hugepages || mount -t hugetlbfs none /dev/hugepages
fallocate -l 8M /dev/hugepages/x && rm /dev/hugepages/x`;
