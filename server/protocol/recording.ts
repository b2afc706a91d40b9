/**
 * What a recording holds, and so what the pipeline takes: for each epoch who and
 * what was traced, then frames in the order in which they came.
 */
import { z } from 'zod';
import { LINE_NAMES } from './grammar.ts';
import { STAGES } from './stages.ts';

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
  /** Milliseconds since 1970 when tracing was asked for. */
  started_ms: z.number(),
  plan: z.record(z.enum(STAGES as [string, ...string[]]), PlanEntry),
});
export type EpochInfo = Omit<z.infer<typeof EpochInfo>, 'plan'> & {
  plan: import('./stages.ts').Plan;
};

/** bpftrace starts: the line that each of its probes prints, in the order of the program. */
export const BeginFrame = z.object({
  programs: z.array(z.enum(LINE_NAMES as [string, ...string[]])),
});
/** bpftrace ended. */
export const EndFrame = z.object({ wanted: z.boolean(), why: z.string() });

/** `out`: bpftrace's standard output; `err`: the agent's; `begin`, `end`: JSON. */
export type FrameKind = 'out' | 'err' | 'begin' | 'end';
