/**
 * What all that a line comes through asks of it. Events have as many shapes as there are
 * kinds of lines, and the engine takes long to find a field in one of many shapes.
 */
import { LINE_PLACE } from '../protocol/by-line.ts';
import type { TraceEvent } from '../protocol/events.ts';
import type { LineName } from '../protocol/grammar.ts';
import { trackOf } from '../protocol/line-kinds.ts';

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
