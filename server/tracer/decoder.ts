/**
 * bpftrace's standard output, byte by byte, into events. Takes chunks cut
 * anywhere; gives what each whole line says. Pure: the same bytes give the same
 * calls, whatever the chunks.
 */
import type { TraceEvent } from '../protocol/events.ts';
import { GRAMMAR_VERSION } from '../protocol/grammar.ts';
import { readUnsigned } from './fields.ts';
import { headOf, type LineHead } from './line-head.ts';
import { Rejection, readLine } from './line-reader.ts';
import { scanLine } from './line-scanner.ts';
import { type Cursor, newCursor } from './scan-fields.ts';

/** What a decoder has to say, in the order of the lines. */
export interface DecoderSink {
  /** `head` is that of this event until the next one comes. */
  event(event: TraceEvent, head: LineHead): void;
  /** `print(@hits)` or `print(@hits_KEY)`: how many lines the program with this key has meant to print since it began. */
  hits(key: number, count: number): void;
  /** bpftrace says that this many events did not fit into its buffer. */
  lost(events: number): void;
  /** `print(@full)`: inodes since the program began for which a map had no room. */
  full(inodes: number): void;
  /** `print(@kept)`: inodes since the program began of which a line is due when they end. */
  kept(inodes: number): void;
  /** A frame of the kernel stack that belongs to the last line that has one: `sym+off`. */
  frame(text: string): void;
  /** A program begins. */
  program(name: string): void;
  /** A line that is none of ours. `line` is cut to 200 bytes, control bytes escaped. */
  rejected(line: string, why: string): void;
}

/** Longer than any line of the grammar; what exceeds it is rejected up to its newline. */
const MAX_LINE = 1024;
const TOO_LONG = 'longer than any line';

const NEWLINE = 10;
const NOTHING = Buffer.alloc(0);

export class Decoder {
  private readonly _sink: DecoderSink;
  /** The unfinished line at the end of the last chunk. */
  private _rest: Buffer = NOTHING;
  /** Inside a line that was too long, until its newline. */
  private _skipping = false;
  private readonly _cursor: Cursor = newCursor();

  constructor(sink: DecoderSink) {
    this._sink = sink;
  }

  /** The epoch's first time in nanoseconds since boot; null before the first event. */
  get origin(): bigint | null {
    const { originS, originNs } = this._cursor;
    return originS < 0 ? null : BigInt(originS) * 1_000_000_000n + BigInt(originNs);
  }

  /** The same as the nearest double; NaN before the first event. */
  get originNs(): number {
    const { originS, originNs } = this._cursor;
    return originS < 0 ? Number.NaN : originS * 1e9 + originNs;
  }

  /** The unfinished line at the end of what came; empty inside one that is too long. */
  get rest(): Buffer {
    return this._rest;
  }

  push(chunk: Buffer): void {
    let start = 0;
    if (this._rest.length > 0) {
      // only the line that was cut has to be put together
      start = chunk.indexOf(NEWLINE) + 1;
      const more = start === 0 ? chunk : chunk.subarray(0, start);
      const joined = Buffer.concat([this._rest, more]);
      if (start > 0) this.#lines(joined, 0, joined.length);
      else return this.#keep(joined);
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > start) this.#lines(chunk, start, end);
    this.#keep(chunk.subarray(Math.max(start, end)));
  }

  /** The stream has ended: an unfinished line is a line that was cut. */
  end(): void {
    if (this._rest.length > 0 && !this._skipping) {
      this.#reject(this._rest, 0, this._rest.length, 'cut off: the stream ended inside the line');
    }
    this._rest = NOTHING;
    this._skipping = false;
  }

