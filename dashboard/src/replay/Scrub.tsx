import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatClockMs } from '../format/clock.ts';
import { plural } from '../format/number.ts';
import { visibleText } from '../format/visible.ts';
import { drawWhenChanged, STRIP_HEIGHT, StripHint } from '../parts/strip.tsx';
import { mayOperate, store } from '../session.ts';
import { theme } from '../theme.ts';
import { seekBy, seekTo } from './controls.ts';
import { drawScrub } from './drawScrub.ts';
import { formatElapsed, partOf, timeAt } from './time.ts';

/** A mark this near to the pointer is what it points at, pixels. */
const REACH = 5;

/** The whole recording: how much happens when, where something was lost, where alerts fired. */
export function Scrub() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const hint = useSignal<{ x: number; text: string } | null>(null);
  const now = useComputed(() => {
    const status = store.replay.value;
    return status === null ? 0 : Math.round(status.at_ms - status.begin_ms);
  });
  const length = useComputed(() => {
    const status = store.replay.value;
    return status === null ? 0 : Math.round(status.end_ms - status.begin_ms);
  });
  const words = useComputed(() => `${formatElapsed(now.value)} of ${formatElapsed(length.value)}`);
  useEffect(() => {
    const draw = () => drawScrub(canvas.current!, store.replay.peek(), store.marks.peek());
    return drawWhenChanged(canvas.current!, draw, () => {
      void [store.replay.value, store.marks.value, theme.value];
    });
  }, []);
  const timeOf = (event: PointerEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const status = store.replay.peek();
    return status === null ? 0 : timeAt((event.clientX - box.left) / box.width, status);
  };
  return (
    <div
      class="timebar-scrub"
      role="slider"
      tabIndex={0}
      aria-label="Time in the recording"
      aria-disabled={!mayOperate.value}
      aria-valuemin={0}
      aria-valuemax={length}
      aria-valuenow={now}
      aria-valuetext={words}
      onKeyDown={scrubKeys}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        seekTo(timeOf(event));
      }}
      onPointerMove={(event) => {
        const at = timeOf(event);
        if (event.buttons === 1) seekSoon(at);
        hint.value = { x: event.offsetX, text: hintAt(at, canvas.current!.clientWidth) };
      }}
      onPointerLeave={() => {
        hint.value = null;
      }}
    >
      <canvas ref={canvas} height={STRIP_HEIGHT} />
      <StripHint hint={hint.value} />
    </div>
  );
}

function scrubKeys(event: KeyboardEvent): void {
  const status = store.replay.peek();
  if (status === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = event.shiftKey ? 10_000 : 1000;
  const keys: Record<string, () => void> = {
    ArrowLeft: () => seekBy(-by),
    ArrowDown: () => seekBy(-by),
    ArrowRight: () => seekBy(by),
    ArrowUp: () => seekBy(by),
    PageDown: () => seekBy(-60_000),
    PageUp: () => seekBy(60_000),
    Home: () => seekTo(status.begin_ms),
    End: () => seekTo(status.end_ms),
  };
  const run = keys[event.key];
  if (run === undefined) return;
  event.preventDefault();
  run();
}

/** While the pointer is dragged the server is asked for a place a few times a second. */
function seekSoon(at_ms: number): void {
  const waits = wanted !== null;
  wanted = at_ms;
  if (waits) return;
  setTimeout(() => {
    if (wanted !== null) seekTo(wanted);
    wanted = null;
  }, 80);
}

let wanted: number | null = null;

/** The time under the pointer, and what is marked there. */
function hintAt(at: number, width: number): string {
  const status = store.replay.peek();
  const marks = store.marks.peek();
  if (status === null || marks === null) return '';
  const reach = (REACH / Math.max(1, width)) * (status.end_ms - status.begin_ms);
  const parts = [formatClockMs(at)];
  const alerts = marks.alerts.filter(({ at_ms }) => Math.abs(at_ms - at) < reach);
  const [alert] = alerts;
  if (alert !== undefined) parts.push(`${visibleText(alert.title)}: ${visibleText(alert.text)}`);
  if (alerts.length > 1) parts.push(`and ${plural(alerts.length - 1, 'more alert')}`);
  const gap = marks.gaps.find(({ from_ms, to_ms }) => from_ms - reach < at && at < to_ms + reach);
  if (gap !== undefined) {
    parts.push(
      gap.lost === 0 ? 'gap: nothing was traced' : `gap: ${plural(gap.lost, 'event')} lost`,
    );
  }
  if (partOf(at, status) > partOf(status.scanned_ms, status)) parts.push('not looked through yet');
  return parts.join(' · ');
}
