/**
 * A Perfetto trace: TracePackets with TrackDescriptors and TrackEvents, times in
 * CLOCK_BOOTTIME. The numbers are those of Perfetto's published messages
 * (protos/perfetto/trace/trace_packet.proto, clock_snapshot.proto and track_event/).
 */
import type { Pipeline } from '../../tracer/pipeline.ts';
import { ExportClock } from './clock.ts';
import { type Edge, edgesOf } from './nest.ts';
import type { Output } from './output.ts';
import type { Args, Row } from './picture.ts';
import { ProtoWriter } from './protobuf.ts';
import { Sequences } from './sequences.ts';
import type { Track, TrackWriter } from './tracks.ts';

const TRACE = { packet: 1 };
const PACKET = {
  clockSnapshot: 6,
  timestamp: 8,
  sequenceId: 10,
  trackEvent: 11,
  sequenceFlags: 13,
  trackDescriptor: 60,
};
const INCREMENTAL_STATE_CLEARED = 1;
const SNAPSHOT = { clocks: 1, primaryTraceClock: 2 };
const CLOCK = { id: 1, timestamp: 2 };
const REALTIME = 1;
const BOOTTIME = 6;
const DESCRIPTOR = {
  uuid: 1,
  name: 2,
  parentUuid: 5,
  counter: 8,
  childOrdering: 11,
  siblingMerge: 15,
};
const CHRONOLOGICAL = 2;
const MERGE_NONE = 2;
const COUNTER = { unit: 3 };
const UNIT_COUNT = 2;
const EVENT = {
  debugAnnotations: 4,
  type: 9,
  trackUuid: 11,
  categories: 22,
  name: 23,
  counterValue: 30,
};
const TYPE = { begin: 1, end: 2, point: 3, counter: 4 };
const ANNOTATION = { bool: 2, int: 4, double: 5, string: 6, name: 10 };

/** "lref" before the number of a track, "lr" before that of a sequence: no other producer has these. */
const UUIDS = 0x6c726566n << 32n;
const SEQUENCES = 0x6c720000;

interface Timed {
  readonly at: bigint;
  readonly uuid: bigint;
  readonly edge: Edge;
}

export class PerfettoWriter implements TrackWriter {
  readonly #out: Output;
  readonly #proto = new ProtoWriter();
  readonly #clock = new ExportClock();
  readonly #pools = new Map<string, Sequences>();
  #sequences = 0;
  #hasClock = false;

  constructor(out: Output) {
    this.#out = out;
  }

