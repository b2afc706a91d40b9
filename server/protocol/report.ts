/** The report: what scripts and CI systems read. Keys are fixed; new ones may be added. */
import { z } from 'zod';
import { Alert } from './alerts.ts';
import { Leak } from './leaks.ts';
import type { BackWhen } from './stages.ts';

const count = z.int().nonnegative();

export const Report = z.object({
  format: z.literal(1),
  epochs: z.array(
    z.object({
      id: z.string(),
      host: z.string(),
      kernel: z.string(),
      bpftrace: z.string(),
      /** ISO 8601 */
      started: z.string(),
      plan: z.record(
        z.string(),
        z.union([
          z.object({ probe: z.string(), note: z.string().optional() }),
          z.object({ missing: z.string(), help: z.string().optional() }),
        ]),
      ),
    }),
  ),
  events: z.object({ decoded: count, rejected: count, late: count }),
  losses: z.object({
    /** Null: the kernel does not tell. */
    not_run: count.nullable(),
    map_full: count,
    ring_buffer: count,
    rejected: count,
    /** Null while events are on their way. */
    balanced: z.boolean().nullable(),
  }),
  inodes: z.object({
    ended: count,
    live: count,
    /** Part of `ended`: their end fell into a gap. */
    lost: count,
    by_fs: z.record(
      z.string(),
      z.object({
        ended: count,
        live: count,
        lost: count,
        /** Inodes by where their i_callback() ran, as far as that was seen. */
        i_callback: z.object({ softirq: count, ksoftirqd: count, rcu_thread: count }),
        /** Their hugepages by when they came back. Null where no host shows that. */
        hugepages_back: z
          .object({
            before_evict: count,
            evict_inode: count,
            destroy_inode: count,
            evict: count,
            grace_period: count,
            later: count,
          } satisfies Record<BackWhen, unknown>)
          .nullable(),
      }),
    ),
  }),
  /** By pair of stages, all filesystems together, then `PAIR FS` for each. */
  stages: z.record(
    z.string(),
    z.object({ count, p50_ns: count, p90_ns: count, p99_ns: count, max_ns: count }),
  ),
  callbacks: z.array(
    z.object({
      host: z.string(),
      fs: z.string(),
      s_dev: z.string(),
      drop_inode: z.string(),
      evict_inode: z.string(),
      destroy_inode: z.string(),
      free_inode: z.string(),
      rule: z.string(),
      confirmed: count,
      contradicted: count,
    }),
  ),
  /** Null where no host shows hugepages being freed. */
  hugepages: z.object({
    allocated: count,
    freed: count.nullable(),
    attributed: count.nullable(),
    outstanding: count.nullable(),
  }),
  pools: z.array(
    z.object({
      host: z.string(),
      size_kb: count,
      /** -1: the whole host. */
      node: z.int(),
      total: count,
      free: count,
      /** Below zero where the kernel's unsigned counter is. */
      reserved: z.int().nullable(),
      surplus: count,
    }),
  ),
  contract: z.array(
    z.object({
      rule: z.string(),
      name: z.string(),
      /** Inodes, hugepages, subpools or mounts it was checked on. */
      checked: count,
      /** Certain. */
      broken: count,
      /** A loss, or what is not observed, could explain it. */
      suspected: count,
      /** Were suspected until a late line came. */
      withdrawn: count,
      /** Why no host could check it. */
      not_checkable: z.string().optional(),
    }),
  ),
  /** What broke the contract, or seems to: at most 20 of each rule and verdict. */
  findings: z.array(
    z.object({
      rule: z.string(),
      verdict: z.enum(['certain', 'suspected']),
      host: z.string(),
      /** Nanoseconds of the epoch. */
      ts_ns: z.number(),
      fs: z.string(),
      s_dev: z.string(),
      /** Null: it is about no inode, or that is not known. */
      ino: count.nullable(),
      what: z.string(),
      sentence: z.string(),
    }),
  ),
  /**
   * Of a recording that is not whole, or whose origin is not known: what is missing, in
   * sentences. Not there otherwise.
   */
  recording: z.object({ notes: z.array(z.string()) }).optional(),
  leaks: z.array(Leak),
  alerts: z.array(Alert),
  gaps: z.array(
    z.object({
      host: z.string(),
      /** Nanoseconds of the epoch; null: not yet over. */
      from_ns: z.number(),
      to_ns: z.number().nullable(),
      lost: count,
      where: z.string(),
      detail: z.string(),
    }),
  ),
});
/** What is counted of the inodes of each filesystem. */
export type ByFs = Report['inodes']['by_fs'];
export type Report = z.infer<typeof Report>;
