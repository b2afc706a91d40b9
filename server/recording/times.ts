/**
 * The times of lines, kept apart from their text. `evict 119408310221 1 391 ...` becomes
 * `evict  1 391 ...` and a distance to the time before: the digits of times are what
 * compresses worst, and are half of a compressed recording otherwise. Nothing is lost,
 * whatever the bytes are: `putTimes` gives back what `takeTimes` took them from.
 *
 * At the beginning of a frame and after each newline there may be a name (a-z, _), a
 * blank, a time without leading zeros and a blank. Its digits go; two blanks stay. Where
 * two blanks stood from the beginning, a code says so.
 */
const NEWLINE = 10;
const BLANK = 32;
const ZERO = 48;
/** Digits of the largest time. */
const MAX_DIGITS = 19;
/** Seconds between two times, at most: the distance in nanoseconds has to be exact. */
const MAX_STEP_S = 1e6;
/** Code of two blanks that stood there; others are 1 + the distance, zigzag. */
const NO_TIME = 0;

/** Codes as they are written: count and first second, then the low bytes, then the rest of each. */
export class TimesWriter {
  count = 0;
  #lows = Buffer.alloc(4096);
  #highs = Buffer.alloc(4096);
  #highBytes = 0;
  #firstS = -1;
  #s = 0;
  #ns = 0;

