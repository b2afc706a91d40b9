import { type LineSource, TimeChartView } from '../charts/TimeChartView.tsx';
import { Panel } from '../parts/Panel.tsx';
import { store } from '../session.ts';

/** Events that were decoded, and those that were lost; seconds with losses are shaded in every chart. */
export function EventsPanel() {
  return (
    <Panel title="Events per second" side={<span class="dim">shaded: not all was seen</span>}>
      <TimeChartView label="Events decoded and lost per second" lines={LINES} />
    </Panel>
  );
}

const LINES: readonly LineSource[] = [
  { label: 'decoded', colour: '--line-1', values: () => store.series.events },
  { label: 'lost', colour: '--bad', right: true, values: () => store.series.lost },
];
