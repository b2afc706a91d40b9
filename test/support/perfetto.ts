/**
 * Reads a Perfetto trace with protobufjs and holds it against what a viewer relies on:
 * every packet decodes to its last byte, tracks are declared once and before they are
 * used, each sequence goes forward in time, and slices are balanced and nested.
 */
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

export type Value = string | number | boolean;

export interface PerfettoTrack {
  readonly uuid: string;
  readonly name: string;
  readonly parent: PerfettoTrack | null;
  readonly isCounter: boolean;
}
/** Times: ns since boot. */
export interface PerfettoSlice {
  readonly track: PerfettoTrack;
  readonly name: string;
  readonly category: string;
  readonly from: bigint;
  readonly to: bigint;
  /** Slices around it. */
  readonly depth: number;
  readonly args: Readonly<Record<string, Value>>;
}
export interface PerfettoPoint {
  readonly track: PerfettoTrack;
  readonly name: string;
  readonly category: string;
  readonly at: bigint;
  readonly args: Readonly<Record<string, Value>>;
}
export interface PerfettoTrace {
  readonly tracks: readonly PerfettoTrack[];
  readonly slices: readonly PerfettoSlice[];
  readonly points: readonly PerfettoPoint[];
  readonly counts: readonly { track: PerfettoTrack; at: bigint; value: number }[];
  /** CLOCK_BOOTTIME and CLOCK_REALTIME at one moment, ns; null when not told. */
  readonly clock: { readonly boottime: bigint; readonly realtime: bigint } | null;
  readonly sequences: number;
}

interface Packet {
  timestamp?: string;
  trustedPacketSequenceId?: number;
  sequenceFlags?: number;
  clockSnapshot?: { clocks: { clockId: number; timestamp: string }[] };
  trackDescriptor?: { uuid: string; name: string; parentUuid?: string; counter?: object };
  trackEvent?: {
    type: string;
    trackUuid: string;
    name?: string;
    categories?: string[];
    counterValue?: string;
    debugAnnotations?: ({ name: string } & Record<string, Value>)[];
  };
}

const PROTO = fileURLToPath(new URL('../fixtures/perfetto.proto', import.meta.url));
const Trace = protobuf.loadSync(PROTO).lookupType('Trace');

/** Throws where the trace is not what it has to be. */
export function readPerfetto(bytes: Uint8Array): PerfettoTrace {
  const decoded = Trace.decode(bytes);
  // what the definitions do not know would be gone
  check(Trace.encode(decoded).finish().length === bytes.length, 'holds unknown fields');
  const { packet = [] } = Trace.toObject(decoded, { longs: String, enums: String }) as {
    packet?: Packet[];
  };
  const tracks = new Map<string, PerfettoTrack>();
  const events: { at: bigint; order: number; event: NonNullable<Packet['trackEvent']> }[] = [];
  const newest = new Map<number, bigint>();
  let clock: PerfettoTrace['clock'] = null;
  packet.forEach((one, order) => {
    const { timestamp, trustedPacketSequenceId: sequence, trackDescriptor, trackEvent } = one;
    check(sequence !== undefined && sequence > 0, 'a packet of no sequence');
    if (trackDescriptor !== undefined) declare(tracks, trackDescriptor);
    if (one.clockSnapshot !== undefined) {
      const [boottime, realtime] = one.clockSnapshot.clocks.map((c) => BigInt(c.timestamp));
      clock = { boottime: boottime!, realtime: realtime! };
    }
    if (trackEvent === undefined) return;
    check(timestamp !== undefined, 'an event without a time');
    check(tracks.has(trackEvent.trackUuid), `track ${trackEvent.trackUuid} is used, not declared`);
    const at = BigInt(timestamp!);
    const before = newest.get(sequence!);
    check((before === undefined) === (one.sequenceFlags === 1), 'the first of a sequence says so');
    check(before === undefined || before <= at, `sequence ${sequence} goes back in time`);
    newest.set(sequence!, at);
    events.push({ at, order, event: trackEvent });
  });
  // as a viewer does: by time, and in the order of the file where times are equal
  events.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.order - b.order));
  return { ...place(tracks, events), tracks: [...tracks.values()], clock, sequences: newest.size };
}

function declare(
  tracks: Map<string, PerfettoTrack>,
  { uuid, name, parentUuid, counter }: NonNullable<Packet['trackDescriptor']>,
): void {
  check(!tracks.has(uuid), `track ${uuid} is declared twice`);
  const parent = parentUuid === undefined ? null : (tracks.get(parentUuid) ?? undefined);
  check(parent !== undefined, `the parent of track ${uuid} is not declared`);
  check(name !== undefined && name !== '', `track ${uuid} has no name`);
  tracks.set(uuid, { uuid, name, parent: parent!, isCounter: counter !== undefined });
}

function place(
  tracks: ReadonlyMap<string, PerfettoTrack>,
  events: readonly { at: bigint; event: NonNullable<Packet['trackEvent']> }[],
): Pick<PerfettoTrace, 'slices' | 'points' | 'counts'> {
  const slices: PerfettoSlice[] = [];
  const points: PerfettoPoint[] = [];
  const counts: { track: PerfettoTrack; at: bigint; value: number }[] = [];
  const open = new Map<PerfettoTrack, Omit<PerfettoSlice, 'to'>[]>();
  for (const { at, event } of events) {
    const track = tracks.get(event.trackUuid)!;
    check(track.isCounter === (event.type === 'TYPE_COUNTER'), 'counters are on counter tracks');
    const stack = open.get(track) ?? [];
    open.set(track, stack);
    const { name = '', categories = [] } = event;
    const what = { track, name, category: categories[0] ?? '', args: argsOf(event) };
    if (event.type === 'TYPE_SLICE_BEGIN') {
      stack.push({ ...what, from: at, depth: stack.length });
    } else if (event.type === 'TYPE_SLICE_END') {
      const slice = stack.pop();
      check(slice !== undefined, `an end without a begin on ${track.name}`);
      slices.push({ ...slice!, to: at });
    } else if (event.type === 'TYPE_INSTANT') points.push({ ...what, at });
    else counts.push({ track, at, value: Number(event.counterValue) });
  }
  for (const [track, stack] of open) check(stack.length === 0, `${track.name}: a slice never ends`);
  return { slices, points, counts };
}

function argsOf({ debugAnnotations = [] }: NonNullable<Packet['trackEvent']>) {
  return Object.fromEntries(
    debugAnnotations.map(({ name, ...value }) => {
      const [[kind, held]] = Object.entries(value) as [[string, Value]];
      return [name, kind === 'intValue' ? Number(held) : held];
    }),
  );
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`the trace is wrong: ${what}`);
}
