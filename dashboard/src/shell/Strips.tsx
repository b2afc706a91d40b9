import { formatAge } from '../format/duration.ts';
import { plural } from '../format/number.ts';
import { NAMED } from '../hosts/trouble.ts';
import { Foreign, ForeignLines } from '../parts/Foreign.tsx';
import { connectionState, linkTo, retryConnection, second, store } from '../session.ts';

/** Across the page, under the top bar: what the reader must know before reading on. */
export function Strips() {
  return (
    <aside class="strips" aria-label="Notices">
      <ConnectionStrip />
      <ReplayStrip />
      <Progress />
      <FailedTracers />
      <WholeLives />
      <RequestError />
    </aside>
  );
}

function ConnectionStrip() {
  const state = connectionState.value;
  return (
    <div role="status" aria-live="polite">
      {state.phase === 'lost' && (
        <p class="strip strip-bad">
          <b>{state.ever ? 'connection lost' : 'no connection'}</b>{' '}
          {formatAge(second.value - state.since)} ago — retrying.{' '}
          {state.ever
            ? 'What is shown is the last that arrived.'
            : 'Does lastref still run, and is the ssh port forwarding up?'}
          <button type="button" onClick={retryConnection}>
            retry now
          </button>
        </p>
      )}
      {state.phase === 'refused' && (
        <p class="strip strip-bad">
          <b>lastref does not accept this page’s link.</b> Its token is missing or from an earlier
          run. lastref prints a fresh link on start: open that one. (If it runs in the background,
          look at its output for <code>http://…/?token=…</code>)
          <button type="button" onClick={retryConnection}>
            try again
          </button>
        </p>
      )}
      {state.phase === 'limited' && (
        <p class="strip strip-bad">
          <b>lastref is asked too often</b> from this address and answers no more for a moment: this
          page asks again {againIn(state.again - second.value)}. Other pages or scripts that use the
          same link may be the reason.
          <button type="button" onClick={retryConnection}>
            ask now
          </button>
        </p>
      )}
      {state.phase === 'outdated' && (
        <p class="strip strip-bad">
          <b>lastref was updated</b> and speaks protocol {state.server}; this page is older.
          <button type="button" onClick={() => location.reload()}>
            reload
          </button>
        </p>
      )}
    </div>
  );
}

function againIn(ms: number): string {
  return ms <= 0 ? 'now' : `in ${Math.ceil(ms / 1000)} s`;
}

function ReplayStrip() {
  const hello = store.hello.value;
  if (!hello || (!hello.banner && hello.mode === 'live')) return null;
  return (
    <p class="strip strip-info">
      {hello.mode === 'replay' && <b>replay</b>}{' '}
      <ForeignLines text={hello.banner ?? 'This is a recording, not a live host.'} />
    </p>
  );
}

/** What a tracer that is on its way is doing right now. */
function Progress() {
  const busy = store.hosts.value.filter((host) => BUSY.has(host.status) && host.message !== '');
  return (
    <div role="status">
      {busy.length > NAMED && (
        <p class="strip strip-busy">
          <b>{plural(busy.length, 'host')}</b> are on their way:{' '}
          <a href={linkTo({ view: 'hosts' })}>which, and where they are</a>
        </p>
      )}
      {busy.slice(0, busy.length > NAMED ? 0 : NAMED).map((host) => (
        <p key={host.host} class="strip strip-busy">
          <b>
            <Foreign text={host.host} />
          </b>{' '}
          {host.status}: <ForeignLines text={host.message} />
        </p>
      ))}
    </div>
  );
}

const BUSY = new Set<string>(['connecting', 'planning', 'attaching', 'blind', 'restarting']);

/** A tracer that cannot trace: its whole reason, and what to do, until it is mended. */
function FailedTracers() {
  const failed = store.hosts.value.filter((host) => host.status === 'failed');
  return (
    <div role="alert">
      {failed.length > NAMED && (
        <p class="strip strip-bad">
          <b>{plural(failed.length, 'host')} cannot be traced</b>; the first of them:{' '}
          <a href={linkTo({ view: 'hosts' })}>all of them</a>
        </p>
      )}
      {failed.slice(0, failed.length > NAMED ? 1 : NAMED).map((host) => (
        <div key={host.host} class="strip strip-bad">
          <b>
            cannot trace <Foreign text={host.host} />
          </b>
          <pre>
            <ForeignLines text={host.message} />
          </pre>
        </div>
      ))}
    </div>
  );
}

/** `auto` has stopped telling each stage, because there are too many inodes. */
function WholeLives() {
  const busy = store.hosts.value.filter(
    (host) => host.detail?.asked === 'auto' && !host.detail.steps,
  );
  if (busy.length > NAMED) {
    return (
      <p class="strip strip-info" role="status">
        On <b>{plural(busy.length, 'host')}</b> there are so many inodes that each is told in one
        line, when it has ended; those that hold hugepages also when they begin to. No stage is lost
        by this.
      </p>
    );
  }
  return (
    <div role="status">
      {busy.map(({ host, detail }) => (
        <p key={host} class="strip strip-info">
          <b>
            <Foreign text={host} />
          </b>{' '}
          {Math.round(detail!.rate).toLocaleString('en')} inodes/s: for{' '}
          {formatAge(second.value - detail!.since_ms)} now an inode is told in one line, when it has
          ended; those that hold hugepages also when they begin to. No stage is lost by this.
        </p>
      ))}
    </div>
  );
}

/** Errors that belong to a filter are shown at the filter instead. */
function RequestError() {
  const error = store.error.value;
  return (
    <div role="alert">
      {error && error.at === undefined && (
        <p class="strip strip-bad">
          <ForeignLines text={error.message} />
          <button
            type="button"
            onClick={() => {
              store.error.value = null;
            }}
          >
            dismiss
          </button>
        </p>
      )}
    </div>
  );
}
