/**
 * What a recording holds, and so what the pipeline takes: for each epoch who and
 * what was traced, then frames in the order in which they came.
 */
import { z } from 'zod';
import { DEFAULT_ALERTING, RecordedAlerting } from './config.ts';
import { LINE_NAMES, type LineName, trackOf } from './grammar.ts';
import { type Plan, STAGES } from './stages.ts';

/** Version of the file format. docs/formats.md has the history. */
export const RECORDING_VERSION = 1;

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
  hugepage_kb: z.int().positive(),
  fs: z.array(z.string()),
  /** Filesystems of which a canary must come through before the tracer is ready. */
  canaries: z.array(z.string()),
  /** Whether each stage was told at once, in a line at the end, or as the rate allowed. */
  detail: z.enum(['steps', 'lifecycle', 'auto']).default('steps'),
  /** Inodes that the maps of the line at the end have room for. */
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
  started_ms: z.number(),
  /** A stage that an older lastref did not know is not in its plan. */
  plan: z
    .partialRecord(z.enum(STAGES as [string, ...string[]]), PlanEntry)
    .transform((plan): Plan => {
      const unknown = { missing: 'the lastref that recorded this did not look for it' };
      return Object.fromEntries(STAGES.map((stage) => [stage, plan[stage] ?? unknown])) as Plan;
    }),
});
export type EpochInfo = z.infer<typeof EpochInfo>;

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

/** `out`: bpftrace's standard output; `err`: the agent's; `begin`, `end`: JSON. */
export type FrameKind = 'out' | 'err' | 'begin' | 'end';
