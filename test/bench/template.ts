/**
 * What is repeated: the whole lives in a real recording, from the line that begins each
 * to the one that ends it, with the fields that tell who it is marked.
 */
import type { EventOf, TraceEvent } from '../../server/protocol/events.ts';
import { LINES, type LineName, type LineSpec } from '../../server/protocol/grammar.ts';
import { HITS_PER_LINE, UNCOUNTED_LINES } from '../../server/protocol/line-kinds.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { INODE_STAGES } from '../../server/protocol/stages.ts';
import { type Frame, RecordingReader } from '../../server/recording/reader.ts';
import { Decoder } from '../../server/tracer/decoder.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { feed } from '../../server/tracer/tracer.ts';

/** One line of a life; the words whose index is in a list are shifted. */
export interface TemplateLine {
  readonly name: LineName;
  /** Nanoseconds after the first line of the template. */
  readonly at: number;
  /** Its words, the name first. */
  readonly words: readonly string[];
  readonly inodes: readonly number[];
  readonly folios: readonly number[];
  readonly numbers: readonly number[];
  readonly tasks: readonly number[];
}

export interface Template {
  readonly info: EpochInfo;
  /** Everything until the tracer was ready, as it came. */
  readonly before: readonly Frame[];
  /** Time of the newest line in there, nanoseconds since boot. */
  readonly readyAt: bigint;
  /** Lines that were printed in there, by name. */
  readonly printed: ReadonlyMap<LineName, number>;
  /** What the kernel has counted of it under other keys than that of the line alone, by id. */
  readonly countedApart: ReadonlyMap<number, number>;
  /** Inodes that ended in there, canaries apart. */
  readonly endedBefore: number;
  readonly lives: Lives;
  /** About superblocks: once, before the lives. */
  readonly once: readonly TemplateLine[];
  /** In the order of time. */
  readonly lines: readonly TemplateLine[];
  readonly inodes: number;
  /** Calls of kernel functions, or hits of tracepoints, that the lines tell of. */
  readonly calls: number;
  /** The agent's last word on the programs of each track: `17:1060:0 26:1062:0`. */
  readonly misses: readonly { readonly track: string; readonly programs: string }[];
  /** CPU and track of each program that has beats. */
  readonly beats: readonly string[];
}

/** The kinds of lives a recording can be made of. */
export type Lives = 'steps' | 'lines at the end';

interface Told {
  readonly event: TraceEvent;
  readonly words: readonly string[];
}

/**
 * `seconds`: lives that begin within this time of the first. Throws RangeError for a
 * recording in which the tracer was never ready, or no life is whole.
 */
export function readTemplate(file: string, lives: Lives, seconds: number): Template {
  const reader = new RecordingReader(file);
  const info = reader.epochs[0]!;
  const frames = [...reader.frames()].filter(
    ({ epoch, kind }) => epoch === info.number && kind !== 'end',
  );
  reader.close();
  const ready = framesUntilReady(info, frames);
  if (ready === null) throw new RangeError(`${file}: the tracer was never ready in it`);
  const before = frames.slice(0, ready.frames);
  const told = linesOf(before);
  const later = linesOf(frames.slice(ready.frames));
  later.sort((a, b) => stampOf(a) - stampOf(b));
  const whole = wholeLives(later, lives, seconds * 1e9);
  if (whole.length === 0) throw new RangeError(`${file}: no inode lives from birth to end in it`);
  const from = stampOf(whole[0]!);
  const once = later.filter(({ event: { kind } }) => kind === 'sb' || kind === 'sb_size');
  const printed = new Map<LineName, number>();
  for (const { event } of told) printed.set(event.kind, (printed.get(event.kind) ?? 0) + 1);
  return {
    info,
    lives,
    before,
    readyAt: BigInt(told.reduce((a, b) => (stampOf(b) > stampOf(a) ? b : a)).words[1]!),
    printed,
    countedApart: countedApart(before),
    endedBefore: ready.ended,
    once: once.map((line) => templateLine(line, stampOf(line))),
    lines: whole.map((line) => templateLine(line, from)),
    inodes: whole.filter(({ event }) => ENDS.has(event.kind)).length,
    calls: whole.reduce((sum, { event }) => sum + callsIn(event), 0),
    misses: lastMisses(frames),
    beats: [
      ...new Set(
        [...told, ...later]
          .filter(({ event }) => event.kind === 'beat')
          .map(({ event }) => `${event.cpu} 0 0 ${(event as EventOf<'beat'>).track}`),
      ),
    ],
  };
}

