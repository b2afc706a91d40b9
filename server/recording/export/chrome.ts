/**
 * Chrome's trace event format, as chrome://tracing and Perfetto's import read it: each
 * epoch is a process, each track one of its threads. Times are microseconds of
 * CLOCK_BOOTTIME with three decimals. A slice is one complete event, so that the order
 * in the file does not matter.
 */
import { escapeHidden } from '../../protocol/plain.ts';
import { VERSION } from '../../protocol/version.ts';
import { ExportClock } from './clock.ts';
import { nested } from './nest.ts';
import type { Output } from './output.ts';
import type { Args, Row } from './picture.ts';
import type { Track, TrackWriter } from './tracks.ts';

export class ChromeWriter implements TrackWriter {
  readonly #out: Output;
  readonly #clock = new ExportClock();
  #first = true;

  constructor(out: Output) {
    this.#out = out;
    out.write('{"traceEvents":[\n');
  }

  declare(track: Track): void {
    const { pipeline, parent, id, kind, name } = track;
    const pid = pipeline.info.number;
    if (parent === null) {
      this.#event({ ph: 'M', pid, name: 'process_name', args: { name } });
    } else if (kind === 'row') {
      const full = parent.kind === 'row' ? `${parent.name} ${name}` : name;
      this.#event({ ph: 'M', pid, tid: id, name: 'thread_name', args: { name: full } });
      this.#event({ ph: 'M', pid, tid: id, name: 'thread_sort_index', args: { sort_index: id } });
    }
  }

  rows(_pool: string, cat: string, rows: ReadonlyMap<Track, Row>): void {
    for (const [track, row] of rows) {
      const { pipeline, id: tid } = track;
      const pid = pipeline.info.number;
      const { slices, points } = nested(row);
      for (const { name, from, to, args } of slices) {
        const begin = this.#clock.at(pipeline, from);
        const dur = micros(this.#clock.at(pipeline, to) - begin);
        this.#event({ ph: 'X', pid, tid, name, cat, args: given(args) }, begin, dur);
      }
      for (const { name, at, args } of points) {
        const event = { ph: 'i', s: 't', pid, tid, name, cat, args: given(args) };
        this.#event(event, this.#clock.at(pipeline, at));
      }
    }
  }

  counts(ts: number, values: ReadonlyMap<Track, number>): void {
    for (const [{ pipeline, name }, value] of values) {
      const event = { ph: 'C', pid: pipeline.info.number, name, args: { value } };
      this.#event(event, this.#clock.at(pipeline, ts));
    }
  }

  close(): void {
    const about = { lastref: VERSION, clock: 'CLOCK_BOOTTIME' };
    this.#out.write(`\n],"displayTimeUnit":"ns","otherData":${JSON.stringify(about)}}\n`);
    this.#out.close();
  }

  /** Times as text: a double of microseconds would lose nanoseconds. */
  #event(event: object, at?: bigint, dur?: string): void {
    const time = at === undefined ? '' : `"ts":${micros(at)},`;
    const length = dur === undefined ? '' : `"dur":${dur},`;
    const rest = escapeHidden(JSON.stringify(event)).slice(1);
    this.#out.write(`${this.#first ? '' : ',\n'}{${time}${length}${rest}`);
    this.#first = false;
  }
}

function micros(ns: bigint): string {
  return `${ns / 1000n}.${String(ns % 1000n).padStart(3, '0')}`;
}

/** Without what is not known. */
function given(args: Args): Record<string, Args[string]> {
  return Object.fromEntries(Object.entries(args).filter(([, value]) => value !== null));
}
