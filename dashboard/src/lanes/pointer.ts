import type { LanesController } from './controller.ts';

/** Pointer events go to the controller directly: nothing is rendered while something moves. */
export function bindPointer(canvas: HTMLCanvasElement, controller: LanesController): () => void {
  const stop = new AbortController();
  const on = <K extends keyof HTMLElementEventMap>(
    type: K,
    run: (event: HTMLElementEventMap[K]) => void,
  ) => canvas.addEventListener(type, run, { signal: stop.signal, passive: false });
  let from: { x: number; moved: boolean } | null = null;
  on('wheel', (event) => {
    // as in Perfetto: sideways pans, up and down zooms at the pointer
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      controller.move((event.deltaX || event.deltaY) / 1000);
    } else {
      controller.zoom(1.0015 ** event.deltaY, event.offsetX);
    }
    event.preventDefault();
  });
  on('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = { x: event.offsetX, moved: false };
  });
  on('pointermove', (event) => {
    if (from === null) return controller.point(event.offsetX, event.offsetY);
    const by = event.offsetX - from.x;
    if (!from.moved && Math.abs(by) < 4) return;
    from = { x: event.offsetX, moved: true };
    controller.drag(by);
  });
  on('pointerup', (event) => {
    if (from !== null && !from.moved) controller.click(event.offsetX, event.offsetY);
    from = null;
  });
  on('dblclick', (event) => controller.doubleClick(event.offsetX, event.offsetY));
  on('pointerleave', () => controller.leave());
  return () => stop.abort();
}
