import { useComputed } from '@preact/signals';
import { formatClock } from '../format/clock.ts';
import { formatAge } from '../format/duration.ts';
import { useKeys } from '../keyboard.ts';
import { range } from '../range.ts';
import { route, second, store } from '../session.ts';
import { backToNow, kept, moveRange } from './controls.ts';
import { LiveScrub } from './LiveScrub.tsx';
import { RangeText } from './RangeText.tsx';

/** Of a live session: that it is live, or what of the time before is looked at. */
export function LiveBar() {
  useLiveKeys();
  return (
    <section class="timebar" aria-label="Time">
      <div class="timebar-controls">
        <PauseButton />
        <LiveButton />
      </div>
      <LiveScrub />
      <State />
      <RangeText />
    </section>
  );
}

function PauseButton() {
  const paused = store.paused.value;
  return (
    <button
      type="button"
      class={`pause ${paused ? 'is-paused' : ''}`}
      title={paused ? 'show the present again (p)' : 'freeze what is shown (p)'}
      onClick={() => store.setPaused(!paused)}
    >
      {paused ? '▶ resume' : '❚❚ pause'}
    </button>
  );
}

function LiveButton() {
  const live = !store.paused.value && range.value === null;
  return (
    <button
      type="button"
      class="timebar-live"
      aria-pressed={live}
      title="the present, and on with it (0)"
      onClick={backToNow}
    >
      ● live
    </button>
  );
}

/** Where it stands in words, and how far back one can look. */
function State() {
  const clock = useComputed(() => formatClock(store.shownAt.value));
  const state = useComputed(() => {
    void second.value;
    if (!store.paused.value) return range.value === null ? 'live' : 'looking back';
    return `${formatAge(store.latestAt.value - store.shownAt.value)} behind`;
  });
  const reach = useComputed(() => {
    const { from, to } = kept();
    return from === 0 ? '' : `${formatAge(to - from)} kept`;
  });
  return (
    <p class="timebar-time num">
      <span>
        <b>{clock}</b> <span class="dim">{state}</span>
      </span>
      <span class="dim">{reach}</span>
    </p>
  );
}

function useLiveKeys(): void {
  // these have the arrows for themselves
  const arrows = !['inode', 'timeline', 'hugepages'].includes(route.value.view);
  useKeys([
    { keys: ['p', ' '], help: 'pause, resume', run: () => store.setPaused(!store.paused.value) },
    { keys: ['0'], help: 'back to the present', run: backToNow },
    ...(arrows
      ? [
          {
            keys: ['ArrowLeft', 'ArrowRight'],
            help: 'look back, on; with Shift further',
            run: ({ key, shiftKey }: KeyboardEvent) =>
              moveRange((key === 'ArrowLeft' ? -1 : 1) * (shiftKey ? 1 : 0.25)),
          },
        ]
      : []),
  ]);
}
