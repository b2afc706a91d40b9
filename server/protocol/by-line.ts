/** What is to be done with each kind of line, found by its place and not by its name. */
import type { EventOf, TraceEvent } from './events.ts';
import { LINE_NAMES, type LineName } from './grammar.ts';

/** By name: its place in LINE_NAMES, for what is kept in arrays. */
export const LINE_PLACE = Object.fromEntries(LINE_NAMES.map((name, i) => [name, i])) as Readonly<
  Record<LineName, number>
>;

type Handlers<T> = { readonly [N in LineName]: (owner: T, event: EventOf<N>) => void };
/** By LINE_PLACE. */
export type ByPlace<T> = readonly ((owner: T, event: TraceEvent) => void)[];

/**
 * A switch over names compares one after the other, and asks an event for its kind, of
 * which there are as many shapes as kinds.
 */
export function byPlace<T>(handlers: Handlers<T>): ByPlace<T> {
  return LINE_NAMES.map((name) => handlers[name] as ByPlace<T>[number]);
}
