import { plural } from '../format/number.ts';
import { go, linkTo, route, store } from '../session.ts';
import { viewsOf } from './views.ts';

/** Left navigation. The inode view appears once an inode was chosen. */
export function Nav() {
  const { view, inode } = route.value;
  return (
    <nav class="nav" aria-label="Views">
      <ul>
        {viewsOf(store.hello.value, store.hosts.value.length).map((item, index) => {
          const reachable = item.view !== 'inode' || inode !== '';
          const content = (
            <>
              <kbd>{index < 9 ? index + 1 : item.letter}</kbd>
              <span class="nav-title">{item.title}</span>
              {item.view === 'inode' && inode !== '' && <span class="nav-detail">{inode}</span>}
              {item.view === 'alerts' && <FiringMark />}
              {item.view === 'contract' && <BreachMark />}
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

/** Alerts that fire anywhere and are not silenced: seen from every view, also while paused. */
function FiringMark() {
  const { firing, certain } = store.firing.value;
  if (firing === 0) return null;
  return (
    <span
      class={`nav-detail nav-count ${certain > 0 ? 'is-certain' : ''}`}
      title={`${plural(firing, 'alert')} firing, ${certain} of a certain leak`}
    >
      {firing}
      <span class="visually-hidden"> firing</span>
    </span>
  );
}

/** Breaches of the contract anywhere: seen from every view. */
function BreachMark() {
  const sum = (of: 'broken' | 'suspected') =>
    store.hosts.value.reduce((total, host) => total + host[of], 0);
  const [broken, suspected] = [sum('broken'), sum('suspected')];
  if (broken > 0) {
    return (
      <span class="nav-detail tone-bad" title="certain breaches of the contract">
        {broken}
        <span class="visually-hidden"> broken</span>
      </span>
    );
  }
  if (suspected === 0) return null;
  return (
    <span class="nav-detail warn-text" title="suspected breaches of the contract">
      {suspected}
      <span class="visually-hidden"> suspected</span>
    </span>
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
