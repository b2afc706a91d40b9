/**
 * What an agent publishes: four bytes length (little endian), so many bytes of JSON, and of
 * a chunk its compressed frames and times as a recording has them. Every message of a
 * session has a number, from 1 without a hole, so that whoever reads them can tell that
 * one is missing or has come twice.
 */
import { z } from 'zod';
import type { TracerStatus } from '../protocol/hosts.ts';
import { EpochInfo, type FrameKind } from '../protocol/recording.ts';
import { type Chunk, checkFrame, FRAME_CODES, framesOf } from '../recording/chunks.ts';
import { dataSubject, epochSubject, MAX_HOST } from './subjects.ts';

/** Of the format of messages. */
const VERSION = 1;
const HEAD = 4;
/** Bytes of frames, uncompressed, that are gathered for one message. */
export const GATHER_BYTES = 256 * 1024;
/** A message, compressed: what was gathered, and one frame more, and the JSON. */
export const MAX_MESSAGE = 512 * 1024;
/** Frames of a message, uncompressed: more than an agent ever gathers. */
const MAX_FRAMES_BYTES = 4 * 1024 * 1024;
/** CPUs of a host: what a pipeline sets aside grows with them. */
const MAX_CPUS = 65_536;

const count = z.int().nonnegative();
const STATUS = [
  'connecting',
  'planning',
  'attaching',
  'ready',
  'blind',
  'restarting',
  'stopped',
  'failed',
] as const satisfies readonly TracerStatus[];

const base = {
  version: z.literal(VERSION),
  host: z.string().min(1).max(MAX_HOST),
  /** One run of an agent for one host: 16 hexadecimal digits, never used again. */
  session: z.string().regex(/^[0-9a-f]{16}$/),
  seq: z.int().positive(),
};

/** What an agent could not keep while the broker was away. */
const Dropped = z.object({ messages: count, events: count, bytes: count });
export type Dropped = z.infer<typeof Dropped>;

const EpochMeta = z.object({
  ...base,
  kind: z.literal('epoch'),
  info: EpochInfo.refine(({ cpus }) => cpus <= MAX_CPUS, 'more CPUs than any machine has'),
  /**
   * Null: the epoch begins here. Otherwise the frames (kind and base64) with which one may
   * enter it here, in the middle; see Pipeline.handover().
   */
  handover: z
    .array(z.tuple([z.enum(Object.keys(FRAME_CODES) as [FrameKind, ...FrameKind[]]), z.base64()]))
    .max(8)
    .nullable(),
  dropped: Dropped,
  /** Bytes that wait in the spool of the agent, of all its hosts. */
  spooled: count.optional(),
});

const ChunkMeta = z.object({
  ...base,
  kind: z.literal('chunk'),
  /** Number of the epoch in the session of the agent. */
  epoch: z.int().positive(),
  from_ms: z.number().min(0).max(8.64e15),
  to_ms: z.number().min(0).max(8.64e15),
  bytes: count.max(MAX_FRAMES_BYTES),
  events: count,
  /** Bytes of each, compressed. */
  frames: count.max(MAX_MESSAGE),
  times: count.max(MAX_MESSAGE).nullable(),
});

const StatusMeta = z.object({
  ...base,
  kind: z.literal('status'),
  status: z.enum(STATUS),
  message: z.string().max(4000),
});

const Meta = z.discriminatedUnion('kind', [EpochMeta, ChunkMeta, StatusMeta]);

export type EpochMessage = z.infer<typeof EpochMeta>;
export type StatusMessage = z.infer<typeof StatusMeta>;
export type ChunkMessage = z.infer<typeof ChunkMeta> & {
  readonly content: readonly { readonly kind: FrameKind; readonly bytes: Buffer }[];
};
export type Message = EpochMessage | ChunkMessage | StatusMessage;

/** What all messages of a session begin with. */
export interface Origin {
  readonly host: string;
  readonly session: string;
  readonly seq: number;
}

export interface Packed {
  readonly subject: string;
  readonly payload: Buffer;
}

