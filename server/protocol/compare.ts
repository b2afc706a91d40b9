/** What `lastref compare` says of two runs: what scripts read and the page shows. */
import { z } from 'zod';
import { Report } from './report.ts';

const count = z.int().nonnegative();
const ns = z.number().nonnegative();
/** certain, or suspected: a loss, or a difference in how it was observed, could explain it. */
const verdict = z.enum(['certain', 'suspected']);
const p = z.number().min(0).max(1);

/** B divided by A, with a 95 % confidence interval. */
const Ratio = z.object({ value: z.number(), low: z.number(), high: z.number() });

const Durations = z.object({
  count,
  p50_ns: ns,
  p90_ns: ns,
  p99_ns: ns,
  max_ns: ns,
  /** Slices of time that were taken as independent. */
  slices: count,
  /** Of the inodes looked at, those during whose end something was lost. */
  in_gaps: count,
});

/** A test of significance; null where there was too little to test. */
const Test = z.object({
  p: p.nullable(),
  /** Corrected (Holm) for the number of all tests of this comparison. */
  adjusted: p.nullable(),
});

export const LatencyChange = z.object({
  /** Empty where each run has one host. */
  host: z.string(),
  fs: z.string(),
  /** `evict..evict_end`, ... */
  pair: z.string(),
  result: z.enum(['slower', 'faster', 'tail longer', 'tail shorter', 'small', 'none', 'too few']),
  verdict,
  /** What the result rests on, or why there is none. */
  why: z.string(),
  a: Durations,
  b: Durations,
  /** Null where there was too little to say. */
  ratio: z.object({ p50: Ratio, p90: Ratio, p99: Ratio }).nullable(),
  /** Probability that an inode of B took longer than one of A; 0.5: neither. */
  longer: z.number().nullable(),
  /** Of the whole distribution, by ranks. */
  typical: Test,
  /** Of the share of inodes above the 90th percentile of both runs together. */
  tail: Test,
  /** Inodes by duration: `edges_ns[i]` up to `edges_ns[i + 1]`. */
  distribution: z.object({
    edges_ns: z.array(ns),
    a: z.array(count),
    b: z.array(count),
  }),
});
export type LatencyChange = z.infer<typeof LatencyChange>;

/** One order in which inodes of a filesystem went through the stages that both runs see. */
export const OrderChange = z.object({
  host: z.string(),
  fs: z.string(),
  stages: z.array(z.string()),
  result: z.enum(['new', 'vanished', 'more', 'less', 'none', 'too few']),
  verdict,
  /** Inodes that went this way, of all that were seen whole and outside gaps. */
  a: z.object({ count, of: count }),
  b: z.object({ count, of: count }),
  test: Test,
});
export type OrderChange = z.infer<typeof OrderChange>;

const Table = z.object({
  drop_inode: z.string(),
  evict_inode: z.string(),
  destroy_inode: z.string(),
  free_inode: z.string(),
});

export const CallbackChange = z.object({
  host: z.string(),
  fs: z.string(),
  /** `unknown`: it was seen in one run only, or its functions have no names. */
  result: z.enum(['changed', 'none', 'unknown']),
  /** The different tables that superblocks of this type had. */
  a: z.array(Table),
  b: z.array(Table),
  /** Inodes whose i_callback carried another free_inode than the table. */
  contradicted_a: count,
  contradicted_b: count,
  /** Names of the pointers that are not the same. */
  pointers: z.array(z.string()),
});
export type CallbackChange = z.infer<typeof CallbackChange>;

const RuleCounts = z.object({
  checked: count,
  broken: count,
  suspected: count,
  not_checkable: z.string().optional(),
});

export const RuleChange = z.object({
  rule: z.string(),
  name: z.string(),
  result: z.enum([
    'newly broken',
    /** A did not come to check it: it may have been broken before. */
    'broken, not checked in A',
    'newly suspected',
    'no longer broken',
    'no longer suspected',
    'no longer checkable',
    'newly checkable',
    'still broken',
    'still suspected',
    'none',
  ]),
  a: RuleCounts,
  b: RuleCounts,
  /** The first finding in the run that has one. */
  example: z.string(),
});
export type RuleChange = z.infer<typeof RuleChange>;

export const PlanChange = z.object({
  host: z.string(),
  stage: z.string(),
  /** How it was observed in each run; null: not at all. */
  a: z.string().nullable(),
  b: z.string().nullable(),
  /** Why one of them did not observe it. */
  missing: z.string(),
});
export type PlanChange = z.infer<typeof PlanChange>;

const LeakCounts = z.object({ certain: count, suspected: count, resolved: count, pages: count });

export const LeakChange = z.object({
  kind: z.string(),
  result: z.enum(['new', 'vanished', 'none']),
  verdict,
  a: LeakCounts,
  b: LeakCounts,
  /** The text of the first leak in the run that has one. */
  example: z.string(),
});
export type LeakChange = z.infer<typeof LeakChange>;

export const PoolChange = z.object({
  host: z.string(),
  size_kb: count,
  /** At the end of each run; null: the run does not tell. */
  a: z.object({ total: count, free: count, reserved: count.nullable(), surplus: count }).nullable(),
  b: z.object({ total: count, free: count, reserved: count.nullable(), surplus: count }).nullable(),
});
export type PoolChange = z.infer<typeof PoolChange>;

export const ComparedRun = z.object({
  file: z.string(),
  epochs: z.array(
    z.object({
      host: z.string(),
      kernel: z.string(),
      bpftrace: z.string(),
      machine: z.string(),
      cpus: count,
      detail: z.string(),
      started: z.string(),
      seconds: z.number(),
    }),
  ),
  events: count,
  inodes: z.object({ ended: count, live: count, lost: count }),
  losses: Report.shape.losses,
  gaps: count,
  /** Set when the file could not be read to its end. */
  damage: z.string().nullable(),
});
export type ComparedRun = z.infer<typeof ComparedRun>;

/** Something that is not the same; the most important first. */
export const Difference = z.object({
  of: z.enum(['contract', 'leaks', 'callbacks', 'order', 'latency']),
  verdict,
  text: z.string(),
});
export type Difference = z.infer<typeof Difference>;

export const Comparison = z.object({
  format: z.literal(1),
  /** `differs`: at least one certain difference; `may differ`: suspected ones alone. */
  outcome: z.enum(['differs', 'may differ', 'no difference', 'nothing to compare']),
  /** The outcome in one sentence. */
  text: z.string(),
  differences: z.array(Difference),
  /** What makes the comparison weaker; the worst first. */
  weaknesses: z.array(z.string()),
  a: ComparedRun,
  b: ComparedRun,
  method: z.object({
    /** Probability of even one false alarm in all tests, were both runs the same process. */
    alpha: z.number(),
    /** A change of a duration below this is called small, however sure, percent. */
    at_least_percent: z.number(),
    tests: count,
    permutations: count,
    min_slices: count,
    min_inodes: count,
    confidence_percent: z.number(),
    seed: count,
  }),
  latencies: z.array(LatencyChange),
  orders: z.array(OrderChange),
  callbacks: z.array(CallbackChange),
  contract: z.array(RuleChange),
  plan: z.array(PlanChange),
  hugepages: z.object({ a: Report.shape.hugepages, b: Report.shape.hugepages }),
  leaks: z.array(LeakChange),
  pools: z.array(PoolChange),
});
export type Comparison = z.infer<typeof Comparison>;