  /** False: too far from the one before; it has to stay in the line. */
  time(s: number, ns: number): boolean {
    if (this.#firstS < 0) {
      this.#firstS = s;
      this.#s = s;
    }
    if (Math.abs(s - this.#s) > MAX_STEP_S) return false;
    const step = (s - this.#s) * 1e9 + (ns - this.#ns);
    this.#s = s;
    this.#ns = ns;
    this.#code(1 + (step < 0 ? -2 * step - 1 : 2 * step));
    return true;
  }

  none(): void {
    this.#code(NO_TIME);
  }

  encode(): Buffer {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(this.count, 0);
    head.writeDoubleLE(Math.max(0, this.#firstS), 4);
    const lows = this.#lows.subarray(0, this.count);
    return Buffer.concat([head, lows, this.#highs.subarray(0, this.#highBytes)]);
  }

  #code(code: number): void {
    if (this.count === this.#lows.length) this.#lows = doubled(this.#lows);
    if (this.#highBytes + 8 > this.#highs.length) this.#highs = doubled(this.#highs);
    let high = Math.floor(code / 256);
    this.#lows[this.count++] = code - high * 256;
    while (high > 127) {
      const rest = Math.floor(high / 128);
      this.#highs[this.#highBytes++] = high - rest * 128 + 128;
      high = rest;
    }
    this.#highs[this.#highBytes++] = high;
  }
}

/** Reads what a TimesWriter wrote. Throws RangeError when it ends too early. */
export class TimesReader {
  /** Of the time read last. */
  s: number;
  ns = 0;
  readonly #bytes: Uint8Array;
  readonly #count: number;
  #at = 0;
  #highAt: number;

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#bytes = bytes;
    this.#count = view.getUint32(0, true);
    this.s = view.getFloat64(4, true);
    this.#highAt = 12 + this.#count;
  }

  /** False: two blanks stood there. Otherwise `s` and `ns` are the next time. */
  next(): boolean {
    if (this.#at >= this.#count) throw new RangeError('a time is missing');
    const low = this.#bytes[12 + this.#at++]!;
    let high = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#highAt++];
      if (byte === undefined) throw new RangeError('a time is cut off');
      high += (byte & 127) * scale;
      if (byte < 128) break;
    }
    const code = high * 256 + low;
    if (code === NO_TIME) return false;
    const zigzag = code - 1;
    const step = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    const ns = this.ns + step;
    const carry = Math.floor(ns / 1e9);
    this.s += carry;
    this.ns = ns - carry * 1e9;
    if (!(this.s >= 0 && this.s < 1e10)) throw new RangeError('a time cannot be');
    return true;
  }
}

/** Writes `from` without its times to `to` at `at`; returns the end of what was written. */
export function takeTimes(
  from: Uint8Array,
  to: Uint8Array,
  at: number,
  times: TimesWriter,
): number {
  const length = from.length;
  let out = at;
  for (let i = 0; i < length; ) {
    let byte = from[i]!;
    while ((byte >= 97 && byte <= 122) || byte === 95) {
      to[out++] = byte;
      if (++i === length) return out;
      byte = from[i]!;
    }
    if (byte === BLANK && i + 1 < length && isNameEnd(from, i)) {
      if (from[i + 1] === BLANK) times.none();
      else {
        const end = endOfTime(from, i + 1);
        if (end > 0 && times.time(secondsOf(from, i + 1, end), nanosOf(from, i + 1, end))) {
          to[out++] = BLANK;
          i = end;
        }
      }
    }
    while (i < length) {
      const rest = from[i++]!;
      to[out++] = rest;
      if (rest === NEWLINE) break;
    }
  }
  return out;
}

/** Gives back what `takeTimes` was given, in a buffer of its own. */
export function putTimes(from: Uint8Array, times: TimesReader): Buffer {
  const length = from.length;
  let to = Buffer.allocUnsafe(length * 2 + 64);
  let out = 0;
  for (let i = 0; i < length; ) {
    if (out + (length - i) + 64 > to.length) to = doubled(to);
    let byte = from[i]!;
    while ((byte >= 97 && byte <= 122) || byte === 95) {
      to[out++] = byte;
      if (++i === length) break;
      byte = from[i]!;
    }
    if (i === length) break;
    if (byte === BLANK && from[i + 1] === BLANK && isNameEnd(from, i) && times.next()) {
      to[out++] = BLANK;
      i++;
      out = writeTime(to, out, times.s, times.ns);
    }
    while (i < length) {
      const rest = from[i++]!;
      to[out++] = rest;
      if (rest === NEWLINE) break;
    }
  }
  return to.subarray(0, out);
}

/** Whether the blank at `i` ends a name that begins a line. */
function isNameEnd(from: Uint8Array, i: number): boolean {
  return i > 0 && from[i - 1] !== NEWLINE;
}

/** Where the blank after the time is; 0: this is no time. */
function endOfTime(from: Uint8Array, start: number): number {
  if (from[start] === ZERO) return 0;
  let i = start;
  while (i < from.length && from[i]! >= ZERO && from[i]! <= 57) i++;
  return i > start && i - start <= MAX_DIGITS && from[i] === BLANK ? i : 0;
}

function secondsOf(from: Uint8Array, start: number, end: number): number {
  let s = 0;
  for (let i = start; i < end - 9; i++) s = s * 10 + from[i]! - ZERO;
  return s;
}

function nanosOf(from: Uint8Array, start: number, end: number): number {
  let ns = 0;
  for (let i = Math.max(start, end - 9); i < end; i++) ns = ns * 10 + from[i]! - ZERO;
  return ns;
}

function writeTime(to: Uint8Array, at: number, s: number, ns: number): number {
  const head = s > 0 ? digitsOf(s) : 0;
  const low = s > 0 ? 9 : digitsOf(ns);
  let rest = s;
  for (let i = at + head - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    to[i] = ZERO + rest - next * 10;
    rest = next;
  }
  rest = ns;
  for (let i = at + head + low - 1; i >= at + head; i--) {
    const next = (rest / 10) | 0;
    to[i] = ZERO + rest - next * 10;
    rest = next;
  }
  return at + head + low;
}

function digitsOf(n: number): number {
  let digits = 1;
  for (let limit = 10; n >= limit; limit *= 10) digits++;
  return digits;
}

function doubled(buffer: Buffer): Buffer<ArrayBuffer> {
  const larger = Buffer.alloc(buffer.length * 2);
  buffer.copy(larger);
  return larger;
}
