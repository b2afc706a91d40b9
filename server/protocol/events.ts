/** An event: a decoded, validated line. The shapes follow from the grammar. */
import type { FieldType, LINES, LineName } from './grammar.ts';
import type { Address, Nanos } from './units.ts';

interface FieldValue {
  u: number;
  i: number;
  a: Address;
  x: number;
  s: string;
  c: string;
  t: string;
}

type FieldsOf<N extends LineName> = {
  readonly [F in (typeof LINES)[N]['fields'][number] as F[0]]: F[1] extends FieldType
    ? FieldValue[F[1]]
    : never;
};

interface Common<N extends LineName> {
  readonly kind: N;
  /** Since the first line of the epoch. */
  readonly ts: Nanos;
  readonly cpu: number;
  readonly pid: number;
  readonly tid: number;
}

export type EventOf<N extends LineName> = { [K in N]: Common<K> & FieldsOf<K> }[N];
export type TraceEvent = EventOf<LineName>;