/** Nanoseconds since boot; a double holds those of a hundred days. */
function stampOf({ words }: Told): number {
  return Number(words[1]);
}

/** How many frames it takes until every canary has come through; null if they never do. */
function framesUntilReady(
  info: EpochInfo,
  frames: readonly Frame[],
): { frames: number; ended: number } | null {
  const pipeline = new Pipeline(info, { keep: 1000 });
  for (let i = 0; i < frames.length; i++) {
    feed(pipeline, frames[i]!.kind, frames[i]!.bytes);
    if (pipeline.readyAt === null) continue;
    const counts = [...pipeline.model.inodes.filesystems.counts.values()];
    return { frames: i + 1, ended: counts.reduce((sum, { ended }) => sum + ended, 0) };
  }
  return null;
}

/** Several programs may print the same line; each but the first counts under a key of its own. */
function countedApart(frames: readonly Frame[]): Map<number, number> {
  const last = new Map<number, number>();
  for (const { kind, bytes } of frames) {
    if (kind !== 'out') continue;
    const said = bytes.toString('latin1');
    for (const [, key, count] of said.matchAll(/^@hits(?:_|\[)(\d+)\]?: (\d+)$/gm)) {
      if (Number(key) >= HITS_PER_LINE) last.set(Number(key), Number(count));
    }
  }
  const byId = new Map<number, number>();
  for (const [key, count] of last) {
    byId.set(key % HITS_PER_LINE, (byId.get(key % HITS_PER_LINE) ?? 0) + count);
  }
  return byId;
}

/** The lines of the standard output that are events. */
function linesOf(frames: readonly Frame[]): Told[] {
  const text = Buffer.concat(frames.filter((f) => f.kind === 'out').map((f) => f.bytes));
  const events: TraceEvent[] = [];
  const ignore = () => {};
  const sink = { hits: ignore, lost: ignore, full: ignore, kept: ignore, frame: ignore };
  const decoder = new Decoder({
    ...sink,
    program: ignore,
    rejected: ignore,
    event: (event) => events.push(event),
  });
  const lines = text.toString('latin1').split('\n');
  const told: Told[] = [];
  for (const line of lines) {
    events.length = 0;
    decoder.push(Buffer.from(`${line}\n`, 'latin1'));
    if (events[0] !== undefined) told.push({ event: events[0], words: line.split(' ') });
  }
  return told;
}

const ENDS: ReadonlySet<LineName> = new Set([
  'free_inode',
  'life',
  'tp_life',
  'raw_life',
  'tp_free_inode',
  'raw_free_inode',
]);

/** What another tracer would have recorded an event of, each. */
function callsIn(event: TraceEvent): number {
  if (event.kind === 'tp_life' || event.kind === 'raw_life') return 2; // hugetlbfs_evict_inode and hugetlbfs_free_inode
  if (event.kind !== 'life') return 1;
  // the field free_inode is the pointer that i_callback() found
  return INODE_STAGES.filter((stage) => event[stage === 'free_inode' ? 'free_op' : stage] > 0)
    .length;
}

interface Life {
  readonly lines: Told[];
  ended: boolean;
}

