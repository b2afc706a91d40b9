/** The state of all pipelines at one place of a recording, as bytes, and back. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Incarnation } from '../../model/incarnation.ts';
import type { EpochInfo } from '../../protocol/recording.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import { GraphDecoder } from './decode.ts';
import { GraphEncoder } from './encode.ts';
import { CheckpointError } from './graph.ts';
import { HEADER_BYTES, headerOf } from './header.ts';

/**
 * Ended inodes that a checkpoint lists when nothing else in the state knows them, the
 * newest: the others are left out, and every count still holds them.
 */
const MAX_ENDED = 128;

/** A new pipeline of an epoch, the same for each call but for the closures it is given. */
export type MakePipeline = (info: EpochInfo) => Pipeline;

export interface SaveOptions {
  readonly make: MakePipeline;
  /** Ended inodes that each pipeline keeps: part of what a state means. */
  readonly keep: number;
}

/**
 * Throws CheckpointError when there is something in a pipeline that cannot be saved,
 * which is a mistake in the program and not of the recording.
 */
export function saveState(pipelines: readonly Pipeline[], { make, keep }: SaveOptions): Buffer {
  const parts = pipelines.map((pipeline) => encodePipeline(pipeline, make(pipeline.info)));
  const head = Buffer.alloc(4 + 8 * parts.length);
  head.writeUInt32LE(parts.length, 0);
  parts.forEach((part, i) => {
    head.writeUInt32LE(pipelines[i]!.info.number, 4 + 8 * i);
    head.writeUInt32LE(part.length, 8 + 8 * i);
  });
  const body = zstdCompressSync(Buffer.concat([head, ...parts]), {
    params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  return Buffer.concat([headerOf(keep), body]);
}

/**
 * The pipelines of a saved state, in the order in which they began. `epochs`: those of the
 * recording. Throws CheckpointError when the state is of another lastref, or damaged.
 */
export function restoreState(
  state: Buffer,
  epochs: readonly EpochInfo[],
  { make, keep }: SaveOptions,
): Pipeline[] {
  if (!state.subarray(0, HEADER_BYTES).equals(headerOf(keep))) {
    throw new CheckpointError('this state was saved by another version of lastref');
  }
  try {
    return partsOf(zstdDecompressSync(state.subarray(HEADER_BYTES))).map(({ number, bytes }) => {
      const info = epochs.find((epoch) => epoch.number === number);
      if (info === undefined) throw new CheckpointError(`epoch ${number} is not in the recording`);
      const pipeline = make(info);
      decodePipeline(bytes, pipeline);
      return pipeline;
    });
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`a checkpoint is damaged: ${(error as Error).message}`);
  }
}

/** Count of the pipelines; number and length of each; then what each is. */
function partsOf(body: Buffer): { number: number; bytes: Buffer }[] {
  const count = body.readUInt32LE(0);
  let at = 4 + 8 * count;
  return Array.from({ length: count }, (_, i) => {
    const from = at;
    at += body.readUInt32LE(8 + 8 * i);
    return { number: body.readUInt32LE(4 + 8 * i), bytes: body.subarray(from, at) };
  });
}

/** `twin`: a pipeline of the same epoch as it begins. */
export function encodePipeline(pipeline: Pipeline, twin: Pipeline): Buffer {
  const { inodes } = pipeline.model;
  const encoder = new GraphEncoder(new Set(inodes.apart()));
  encoder.value(pipeline, twin);
  // canaries are looked for among all inodes until the tracer is ready
  const most = pipeline.readyAt === null ? Number.POSITIVE_INFINITY : MAX_ENDED;
  const { known, ended, left } = inodes.listed(most, (inode) => encoder.has(inode));
  encoder.value(known, undefined);
  encoder.value(ended, undefined);
  encoder.value(left, undefined);
  return encoder.bytes;
}

/** Fills a pipeline as it begins. */
export function decodePipeline(bytes: Buffer, pipeline: Pipeline): void {
  const decoder = new GraphDecoder(bytes);
  decoder.value(pipeline);
  const { inodes } = pipeline.model;
  const known = decoder.value(undefined) as Incarnation[];
  const ended = decoder.value(undefined) as Incarnation[];
  const left = decoder.value(undefined) as number;
  inodes.relist(known, ended);
  inodes.dropped += left;
  inodes.leftOut += left;
}
