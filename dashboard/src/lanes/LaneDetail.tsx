import { useComputed } from '@preact/signals';
import { Foreign } from '../parts/Foreign.tsx';
import { go, linkTo, route, store } from '../session.ts';
import { factsOf } from './words.ts';

/** The pinned inode in words: for those who do not see the picture, and to be copied. */
export function LaneDetail() {
  const facts = useComputed(() => {
    void store.lanesVersion.value;
    const { inode } = route.value;
    const index = inode === '' ? -1 : store.lanes.indexOf(inode);
    if (index < 0) return null;
    return factsOf(store.lanes, index, (store.shownAt.peek() - store.lanes.baseMs) * 1e6);
  }).value;
  const { inode } = route.value;
  return (
    <div class="lane-detail" role="status">
      {facts === null ? (
        <p class="dim">
          {inode === ''
            ? 'Nothing is pinned: click an inode, or press j.'
            : `Inode ${inode} is not in the timeline: filtered out, or older than what is kept.`}
        </p>
      ) : (
        <p>
          <b class="mono">
            <Foreign text={facts.fs} /> ino {facts.ino}
          </b>{' '}
          <Foreign text={facts.comm} /> <span class="dim">({facts.pid})</span> · {facts.state} ·
          evicted {facts.at} · evict <b>{facts.evict}</b> · grace period <b>{facts.wait}</b>
          {facts.hugepages !== '' && (
            <>
              {' · '}
              <span class={facts.owed > 0 ? 'tone-bad' : ''}>{facts.hugepages}</span>
            </>
          )}
          {facts.doubtful && ' · doubtful: events were lost while it lived'}{' '}
          <a
            href={linkTo({ view: 'inode', inode })}
            onClick={(event) => {
              event.preventDefault();
              go({ view: 'inode', inode, follow: false });
            }}
          >
            open (Enter)
          </a>
        </p>
      )}
    </div>
  );
}
