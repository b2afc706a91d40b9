/**
 * Events in the order of their time. They come from several buffers: each track has
 * a bpftrace of its own, and up to 0.18 a bpftrace has a buffer for each CPU. Within
 * a buffer they come almost in order: each is written a moment after its time was
 * taken, longer where a virtual CPU is preempted. An event is passed on when every
 * buffer that is waited for has spoken of a time later by `slackNs`, or when it is older than the newest
 * by `boundNs`, or when more than `maxWaiting` wait: a bpftrace that cannot keep up with one
 * buffer does not get to the others. One that comes later than that is passed on at once and
 * counted. A function of the lines alone, so that a replay gives the same order.
 */
import type { TraceEvent } from '../protocol/events.ts';
import { headOf, type LineHead } from './line-head.ts';

/** The waiting events of one buffer, ascending by time. */
export class BufferQueue {
  readonly buffer: number;
  newest = Number.NEGATIVE_INFINITY;
  /** Time of the first one that waits; infinite when none does. */
  first = Number.POSITIVE_INFINITY;
  private _events: TraceEvent[] = [];
  /** The time of each. */
  private _times: number[] = [];
  /** The LINE_PLACE of each. */
  private _places: number[] = [];
  private _head = 0;

  constructor(buffer: number) {
    this.buffer = buffer;
  }

  /** An interrupt may write between taking the time and writing: look back a little. */
  push(event: TraceEvent, { ts, place }: LineHead): void {
    const times = this._times;
    let at = times.length;
    while (at > this._head && times[at - 1]! > ts) at--;
    if (at === times.length) {
      this._events.push(event);
      times.push(ts);
      this._places.push(place);
    } else {
      this._events.splice(at, 0, event);
      times.splice(at, 0, ts);
      this._places.splice(at, 0, place);
    }
    this.first = times[this._head]!;
    if (ts > this.newest) this.newest = ts;
  }

  get isEmpty(): boolean {
    return this._head === this._events.length;
  }

  /** The LINE_PLACE of the first one that waits. */
  get firstPlace(): number {
    return this._places[this._head]!;
  }

  shift(): TraceEvent {
    const event = this._events[this._head++]!;
    if (this._head === this._events.length) {
      this._events.length = 0;
      this._times.length = 0;
      this._places.length = 0;
      this._head = 0;
    } else if (this._head === 4096) {
      this._events = this._events.slice(this._head);
      this._times = this._times.slice(this._head);
      this._places = this._places.slice(this._head);
      this._head = 0;
    }
    this.first = this._times[this._head] ?? Number.POSITIVE_INFINITY;
    return event;
  }
}

/** `place`: LINE_PLACE of its kind. */
type Emit = (event: TraceEvent, ts: number, place: number) => void;

export interface ReorderOptions {
  /** Those that are waited for; see waitFor(). */
  readonly buffers: Iterable<number>;
  /** Which buffer an event came from, from 0: one that was not known is made. */
  readonly bufferOf: (head: LineHead) => number;
  readonly slackNs: number;
  readonly boundNs: number;
  /** Events; about 200 bytes each. */
  readonly maxWaiting: number;
}

export class Reorder {
  /** Events passed on after one of a later time. */
  late = 0;
  /** Events that wait for their turn. */
  waiting = 0;
  private readonly _maxWaiting: number;
  private readonly _emit: Emit;
  private readonly _boundNs: number;
  private readonly _slackNs: number;
  private readonly _bufferOf: (head: LineHead) => number;
  /** All, in the order of their buffers, and by buffer. */
  private readonly _queues: BufferQueue[] = [];
  private readonly _byBuffer: BufferQueue[] = [];
  private _awaited: BufferQueue[] = [];
  // the first line to arrive sets time zero: others may be older
  private _max = Number.NEGATIVE_INFINITY;
  private _passed = Number.NEGATIVE_INFINITY;

  constructor(options: ReorderOptions, emit: Emit) {
    this._boundNs = options.boundNs;
    this._maxWaiting = options.maxWaiting;
    this._slackNs = options.slackNs;
    this._bufferOf = options.bufferOf;
    this._emit = emit;
    this.waitFor(options.buffers);
  }

  /** From now on an event waits for these buffers to speak of a later time, and for no others. */
  waitFor(buffers: Iterable<number>): void {
    this._awaited = Array.from(buffers, (at) => this.#queue(at));
  }

  /** The newest time that came from a buffer; minus infinity before its first event. */
  newestOf(buffer: number): number {
    return this.#queue(buffer).newest;
  }

  /** From the newest event that came to the last one that was passed on; 0 before both. */
  get lagNs(): number {
    return this.waiting === 0 ? 0 : Math.max(0, this._max - Math.max(0, this._passed));
  }

  push(event: TraceEvent, head = headOf(event)): void {
    const { ts } = head;
    if (ts < this._passed) {
      this.late++;
      this._emit(event, ts, head.place);
      return;
    }
    this.#queue(this._bufferOf(head)).push(event, head);
    this.waiting++;
    if (ts > this._max) this._max = ts;
    this.#release(this.#watermark());
    if (this.waiting > this._maxWaiting) this.#release(this.#oldest());
  }

  /** The stream has ended, or starts anew. */
  flush(): void {
    this.#release(Number.POSITIVE_INFINITY);
    for (const queue of this._queues) queue.newest = Number.NEGATIVE_INFINITY;
  }

  #queue(at: number): BufferQueue {
    const known = this._byBuffer[at];
    if (known !== undefined) return known;
    const queue = new BufferQueue(at);
    this._byBuffer[at] = queue;
    const behind = this._queues.findIndex(({ buffer }) => buffer > at);
    this._queues.splice(behind < 0 ? this._queues.length : behind, 0, queue);
    return queue;
  }

  #oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { first } of this._queues) if (first < oldest) oldest = first;
    return oldest;
  }

  #watermark(): number {
    let spoken = Number.POSITIVE_INFINITY;
    for (const queue of this._awaited) if (queue.newest < spoken) spoken = queue.newest;
    return Math.max(spoken - this._slackNs, this._max - this._boundNs);
  }

  #release(watermark: number): void {
    for (;;) {
      let least: BufferQueue | null = null;
      let ts = watermark;
      for (const queue of this._queues) {
        // equal times: the first buffer goes first, whatever came first
        if (least === null ? queue.first <= ts : queue.first < ts) {
          least = queue;
          ts = queue.first;
        }
      }
      // after the last one, watermark and time of none may both be infinite
      if (least === null || least.isEmpty) return;
      this._passed = ts;
      this.waiting--;
      const place = least.firstPlace;
      this._emit(least.shift(), ts, place);
    }
  }
}
