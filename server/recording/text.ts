/**
 * What `sudo bpftrace bpf/teardown.bt > out.txt` printed, as a recording: one epoch of an
 * unknown boot of an unknown host. Which stages are observed follows from the names of
 * the programs; what the kernel skipped was not written down by anybody, so the ledger
 * never says that it balances.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { DEFAULT_ALERTING } from '../protocol/config.ts';
import { GRAMMAR_VERSION, LINE_NAMES, type LineName } from '../protocol/grammar.ts';
import { isLife, TRACKS, trackOf } from '../protocol/line-kinds.ts';
import { plain } from '../protocol/plain.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import { type Plan, type PlanEntry, STAGES, type Stage } from '../protocol/stages.ts';
import { type ProbeBlock, probesOf, STAGE_OF_LINE } from '../tracer/programs.ts';
import { type ChunkInfo, type Frame, type Recording, RecordingError } from './reader.ts';

/** The header of a program is among the first bytes. */
const HEAD_BYTES = 64 * 1024;
const BLOCK_BYTES = 64 * 1024;
/** A frame covers no more than this much of the trace, so that a replay can keep its pace. */
const FRAME_NS = 100e6;

const HEADER = /^lastref (\d{1,4}) ([a-z+-]{1,60})$/gm;
/** A program of `lastref bpf`, or of a session. */
const SESSION = 'session';
/** What every line of an event begins with. */
const LINE = /^([a-z_]{1,40}) (\d{1,19}) (\d{1,5}) \d+ \d+(?: |$)/;

/** Whether a file begins as bpftrace's output with one of our programs does. */
export function isText(head: Buffer): boolean {
  const header = /^lastref \d{1,4} [a-z+-]{1,60}$/m.exec(head.toString('latin1'));
  // a database may have such a line in it somewhere
  return header !== null && !head.subarray(0, header.index).includes(0);
}