export function packEpoch(
  origin: Origin,
  info: EpochInfo,
  handover: readonly (readonly [FrameKind, Buffer])[] | null,
  dropped: Dropped,
  spooled = 0,
): Packed {
  const frames = handover?.map(([kind, bytes]) => [kind, bytes.toString('base64')]) ?? null;
  const meta = {
    version: VERSION,
    kind: 'epoch',
    ...origin,
    info,
    handover: frames,
    dropped,
    spooled,
  };
  const subject = epochSubject(origin.host, origin.session, info.number);
  return { subject, payload: pack(meta) };
}

export function packChunk(origin: Origin, chunk: Chunk): Packed {
  const { epoch, fromMs: from_ms, toMs: to_ms, bytes, events, frames, times } = chunk;
  const sizes = { frames: frames.length, times: times?.length ?? null };
  const meta = { version: VERSION, kind: 'chunk', ...origin, epoch, from_ms, to_ms, bytes, events };
  const payload = pack({ ...meta, ...sizes }, frames, times ?? new Uint8Array());
  return { subject: dataSubject(origin.host), payload };
}

export function packStatus(origin: Origin, status: TracerStatus, message: string): Packed {
  const meta = { version: VERSION, kind: 'status', ...origin, status };
  const payload = pack({ ...meta, message: message.slice(0, 4000) });
  return { subject: dataSubject(origin.host), payload };
}

/** For JetStream, which takes a message with the same id once. */
export function idOf({ session, seq }: Pick<Origin, 'session' | 'seq'>): string {
  return `${session}:${seq}`;
}

/** Whole and valid, its frames unpacked; throws RangeError with what is wrong with it. */
export function unpack(payload: Uint8Array, host: string): Message {
  const data = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (data.length > MAX_MESSAGE) throw new RangeError(`a message of ${data.length} bytes`);
  const length = data.length < HEAD ? Number.POSITIVE_INFINITY : data.readUInt32LE(0);
  if (HEAD + length > data.length) throw new RangeError('a message that is cut off');
  const meta = metaOf(data.subarray(HEAD, HEAD + length).toString('utf8'));
  if (meta.host !== host) throw new RangeError('a message of another host than its subject');
  const rest = data.subarray(HEAD + length);
  if (meta.kind !== 'chunk') {
    if (rest.length > 0) throw new RangeError('a message that is longer than it says');
    if (meta.kind === 'epoch') checkHandover(meta);
    return meta;
  }
  const { frames, times, bytes } = meta;
  if (rest.length !== frames + (times ?? 0)) throw new RangeError('a chunk of another length');
  try {
    const packedTimes = times === null ? null : rest.subarray(frames);
    const content = [...framesOf(rest.subarray(0, frames), packedTimes, MAX_FRAMES_BYTES)];
    const unpacked = content.reduce((sum, frame) => sum + 5 + frame.bytes.length, 0);
    if (unpacked !== bytes) throw new RangeError('a chunk of another size');
    return { ...meta, content };
  } catch (error) {
    throw new RangeError(`a chunk that cannot be unpacked: ${(error as Error).message}`);
  }
}

/** The frames of a place where an epoch may be entered. */
export function handoverFrames(
  message: EpochMessage,
): readonly { readonly kind: FrameKind; readonly bytes: Buffer }[] {
  return (message.handover ?? []).map(([kind, text]) => {
    return { kind, bytes: Buffer.from(text, 'base64') };
  });
}

function checkHandover(message: EpochMessage): void {
  try {
    for (const { kind, bytes } of handoverFrames(message)) checkFrame(kind, bytes);
  } catch {
    throw new RangeError('an epoch that cannot be entered where it says so');
  }
}

function metaOf(text: string): z.infer<typeof Meta> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RangeError('a message whose head is no JSON');
  }
  const parsed = Meta.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new RangeError(`a message whose ${path.join('.') || 'head'} is wrong: ${message}`);
}

function pack(meta: object, ...parts: readonly Uint8Array[]): Buffer {
  const json = Buffer.from(JSON.stringify(meta));
  const head = Buffer.alloc(HEAD);
  head.writeUInt32LE(json.length);
  return Buffer.concat([head, json, ...parts]);
}
