/**
 * Where every hit of a probe went. Two witnesses that know nothing of each other:
 * the counters in the kernel (@hits, recursion_misses) and what arrived here,
 * with what bpftrace itself says it lost. They must agree to the last event.
 */

import { LINE_PLACE } from '../protocol/by-line.ts';
import { LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';
import type { Ledger } from '../protocol/hosts.ts';
import { COUNTED_LINES, isLife } from '../protocol/line-kinds.ts';
import type { ResumeFrame } from '../protocol/recording.ts';

/** Ticks (of 100 ms) without an event after which nothing is on its way any more. */
const QUIET_TICKS = 3;
/** Ticks after which what the kernel had counted must have arrived, or been told to be lost. */
const LATE_TICKS = 300;

/** Ticks without a change after which no grace period is on its way: lazy RCU takes 10 s. */
const GRACE_TICKS = 150;

interface Row {
  /** Lines the probe meant to print: runs before this one, and this one. */
  pastHits: number;
  hits: number;
  pastDecoded: number;
  decoded: number;
  notRun: number;
  /** Inodes noted in runs that have ended, of whose end nothing was told. */
  pastUnended: number;
  /** The kernel's count came after the last decoded line; each bpftrace prints its own in turn. */
  counted: boolean;
}

export class TracerLedger {
  rejected = 0;
  /** Of `rejected` and of what bpftrace told, what belongs to runs that have ended. */
  private _pastRejected = 0;
  private _pastReported = 0;
  /** Inodes that had no room in a map of the kernel side: of runs that ended, and of this one. */
  private _pastFull = 0;
  private _full = 0;
  /** Events that bpftrace says did not fit into its buffer. */
  private _reported = 0;
  private readonly _rows = new Map<LineName, Row>();
  /** The same by LINE_PLACE: a line comes with each event. */
  private readonly _byPlace: (Row | undefined)[] = LINE_NAMES.map(() => undefined);
  /** Lines that must have been and were not seen, by the model; see Model.unseen. */
  private readonly _unseen: ReadonlyMap<LineName, number>;
  private readonly _lostEnds: { readonly count: number };
  /** Inodes of which the kernel side owes a line, and when that or their lines last changed. */
  private _kept = 0;
  private _keptTick = 0;
  private readonly _countsMisses: boolean;
  /** Lost in this run of bpftrace before the recording began; see resume(). */
  private _before = { reported: 0, rejected: 0 };
  private _knowsMisses = false;
  /** Misses of programs that could not be led back to a line. */
  private _unknownMisses = 0;
  private _tick = 0;
  private _lastDecodeTick = 0;
  private _lastHitsTick = -1;
  /** The kernel's counts of a moment, not yet explained by what arrived; oldest first. */
  private _pending: { readonly tick: number; readonly hits: number }[] = [];
  /** Whether any count has been explained so far. */
  private _explained = false;
  private _nameOfId = new Map<number, LineName>(
    COUNTED_LINES.map((name) => [LINES[name].id, name]),
  );

  /**
   * `countsMisses`: the kernel counts each run of our probes that it skips. `lostEnds`: how many
   * of the lines at an inode's end that are in `unseen` the kernel side owes as well.
   */
  constructor(
    unseen: ReadonlyMap<LineName, number> = new Map(),
    countsMisses = true,
    lostEnds: { readonly count: number } = { count: 0 },
  ) {
    this._unseen = unseen;
    this._countsMisses = countsMisses;
    this._lostEnds = lostEnds;
  }

  /** `place`: of the name. */
  decoded(name: LineName, place = LINE_PLACE[name]): void {
    if (name === 'beat' || name === 'vmemmap' || name === 'detail') return;
    if (name === 'tick') {
      this._tick++;
      this.#explain();
      return;
    }
    const row = this._byPlace[place] ?? this.#row(name);
    row.decoded++;
    row.counted = false;
    this._lastDecodeTick = this._tick;
  }

  hits(id: number, count: number): void {
    const name = this._nameOfId.get(id);
    if (name === undefined) return;
    const row = this.#row(name);
    if (count !== row.hits) {
      this._lastDecodeTick = Math.max(this._lastDecodeTick, this._tick);
      if (isLife(name)) this._keptTick = this._tick;
    }
    row.hits = count;
    row.counted = true;
    this._lastHitsTick = this._tick;
  }

  lost(events: number): void {
    this._reported += events;
  }

  /** The kernel side's count of inodes without room in a map; returns how many are new. */
  full(inodes: number): number {
    const more = Math.max(0, inodes - this._full);
    this._full += more;
    return more;
  }

  /** The kernel side's count of inodes of which it tells all when they have ended. */
  kept(inodes: number): void {
    if (inodes !== this._kept) this._keptTick = this._tick;
    this._kept = inodes;
  }

  /** This many more invocations of the probe of a line were skipped by the kernel. */
  missed(name: LineName | null, count: number): void {
    this._knowsMisses = this._countsMisses;
    if (name === null) this._unknownMisses += count;
    else this.#row(name).notRun += count;
  }

  /** bpftrace ended: its counters begin anew. What was counted and did not arrive died with it. */
  endRun(): void {
    for (const [line, row] of this._rows) {
      if (isLife(line)) row.pastUnended += this.#unended(row);
      row.pastHits += Math.max(row.hits, row.decoded);
      row.pastDecoded += row.decoded;
      row.hits = 0;
      row.decoded = 0;
      row.counted = true;
    }
    this._lastHitsTick = this._tick;
    this._lastDecodeTick = this._tick - QUIET_TICKS;
    this._pending = [];
    this._kept = 0;
    this._pastFull += this._full;
    this._full = 0;
    this._pastRejected = this.rejected;
    this._pastReported = this._reported;
  }

  /** Counts of this run, for a recording that begins now. */
  handover(): Pick<ResumeFrame, 'lines' | 'reported' | 'rejected' | 'full' | 'kept'> {
    return {
      lines: [...this._rows].map(([line, row]) => [line, row.hits, row.decoded]),
      reported: this._reported - this._pastReported,
      rejected: this.rejected - this._pastRejected,
      full: this._full,
      kept: this._kept,
    };
  }

  /**
   * The run began before the recording did. What it had counted until then belongs to the
   * run, whose counts go on, and is taken off whatever is told of the recording.
   */
  resume({ lines, reported, rejected, full, kept }: ReturnType<TracerLedger['handover']>): void {
    for (const [line, hits, decoded] of lines) {
      const row = this.#row(line);
      row.hits = hits;
      row.decoded = decoded;
      row.counted = false;
      row.pastHits = -decoded;
      row.pastDecoded = -decoded;
    }
    this._pastReported = -reported;
    this._pastRejected = -rejected;
    this._before = { reported, rejected };
    this._full = full;
    this._pastFull = -full;
    this._kept = kept;
  }

  /** Events decoded since the beginning, ticks apart. */
  get events(): number {
    let sum = 0;
    for (const row of this._rows.values()) sum += row.pastDecoded + row.decoded;
    return sum;
  }

  /** Everything lost so far, of all places; what is still in flight apart. */
  get lostEvents(): number {
    const { not_run, map_full, ring_buffer, rejected } = this.totals();
    return (not_run ?? 0) + map_full + ring_buffer + rejected;
  }

  /** By line, in the order of the grammar. */
  rows(): { line: LineName; ledger: Ledger }[] {
    const quiet = this.#quiet();
    return COUNTED_LINES.filter((line) => this._rows.has(line)).map((line) => {
      const row = this._rows.get(line)!;
      const missing = Math.max(0, row.hits - row.decoded);
      const died = row.pastHits - row.pastDecoded;
      const decoded = row.pastDecoded + row.decoded;
      const ring = died + (quiet ? missing : 0);
      const inFlight = quiet ? 0 : missing;
      const notRun = this._knowsMisses ? this.#notRun(line, row, died + missing) : null;
      return {
        line,
        ledger: {
          kernel_hits: (notRun ?? 0) + decoded + ring + inFlight,
          decoded,
          not_run: notRun,
          map_full: 0,
          ring_buffer: ring,
          rejected: 0,
          in_flight: inFlight,
          balanced: quiet ? row.hits >= row.decoded : missing === 0 ? true : null,
        },
      };
    });
  }

  totals(): Ledger {
    const quiet = this.#quiet();
    let decoded = 0;
    let notRun = this._unknownMisses;
    let missing = 0;
    let died = 0;
    let negative = false;
    for (const [line, row] of this._rows) {
      decoded += row.pastDecoded + row.decoded;
      notRun += this.#notRun(line, row, row.pastHits - row.pastDecoded + row.hits - row.decoded);
      missing += Math.max(0, row.hits - row.decoded);
      died += row.pastHits - row.pastDecoded;
      if (row.hits < row.decoded) negative = true;
    }
    // what is missing was lost in the buffer as far as bpftrace says so, else rejected by us
    const ring = Math.min(missing, this._reported - this._pastReported);
    const cut = quiet ? Math.min(missing - ring, this.rejected - this._pastRejected) : 0;
    const unexplained = missing - ring - cut;
    return {
      kernel_hits: (this._knowsMisses ? notRun : 0) + decoded + died + missing,
      decoded,
      not_run: this._knowsMisses ? notRun : null,
      map_full: this._pastFull + this._full,
      ring_buffer: Math.max(0, died + ring - this._before.reported),
      rejected: Math.max(0, cut - this._before.rejected),
      in_flight: unexplained,
      balanced: this.#balanced(quiet && (unexplained > 0 || negative)),
    };
  }

  /** True: every count up to a moment ago is explained. `off`: the account is quiet and wrong. */
  #balanced(off: boolean): boolean | null {
    const oldest = this._pending[0];
    const late = oldest !== undefined && this._tick - oldest.tick > LATE_TICKS;
    if (off || late) return false;
    return this._explained && this._knowsMisses ? true : null;
  }

  /** Takes the kernel's counts of this moment, and lets go of those that are explained. */
  #explain(): void {
    let hits = 0;
    let arrived = this._reported - this._pastReported + this.rejected - this._pastRejected;
    for (const row of this._rows.values()) {
      hits += row.hits;
      arrived += row.decoded;
    }
    if (this._lastHitsTick === this._tick - 1) this._pending.push({ tick: this._tick, hits });
    while (this._pending.length > 0 && this._pending[0]!.hits <= arrived) {
      this._pending.shift();
      this._explained = true;
    }
  }

  /** The kernel's own count, or what the lives of the inodes lack beyond the losses of the buffer. */
  #notRun(line: LineName, row: Row, ring: number): number {
    let unseen = this._unseen.get(line) ?? 0;
    if (isLife(line)) {
      // no line is due of those that had no room
      unseen = Math.max(0, unseen - this._pastFull - this._full);
      const unended = row.pastUnended + this.#unended(row);
      unseen += unended - Math.min(this._lostEnds.count, unseen, unended);
    }
    return Math.max(row.notRun, unseen - Math.max(0, ring));
  }

  /**
   * Inodes that the kernel side noted at evict and of whose end it never ran: those that
   * are left when nothing has begun or ended for a while.
   */
  #unended(row: Row): number {
    if (this._tick - this._keptTick < GRACE_TICKS) return 0;
    return Math.max(0, this._kept - row.hits);
  }

  /** Nothing came for a while, and the kernel's counts are newer than the last lines. */
  #quiet(): boolean {
    if (this._tick - this._lastDecodeTick < QUIET_TICKS) return false;
    for (const row of this._rows.values()) if (!row.counted) return false;
    return true;
  }

  #row(name: LineName): Row {
    let row = this._rows.get(name);
    if (row === undefined) {
      row = {
        pastHits: 0,
        hits: 0,
        pastDecoded: 0,
        decoded: 0,
        notRun: 0,
        pastUnended: 0,
        counted: true,
      };
      this._rows.set(name, row);
      this._byPlace[LINE_PLACE[name]] = row;
    }
    return row;
  }
}
