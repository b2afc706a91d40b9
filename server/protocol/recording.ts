/**
 * What a recording holds, and so what the pipeline takes: for each epoch who and
 * what was traced, then frames in the order in which they came.
 */
import { z } from 'zod';
import { DEFAULT_ALERTING, RecordedAlerting } from './config.ts';
import { LINE_NAMES, type LineName } from './grammar.ts';
import { trackOf } from './line-kinds.ts';
import { type Plan, STAGES } from './stages.ts';

/** Version of the file format. docs/formats.md has the history. */
export const RECORDING_VERSION = 2;

const PlanEntry = z.union([
  z.object({ probe: z.string(), note: z.string().optional() }),
  z.object({ missing: z.string(), help: z.string().optional() }),
]);

/** One boot of one host, under one plan. */
export const EpochInfo = z.object({
  /** Number of the epoch in the session, from 1. */
  number: z.int().positive(),
  host: z.string(),
  /** /proc/sys/kernel/random/boot_id */
  boot_id: z.string(),
  kernel: z.string(),
  machine: z.string(),
  bpftrace: z.string(),
  cpus: z.int().positive(),
  /** Of a page, and of the default hugepage. */
  page_bytes: z.int().positive().default(4096),
  hugepage_kb: z.int().positive(),
  fs: z.array(z.string()),
  /** Types of filesystems by the magic number of their superblocks, in hexadecimal. */
  magics: z.record(z.string(), z.string()).default({}),
  /** Of these types, those that free their inodes by themselves. */
  free_themselves: z.array(z.string()).default([]),
  /** Filesystems of which a canary must come through before the tracer is ready. */
  canaries: z.array(z.string()),
  /** Superblocks that are traced for a canary alone, by their magic: nothing else of them is shown. */
  hidden_magic: z.int().nonnegative().nullable().default(null),
  /** Whether each stage was told at once, in a line at the end, or as the rate allowed. */
  detail: z.enum(['steps', 'lifecycle', 'auto']).default('steps'),
  /** Entries that a map of the kernel side has room for: inodes, mounts, private hugepages. Null: as bpftrace has it. */
  map_keys: z.int().positive().nullable().default(null),
  /** `I_FREEING | I_CLEAR` of that kernel; null when its BTF does not tell. */
  freed_state: z.int().nonnegative().nullable().default(null),
  /** The page cache of hugetlbfs counts base pages (6.7 and newer), not hugepages. */
  base_index: z.boolean().default(true),
  /** The kernel counts every run of our probes that it skips. */
  counts_misses: z.boolean().default(true),
  /** After how long what is a leak, and which leaks raise alerts. */
  alerts: RecordedAlerting.default(DEFAULT_ALERTING),
  /** Milliseconds since 1970 when tracing was asked for. */
  started_ms: z.number().min(0).max(8.64e15),
  /** A stage that an older lastref did not know is not in its plan. */
  plan: z
    .partialRecord(z.enum(STAGES as [string, ...string[]]), PlanEntry)
    .transform((plan): Plan => {
      const unknown = { missing: 'the lastref that recorded this did not look for it' };
      return Object.fromEntries(STAGES.map((stage) => [stage, plan[stage] ?? unknown])) as Plan;
    }),
});
export type EpochInfo = z.infer<typeof EpochInfo>;

const count = z.int().nonnegative();

const Line = z.enum(LINE_NAMES as [LineName, ...LineName[]]);

/**
 * bpftrace starts. For each track (see grammar.ts) the line that a skipped run of each
 * of its programs costs, in the order of loading; a flat list in the first recordings,
 * where the line tells the track.
 */
export const BeginFrame = z.object({
  programs: z.union([z.array(Line), z.array(z.array(Line))]),
});
export type BeginFrame = z.infer<typeof BeginFrame>;

/** The programs of a begin frame, by track. */
export function byTrack({ programs }: BeginFrame): readonly (readonly LineName[])[] {
  if (programs.every((entry) => typeof entry !== 'string')) return programs as LineName[][];
  const flat = programs as readonly LineName[];
  return [0, 1].map((track) => flat.filter((line) => trackOf(line) === track));
}

/** bpftrace ended. */
export const EndFrame = z.object({ wanted: z.boolean(), why: z.string() });

/**
 * The recording begins in the middle of a run of bpftrace: what was known of the run when
 * it did. Counts are those of the run, so that what the kernel counts further on can be
 * told from what it had counted.
 */
export const ResumeFrame = z.object({
  programs: z.array(z.array(Line)),
  /** By line: what the kernel said it meant to print, and what had arrived. */
  lines: z.array(z.tuple([Line, count, count])),
  /** Events that bpftrace said it lost; lines rejected; missing for good and never told. */
  reported: count,
  rejected: count,
  accepted: count,
  /** Inodes that had no room in a map, and those of which a line is due. */
  full: count,
  kept: count,
  /** By id of a program: runs that the kernel skipped. */
  misses: z.array(z.tuple([count, count])),
  clock: z.object({ uptimeNs: z.number(), wallMs: z.number() }).nullable(),
  /** Each stage is told at once at the moment. */
  steps: z.boolean(),
  /** The newest time of a line that was read before; ns of the epoch. */
  newest: z.number().default(0),
  /** The CPUs that were online; null when the host had not told. */
  online: z.array(count).nullable().default(null),
});
export type ResumeFrame = z.infer<typeof ResumeFrame>;

/** Why a file does not begin where tracing began. */
export const PART_REASONS = ['rotation', 'flight'] as const;

/** `meta.part`, as JSON: the file holds part of what was traced. */
export const RecordingPart = z.object({
  why: z.enum(PART_REASONS),
  /** From 1; of a flight recording always 1. */
  number: z.int().positive(),
  /** The file with what came before, without its directory; null where there is none. */
  previous: z.string().nullable(),
  /** In words: what the file was kept for. */
  text: z.string().default(''),
});
export type RecordingPart = z.infer<typeof RecordingPart>;

/**
 * `out`: bpftrace's standard output; `err`: the agent's; `begin`, `end`, `resume`: JSON.
 */
export type FrameKind = 'out' | 'err' | 'begin' | 'end' | 'resume';
