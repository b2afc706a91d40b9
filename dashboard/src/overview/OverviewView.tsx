import { chartRange } from '../charts/chartRange.ts';
import { LatencyPanel } from '../latency/LatencyPanel.tsx';
import { Foreign } from '../parts/Foreign.tsx';
import { range, setRange } from '../range.ts';
import { store } from '../session.ts';
import { EventsPanel } from './EventsPanel.tsx';
import { LatencyTable } from './LatencyTable.tsx';
import { PoolPanel } from './PoolPanel.tsx';
import { TeardownPanel } from './TeardownPanel.tsx';
import { TotalsStrip } from './TotalsStrip.tsx';

/** What happens on the hosts right now, on one screen. */
export function OverviewView() {
  return (
    <div class="overview">
      <h1 class="visually-hidden">Overview</h1>
      <div class="overview-head">
        <TotalsStrip />
        <Workload />
        <RangeSwitch />
      </div>
      <div class="charts">
        <PoolPanel />
        <TeardownPanel />
        <EventsPanel />
      </div>
      <LatencyPanel />
      <LatencyTable />
    </div>
  );
}

/** The command that runs on the host while this is watched. */
function Workload() {
  const workload = store.hello.value?.workload;
  if (!workload) return null;
  return (
    <p class="workload dim">
      workload{' '}
      <code>
        <Foreign text={workload} />
      </code>
    </p>
  );
}

function RangeSwitch() {
  return (
    <fieldset class="segments">
      <legend class="visually-hidden">Time shown in the charts</legend>
      {RANGES.map(([ms, label]) => (
        <button
          key={ms}
          type="button"
          aria-pressed={range.value === null && chartRange.value === ms}
          onClick={() => {
            setRange(null);
            chartRange.value = ms;
          }}
        >
          {label}
        </button>
      ))}
    </fieldset>
  );
}

const RANGES: readonly [number, string][] = [
  [60_000, '1 min'],
  [5 * 60_000, '5 min'],
  [15 * 60_000, '15 min'],
  [60 * 60_000, '1 h'],
];
