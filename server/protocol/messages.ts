/**
 * What crosses the WebSocket at /ws. Text frames, one JSON object each.
 *
 * The client says which view it shows (`subscribe`); the server answers with an
 * `update` that holds every section of that view in full, and from then on, at
 * most ten times a second, with updates that hold only the sections that changed.
 * Sections replace what the client has, except `series` and `latency`, whose points are
 * appended, and `lanes`, which says itself what it adds to. A client that reconnects subscribes again and gets everything anew. A replay
 * that jumps sends everything anew, too.
 */
import { z } from 'zod/mini';
import type { AlertsView, FiringSummary } from './alerts.ts';
import type { Comparison } from './compare.ts';
import type { HostsUpdate, Ledger } from './hosts.ts';
import type { LanesBlock } from './lanes.ts';
import type { HugepagesOfPool, LeakRow, PoolsView } from './pool-map.ts';
import type { ReplayMarks, ReplayStatus } from './replay.ts';
import type { ByFs } from './report.ts';
import type { LatencySeries, Series, StageLatency } from './series.ts';
import type { Context, InodeStage } from './stages.ts';

export const MESSAGE_VERSION = 3;

export const VIEWS = [
  'overview',
  'inodes',
  'timeline',
  'inode',
  'hugepages',
  'callbacks',
  'contract',
  'alerts',
  'losses',
  'hosts',
  'compare',
] as const;
export type View = (typeof VIEWS)[number];

export const INODE_SORTS = ['recent', 'ino', 'pages', 'owed', 'evict_ns', 'grace_ns'] as const;

