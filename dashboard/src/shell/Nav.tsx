import { go, linkTo, route, store } from '../session.ts';
import { NAVIGATION } from './views.ts';

/** Left navigation. The inode view appears once an inode was chosen. */
export function Nav() {
  const { view, inode } = route.value;
  return (
    <nav class="nav" aria-label="Views">
      <ul>
        {NAVIGATION.map((item, index) => {
          const reachable = item.view !== 'inode' || inode !== '';
          const content = (
            <>
              <kbd>{index + 1}</kbd>
              <span class="nav-title">{item.title}</span>
              {item.view === 'inode' && inode !== '' && <span class="nav-detail">{inode}</span>}
              {item.view === 'losses' && <LossMark />}
            </>
          );
          return (
            <li key={item.view} class={item.view === 'inode' ? 'nav-sub' : ''}>
              {reachable ? (
                <a
                  href={linkTo({ view: item.view })}
                  aria-current={view === item.view ? 'page' : undefined}
                  onClick={(event) => {
                    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
                    event.preventDefault();
                    go({ view: item.view });
                  }}
                >
                  {content}
                </a>
              ) : (
                <span class="nav-off" title="choose an inode in the table first">
                  {content}
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

/** Losses anywhere: seen from every view. */
function LossMark() {
  const gaps = store.hosts.value.reduce((sum, host) => sum + host.gaps, 0);
  if (gaps === 0) return null;
  return (
    <span class="nav-detail warn-text" title="gaps in the trace">
      {gaps}
      <span class="visually-hidden"> gaps</span>
    </span>
  );
}
