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
  #events: TraceEvent[] = [];
  #head = 0;

  get first(): TraceEvent | undefined {
    return this.#events[this.#head];
  }

  /** An interrupt may write between taking the time and writing: look back a little. */
  push(event: TraceEvent): void {
    const events = this.#events;
    let at = events.length;
    while (at > this.#head && events[at - 1]!.ts > event.ts) at--;
    if (at === events.length) events.push(event);
    else events.splice(at, 0, event);
    if (event.ts > this.newest) this.newest = event.ts;
  }

  shift(): TraceEvent {
    const event = this.#events[this.#head++]!;
    if (this.#head === this.#events.length) {
      this.#events = [];
      this.#head = 0;
    } else if (this.#head === 4096) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
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
  readonly #emit: (event: TraceEvent) => void;
  readonly #boundNs: number;
  readonly #slackNs: number;
  readonly #bufferOf: (event: TraceEvent) => number;
  readonly #queues: BufferQueue[];
  // the first line to arrive sets time zero: others may be older
  #max = Number.NEGATIVE_INFINITY;
  #passed = Number.NEGATIVE_INFINITY;

  constructor(options: ReorderOptions, emit: (event: TraceEvent) => void) {
    this.#queues = Array.from({ length: options.buffers }, () => new BufferQueue());
    this.#boundNs = options.boundNs;
    this.#slackNs = options.slackNs;
    this.#bufferOf = options.bufferOf;
    this.#emit = emit;
  }

  push(event: TraceEvent): void {
    if (event.ts < this.#passed) {
      this.late++;
      this.#emit(event);
      return;
    }
    const queue = this.#queues[this.#bufferOf(event)]!;
    queue.push(event);
    if (event.ts > this.#max) this.#max = event.ts;
    this.#release(this.#watermark());
  }

  /** The stream has ended, or starts anew. */
  flush(): void {
    this.#release(Number.POSITIVE_INFINITY);
    for (const queue of this.#queues) queue.newest = Number.NEGATIVE_INFINITY;
  }

  #watermark(): number {
    let spoken = Number.POSITIVE_INFINITY;
    for (const queue of this.#queues) if (queue.newest < spoken) spoken = queue.newest;
    return Math.max(spoken - this.#slackNs, this.#max - this.#boundNs);
  }

  #release(watermark: number): void {
    for (;;) {
      let least: BufferQueue | null = null;
      let ts = watermark;
      for (const queue of this.#queues) {
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
      this.#passed = event.ts;
      this.#emit(event);
    }
  }
}
