/**
 * bpftrace's standard output, damaged. One input is one line of it, three in four of them
 * damaged up to three times; some two hundred make a stream, which is cut into chunks
 * anywhere and given to a decoder of its own.
 */
import type { TraceEvent } from '../../server/protocol/events.ts';
import { Decoder, type DecoderSink } from '../../server/tracer/decoder.ts';
import { readUnsigned } from '../../server/tracer/fields.ts';
import { Rejection, readLine } from '../../server/tracer/line-reader.ts';
import { Random } from '../support/random.ts';
import { DecoderLines, LONGEST } from './decoder-lines.ts';
import { differs, fieldsOf, isLine, write } from './grammar.ts';
import { ROOM } from './mutate.ts';
import { Failed, must, type Target } from './target.ts';

/** Of a stream, bytes; a stretch without newline may make it longer. */
const STREAM = 16 * 1024;
/** Longer than any line: what a decoder may keep. */
const MAX_LINE = 1024;
/** Ways to cut a stream into chunks: whole, byte by byte, at random in small or in large ones. */
const CUTS = 32;

/** Small chunks cost much: one stream in ten is cut into them, one in a hundred byte by byte. */
function cutOf(random: Random): number {
  if (random.once(100)) return 1;
  const cut = random.below(CUTS / 2) * 2;
  return random.once(10) ? cut + 1 : cut;
}

export class DecoderTarget implements Target {
  readonly growthMb = 16;
  readonly #lines = new DecoderLines();
  readonly #buf = Buffer.alloc(STREAM + LONGEST + 16 * ROOM);
  readonly #check = new Check();

  batch(random: Random): number {
    let at = 0;
    let inputs = 0;
    for (; at < STREAM; inputs++) at = this.#lines.put(this.#buf, at, random);
    const stream = this.#buf.subarray(0, at);
    try {
      this.#check.stream(stream, cutOf(random));
    } catch (error) {
      throw new Failed(this.#smaller(Buffer.from(stream)), error);
    }
    return inputs;
  }

  replay(input: Buffer): void {
    for (let cut = 0; cut < CUTS; cut++) this.#check.stream(input, cut);
  }

  close(): void {}

  /** Leaves lines out as long as it fails without them. */
  #smaller(input: Buffer): Buffer {
    let lines = input.toString('latin1').split('\n');
    for (let step = lines.length >> 1; step >= 1; step >>= 1) {
      for (let from = 0; from < lines.length; ) {
        const fewer = lines.toSpliced(from, step);
        if (this.#fails(fewer)) lines = fewer;
        else from += step;
      }
    }
    return Buffer.from(lines.join('\n'), 'latin1');
  }

  #fails(lines: readonly string[]): boolean {
    try {
      this.replay(Buffer.from(lines.join('\n'), 'latin1'));
      return false;
    } catch {
      return true;
    }
  }
}

/** What a decoder says, held against the lines it was given, one by one. */
class Check implements DecoderSink {
  #stream: Buffer = Buffer.alloc(0);
  /** Where the next line begins; bounds of the one at hand. */
  #at = 0;
  #start = 0;
  #end = 0;
  /** The line at hand has its newline. */
  #whole = true;
  /** Of the first event: seconds, -1 before it, and nanoseconds. */
  #originS = -1;
  #originNs = 0;
  #origin = 0n;

