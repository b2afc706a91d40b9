import { useEffect, useRef, useState } from 'preact/hooks';
import { AlertsView } from './alerts/AlertsView.tsx';
import { CallbacksView } from './callbacks/CallbacksView.tsx';
import { CompareView } from './compare/CompareView.tsx';
import { ContractView } from './contract/ContractView.tsx';
import { HostsView } from './hosts/HostsView.tsx';
import { HugepagesView } from './hugepages/HugepagesView.tsx';
import { InodeView } from './inode/InodeView.tsx';
import { InodesView } from './inodes/InodesView.tsx';
import { useKeys } from './keyboard.ts';
import { LanesView } from './lanes/LanesView.tsx';
import { LossesView } from './losses/LossesView.tsx';
import { OverviewView } from './overview/OverviewView.tsx';
import { TimeBar } from './replay/TimeBar.tsx';
import type { PageView } from './route.ts';
import { go, isStale, route, store } from './session.ts';
import { Help } from './shell/Help.tsx';
import { Nav } from './shell/Nav.tsx';
import { PrintHead } from './shell/PrintHead.tsx';
import { Strips } from './shell/Strips.tsx';
import { TopBar } from './shell/TopBar.tsx';
import { viewsOf } from './shell/views.ts';
import { nextTheme } from './theme.ts';

/** The page: top bar, strips, navigation, one view. */
export function App() {
  const [help, showHelp] = useState(false);
  usePageKeys(() => showHelp(true));
  const { view } = route.value;
  const Shown = VIEWS[view];
  const main = useRef<HTMLElement>(null);
  // Another view begins at its top.
  useEffect(() => main.current?.scrollTo(0, 0), [view]);
  const look = `view-${view} ${isStale() ? 'is-stale' : ''}`;
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        skip to the view
      </button>
      <PrintHead />
      <TopBar onHelp={() => showHelp(true)} />
      <Strips />
      <div class="body">
        <Nav />
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and keys must be able to do that */}
        <main id="main" ref={main} tabIndex={0} class={look}>
          <Shown />
        </main>
      </div>
      <TimeBar />
      {help && <Help onClose={() => showHelp(false)} />}
    </>
  );
}

const VIEWS: Record<PageView, () => preact.VNode> = {
  overview: OverviewView,
  inodes: InodesView,
  timeline: LanesView,
  inode: InodeView,
  hugepages: HugepagesView,
  alerts: AlertsView,
  callbacks: CallbacksView,
  contract: ContractView,
  losses: LossesView,
  hosts: HostsView,
  compare: CompareView,
};

function usePageKeys(showHelp: () => void): void {
  useKeys([
    ...viewsOf(store.hello.value, store.hosts.value.length).map((item, index) => ({
      keys: index < 9 ? [String(index + 1), item.letter] : [item.letter],
      help: item.view === 'inode' ? 'the last inode' : item.title,
      run: () => {
        if (item.view !== 'inode' || route.value.inode) go({ view: item.view });
      },
    })),
    { keys: ['t'], help: 'theme: system, dark, light', run: nextTheme },
    { keys: ['?'], help: 'this help', run: showHelp },
  ]);
}
