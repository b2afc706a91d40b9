import { formatClockMs } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { CopyButton } from '../parts/CopyButton.tsx';
import { range, setRange } from '../range.ts';
import { route, store } from '../session.ts';
import { replayCommand } from './replayCommand.ts';

/** The stretch of time that is chosen, and what goes by it. */
export function RangeText() {
  const chosen = range.value;
  if (chosen === null) return null;
  const follows = BY_TIME.includes(route.value.view);
  const command = follows ? null : replayCommand(store.recorded.value, chosen.from);
  return (
    <p class="timebar-range">
      <span class="num">
        {formatClockMs(chosen.from)} – {formatClockMs(chosen.to)}
      </span>{' '}
      <b class="num">{formatDuration((chosen.to - chosen.from) * 1e6)}</b>{' '}
      <span class="dim">
        {follows ? 'charts, timeline and table show this' : 'this view shows the present'}
      </span>{' '}
      {command !== null && (
        <CopyButton label="copy the command that shows it as it was" text={() => command} />
      )}{' '}
      <button type="button" title="(0)" onClick={() => setRange(null)}>
        {store.replay.value === null ? 'back to the present' : 'all of it'}
      </button>
    </p>
  );
}

const BY_TIME: readonly string[] = ['overview', 'inodes', 'timeline'];
