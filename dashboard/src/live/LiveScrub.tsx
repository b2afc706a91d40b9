import { useComputed, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { chartRange } from '../charts/chartRange.ts';
import { formatClock, formatClockMs } from '../format/clock.ts';
import { formatAge } from '../format/duration.ts';
import { drawWhenChanged, STRIP_HEIGHT, StripHint } from '../parts/strip.tsx';
import { range, setRange } from '../range.ts';
import { store } from '../session.ts';
import { theme } from '../theme.ts';
import { backToNow, kept, moveRange } from './controls.ts';
import { drawLive } from './drawLive.ts';
import { around, dragged, msAt, type Strip } from './selection.ts';

/** All that is kept of a live session: how much happened when, where something was lost, what is chosen. */
export function LiveScrub() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const hint = useSignal<{ x: number; text: string } | null>(null);
  const from = useRef<number | null>(null);
  useEffect(() => {
    const draw = () => drawLive(canvas.current!, store.series, kept(), range.peek());
    return drawWhenChanged(canvas.current!, draw, () => {
      void [store.seriesVersion.value, range.value, theme.value];
    });
  }, []);
  const behind = useComputed(() => {
    const chosen = range.value;
    return chosen === null ? 0 : Math.round((kept().to - chosen.to) / 1000);
  });
  const length = useComputed(() => Math.round((kept().to - kept().from) / 1000));
  const now = useComputed(() => length.value - behind.value);
  const words = useComputed(() => {
    const chosen = range.value;
    if (chosen === null) return 'the present';
    return `${formatClock(chosen.from)} to ${formatClock(chosen.to)}`;
  });
  const strip = (): Strip => ({ ...kept(), width: canvas.current!.clientWidth });
  const xOf = (event: PointerEvent) => event.clientX - canvas.current!.getBoundingClientRect().left;
  return (
    <div
      class="timebar-scrub"
      role="slider"
      tabIndex={0}
      aria-label="Time that is looked at"
      aria-valuemin={0}
      aria-valuemax={length}
      aria-valuenow={now}
      aria-valuetext={words}
      title="drag: choose a stretch of time; click: look there"
      onKeyDown={scrubKeys}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = xOf(event);
      }}
      onPointerMove={(event) => {
        const x = xOf(event);
        hint.value = { x, text: hintAt(msAt(x, strip())) };
        const chosen = from.current === null ? null : dragged(from.current, x, strip());
        if (chosen !== null) setRange(chosen);
      }}
      onPointerUp={(event) => {
        const begin = from.current;
        from.current = null;
        if (begin === null || dragged(begin, xOf(event), strip()) !== null) return;
        const width = widthChosen();
        setRange(around(msAt(begin, strip()), width, kept()));
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

/** A click takes as much as is chosen, or a minute. */
function widthChosen(): number {
  const chosen = range.peek();
  return chosen === null ? Math.min(60_000, chartRange.peek()) : chosen.to - chosen.from;
}

function scrubKeys(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const share = event.shiftKey ? 1 : 0.25;
  const keys: Record<string, () => void> = {
    ArrowLeft: () => moveRange(-share),
    ArrowDown: () => moveRange(-share),
    ArrowRight: () => moveRange(share),
    ArrowUp: () => moveRange(share),
    PageDown: () => moveRange(-1),
    PageUp: () => moveRange(1),
    Home: () => setRange(around(kept().from, widthChosen(), kept())),
    End: backToNow,
  };
  const run = keys[event.key];
  if (run === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  run();
}

function hintAt(ms: number): string {
  return `${formatClockMs(ms)} · ${formatAge(kept().to - ms)} ago`;
}
