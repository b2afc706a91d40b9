import { visibleText } from '../format/visible.ts';
import type { TextPart } from '../share/plainText.ts';
import type { LanesController } from './controller.ts';
import type { LaneStore } from './laneStore.ts';
import { factsOf } from './words.ts';

const MOST = 60;

/** The inodes in sight, the oldest first. `now`: ns since the store's zero. */
export function lanesAsText(store: LaneStore, controller: LanesController, now: number): TextPart {
  const inSight = controller.inSightNow();
  const rows = inSight.slice(0, MOST).map((i) => {
    const { at, fs, ino, comm, state, evict, wait, hugepages } = factsOf(store, i, now);
    const names = [fs, String(ino), comm].map((name) => visibleText(name));
    return [at, ...names, state, evict, wait, hugepages];
  });
  const head = ['evicted at', 'fs', 'ino', 'task', 'state', 'evict', 'grace', 'hugepages'];
  return {
    title: 'Inodes in sight',
    lines: [],
    table: {
      rows: [head, ...rows],
      right: [false, false, true, false, false, true, true, false],
      more: inSight.length - rows.length,
    },
  };
}