  /** Whole lines, of which the last one ends with a newline before `until`. */
  #lines(buf: Buffer, from: number, until: number): void {
    const cursor = this._cursor;
    let start = from;
    while (start < until) {
      const event = this._skipping ? null : scanLine(buf, start, cursor);
      if (event !== null) {
        this._sink.event(event, cursor);
        start = cursor.next;
        continue;
      }
      const end = buf.indexOf(NEWLINE, start);
      if (this._skipping) this._skipping = false;
      else if (end > start) this.#line(buf, start, end);
      start = end + 1;
    }
  }

  /** The beginning of a line, until the rest of it comes. */
  #keep(rest: Buffer): void {
    this._rest = rest.length === 0 ? NOTHING : Buffer.from(rest);
    if (rest.length <= MAX_LINE) return;
    if (!this._skipping) this.#reject(rest, 0, rest.length, TOO_LONG);
    this._skipping = true;
    this._rest = NOTHING;
  }

  #line(buf: Buffer, start: number, end: number): void {
    if (end - start > MAX_LINE) return this.#reject(buf, start, end, TOO_LONG);
    const first = buf[start]!;
    // lower case: ours; the rest is what bpftrace itself prints
    if (first < 0x61 || first > 0x7a) return this.#own(buf, start, end);
    if (first === 0x6c && this.#program(buf, start, end)) return;
    const cursor = this._cursor;
    const isFirst = cursor.originS < 0;
    const event = readLine(buf, start, end, this._time);
    if (event instanceof Rejection) {
      // what is damaged may not say when the epoch began
      if (isFirst) cursor.originS = -1;
      this.#reject(buf, start, end, event.why);
    } else this._sink.event(event, headOf(event));
  }

  /** The bound reader of times, so that no closure is made per line. */
  private readonly _time = (buf: Buffer, start: number, end: number): number => {
    // 64 bits, as every number of the grammar
    if (end - start > 20) return Number.NaN;
    const split = Math.max(start, end - 9);
    const ns = readUnsigned(buf, split, end);
    const s = split === start ? 0 : readUnsigned(buf, start, split);
    const cursor = this._cursor;
    if (cursor.originS < 0) {
      if (Number.isNaN(s + ns)) return Number.NaN;
      cursor.originS = s;
      cursor.originNs = ns;
    }
    return (s - cursor.originS) * 1e9 + (ns - cursor.originNs);
  };

  #program(buf: Buffer, start: number, end: number): boolean {
    if (buf.toString('latin1', start, Math.min(end, start + 8)) !== 'lastref ') return false;
    const match = /^lastref (\d{1,4}) ([a-z+-]{1,60})$/.exec(buf.toString('latin1', start, end));
    if (match === null) {
      this.#reject(buf, start, end, 'not a header: expected `lastref VERSION NAME`');
    } else if (Number(match[1]) !== GRAMMAR_VERSION) {
      this.#reject(
        buf,
        start,
        end,
        `grammar version ${match[1]}; this lastref reads version ${GRAMMAR_VERSION}`,
      );
    } else {
      this._sink.program(match[2]!);
    }
    return true;
  }

  /** bpftrace's own lines: maps, lost events, its greeting. */
  #own(buf: Buffer, start: number, end: number): void {
    const text = buf.toString('latin1', start, end);
    const frame = /^ {8}([\w.]{1,128}(?:\+\d{1,15})?)$/.exec(text);
    if (frame !== null) return this._sink.frame(frame[1]!);
    const hits = /^@hits(?:\[(\d{1,7})\]|_(\d{1,7})): (\d{1,15})$/.exec(text);
    if (hits !== null) return this._sink.hits(Number(hits[1] ?? hits[2]), Number(hits[3]));
    const lost = /^Lost (\d{1,15}) events$/.exec(text);
    if (lost !== null) return this._sink.lost(Number(lost[1]));
    const lives = /^@(full|kept): (\d{1,15})$/.exec(text);
    if (lives !== null) return this._sink[lives[1] as 'full' | 'kept'](Number(lives[2]));
    if (/^Attach(ing|ed) \d{1,15} probes?(\.\.\.)?$/.test(text) || text.startsWith('@')) return;
    this.#reject(buf, start, end, 'neither one of our lines nor one of bpftrace');
  }

  #reject(buf: Buffer, start: number, end: number, why: string): void {
    const sample = buf.toString('latin1', start, Math.min(end, start + 200));
    this._sink.rejected(escapeControls(sample), why);
  }
}

/** Bytes that are not printable ASCII, as \xNN. */
export function escapeControls(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
