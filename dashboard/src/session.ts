import { computed, effect, type Signal, signal } from '@preact/signals';
import type { Subscribe } from '../../server/protocol/messages.ts';
import type { ReplayCommand } from '../../server/protocol/replay.ts';
import { browserOptions, Connection, type ConnectionState } from './connection.ts';
import { requestDraw } from './frame.ts';
import { formatRoute, GRACE, parseRoute, type Route, subscriptionOf } from './route.ts';
import { Store } from './store.ts';
import { rangeOf, widened } from './timeRange.ts';

/**
 * What this page has one of: its store, its route, its connection. Views import
 * these; nothing else holds state that outlives a view.
 */
export const store = new Store(() => requestDraw(commit));
export const route: Signal<Route> = signal(parseRoute(location.hash));
export const connectionState: Signal<ConnectionState> = signal({ phase: 'connecting' });
/** The rows of the inode table that are wanted, decided by its scroll position. */
export const inodeWindow = signal({ offset: 0, limit: 100 });
/** Whether this page's link is that of the operator; a viewer's changes nothing. */
export const mayOperate = computed(() => store.hello.value?.role !== 'viewer');
/** Ticks each second, for ages in words. */
export const second = signal(Date.now());

/** Goes somewhere. A new view is a step of the browser's history, a changed filter or selection is not. */
export function go(change: Partial<Route>): void {
  const next = { ...route.value, ...change };
  if (formatRoute(next) === formatRoute(route.value)) return;
  if (next.view === route.value.view) {
    // Browsers limit how often the address may change; a held-down arrow key would exceed that.
    clearTimeout(addressTimer);
    addressTimer = setTimeout(writeAddress, 200);
  } else {
    writeAddress();
    history.pushState(null, '', formatRoute(next));
  }
  route.value = next;
}

/** The link to somewhere, for `href`. */
export function linkTo(change: Partial<Route>): string {
  return formatRoute({ ...route.value, ...change });
}

/** Whether what is shown is no longer the present. */
export function isStale(): boolean {
  return connectionState.value.phase !== 'open' && store.shownAt.value > 0;
}

export function retryConnection(): void {
  connection?.retry();
}

export function sendCommand(command: ReplayCommand): void {
  if (mayOperate.peek()) connection?.command(command);
}

/** The pair of stages whose latency is drawn: the chosen one, the grace period, or any that is seen here. */
export const pairShown = computed(() => {
  const { pair } = route.value;
  const seen = store.latencies.value ?? [];
  if (pair !== '' || seen.length === 0 || seen.some((row) => row.pair === GRACE))
    return pair || GRACE;
  return seen[0]!.pair;
});

export function startSession(): void {
  const follow = () => {
    clearTimeout(addressTimer);
    // steps of the browser's history are between views, not between times
    route.value = { ...parseRoute(location.hash), t: route.peek().t };
  };
  addEventListener('hashchange', follow);
  addEventListener('popstate', follow);
  setInterval(() => {
    second.value = Date.now();
  }, 1000);
  connection = new Connection({
    ...browserOptions(),
    onMessage: (message) => store.receive(message),
    onState: (state) => {
      connectionState.value = state;
      if (state.phase === 'open') store.expectAnswer();
    },
  });
  effect(() => {
    const { view, inode, host } = route.value;
    const what = view === 'inode' ? `inode ${inode}` : view;
    const { firing } = store.firing.value;
    const count = firing === 0 ? '' : `(${firing}) `;
    document.title = count + ['lastref', what, host].filter(Boolean).join(' · ');
  });
  effect(() => {
    // a server that compares has that view alone
    if (store.hello.value?.mode === 'compare' && route.peek().view !== 'compare') {
      go({ view: 'compare' });
    }
  });
  let sent = '';
  effect(() => {
    const wanted = subscription();
    const text = JSON.stringify(wanted);
    if (text === sent) return;
    sent = text;
    forgetOthers(wanted);
    store.expectAnswer();
    connection?.subscribe(wanted);
  });
}

let connection: Connection | null = null;
let addressTimer: ReturnType<typeof setTimeout> | undefined;

function writeAddress(): void {
  clearTimeout(addressTimer);
  history.replaceState(null, '', formatRoute(route.value));
}

function commit(): void {
  store.commit();
}

function subscription(): Subscribe {
  const base = subscriptionOf(route.value);
  if (base.view === 'overview') return { ...base, pair: pairShown.value };
  if (base.view === 'inodes') return { ...base, ...inodeWindow.value, ...rangeOf(route.value) };
  // of more inodes than a page takes, those around what is looked at
  if (base.view === 'timeline' && store.tooMany.value)
    return { ...base, ...widened(rangeOf(route.value)) };
  return base;
}

/** Another inode's detail must not be shown under this one's address, not even for a moment. */
function forgetOthers(wanted: Subscribe): void {
  if (store.finding.peek()?.row.id !== wanted.finding) store.finding.value = undefined;
  if (wanted.view !== 'inode') return;
  if (store.inode.peek()?.row.id !== wanted.inode) {
    store.inode.value = undefined;
    store.leaks.value = [];
  }
}