  declare(track: Track): void {
    const proto = this.#proto;
    this.#packet(SEQUENCES, null, false, () =>
      proto.message(PACKET.trackDescriptor, () => {
        proto.uint64(DESCRIPTOR.uuid, uuidOf(track));
        proto.string(DESCRIPTOR.name, track.name);
        if (track.parent !== null) proto.uint64(DESCRIPTOR.parentUuid, uuidOf(track.parent));
        if (track.kind === 'counter') {
          proto.message(DESCRIPTOR.counter, () => proto.uint(COUNTER.unit, UNIT_COUNT));
        }
        if (track.chronological) proto.uint(DESCRIPTOR.childOrdering, CHRONOLOGICAL);
        if (track.parent?.chronological) proto.uint(DESCRIPTOR.siblingMerge, MERGE_NONE);
      }),
    );
  }

  rows(pool: string, category: string, rows: ReadonlyMap<Track, Row>): void {
    const all: Timed[] = [];
    for (const [track, row] of rows) {
      const uuid = uuidOf(track);
      for (const edge of edgesOf(row)) {
        all.push({ at: this.#time(track.pipeline, edge.at), uuid, edge });
      }
    }
    // those of one track are in order already, and stay so
    if (rows.size > 1) all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    if (all.length === 0) return;
    const { id, isNew } = this.#sequence(pool, all[0]!.at, all.at(-1)!.at);
    all.forEach(({ at, uuid, edge }, i) => {
      this.#packet(id, at, isNew && i === 0, () => this.#event(uuid, category, edge));
    });
    this.#give();
  }

  counts(ts: number, values: ReadonlyMap<Track, number>): void {
    const proto = this.#proto;
    for (const [track, value] of values) {
      const at = this.#time(track.pipeline, ts);
      const { id, isNew } = this.#sequence('counter', at, at);
      this.#packet(id, at, isNew, () =>
        proto.message(PACKET.trackEvent, () => {
          proto.uint(EVENT.type, TYPE.counter);
          proto.uint64(EVENT.trackUuid, uuidOf(track));
          proto.int64(EVENT.counterValue, value);
        }),
      );
    }
    this.#give();
  }

  close(): void {
    this.#give();
    this.#out.close();
  }

  #event(uuid: bigint, category: string, edge: Edge): void {
    const proto = this.#proto;
    proto.message(PACKET.trackEvent, () => {
      proto.uint(EVENT.type, TYPE[edge.kind]);
      proto.uint64(EVENT.trackUuid, uuid);
      if (edge.kind === 'end') return;
      const { name, args } = edge.kind === 'begin' ? edge.slice : edge.point;
      proto.string(EVENT.categories, category);
      proto.string(EVENT.name, name);
      this.#annotations(args);
    });
  }

  #annotations(args: Args): void {
    const proto = this.#proto;
    for (const [name, value] of Object.entries(args)) {
      if (value === null) continue;
      proto.message(EVENT.debugAnnotations, () => {
        proto.string(ANNOTATION.name, name);
        if (typeof value === 'string') proto.string(ANNOTATION.string, value);
        else if (typeof value === 'boolean') proto.bool(ANNOTATION.bool, value);
        else if (Number.isSafeInteger(value)) proto.int64(ANNOTATION.int, value);
        else proto.double(ANNOTATION.double, value);
      });
    }
  }

  #packet(sequence: number, at: bigint | null, isNew: boolean, data: () => void): void {
    const proto = this.#proto;
    proto.message(TRACE.packet, () => {
      if (at !== null) proto.uint64(PACKET.timestamp, at);
      data();
      proto.uint(PACKET.sequenceId, sequence);
      if (isNew) proto.uint(PACKET.sequenceFlags, INCREMENTAL_STATE_CLEARED);
    });
  }

  /** Also writes what the wall clock was then, once it is known. */
  #time(pipeline: Pipeline, ts: number): bigint {
    const at = this.#clock.at(pipeline, ts);
    const wall = this.#hasClock ? null : this.#clock.wallNs(pipeline);
    if (wall !== null) {
      this.#hasClock = true;
      this.#snapshot(this.#clock.at(pipeline, 0), wall);
    }
    return at;
  }

  #snapshot(boottime: bigint, realtime: bigint): void {
    const proto = this.#proto;
    const clock = (id: number, time: bigint) =>
      proto.message(SNAPSHOT.clocks, () => {
        proto.uint(CLOCK.id, id);
        proto.uint64(CLOCK.timestamp, time);
      });
    this.#packet(SEQUENCES, boottime, false, () =>
      proto.message(PACKET.clockSnapshot, () => {
        clock(BOOTTIME, boottime);
        clock(REALTIME, realtime);
        proto.uint(SNAPSHOT.primaryTraceClock, BOOTTIME);
      }),
    );
  }

  #sequence(pool: string, from: bigint, to: bigint): { id: number; isNew: boolean } {
    let sequences = this.#pools.get(pool);
    if (sequences === undefined) {
      sequences = new Sequences(() => SEQUENCES + ++this.#sequences);
      this.#pools.set(pool, sequences);
    }
    return sequences.take(from, to);
  }

  #give(): void {
    this.#out.write(this.#proto.take());
  }
}

function uuidOf(track: Track): bigint {
  return UUIDS + BigInt(track.id);
}
