import { LANE_CONTEXTS, LANE_STATES } from '../../../server/protocol/lanes.ts';
import { formatClockMs } from '../format/clock.ts';
import { formatDuration } from '../format/duration.ts';
import { plural } from '../format/number.ts';
import type { LaneStore } from './laneStore.ts';
import { noParts, readParts } from './sight.ts';

const parts = noParts();

/** One inode of the timeline in values. Names are as the host has them: to be made visible. */
export interface LaneFacts {
  readonly id: string;
  readonly host: string;
  readonly fs: string;
  readonly dev: string;
  readonly ino: number;
  readonly comm: string;
  readonly pid: number;
  readonly state: string;
  readonly at: string;
  readonly evict: string;
  readonly inner: string;
  readonly wait: string;
  readonly context: string;
  /** Hugepages in a sentence; empty for an inode that had none. */
  readonly hugepages: string;
  readonly owed: number;
  readonly doubtful: boolean;
}

export function factsOf(store: LaneStore, i: number, now: number): LaneFacts {
  const { columns } = store;
  const { host } = store.groups[columns.group[i]!]!;
  readParts(store, i, now, parts);
  const state = LANE_STATES[columns.state[i]!]!;
  const began = columns.begin[i]!;
  const evicting = state === 'evicting';
  const waits = state === 'grace';
  return {
    id: store.idOf(i),
    host,
    fs: store.word(columns.fs[i]!),
    dev: store.word(columns.dev[i]!),
    ino: columns.ino[i]!,
    comm: store.word(columns.comm[i]!),
    pid: columns.pid[i]!,
    state,
    at: formatClockMs(store.baseMs + began / 1e6),
    evict: parts.open ? '–' : took(parts.evictFrom, parts.evictTo, evicting),
    inner: parts.open ? '–' : took(parts.innerFrom, parts.innerTo, evicting),
    wait: parts.open ? '–' : took(parts.waitFrom, parts.waitTo, waits),
    context: parts.freeFrom <= parts.freeTo ? LANE_CONTEXTS[columns.context[i]!]! : '',
    hugepages: hugepagesOf(store, i),
    owed: Math.max(0, columns.owed[i]!),
    doubtful: columns.doubtful[i] === 1,
  };
}

function took(from: number, to: number, goesOn: boolean): string {
  // where only one end of it was seen, both are the same
  if (!(to > from)) return '–';
  return `${formatDuration(to - from)}${goesOn ? ' so far' : ''}`;
}

function hugepagesOf(store: LaneStore, i: number): string {
  const { pages, owed, tickCount } = store.columns;
  const back = tickCount[i]!;
  const had = Math.max(pages[i]!, back);
  if (had === 0) return '';
  if (owed[i]! < 0) return `${plural(had, 'hugepage')}; their way back is not observable here`;
  if (owed[i]! === 0)
    return back === 0 ? plural(had, 'hugepage') : `${plural(had, 'hugepage')}, all back`;
  return `${plural(had, 'hugepage')}, ${owed[i]} not back`;
}
