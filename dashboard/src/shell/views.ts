import type { Hello } from '../../../server/protocol/messages.ts';
import type { PageView } from '../route.ts';

/** The navigation: number keys follow the order, letters stay when the order changes. */
const NAVIGATION: readonly NavigationItem[] = [
  { view: 'overview', title: 'Overview', letter: 'o' },
  { view: 'inodes', title: 'Inodes', letter: 'i' },
  { view: 'timeline', title: 'Timeline', letter: 'm' },
  { view: 'inode', title: 'Inode', letter: 'n' },
  { view: 'hugepages', title: 'Hugepages', letter: 'h' },
  { view: 'alerts', title: 'Alerts', letter: 'a' },
  { view: 'callbacks', title: 'Callbacks', letter: 'c' },
  { view: 'contract', title: 'Contract', letter: 'r' },
  { view: 'losses', title: 'Losses', letter: 'l' },
];

const HOSTS: NavigationItem = { view: 'hosts', title: 'Hosts', letter: 'H' };

/** Where two recordings are compared there is nothing else to look at. */
const COMPARE: readonly NavigationItem[] = [{ view: 'compare', title: 'Compare', letter: 'd' }];

export interface NavigationItem {
  readonly view: PageView;
  readonly title: string;
  readonly letter: string;
}

/** The views that this server has; that of all hosts where there are several. */
export function viewsOf(hello: Hello | null, hosts: number): readonly NavigationItem[] {
  if (hello?.mode === 'compare') return COMPARE;
  return hosts > 1 ? [...NAVIGATION, HOSTS] : NAVIGATION;
}