/** The first bytes of a file. Throws RecordingError when it cannot be read. */
export function headOf(file: string): Buffer {
  try {
    const fd = openSync(file, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new RecordingError(file, code === 'ENOENT' ? 'there is no such file' : message);
  }
}

export class TextReader implements Recording {
  readonly epochs: readonly EpochInfo[];
  readonly damage = null;
  readonly notes: readonly string[];
  readonly #file: string;
  readonly #programs: readonly LineName[][];
  readonly #beganMs: number;
  #pieces: readonly Piece[] | null = null;

  /** Throws RecordingError. */
  constructor(file: string) {
    this.#file = file;
    const seen = survey(file);
    const probes = [...seen.programs].flatMap((name) => probesBehind(file, name, seen.lines));
    const { mtimeMs } = statSync(file);
    this.#beganMs = mtimeMs - seen.ns / 1e6;
    const lines = [...new Set(probes.map(({ line }) => line))];
    this.#programs = Array.from({ length: TRACKS }, (_, track) =>
      lines.filter((line) => trackOf(line) === track),
    );
    this.epochs = [epochOf(seen, probes, Math.round(this.#beganMs))];
    this.notes = [
      `It is text that bpftrace printed (${[...seen.programs].join(', ')}). Host, kernel and bpftrace are not known, its end is taken for that of tracing (the clock is that of the file), and what the kernel skipped was not written down.`,
    ];
  }

  *frames(): Iterable<Frame> {
    for (const chunk of this.chunks()) yield* this.framesOf(chunk).frames;
  }

  /** A chunk for each piece of the text; before them one that begins, after them one that ends. */
  chunks(): readonly ChunkInfo[] {
    this.#pieces ??= piecesOf(this.#file, this.#beganMs);
    const { number: epoch } = this.epochs[0]!;
    const last = this.#pieces.at(-1)?.atMs ?? this.#beganMs;
    return [{ atMs: this.#beganMs, length: 0 }, ...this.#pieces, { atMs: last, length: 0 }].map(
      ({ atMs, length }, seq, all) => {
        return { seq, epoch, fromMs: atMs, toMs: all[seq + 1]?.atMs ?? atMs, bytes: length };
      },
    );
  }

  framesOf({ seq, epoch, fromMs: atMs }: ChunkInfo) {
    const piece = this.#pieces?.[seq - 1];
    if (piece !== undefined) {
      const bytes = readAt(this.#file, piece);
      return { frames: [{ epoch, kind: 'out' as const, bytes, atMs }], whole: true };
    }
    const said = seq === 0 ? { programs: this.#programs } : { wanted: true, why: 'the text ends' };
    const kind = seq === 0 ? ('begin' as const) : ('end' as const);
    return {
      frames: [{ epoch, kind, bytes: Buffer.from(JSON.stringify(said)), atMs }],
      whole: true,
    };
  }

  checkpoints(): null {
    return null;
  }

  close(): void {}
}

interface Survey {
  readonly programs: Set<string>;
  /** By name of the filesystem. */
  readonly fs: Set<string>;
  cpus: number;
  hugepageKb: number;
  baseIndex: boolean | null;
  /** Lines that came. */
  readonly lines: Set<LineName>;
  /** From the first time to the last. */
  ns: number;
}

/** Reads the whole text once. */
function survey(file: string): Survey {
  const seen: Survey = {
    programs: new Set(),
    fs: new Set(),
    cpus: 1,
    hugepageKb: 2048,
    baseIndex: null,
    lines: new Set(),
    ns: 0,
  };
  let first: bigint | null = null;
  for (const block of blocksOf(file)) {
    const text = block.toString('latin1');
    for (const [, version, name] of text.matchAll(HEADER)) {
      if (Number(version) !== GRAMMAR_VERSION) {
        throw new RecordingError(
          file,
          `its program ${name} prints grammar version ${version}; this lastref reads version ${GRAMMAR_VERSION}`,
        );
      }
      seen.programs.add(name!);
    }
    for (const line of text.split('\n')) {
      const match = LINE.exec(line);
      if (match === null || !LINE_NAMES.includes(match[1] as LineName)) continue;
      const ts = BigInt(match[2]!);
      first ??= ts;
      seen.ns = Math.max(seen.ns, Number(ts - first));
      seen.lines.add(match[1] as LineName);
      look(seen, match[1]!, Number(match[3]), line.split(' '));
    }
  }
  return seen;
}

/** What a line tells beside itself. `words`: all of the line. */
function look(seen: Survey, name: string, cpu: number, words: readonly string[]): void {
  seen.cpus = Math.max(seen.cpus, Math.min(cpu, 8191) + 1);
  if (name === 'sb' && words.length > 12) seen.fs.add(plain(words.slice(12).join(' ')));
  // a superblock with blocks as large is one of hugepages
  const blockKb = name === 'sb_size' ? Number(words[7]) / 1024 : 0;
  if (Number.isInteger(blockKb) && blockKb >= 64) seen.hugepageKb = blockKb;
  // 513 references: of 512 base pages and of the batch; before 6.7 of one, and the batch
  if (name === 'hugepage_remove') seen.baseIndex ??= Number(words.at(-1)) > 2;
}

interface Behind extends Pick<ProbeBlock, 'attach' | 'line' | 'stages'> {}

/**
 * The probes of a program; of one that was made for a host (`lastref bpf`), which is not
 * known here, those of which a line came.
 */
function probesBehind(file: string, name: string, lines: ReadonlySet<LineName>): readonly Behind[] {
  if (name === SESSION) {
    return [...lines].flatMap((line) => {
      const stage = (STAGE_OF_LINE as Partial<Record<LineName, Stage>>)[line];
      return stage === undefined ? [] : [{ attach: `a line ${line}`, line, stages: [stage] }];
    });
  }
  const probes = probesOf(name);
  if (probes !== null) return probes;
  throw new RecordingError(
    file,
    `it was printed by a program ${name} that this lastref does not have (bpf/)`,
  );
}

function epochOf(seen: Survey, probes: readonly Behind[], startedMs: number): EpochInfo {
  const names = [...seen.programs].join(', ');
  const plan = Object.fromEntries(
    STAGES.map((stage): [string, PlanEntry] => {
      const shows = probes.filter(({ stages }) => stages.includes(stage));
      if (shows.length === 0) return [stage, { missing: `${names} does not show it` }];
      return [stage, { probe: shows.map(({ attach }) => attach).join(', ') }];
    }),
  ) as Plan;
  const steps = probes.some(({ line }) => !isLife(line));
  const lives = [...seen.lines].some(isLife);
  return {
    number: 1,
    host: 'text',
    boot_id: 'unknown',
    kernel: 'unknown',
    machine: 'unknown',
    bpftrace: 'unknown',
    cpus: seen.cpus,
    magics: {},
    hidden_magic: null,
    free_themselves: [],
    page_bytes: 4096,
    hugepage_kb: seen.hugepageKb,
    fs: [...seen.fs],
    canaries: [],
    detail: lives ? (steps ? 'auto' : 'lifecycle') : 'steps',
    map_keys: null,
    freed_state: null,
    base_index: seen.baseIndex ?? true,
    counts_misses: false,
    alerts: DEFAULT_ALERTING,
    started_ms: startedMs,
    plan,
  };
}

/** A part of the file, of little time. */
interface Piece {
  readonly offset: number;
  readonly length: number;
  /** Wall clock of its first line, ms. */
  readonly atMs: number;
}

function piecesOf(file: string, beganMs: number): Piece[] {
  const pieces: Piece[] = [];
  let origin: bigint | null = null;
  let atMs = beganMs;
  let offset = 0;
  for (const block of blocksOf(file)) {
    for (const { bytes, ts } of cut(block)) {
      if (ts !== null) {
        origin ??= ts;
        // two buffers of bpftrace may be behind each other
        atMs = Math.max(atMs, beganMs + Number(ts - origin) / 1e6);
      }
      pieces.push({ offset, length: bytes.length, atMs });
      offset += bytes.length;
    }
  }
  return pieces;
}

function readAt(file: string, { offset, length }: Piece): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
  } finally {
    closeSync(fd);
  }
}

/** The file in blocks that end with a line, where lines are not longer than a block. */
function* blocksOf(file: string): Iterable<Buffer> {
  const fd = openSync(file, 'r');
  try {
    let rest = Buffer.alloc(0);
    for (;;) {
      const block = Buffer.alloc(BLOCK_BYTES);
      const length = readSync(fd, block, 0, BLOCK_BYTES, null);
      if (length === 0) break;
      const all = Buffer.concat([rest, block.subarray(0, length)]);
      const end = all.lastIndexOf(10) + 1 || (all.length > BLOCK_BYTES ? all.length : 0);
      if (end > 0) yield all.subarray(0, end);
      rest = all.subarray(end);
    }
    if (rest.length > 0) yield rest;
  } finally {
    closeSync(fd);
  }
}

/** A block in pieces of little time; `ts`: of the first line that has one. */
function* cut(block: Buffer): Iterable<{ bytes: Buffer; ts: bigint | null }> {
  let from = 0;
  let ts: bigint | null = null;
  for (let at = 0; at < block.length; ) {
    const newline = block.indexOf(10, at);
    const end = newline < 0 ? block.length : newline + 1;
    const match = LINE.exec(block.toString('latin1', at, Math.min(end, at + 80)));
    if (match !== null) {
      const now = BigInt(match[2]!);
      if (ts !== null && Number(now - ts) > FRAME_NS) {
        yield { bytes: block.subarray(from, at), ts };
        from = at;
        ts = null;
      }
      ts ??= now;
    }
    at = end;
  }
  if (from < block.length) yield { bytes: block.subarray(from), ts };
}
