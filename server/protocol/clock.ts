/**
 * The time of day as lastref uses it: somebody may set the machine's clock while tracing
 * goes on, and neither a chart nor a recording may stand still for an hour because of it.
 * What lasts (a silence, a deadline, a pause) is measured with performance.now() instead.
 */

/** Beyond this, ms, the clock was set, and did not just run a little faster. */
const SET_MS = 1000;

/**
 * Milliseconds since 1970 that never go back. Follows the machine's clock; where that is
 * set back, it goes on from where it was at the pace of `steady` (ms of any origin) until
 * the clock is set forward again.
 */
export function forwardClock(wall: () => number, steady: () => number): () => number {
  let ahead = 0;
  let last = Number.NEGATIVE_INFINITY;
  let lastSteady = steady();
  return () => {
    const passed = steady() - lastSteady;
    const due = last + passed;
    const says = wall();
    if (says + ahead < last) ahead = due - says;
    else if (ahead > 0 && says + ahead > due + SET_MS) ahead = Math.max(0, due - says);
    last = Math.max(last, says + ahead);
    lastSteady += passed;
    return last;
  };
}

/** Of this machine. */
export const nowMs = forwardClock(Date.now, () => performance.now());