/** The lines of the lives that begin and end in here; a folio or a task leads to its inode. */
function wholeLives(lines: readonly Told[], lives: Lives, withinNs: number): Told[] {
  const open = new Map<number, Life>();
  const ofFolio = new Map<number, Life>();
  const ofTask = new Map<number, Life>();
  const all: Life[] = [];
  for (const told of lines) {
    const { event } = told;
    if ((UNCOUNTED_LINES as readonly LineName[]).includes(event.kind)) continue;
    const key = 'inode' in event ? event.inode : 'ino' in event ? -event.ino : null;
    const begins = lives === 'steps' ? /(^|_)alloc_inode$/ : /life$/;
    if (key !== null && begins.test(event.kind)) {
      const life = { lines: [], ended: false };
      open.set(key, life);
      all.push(life);
    }
    const folio = 'folio' in event ? event.folio : null;
    let life = key !== null ? open.get(key) : undefined;
    if (key === null) life = folio !== null ? ofFolio.get(folio) : ofTask.get(event.tid);
    if (life === undefined) continue;
    life.lines.push(told);
    if (event.kind === 'hugepage_add') ofFolio.set(event.folio, life);
    if (event.kind === 'evict') ofTask.set(event.tid, life);
    if (event.kind === 'evict_end') ofTask.delete(event.tid);
    if (ENDS.has(event.kind)) {
      life.ended = true;
      open.delete(key!);
    }
  }
  const complete = all.filter((life) => life.ended);
  const until = complete.length === 0 ? 0 : stampOf(complete[0]!.lines[0]!) + withinNs;
  const whole = complete
    .filter(({ lines: [first] }) => stampOf(first!) < until)
    .flatMap((life) => life.lines);
  return whole.sort((a, b) => stampOf(a) - stampOf(b));
}

function templateLine({ event, words }: Told, from: number): TemplateLine {
  const fields: LineSpec['fields'] = LINES[event.kind].fields;
  // after the name, the time, CPU, process and task
  const of = (wanted: (field: string, type: string) => boolean) =>
    fields.flatMap(([field, type], i) =>
      wanted(field, type) && words[i + 5] !== '0' ? [i + 5] : [],
    );
  return {
    name: event.kind,
    at: Number(words[1]) - from,
    words,
    inodes: of((field, type) => type === 'a' && !['folio', 'sb'].includes(field)),
    folios: of((field) => field === 'folio'),
    numbers: of((field) => field === 'ino' || field === 'pfn'),
    tasks: [3, 4].filter((i) => words[i] !== '0'),
  };
}

function lastMisses(frames: readonly Frame[]): Template['misses'] {
  const last = new Map<string, string>();
  for (const { kind, bytes } of frames) {
    if (kind !== 'err') continue;
    for (const line of bytes.toString('latin1').split('\n')) {
      const match = /^a misses [\d.]+ ([01]) (.+)$/.exec(line);
      if (match === null) continue;
      const [, track, programs] = match as unknown as [string, string, string];
      // while probes are taken off, fewer are told of
      if (programs.length >= (last.get(track)?.length ?? 0)) last.set(track, programs);
    }
  }
  return [...last].map(([track, programs]) => ({ track, programs }));
}

/** Ended incarnations kept, as a server does. */
export const KEEP = 20_000;
/** Events in a second of a generated trace: a host at full churn. */
export const RATE = 200_000;

/** What decoder and model are measured with. */
export const INPUTS: readonly { readonly name: string; readonly read: () => Template }[] = [
  { name: 'steps', read: () => readTemplate(at('../../samples/demo-6.12.lastref'), 'steps', 8) },
  {
    name: 'lifecycle',
    read: () => readTemplate(at('inputs/lifecycle.lastref'), 'lines at the end', 60),
  },
  { name: 'lives', read: () => readTemplate(at('inputs/lives.lastref'), 'lines at the end', 1) },
];

function at(file: string): string {
  return new URL(file, import.meta.url).pathname;
}
