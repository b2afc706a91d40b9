/** Plays a recording through the same pipelines as live, at its own pace or faster. */
import { Pipeline } from '../tracer/pipeline.ts';
import { feed } from '../tracer/tracer.ts';
import type { Frame, Recording } from './reader.ts';

/** Frames fed before the event loop gets a turn. */
const BATCH = 256;

export class Replay {
  readonly mode = 'replay';
  readonly workload = null;
  readonly banner: string;
  done = false;
  readonly #reader: Recording;
  readonly #pipelines: Pipeline[] = [];
  readonly #byNumber = new Map<number, Pipeline>();
  readonly #keep: number;
  #stopped = false;
  #nowMs = 0;

  constructor(reader: Recording, options: { keep: number; banner: string }) {
    this.#reader = reader;
    this.#keep = options.keep;
    this.banner = options.banner;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Everything at once: for a report. */
  run(): readonly Pipeline[] {
    for (const frame of this.#reader.frames()) this.#feed(frame);
    this.done = true;
    return this.#pipelines;
  }

  /** At `speed` times the pace it was recorded at; resolves at the end of the file. */
  async play(speed: number): Promise<void> {
    const began = Date.now();
    let first: number | null = null;
    let batch = 0;
    for (const frame of this.#reader.frames()) {
      first ??= frame.atMs;
      const due = began + (frame.atMs - first) / speed;
      const wait = due - Date.now();
      if (wait > 0 || ++batch % BATCH === 0) {
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, wait)));
      }
      if (this.#stopped) return;
      this.#feed(frame);
    }
    this.done = true;
  }

  stop(): void {
    this.#stopped = true;
  }

  pipelines(): readonly Pipeline[] {
    return this.#pipelines;
  }

  hosts(): readonly {
    host: string;
    status: 'ready' | 'stopped';
    message: string;
    pipeline: Pipeline;
    heardAt: null;
  }[] {
    const newest = new Map(this.#pipelines.map((p) => [p.info.host, p]));
    return [...newest.values()].map((pipeline) => ({
      host: pipeline.info.host,
      status: this.done ? 'stopped' : 'ready',
      message: this.done ? (this.#reader.damage ?? 'end of the recording') : '',
      pipeline,
      heardAt: null,
    }));
  }

  #feed({ epoch, kind, bytes, atMs }: Frame): void {
    this.#nowMs = atMs;
    let pipeline = this.#byNumber.get(epoch);
    if (pipeline === undefined) {
      const info = this.#reader.epochs.find((e) => e.number === epoch);
      if (info === undefined) throw new Error(`epoch ${epoch} is not in the list of epochs`);
      pipeline = new Pipeline(info, { keep: this.#keep });
      this.#byNumber.set(epoch, pipeline);
      this.#pipelines.push(pipeline);
    }
    feed(pipeline, kind, bytes);
  }
}
