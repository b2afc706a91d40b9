/** Opens a recording and gives its epochs and frames back, in the order they came. */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import {
  BeginFrame,
  EndFrame,
  EpochInfo,
  type FrameKind,
  RECORDING_VERSION,
} from '../protocol/recording.ts';
import { CheckpointStore } from './checkpoint/store.ts';
import { APPLICATION_ID, FRAME_KINDS } from './schema.ts';

/** A file that is no recording, or one that this version cannot read. */
export class RecordingError extends RangeError {
  constructor(file: string, what: string) {
    super(`${file}: ${what}`);
    this.name = 'RecordingError';
  }
}

export interface Frame {
  readonly epoch: number;
  readonly kind: FrameKind;
  readonly bytes: Buffer;
  /** Wall clock of the chunk it came in, ms. */
  readonly atMs: number;
}

/** One chunk without what is in it. */
export interface ChunkInfo {
  readonly seq: number;
  readonly epoch: number;
  /** Wall clock of the first and last frame, ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Uncompressed. */
  readonly bytes: number;
}

export class RecordingReader {
  readonly epochs: readonly EpochInfo[];
  /** Set when reading ended early: what was damaged. Everything before it was given. */
  damage: string | null = null;
  readonly #file: string;
  readonly #db: DatabaseSync;

  /** Throws RecordingError. */
  constructor(file: string) {
    this.#file = file;
    if (!existsSync(file)) throw new RecordingError(file, 'there is no such file');
    try {
      this.#db = open(file);
    } catch (error) {
      if (error instanceof RecordingError) throw error;
      throw new RecordingError(file, `not a recording of lastref (${(error as Error).message})`);
    }
    try {
      this.epochs = readEpochs(this.#db, file);
    } catch (error) {
      this.#db.close();
      if (error instanceof RecordingError) throw error;
      throw new RecordingError(
        file,
        `is damaged: what it says of itself cannot be read (${(error as Error).message})`,
      );
    }
  }

  *frames(): Iterable<Frame> {
    try {
      const chunks = this.#db
        .prepare('SELECT epoch, from_ms, frames FROM chunks ORDER BY seq')
        .iterate();
      for (const chunk of chunks) {
        const { epoch, from_ms, frames } = chunk as {
          epoch: number;
          from_ms: number;
          frames: Uint8Array;
        };
        yield* this.#framesOf(epoch, from_ms, zstdDecompressSync(frames));
      }
    } catch (error) {
      this.damage = `${this.#file} is damaged: ${(error as Error).message}`;
    }
  }

  /** All chunks, in the order of the file; ends early where the file is damaged. */
  chunks(): ChunkInfo[] {
    const out: ChunkInfo[] = [];
    try {
      const rows = this.#db
        .prepare('SELECT seq, epoch, from_ms, to_ms, bytes FROM chunks ORDER BY seq')
        .iterate() as Iterable<Record<'seq' | 'epoch' | 'from_ms' | 'to_ms' | 'bytes', number>>;
      for (const { seq, epoch, from_ms, to_ms, bytes } of rows) {
        out.push({ seq, epoch, fromMs: from_ms, toMs: to_ms, bytes });
      }
    } catch (error) {
      this.damage = `${this.#file} is damaged: ${(error as Error).message}`;
    }
    return out;
  }

  /** What is in one chunk. `whole`: false where it is damaged and there was more. */
  framesOf({ seq }: ChunkInfo): { readonly frames: Frame[]; readonly whole: boolean } {
    const frames: Frame[] = [];
    try {
      const row = this.#db
        .prepare('SELECT epoch, from_ms, frames FROM chunks WHERE seq = ?')
        .get(seq) as { epoch: number; from_ms: number; frames: Uint8Array } | undefined;
      if (row === undefined) throw new Error(`chunk ${seq} is missing`);
      const data = zstdDecompressSync(row.frames);
      for (const frame of this.#framesOf(row.epoch, row.from_ms, data)) frames.push(frame);
      return { frames, whole: true };
    } catch (error) {
      this.damage = `${this.#file} is damaged: ${(error as Error).message}`;
      return { frames, whole: false };
    }
  }

  /** The states that were saved with it; null when there are none. */
  checkpoints(): CheckpointStore | null {
    return CheckpointStore.in(this.#db);
  }

  close(): void {
    this.#db.close();
  }

  *#framesOf(epoch: number, atMs: number, data: Buffer): Iterable<Frame> {
    for (let at = 0; at < data.length; ) {
      const kind = FRAME_KINDS.get(data[at]!);
      const length = data.readUInt32LE(at + 1);
      const bytes = data.subarray(at + 5, at + 5 + length);
      if (kind === undefined || bytes.length !== length) throw new Error('a frame is cut off');
      if (kind === 'begin') BeginFrame.parse(JSON.parse(bytes.toString('utf8')));
      if (kind === 'end') EndFrame.parse(JSON.parse(bytes.toString('utf8')));
      yield { epoch, kind, bytes, atMs };
      at += 5 + length;
    }
  }
}

/** Throws when the file is none of ours. */
function open(file: string): DatabaseSync {
  // SQLite refuses a file that is shorter than it says; we want what is there
  const options = { readOnly: true, defensive: false };
  const db = new DatabaseSync(file, options);
  try {
    db.exec('PRAGMA writable_schema = ON');
    const { application_id: id } = db.prepare('PRAGMA application_id').get() as {
      application_id: number;
    };
    if (id !== APPLICATION_ID) throw new RecordingError(file, 'not a recording of lastref');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function readEpochs(db: DatabaseSync, file: string): EpochInfo[] {
  const format = db.prepare("SELECT value FROM meta WHERE key = 'format'").get() as
    | { value: string }
    | undefined;
  if (format === undefined) throw new Error('it does not tell its format');
  if (Number(format.value) !== RECORDING_VERSION) {
    throw new RecordingError(
      file,
      `has format ${format.value}; this lastref reads format ${RECORDING_VERSION}. Use the lastref that wrote it, or a newer one.`,
    );
  }
  const rows = db.prepare('SELECT info FROM epochs ORDER BY number').all() as { info: string }[];
  return rows.map(({ info }) => EpochInfo.parse(JSON.parse(info)));
}
