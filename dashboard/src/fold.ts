import type { Update } from '../../server/protocol/messages.ts';

/**
 * Two updates as one: the later one's sections replace the earlier one's.
 * Series are not folded; they are appended where they arrive.
 */
export function foldUpdates(earlier: Update | null, later: Update): Update {
  if (!earlier || earlier.view !== later.view) return later;
  return { ...earlier, ...later, coalesced: earlier.coalesced + later.coalesced };
}