  stream(stream: Buffer, cut: number): void {
    this.#stream = stream;
    this.#at = 0;
    this.#originS = -1;
    const decoder = new Decoder(this);
    const random = new Random(cut);
    const most = cut === 0 ? stream.length : cut === 1 ? 1 : cut % 2 === 0 ? 4096 : 200;
    for (let from = 0; from < stream.length; ) {
      const to = Math.min(stream.length, from + (cut < 2 ? most : 1 + random.below(most)));
      decoder.push(stream.subarray(from, to));
      must(decoder.rest.length <= MAX_LINE, `keeps ${decoder.rest.length} bytes of a line`);
      from = to;
    }
    decoder.end();
    must(decoder.rest.length === 0, 'keeps a rest after the end');
    must(!this.#next(), `nothing was said of a line: ${JSON.stringify(this.#text)}`);
    const origin = this.#originS < 0 ? null : this.#origin;
    must(decoder.origin === origin, 'the origin is not the time of the first event');
  }

  event(event: TraceEvent): void {
    this.#mustNext('an event');
    this.#mustBeOrdinary('an event');
    const text = this.#text;
    const read = readLine(this.#stream, this.#start, this.#end, this.#time);
    if (read instanceof Rejection) throw new Error(`an event of a line that is none: ${read.why}`);
    const one = event as unknown as Record<string, unknown>;
    const other = read as unknown as Record<string, unknown>;
    must(event.kind === read.kind && event.ts === read.ts, 'the two readers differ');
    for (const [field] of fieldsOf(event.kind)) {
      if (one[field] !== other[field]) throw new Error(`the two readers differ in ${field}`);
    }
    if (write(event, this.#origin) === text) return;
    const wrong = differs(event, text, this.#origin);
    must(wrong === null, `an event does not say what its line says: ${wrong}`);
  }

  hits(key: number, count: number): void {
    this.#mustNext('hits');
    this.#mustBe(`@hits[${key}]: ${count}`, /^@hits\[0*(\d+)\]: 0*(\d+)$/);
  }

  lost(events: number): void {
    this.#mustNext('lost');
    this.#mustBe(`Lost ${events} events`, /^Lost 0*(\d+) events$/);
  }

  full(inodes: number): void {
    this.#mustNext('full');
    this.#mustBe(`@full: ${inodes}`, /^@full: 0*(\d+)$/);
  }

  kept(inodes: number): void {
    this.#mustNext('kept');
    this.#mustBe(`@kept: ${inodes}`, /^@kept: 0*(\d+)$/);
  }

  frame(text: string): void {
    this.#mustNext('a frame');
    this.#mustBe(`        ${text}`, null);
  }

  program(name: string): void {
    this.#mustNext('a program');
    this.#mustBe(`lastref 1 ${name}`, /^lastref 0*(\d+) ([a-z+-]+)$/);
  }

  rejected(line: string, why: string): void {
    this.#mustNext('a rejection');
    must(why !== '' && line.length <= 800, 'a rejection is too long, or does not say why');
    must(/^[\x20-\x7e]*$/.test(line), 'a rejected line is shown with what is not printable');
    if (!this.#whole || this.#end - this.#start > MAX_LINE) return;
    must(!isLine(this.#text), `a good line was rejected: ${why}`);
    must(!KNOWN.test(this.#text), `a good line of bpftrace was rejected: ${why}`);
  }

  /** Goes to the next line of which something has to be said; false when there is none. */
  #next(): boolean {
    while (this.#at < this.#stream.length) {
      const newline = this.#stream.indexOf(10, this.#at);
      this.#whole = newline >= 0;
      this.#start = this.#at;
      this.#end = newline < 0 ? this.#stream.length : newline;
      this.#at = this.#end + 1;
      if (this.#end > this.#start && !this.#isSilent()) return true;
    }
    return false;
  }

  /** Maps that nobody asked for, and the greeting. */
  #isSilent(): boolean {
    const first = this.#stream[this.#start];
    if ((first !== 0x40 && first !== 0x41) || !this.#whole) return false;
    if (this.#end - this.#start > MAX_LINE) return false;
    return !KNOWN.test(this.#text) && (first === 0x40 || GREETING.test(this.#text));
  }

  get #text(): string {
    return this.#stream.toString('latin1', this.#start, this.#end);
  }

  #mustNext(what: string): void {
    must(this.#next(), `${what} of no line`);
  }

  #mustBeOrdinary(what: string): void {
    must(this.#whole, `${what} of a line that has no end`);
    must(this.#end - this.#start <= MAX_LINE, `${what} of a line that is too long`);
  }

  /** The line at hand is this text; where numbers may begin with zeros, without them. */
  #mustBe(wanted: string, zeros: RegExp | null): void {
    this.#mustBeOrdinary('something');
    const text = this.#text;
    if (text === wanted) return;
    const of = (line: string) => zeros?.exec(line)?.slice(1).join(' ');
    const same = of(text) !== undefined && of(text) === of(wanted);
    must(same, `${JSON.stringify(wanted)} was said of ${JSON.stringify(text)}`);
  }

  /** As the decoder does it; the first line that is one sets the origin. */
  readonly #time = (buf: Buffer, start: number, end: number): number => {
    const split = Math.max(start, end - 9);
    const ns = readUnsigned(buf, split, end);
    const s = split === start ? 0 : readUnsigned(buf, start, split);
    if (this.#originS < 0) {
      this.#originS = s;
      this.#originNs = ns;
      this.#origin = BigInt(buf.toString('latin1', start, end));
    }
    return (s - this.#originS) * 1e9 + (ns - this.#originNs);
  };
}

/** bpftrace's own lines that say something; see Decoder. */
const KNOWN =
  /^(@hits\[\d{1,7}\]: \d{1,15}|@(full|kept): \d{1,15}|Lost \d{1,15} events|lastref 0*1 [a-z+-]{1,60}| {8}[\w.]{1,128}(\+\d{1,15})?)$/;
const GREETING = /^Attach(ing|ed) \d{1,15} probes?(\.\.\.)?$/;
