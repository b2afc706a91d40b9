import { useComputed } from '@preact/signals';
import type { ReplaySpeed } from '../../../server/protocol/replay.ts';
import { formatClockMs } from '../format/clock.ts';
import { useKeys } from '../keyboard.ts';
import { LiveBar } from '../live/LiveBar.tsx';
import { RangeText } from '../live/RangeText.tsx';
import { setRange } from '../range.ts';
import { mayOperate, route, store } from '../session.ts';
import {
  changeSpeed,
  nextAlert,
  nextTeardown,
  playOrPause,
  SPEEDS,
  seekBy,
  setSpeed,
  stepEvent,
} from './controls.ts';
import { Scrub } from './Scrub.tsx';
import { formatElapsed } from './time.ts';

/** Of a replay: where it is in the recording, how fast it goes on, and where to go from here. */
export function TimeBar() {
  const isReplay = useComputed(() => store.replay.value !== null);
  if (isReplay.value) return <Bar />;
  return store.hello.value?.mode === 'live' ? <LiveBar /> : null;
}

function Bar() {
  useReplayKeys();
  return (
    <section class="timebar" aria-label="Replay">
      {mayOperate.value ? (
        <Controls />
      ) : (
        <p class="dim">This link is for looking: that of the operator moves the replay.</p>
      )}
      <Scrub />
      <Time />
      <Message />
      <RangeText />
    </section>
  );
}

function Controls() {
  return (
    <div class="timebar-controls">
      <button type="button" title="to the event before (,)" onClick={() => stepEvent(true)}>
        ‹ event
      </button>
      <PlayButton />
      <button type="button" title="to the next event (.)" onClick={() => stepEvent(false)}>
        event ›
      </button>
      <button type="button" title="to the next alert that fires (!)" onClick={nextAlert}>
        alert ›
      </button>
      <TeardownButton />
      <Speed />
    </div>
  );
}

function PlayButton() {
  const playing = useComputed(() => store.replay.value?.state === 'playing').value;
  return (
    <button
      type="button"
      class="timebar-play"
      title={playing ? 'stop here (space)' : 'play on from here (space)'}
      onClick={playOrPause}
    >
      {playing ? '❚❚ pause' : '▶ play'}
    </button>
  );
}

function TeardownButton() {
  return (
    <button
      type="button"
      disabled={route.value.inode === ''}
      title="to the next evict() at the address of the inode shown, or of its number (N)"
      onClick={nextTeardown}
    >
      teardown ›
    </button>
  );
}

function Speed() {
  const speed = useComputed(() => store.replay.value?.speed ?? 1).value;
  const offered = SPEEDS.includes(speed) ? SPEEDS : [speed, ...SPEEDS];
  return (
    <label title="slower, faster ([ and ])">
      <span class="visually-hidden">Speed</span>
      <select
        value={String(speed)}
        onChange={({ currentTarget: { value } }) =>
          setSpeed(value === 'max' ? 'max' : Number(value))
        }
      >
        {offered.map((one) => (
          <option key={one} value={String(one)}>
            {speedText(one)}
          </option>
        ))}
      </select>
    </label>
  );
}

function speedText(speed: ReplaySpeed): string {
  return speed === 'max' ? 'max' : `${speed}×`;
}

/** Text that changes ten times a second goes from the signal to the page by itself. */
function Time() {
  const clock = useComputed(() => formatClockMs(store.replay.value?.at_ms ?? 0));
  const elapsed = useComputed(() => {
    const { at_ms = 0, begin_ms = 0 } = store.replay.value ?? {};
    return formatElapsed(at_ms - begin_ms);
  });
  const length = useComputed(() => {
    const { end_ms = 0, begin_ms = 0 } = store.replay.value ?? {};
    return formatElapsed(end_ms - begin_ms);
  });
  return (
    <p class="timebar-time num">
      <b>{clock}</b>
      <span class="dim">
        {elapsed} of {length}
      </span>
    </p>
  );
}

/** What a step came to where it did not get there, and that a long way takes its time. */
function Message() {
  const text = useComputed(() => {
    const status = store.replay.value;
    if (status === null) return '';
    if (status.message !== '') return status.message;
    if (status.state === 'seeking') return 'on the way …';
    return status.at_end ? 'end of the recording' : '';
  });
  return (
    <p class="timebar-message" role="status">
      {text}
    </p>
  );
}

function useReplayKeys(): void {
  // timelines have the arrows for themselves
  const arrows = !['inode', 'timeline'].includes(route.value.view);
  const bindings = [
    { keys: [' ', 'p'], help: 'replay: play, pause', run: playOrPause },
    { keys: ['['], help: 'replay: slower', run: () => changeSpeed(-1) },
    { keys: [']'], help: 'replay: faster', run: () => changeSpeed(1) },
    { keys: [','], help: 'replay: to the event before', run: () => stepEvent(true) },
    { keys: ['.'], help: 'replay: to the next event', run: () => stepEvent(false) },
    { keys: ['!'], help: 'replay: to the next alert', run: nextAlert },
    { keys: ['N'], help: 'replay: to the next teardown of the inode', run: nextTeardown },
    ...(arrows
      ? [
          {
            keys: ['ArrowLeft', 'ArrowRight'],
            help: 'replay: a second back, on; with Shift ten',
            run: ({ key, shiftKey }: KeyboardEvent) =>
              seekBy((key === 'ArrowLeft' ? -1 : 1) * (shiftKey ? 10_000 : 1000)),
          },
        ]
      : []),
  ];
  const all = {
    keys: ['0'],
    help: 'replay: all of it, no stretch of time',
    run: () => setRange(null),
  };
  useKeys(mayOperate.value ? [...bindings, all] : [all]);
}
