/**
 * Events in the order of their time. They come from several buffers: each track has
 * a bpftrace of its own, and up to 0.18 a bpftrace has a buffer for each CPU. Within
 * a buffer they come almost in order: each is written a moment after its time was
 * taken, longer where a virtual CPU is preempted. An event is passed on when every
 * buffer has spoken of a time later by `slackNs`, or when it is older than the newest
 * by `boundNs`; one that comes later than that is passed on at once and counted. A
 * function of the lines alone, so that a replay gives the same order.
 */
import type { TraceEvent } from '../protocol/events.ts';

/** The waiting events of one buffer, ascending by time. */
class BufferQueue {
  newest = Number.NEGATIVE_INFINITY;
  private _events: TraceEvent[] = [];
  private _head = 0;

  get first(): TraceEvent | undefined {
    return this._events[this._head];
  }

  /** An interrupt may write between taking the time and writing: look back a little. */
  push(event: TraceEvent): void {
    const events = this._events;
    let at = events.length;
    while (at > this._head && events[at - 1]!.ts > event.ts) at--;
    if (at === events.length) events.push(event);
    else events.splice(at, 0, event);
    if (event.ts > this.newest) this.newest = event.ts;
  }

  shift(): TraceEvent {
    const event = this._events[this._head++]!;
    if (this._head === this._events.length) {
      this._events = [];
      this._head = 0;
    } else if (this._head === 4096) {
      this._events = this._events.slice(this._head);
      this._head = 0;
    }
    return event;
  }
}

export interface ReorderOptions {
  readonly buffers: number;
  /** Which buffer an event came from, from 0. */
  readonly bufferOf: (event: TraceEvent) => number;
  readonly slackNs: number;
  readonly boundNs: number;
}

export class Reorder {
  /** Events passed on after one of a later time. */
  late = 0;
  private readonly _emit: (event: TraceEvent) => void;
  private readonly _boundNs: number;
  private readonly _slackNs: number;
  private readonly _bufferOf: (event: TraceEvent) => number;
  private readonly _queues: BufferQueue[];
  // the first line to arrive sets time zero: others may be older
  private _max = Number.NEGATIVE_INFINITY;
  private _passed = Number.NEGATIVE_INFINITY;

  constructor(options: ReorderOptions, emit: (event: TraceEvent) => void) {
    this._queues = Array.from({ length: options.buffers }, () => new BufferQueue());
    this._boundNs = options.boundNs;
    this._slackNs = options.slackNs;
    this._bufferOf = options.bufferOf;
    this._emit = emit;
  }

  push(event: TraceEvent): void {
    if (event.ts < this._passed) {
      this.late++;
      this._emit(event);
      return;
    }
    const queue = this._queues[this._bufferOf(event)]!;
    queue.push(event);
    if (event.ts > this._max) this._max = event.ts;
    this.#release(this.#watermark());
  }

  /** The stream has ended, or starts anew. */
  flush(): void {
    this.#release(Number.POSITIVE_INFINITY);
    for (const queue of this._queues) queue.newest = Number.NEGATIVE_INFINITY;
  }

  #watermark(): number {
    let spoken = Number.POSITIVE_INFINITY;
    for (const queue of this._queues) if (queue.newest < spoken) spoken = queue.newest;
    return Math.max(spoken - this._slackNs, this._max - this._boundNs);
  }

  #release(watermark: number): void {
    for (;;) {
      let least: BufferQueue | null = null;
      let ts = watermark;
      for (const queue of this._queues) {
        const first = queue.first;
        if (first !== undefined && first.ts <= ts) {
          // equal times: the first buffer goes first, whatever came first
          if (least !== null && first.ts === ts) continue;
          least = queue;
          ts = first.ts;
        }
      }
      if (least === null) return;
      const event = least.shift();
      this._passed = event.ts;
      this._emit(event);
    }
  }
}
