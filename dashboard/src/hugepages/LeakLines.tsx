import type { LeakRow } from '../../../server/protocol/pool-map.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatAge } from '../format/duration.ts';
import { formatBytes, plural } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { go, linkTo, route, second, store } from '../session.ts';

/** What leaks of this host's hugepages, a line each: what, whose, since when, and who is suspected first. */
export function LeakLines({ leaks }: { leaks: readonly LeakRow[] }) {
  void second.value;
  const now = store.serverNow();
  if (leaks.length === 0) return null;
  return (
    <ul class="leak-lines" aria-label="Leaks">
      {leaks.slice(0, MOST).map((leak) => (
        <li key={leak.id} class={leak.kind === 'held' ? '' : 'is-leak'}>
          <b
            class={
              leak.kind === 'held' ? '' : leak.verdict === 'certain' ? 'tone-bad' : 'tone-warn'
            }
          >
            {leak.alert === '' ? (
              leak.kind
            ) : (
              <a href={linkTo({ view: 'alerts', alert: leak.alert })} title="its alert">
                {leak.kind}
              </a>
            )}
          </b>
          <span class="dim">{leak.verdict}</span>
          <span>
            {plural(leak.pages, 'hugepage')}, {formatBytes(leak.bytes)}
          </span>
          {leak.inode !== null && (
            <>
              <a href={linkTo({ view: 'inode', inode: leak.inode })}>
                <Foreign text={leak.fs} /> inode {leak.ino}
              </a>
              <Only inode={leak.inode} />
            </>
          )}
          <span class="dim">
            since {formatClockMs(leak.since_ms)}, {formatAge(now - leak.since_ms)}
          </span>
          <Suspect leak={leak} />
        </li>
      ))}
      {leaks.length > MOST && (
        <li>
          <a href={linkTo({ view: 'alerts' })}>and {leaks.length - MOST} more</a>
        </li>
      )}
    </ul>
  );
}

const MOST = 6;

function Only({ inode }: { inode: string }) {
  const chosen = route.value.of === inode;
  return (
    <button
      type="button"
      class="link"
      aria-pressed={chosen}
      onClick={() => go({ of: chosen ? '' : inode, page: '', state: '' })}
    >
      {chosen ? 'all cells' : 'its cells'}
    </button>
  );
}

/** The first suspect; where a leak has no inode, its text says more. */
function Suspect({ leak }: { leak: LeakRow }) {
  const [first, ...more] = leak.suspects;
  const text = leak.inode === null && (
    <span class="dim leak-text">
      <Foreign text={leak.text} />
    </span>
  );
  if (first === undefined) return text || <span class="dim">suspects: none known</span>;
  return (
    <>
      <span title={first.evidence}>
        suspect{' '}
        <b class="mono">
          <Foreign text={first.comm} empty="pid" /> {first.pid}
        </b>{' '}
        <span class="mono">
          <Foreign text={first.how} />
        </span>
        {more.length > 0 && <span class="dim"> and {more.length} more</span>}
      </span>
      {text}
    </>
  );
}
