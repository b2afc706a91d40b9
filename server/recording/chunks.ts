/**
 * Chunks: frames of one epoch and half a second or so, compressed. A chunk is zstd of
 * frames: one byte kind, four bytes length (little endian), the bytes; from format 2 on
 * the times of bpftrace's lines are apart (times.ts), in a zstd of their own.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { BeginFrame, EndFrame, type FrameKind, ResumeFrame } from '../protocol/recording.ts';
import { putTimes, TimesReader, TimesWriter, takeTimes } from './times.ts';

/**
 * Level 1 was smaller and faster than 3 on such text: what is left of it hardly repeats.
 * With a checksum: without it a byte that went wrong in the file is another byte of a line.
 */
const ZSTD = {
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
};
/** A chunk is a few megabytes; one that says it is larger would only fill the memory. */
export const LARGEST_BYTES = 64 * 1024 * 1024;

export const FRAME_CODES: Readonly<Record<FrameKind, number>> = {
  out: 1,
  err: 2,
  begin: 3,
  end: 4,
  resume: 5,
};
const FRAME_KINDS = new Map<number, FrameKind>(
  Object.entries(FRAME_CODES).map(([kind, code]) => [code, kind as FrameKind]),
);
const HEAD = 5;

export interface Chunk {
  readonly epoch: number;
  /** Wall clock of the first and last frame, ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the frames as they came, with five bytes for each. */
  readonly bytes: number;
  /** Lines with a time. */
  readonly events: number;
  readonly frames: Uint8Array;
  /** Null: no line had one, or the recording is of format 1. */
  readonly times: Uint8Array | null;
}

/** Gathers frames of all epochs for a moment. They are not copied: nobody may change them. */
export class Gathering {
  bytes = 0;
  readonly #byEpoch = new Map<number, Gathered>();

  add(epoch: number, kind: FrameKind, bytes: Buffer, now: number): void {
    let gathered = this.#byEpoch.get(epoch);
    if (gathered === undefined) {
      gathered = { frames: [], bytes: 0, fromMs: now, toMs: now };
      this.#byEpoch.set(epoch, gathered);
    }
    gathered.frames.push([kind, bytes]);
    gathered.bytes += HEAD + bytes.length;
    gathered.toMs = now;
    this.bytes += HEAD + bytes.length;
  }

  /** A chunk for each epoch of which there was something; then it begins anew. */
  take(): Chunk[] {
    const chunks = [...this.#byEpoch].map(([epoch, gathered]) => encode(epoch, gathered));
    this.#byEpoch.clear();
    this.bytes = 0;
    return chunks;
  }
}

interface Gathered {
  readonly frames: [FrameKind, Buffer][];
  bytes: number;
  readonly fromMs: number;
  toMs: number;
}

/** Throws when it is damaged, after the frames before the damage. `largest`: bytes of each part. */
export function* framesOf(
  frames: Uint8Array,
  times: Uint8Array | null,
  largest = LARGEST_BYTES,
): Iterable<{ kind: FrameKind; bytes: Buffer }> {
  const limit = { maxOutputLength: largest };
  const data = zstdDecompressSync(frames, limit);
  const reader = times === null ? null : new TimesReader(zstdDecompressSync(times, limit));
  for (let at = 0; at < data.length; ) {
    if (at + HEAD > data.length) throw new RangeError('a frame is cut off');
    const kind = FRAME_KINDS.get(data[at]!);
    const length = data.readUInt32LE(at + 1);
    const raw = data.subarray(at + HEAD, at + HEAD + length);
    if (kind === undefined || raw.length !== length) throw new RangeError('a frame is cut off');
    const bytes = kind === 'out' && reader !== null ? putTimes(raw, reader) : raw;
    checkFrame(kind, bytes);
    yield { kind, bytes };
    at += HEAD + length;
  }
}

/** Throws when what lastref itself says in a frame is none of that. */
export function checkFrame(kind: FrameKind, bytes: Buffer): void {
  SAID[kind]?.parse(JSON.parse(bytes.toString('utf8')));
}

const SAID = { begin: BeginFrame, end: EndFrame, resume: ResumeFrame, out: null, err: null };

function encode(epoch: number, { frames, bytes, fromMs, toMs }: Gathered): Chunk {
  const data = Buffer.allocUnsafe(bytes);
  const times = new TimesWriter();
  let at = 0;
  for (const [kind, frame] of frames) {
    const begin = at + HEAD;
    let end = begin + frame.length;
    if (kind === 'out') end = takeTimes(frame, data, begin, times);
    else frame.copy(data, begin);
    data[at] = FRAME_CODES[kind];
    data.writeUInt32LE(end - begin, at + 1);
    at = end;
  }
  return {
    epoch,
    fromMs,
    toMs,
    bytes,
    events: times.count,
    frames: zstdCompressSync(data.subarray(0, at), ZSTD),
    times: times.count === 0 ? null : zstdCompressSync(times.encode(), ZSTD),
  };
}
