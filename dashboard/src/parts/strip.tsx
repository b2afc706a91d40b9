import { effect } from '@preact/signals';
import { cancelDraw, requestDraw } from '../frame.ts';

/** Height of the strip of time in a time bar, CSS pixels. */
export const STRIP_HEIGHT = 34;

/** An empty canvas as wide as what it is in, sharp on every screen; null while it has no width. */
export function stripOf(
  canvas: HTMLCanvasElement,
): { ctx: CanvasRenderingContext2D; width: number } | null {
  const width = canvas.parentElement?.clientWidth ?? 0;
  const ctx = canvas.getContext('2d');
  if (ctx === null || width === 0) return null;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(STRIP_HEIGHT * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${STRIP_HEIGHT}px`;
  }
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, width, STRIP_HEIGHT);
  return { ctx, width };
}

/** Draws, once in a frame, when what `watch` reads changes, or the width. Returns how to stop. */
export function drawWhenChanged(
  canvas: HTMLCanvasElement,
  draw: () => void,
  watch: () => void,
): () => void {
  const observer = new ResizeObserver(() => requestDraw(draw));
  observer.observe(canvas.parentElement!);
  const stop = effect(() => {
    watch();
    requestDraw(draw);
  });
  return () => {
    stop();
    observer.disconnect();
    cancelDraw(draw);
  };
}

/** What is under the pointer. */
export function StripHint({ hint }: { hint: { x: number; text: string } | null }) {
  if (hint === null) return null;
  return (
    <span class="timebar-hint" style={{ left: `${hint.x}px` }}>
      {hint.text}
    </span>
  );
}