/** `operator`: may do everything. `viewer`: sees everything, and changes nothing. */
export const ROLES = ['operator', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

/** Why a viewer is refused, over HTTP and the WebSocket. */
export const VIEWER_MAY_NOT =
  'this link is for looking only: silences and the controls of a replay need the link of the operator';

/** Client to server: show this view from now on. In a replay a client also sends ReplayMessage. */
export const Subscribe = z.object({
  type: z.literal('subscribe'),
  view: z.enum(VIEWS),
  /** Host filter: a host's name; all hosts without it. */
  host: z.optional(z.string().check(z.maxLength(256))),
  /** Inodes: the filter expression (parseFilter bounds it), the order, and the rows in sight. */
  filter: z.optional(z.string()),
  sort: z.optional(z.enum(INODE_SORTS)),
  descending: z.optional(z.boolean()),
  offset: z.optional(z.number().check(z.int(), z.gte(0), z.lte(10_000_000))),
  limit: z.optional(z.number().check(z.int(), z.gte(0), z.lte(500))),
  /** Inodes, timeline: only those that were there between these, wall clock in ms. */
  from: z.optional(z.number()),
  to: z.optional(z.number()),
  /** Overview: the pair of stages whose latency is wanted over time, `destroy_inode..i_callback`. */
  pair: z.optional(z.string().check(z.maxLength(64))),
  /** Inode: the `id` of an InodeRow. */
  inode: z.optional(z.string().check(z.maxLength(64))),
  /** Contract: the `id` of a FindingRow whose lines are wanted. */
  finding: z.optional(z.string().check(z.maxLength(64))),
});
export type Subscribe = z.infer<typeof Subscribe>;

/** Server to client. */
export type ServerMessage = Hello | Update | ErrorMessage;

/** The first message on a connection. */
export interface Hello {
  readonly type: 'hello';
  readonly version: typeof MESSAGE_VERSION;
  readonly lastref: string;
  readonly role: Role;
  /** `compare`: two recordings side by side; there is the view of that name alone. */
  readonly mode: 'live' | 'replay' | 'compare';
  /** Shown across the page, e.g. that this is a recording and why. */
  readonly banner: string | null;
  /** The running workload, as typed; null without one. */
  readonly workload: string | null;
}

/** The request could not be met; the last good subscription stays. */
export interface ErrorMessage {
  readonly type: 'error';
  /** What was wrong, where, and what to do. */
  readonly message: string;
  /** For a filter: where in the expression, in characters. */
  readonly at?: number;
}

export interface Update {
  readonly type: 'update';
  /** Counts up by one per message on this connection. */
  readonly seq: number;
  readonly view: View;
  /** How many updates were folded into this one because the client was slow. */
  readonly coalesced: number;
  /** Server's wall clock, milliseconds since 1970; in a replay that of the recording. */
  readonly now_ms: number;
  /** In every view: each host with its tracer, plan and ledger. */
  readonly hosts?: HostsUpdate;
  /** In every view. */
  readonly firing?: FiringSummary;
  /** In every view of a replay. */
  readonly replay?: ReplayStatus;
  readonly marks?: ReplayMarks;
  /** In every view of a live session that is recorded, whenever there is another; to operators. */
  readonly recorded?: readonly RecordedFile[];
  /** Overview; when it is live, in every view: the time bar is made of it. */
  readonly series?: Series;
  /** Overview: appended, as `series`. */
  readonly latency?: LatencySeries;
  /** Overview and callbacks. */
  readonly latencies?: readonly StageLatency[];
  readonly totals?: Totals;
  /** Inodes. */
  readonly inodes?: InodePage;
  /** Timeline: a part to be added to what was sent before. */
  readonly lanes?: LanesBlock;
  /** Inode; null when it is not (or no longer) known. */
  readonly inode?: InodeDetail | null;
  /** Hugepages. */
  readonly hugepages?: readonly HugepagesOfPool[];
  readonly pools?: PoolsView;
  /** Hugepages, inode: leaks that hugepages are in, firing ones first. */
  readonly leaks?: readonly LeakRow[];
  /** Callbacks. */
  readonly callbacks?: readonly CallbackRow[];
  readonly filesystems?: ByFs;
  /** Contract. */
  readonly contract?: ContractView;
  /** Contract: the finding that was asked for; null when there is none, or it was withdrawn. */
  readonly finding?: FindingDetail | null;
  /** Alerts. */
  readonly alerts?: AlertsView;
  /** Losses. */
  readonly losses?: LossesView;
  /** Compare; null when this server compares nothing. */
  readonly compare?: Comparison | null;
}

/** A file of a live session's recording. The newest ones are told, oldest first. */
export interface RecordedFile {
  /** On the machine of the server, absolute. */
  readonly file: string;
  /** Wall clock of when it was begun, ms since 1970. */
  readonly from_ms: number;
}

/** One probe's part of the ledger. */
export interface ProbeLedger extends Ledger {
  readonly host: string;
  readonly probe: string;
  readonly stage: string;
}

export interface Totals {
  readonly inodes_live: number;
  readonly inodes_ended: number;
  /** Inodes whose end fell into a gap; part of inodes_ended. */
  readonly inodes_lost: number;
  /** Null where no host shows hugepages being freed. */
  readonly hugepages_freed: number | null;
  readonly hugepages_attributed: number | null;
  /** Hugepages that left their inode's page cache and are not yet back. */
  readonly hugepages_outstanding: number | null;
}

/**
 * Where an incarnation stands. `open`: seen, not in evict (it has hugepages or
 * was born while tracing). `grace`: destroyed, waiting for RCU. `ended`: freed.
 * `lost`: its end fell into a gap.
 */
export type InodeState = 'open' | 'evicting' | 'grace' | 'ended' | 'lost';

/** One incarnation in the table. Durations are null when a stage was not seen. */
export interface InodeRow {
  /** `<epoch number>.<incarnation number>`: unique in the session. */
  readonly id: string;
  readonly host: string;
  readonly fs: string;
  /** `major:minor` */
  readonly dev: string;
  readonly ino: number;
  /** Sixteen hex digits; empty where the host shows no address. */
  readonly address: string;
  readonly state: InodeState;
  /** Wall clock of evict begin (else of the first sighting), ms. */
  readonly at_ms: number;
  readonly pid: number;
  readonly comm: string;
  /** Hugepages held at evict, given back since, and still owed. */
  readonly pages: number;
  /** Null where the way back to the pool is not observable on this host. */
  readonly freed: number | null;
  readonly owed: number | null;
  readonly size: number;
  readonly nlink: number | null;
  /** evict begin to evict end. */
  readonly evict_ns: number | null;
  /** destroy_inode to i_callback: the grace period. */
  readonly grace_ns: number | null;
  /** True when losses overlap its life: what is missing may have been lost. */
  readonly doubtful: boolean;
}

export interface InodePage {
  readonly total: number;
  readonly matched: number;
  readonly offset: number;
  readonly rows: readonly InodeRow[];
  /** Ended inodes dropped from memory (oldest first); counted in totals. */
  readonly dropped: number;
  /** Of these, those that a jump of a replay passed over: they are listed when it is played from before them. */
  readonly left_out: number;
}

/** One line of evidence on an inode's timeline. */
export interface TimelineEntry {
  /** A stage, or `hugepage_add`, `hugepage_remove`, `hugepage_free`, `reserve`, `unreserve`, ... */
  readonly what: string;
  /** Nanoseconds since evict begin (or the first sighting); may be negative. */
  readonly ns: number;
  readonly cpu: number;
  readonly context: Context;
  readonly pid: number;
  readonly tid: number;
  readonly comm: string;
  /** Human detail: `folio ff.. index 3 refcount 514`. */
  readonly detail: string;
}

/** What became of one hugepage of an inode. */
export interface InodeHugepage {
  readonly folio: string;
  /** Page frame number; null where it cannot be computed. */
  readonly pfn: number | null;
  readonly index: number;
  readonly fate: 'cached' | 'removed' | 'pool' | 'buddy' | 'unknown';
  /** References beyond the page cache's own when it left the cache; null: not seen. */
  readonly extra_refs: number | null;
  /** Nanoseconds from removal to free; null: not (yet) freed. */
  readonly back_ns: number | null;
}

export interface InodeDetail {
  readonly row: InodeRow;
  /** For each stage: seen at (ns since evict), or why not. */
  readonly stages: readonly {
    readonly stage: InodeStage;
    readonly ns: number | null;
    readonly context: Context;
    /** Why there is no time: `not observable here: ...`, `lost`, `not reached`, `not called: s_op->destroy_inode is NULL`. */
    readonly why: string;
  }[];
  readonly timeline: readonly TimelineEntry[];
  readonly hugepages: readonly InodeHugepage[];
  readonly callbacks: CallbackRow | null;
  /** Every rule of the contract, and what came of it on this inode. */
  readonly rules: readonly InodeRule[];
}

export interface InodeRule {
  readonly rule: string;
  readonly name: string;
  readonly statement: string;
  /** `unknown`: not checked on it; `why` says so where the host cannot show it at all. */
  readonly verdict: 'held' | 'broken' | 'suspected' | 'unknown';
  readonly why: string;
  /** The `id` of a FindingRow; empty when there is none, or it is not kept. */
  readonly finding: string;
}

/** The s_op table of one superblock, by symbol name; `0` is a NULL pointer. */
export interface CallbackRow {
  readonly host: string;
  readonly fs: string;
  readonly dev: string;
  readonly drop_inode: string;
  readonly evict_inode: string;
  readonly destroy_inode: string;
  readonly free_inode: string;
  /** Which documented combination of destroy_inode and free_inode applies (Documentation/filesystems/porting.rst). */
  readonly rule: string;
  /** Checked against what ran: inodes whose i_callback carried this free_inode, and others. */
  readonly confirmed: number;
  readonly contradicted: number;
}

/** A rule of the contract, over the hosts shown. */
export interface RuleRow {
  readonly rule: string;
  readonly name: string;
  readonly statement: string;
  /** Kernel file and function. */
  readonly source: string;
  /** Kernels it was tried on. */
  readonly kernels: string;
  readonly checked: number;
  /** Certain. */
  readonly broken: number;
  readonly suspected: number;
  /** Were suspected until a late line came. */
  readonly withdrawn: number;
  /** Why no host shown can check it; null where one can. */
  readonly not_checkable: string | null;
}

/** A rule that is broken, or seems so. */
export interface FindingRow {
  /** `<epoch number>.<finding number>`: unique in the session. */
  readonly id: string;
  readonly host: string;
  readonly rule: string;
  readonly name: string;
  readonly verdict: 'certain' | 'suspected';
  /** Wall clock when it showed, ms. */
  readonly at_ms: number;
  /** The inode, `id` of an InodeRow; empty when it is about none, or that is not known. */
  readonly inode: string;
  readonly fs: string;
  readonly dev: string;
  readonly ino: number;
  /** What it is about beside an inode: `hugepage ff..`, `subpool ff..`; may be empty. */
  readonly what: string;
  /** What was seen and what was expected. */
  readonly sentence: string;
}

export interface ContractView {
  readonly rules: readonly RuleRow[];
  /** Certain ones first, then the newest first. */
  readonly findings: readonly FindingRow[];
  /** Findings that are counted and not kept. */
  readonly dropped: number;
  /** Claims that wait until all losses of their time are known. */
  readonly pending: number;
}

export interface FindingDetail {
  readonly row: FindingRow;
  readonly statement: string;
  readonly source: string;
  /** The lines that show it, in the order of time; ns since the first of them. */
  readonly lines: readonly TimelineEntry[];
  readonly lines_more: number;
}

export interface Gap {
  readonly host: string;
  readonly from_ms: number;
  /** Null: still open. */
  readonly to_ms: number | null;
  readonly lost: number;
  readonly where: 'not_run' | 'map_full' | 'ring_buffer' | 'rejected' | 'tracer_down';
  readonly detail: string;
}

export interface LossesView {
  readonly probes: readonly ProbeLedger[];
  readonly gaps: readonly Gap[];
  /** Samples of rejected lines, escaped. */
  readonly samples: readonly {
    readonly host: string;
    readonly line: string;
    readonly why: string;
  }[];
}
