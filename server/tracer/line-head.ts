/**
 * What all that a line comes through asks of it. Events have as many shapes as there are
 * kinds of lines, and the engine takes long to find a field in one of many shapes.
 */
import type { TraceEvent } from '../protocol/events.ts';
import { LINE_NAMES, type LineName } from '../protocol/grammar.ts';
import { trackOf } from '../protocol/line-kinds.ts';

/** By name: its place in LINE_NAMES, for what is kept in arrays. */
export const LINE_PLACE = Object.fromEntries(LINE_NAMES.map((name, i) => [name, i])) as Readonly<
  Record<LineName, number>
>;

export interface LineHead {
  kind: LineName;
  /** Of the kind: LINE_PLACE. */
  place: number;
  /** Of the bpftrace that printed it. */
  track: number;
  ts: number;
  cpu: number;
}

export function headOf(event: TraceEvent): LineHead {
  const { kind, ts, cpu } = event;
  const track = kind === 'beat' ? event.track : trackOf(kind);
  return { kind, place: LINE_PLACE[kind], track, ts, cpu };
}
