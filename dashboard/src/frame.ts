/**
 * One animation frame for the whole page. Whoever has something to draw asks for
 * its function to run in the next frame; asking twice draws once. A hidden tab
 * draws nothing and catches up when it is looked at.
 */
export function requestDraw(draw: () => void): void {
  wanted.add(draw);
  if (handle === 0) handle = requestAnimationFrame(run);
}

/** Draws what is asked for without waiting for the frame. */
export function drawNow(): void {
  cancelAnimationFrame(handle);
  run();
}

/** Takes a request back, for a component that goes away. */
export function cancelDraw(draw: () => void): void {
  wanted.delete(draw);
}

const wanted = new Set<() => void>();
let handle = 0;

function run(): void {
  handle = 0;
  const now = [...wanted];
  wanted.clear();
  for (const draw of now) {
    try {
      draw();
    } catch (error) {
      // what cannot be drawn keeps nothing else from being drawn
      reportError(error);
    }
  }
}
