/** The hosts of a session, as a client is told of them. */
import type { Plan } from './stages.ts';

/** With more hosts than this, what is shown of all of them is put together; of some views, one host at a time. */
export const APART = 8;

export type TracerStatus =
  | 'connecting' // reaching the host, booting a guest
  | 'planning' // asking the host what it offers
  | 'attaching' // bpftrace runs; no canary has come through yet
  | 'ready' // a canary inode has come through every planned stage
  | 'blind' // bpftrace runs, and none of its probes does; a gap is open
  | 'restarting' // bpftrace or the connection was lost; a gap is open
  | 'stopped' // ended on purpose
  | 'failed'; // cannot trace; `message` says why and what to do

/** One host of the session. */
export interface HostState {
  readonly host: string;
  readonly status: TracerStatus;
  /** Progress while not ready; the reason and what to do when failed. */
  readonly message: string;
  /** Boot id: the epoch. Empty until known. */
  readonly epoch: string;
  readonly kernel: string;
  readonly bpftrace: string;
  readonly fs: readonly string[];
  readonly plan: Plan | null;
  /** Milliseconds since the tracer's last line; null before the first. */
  readonly silent_ms: number | null;
  readonly events_per_s: number;
  readonly ledger: Ledger;
  readonly gaps: number;
  /** Certain and suspected breaches of the contract. */
  readonly broken: number;
  readonly suspected: number;
  readonly detail: HostDetail | null;
  readonly inodes_live: number;
  readonly inodes_ended: number;
  /** Hugepages of all sizes, KiB; null before the first counters. */
  readonly pool: { readonly total_kb: number; readonly used_kb: number } | null;
  /** Leaks that last, pages of them, and whether one of them is certain. */
  readonly leaks: { readonly firing: number; readonly pages: number; readonly certain: boolean };
}

/** Of one host, what changed; all of it the first time. */
export type HostChange = Pick<HostState, 'host'> & Partial<HostState>;

export interface HostsUpdate {
  /** All hosts, in their order, when there are others than before: one not named here is gone. */
  readonly names?: readonly string[];
  readonly changed: readonly HostChange[];
}

/** What the kernel side tells of each inode at the moment; null before it is known. */
export interface HostDetail {
  readonly asked: 'steps' | 'lifecycle' | 'auto';
  /** Each stage is told at once; otherwise in one line when the inode ends. */
  readonly steps: boolean;
  /** When that last changed by itself, milliseconds since 1970; 0: never. */
  readonly since_ms: number;
  /** Inodes a second when it changed. */
  readonly rate: number;
}

/** Where every hit of a probe went. Counts of events. */
export interface Ledger {
  /** Hits of the kernel functions: programs run plus not_run. */
  readonly kernel_hits: number;
  /** Lines decoded into events. */
  readonly decoded: number;
  /** The program never ran: another tracing program was active on that CPU. Null: this kernel does not tell. */
  readonly not_run: number | null;
  readonly map_full: number;
  readonly ring_buffer: number;
  readonly rejected: number;
  /** Hits counted in the kernel whose line has not arrived yet; 0 in a quiet second. */
  readonly in_flight: number;
  /** Hits = decoded + losses, exactly; null while events are in flight or the counts are not known. */
  readonly balanced: boolean | null;
}

/** One ledger for several hosts or probes. Balanced when all are; unknown when one is not known. */
export function addLedgers(ledgers: readonly Ledger[]): Ledger {
  const sum = (pick: (ledger: Ledger) => number) =>
    ledgers.reduce((total, ledger) => total + pick(ledger), 0);
  const told = ledgers.filter((ledger) => ledger.not_run !== null);
  return {
    kernel_hits: sum((ledger) => ledger.kernel_hits),
    decoded: sum((ledger) => ledger.decoded),
    not_run: told.length === 0 ? null : sum((ledger) => ledger.not_run ?? 0),
    map_full: sum((ledger) => ledger.map_full),
    ring_buffer: sum((ledger) => ledger.ring_buffer),
    rejected: sum((ledger) => ledger.rejected),
    in_flight: sum((ledger) => ledger.in_flight),
    balanced: ledgers.some((ledger) => ledger.balanced === false)
      ? false
      : ledgers.some((ledger) => ledger.balanced === null)
        ? null
        : true,
  };
}
