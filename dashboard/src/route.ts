import { INODE_SORTS, type Subscribe } from '../../server/protocol/messages.ts';

/**
 * Where the reader is, kept in the URL's hash so that it can be shared:
 * `#/inodes?host=vm&filter=fs:hugetlbfs&sort=evict_ns`, `#/timeline?from=1764…&to=1764…`, `#/inode/1.42`, `#/contract/1.3`,
 * `#/alerts/7214cbacd4c5b81b`, `#/hugepages?pool=2048@vm&page=0x12c00`.
 */
export interface Route {
  readonly view: PageView;
  /** Empty: all hosts. */
  readonly host: string;
  readonly filter: string;
  readonly sort: InodeSort;
  readonly descending: boolean;
  /** Inodes: newest on top, always scrolled there. */
  readonly follow: boolean;
  /** The selected inode's id; empty without one. */
  readonly inode: string;
  /** Contract: the id of the finding whose lines are shown; empty without one. */
  readonly finding: string;
  /** Alerts: the key or the fingerprint of the chosen alert; empty without one. */
  readonly alert: string;
  /** Hugepages: the pool, the state of cells, the inode and the hugepage that are chosen; empty without. */
  readonly pool: string;
  readonly state: string;
  readonly of: string;
  readonly page: string;
  /** The stretch of wall clock that is shown, ms, as written; empty without one. */
  readonly from: string;
  readonly to: string;
  /** Overview: the pair of stages whose latency is drawn; empty: the grace period. */
  readonly pair: string;
  /** Replay: seconds since the beginning of the recording, as written; empty without one. */
  readonly t: string;
}

export type InodeSort = (typeof INODE_SORTS)[number];
export const PAGE_VIEWS = [
  'overview',
  'inodes',
  'timeline',
  'inode',
  'hugepages',
  'alerts',
  'callbacks',
  'contract',
  'losses',
  'hosts',
  'compare',
] as const;
export type PageView = (typeof PAGE_VIEWS)[number];

export const START: Route = {
  view: 'overview',
  host: '',
  filter: '',
  sort: 'recent',
  descending: true,
  follow: false,
  inode: '',
  finding: '',
  alert: '',
  pool: '',
  state: '',
  of: '',
  page: '',
  pair: '',
  from: '',
  to: '',
  t: '',
};

/** The pair of stages that is the grace period. */
export const GRACE = 'destroy_inode..i_callback';

/** The Hugepages view with nothing chosen: to be spread into a link that chooses something. */
export const WHOLE_MAP = { view: 'hugepages', pool: '', state: '', of: '', page: '' } as const;

/** Reads a hash. What is not understood becomes the default: an old link still opens the page. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [first = '', second = ''] = path.split('/');
  const params = new URLSearchParams(query);
  const view = PAGE_VIEWS.find((name) => name === first) ?? 'overview';
  const fromPath = view === 'inode' ? decode(second) : '';
  const ofMap = (name: string) =>
    view === 'hugepages' ? (params.get(name) ?? '').slice(0, 300) : '';
  return {
    view: view === 'inode' && fromPath === '' ? 'inodes' : view,
    host: (params.get('host') ?? '').slice(0, 256),
    filter: (params.get('filter') ?? '').slice(0, 1000),
    sort: INODE_SORTS.find((name) => name === params.get('sort')) ?? 'recent',
    descending: params.get('order') !== 'up',
    follow: params.get('follow') === '1',
    inode: (fromPath || (params.get('sel') ?? '')).slice(0, 64),
    finding: (view === 'contract' ? decode(second) : '').slice(0, 64),
    alert: (view === 'alerts' ? decode(second) : '').slice(0, 64),
    pool: ofMap('pool'),
    state: ofMap('state'),
    of: ofMap('of'),
    page: ofMap('page'),
    pair: (view === 'overview' ? (params.get('pair') ?? '') : '').slice(0, 64),
    from: numberIn(params, 'from', /^\d{1,14}(\.\d{1,6})?$/),
    to: numberIn(params, 'to', /^\d{1,14}(\.\d{1,6})?$/),
    t: numberIn(params, 't', /^\d{1,9}(\.\d{1,6})?$/),
  };
}

/** Writes a hash; what has its default is left out. */
export function formatRoute(route: Route): string {
  const params = new URLSearchParams();
  if (route.host) params.set('host', route.host);
  if (route.filter) params.set('filter', route.filter);
  if (route.sort !== 'recent') params.set('sort', route.sort);
  if (!route.descending) params.set('order', 'up');
  if (route.follow) params.set('follow', '1');
  if (route.inode && route.view !== 'inode') params.set('sel', route.inode);
  if (route.view === 'hugepages') {
    for (const name of ['pool', 'state', 'of', 'page'] as const) {
      if (route[name]) params.set(name, route[name]);
    }
  }
  if (route.view === 'overview' && route.pair) params.set('pair', route.pair);
  for (const name of ['from', 'to', 't'] as const) {
    if (route[name]) params.set(name, route[name]);
  }
  const path = pathOf(route);
  const query = params
    .toString()
    .replaceAll('%3A', ':')
    .replaceAll('%2F', '/')
    .replaceAll('%40', '@');
  return `#/${path}${query ? `?${query}` : ''}`;
}

function pathOf({ view, inode, finding, alert }: Route): string {
  if (view === 'inode') return `inode/${encodeURIComponent(inode)}`;
  if (view === 'contract' && finding !== '') return `contract/${encodeURIComponent(finding)}`;
  if (view === 'alerts' && alert !== '') return `alerts/${encodeURIComponent(alert)}`;
  return view;
}

/** The part of a subscription that a route decides; the table adds its window. */
export function subscriptionOf(route: Route): Subscribe {
  return {
    type: 'subscribe',
    view: route.view,
    ...(hostOf(route) ? { host: hostOf(route) } : {}),
    ...(route.view === 'inodes'
      ? { filter: route.filter, sort: route.sort, descending: route.descending }
      : {}),
    ...(route.view === 'timeline' && route.filter ? { filter: route.filter } : {}),
    ...(route.view === 'inode' ? { inode: route.inode } : {}),
    ...(route.view === 'contract' && route.finding ? { finding: route.finding } : {}),
  };
}

/** A pool names its host: `2048@vm`. */
function hostOf({ view, host, pool }: Route): string {
  if (host !== '' || view !== 'hugepages') return host;
  return pool.includes('@') ? pool.slice(pool.indexOf('@') + 1) : '';
}

function numberIn(params: URLSearchParams, name: string, form: RegExp): string {
  return form.exec(params.get(name) ?? '')?.[0] ?? '';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
