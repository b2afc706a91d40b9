/**
 * Up to which time every line that a probe meant to print has arrived or is told to be
 * lost. The kernel's counts (@hits) are read by bpftrace when it prints them, so they
 * are ahead of the lines before them by what is in its buffer, and by what was lost
 * and not told yet. When they are ahead by exactly what it told to be lost, all of
 * before is explained; under load that has to wait for a quiet moment.
 */
import { type LineName, trackOf, UNCOUNTED_LINES } from '../protocol/grammar.ts';

/** Ticks (of 100 ms) without a line, after which nothing is in the buffer any more. */
const QUIET_TICKS = 5;

/** The counts of a track, as they were read last. */
interface Snapshot {
  /** Newest time of a line when they came: they are not older. */
  readonly at: number;
  /** Told to be lost until then. */
  readonly reported: number;
  /** Tick in which they came. */
  readonly tick: number;
  /** Hits without a line. */
  missing: number;
}

export class Settlement {
  /** Everything of before is explained; ns of the epoch. */
  explained = 0;
  /** The newest time that a line had, in the order of arrival. */
  newest = 0;
  readonly #doubt: (from: number, to: number) => void;
  #tracks: readonly number[] = [];
  #reported = 0;
  /** Missing for good, and never told. */
  #accepted = 0;
  #tick = 0;
  #lastLineTick = 0;
  readonly #decoded = new Map<LineName, number>();
  readonly #missing = new Map<LineName, number>();
  readonly #snapshots = new Map<number, Snapshot>();
  /** Counts that are being printed: by track, what was known as they began. */
  readonly #printing = new Map<number, { snapshot: Snapshot; lines: Set<LineName> }>();

  readonly #missed: (from: number, to: number, lines: number) => void;

  /**
   * `doubt`: something was lost between these times. `missed`: so many lines were,
   * of which nobody told.
   */
  constructor(
    doubt: (from: number, to: number) => void,
    missed: (from: number, to: number, lines: number) => void = () => {},
  ) {
    this.#doubt = doubt;
    this.#missed = missed;
  }

  /** bpftrace starts; these tracks have probes. */
  begin(tracks: readonly number[]): void {
    this.#tracks = tracks;
    this.#reported = 0;
    this.#accepted = 0;
    this.#lastLineTick = this.#tick;
    for (const map of [this.#decoded, this.#missing, this.#snapshots, this.#printing]) map.clear();
  }

  /** A line of a track arrived. */
  line(name: LineName, track: number, ts: number): void {
    if (ts > this.newest) this.newest = ts;
    if (this.#printing.has(track)) this.#printed(track);
    if (name === 'tick') {
      this.#tick++;
      this.#whenQuiet();
    } else if (!(UNCOUNTED_LINES as readonly LineName[]).includes(name)) {
      this.#decoded.set(name, (this.#decoded.get(name) ?? 0) + 1);
      this.#lastLineTick = this.#tick;
    }
  }

  /** The kernel's count of a line, as bpftrace read it. */
  hits(name: LineName, count: number): void {
    const track = trackOf(name);
    if (this.#printing.get(track)?.lines.has(name)) this.#printed(track);
    let printing = this.#printing.get(track);
    if (printing === undefined) {
      const { newest: at } = this;
      const snapshot = { at, reported: this.#reported, tick: this.#tick, missing: 0 };
      printing = { snapshot, lines: new Set() };
      this.#printing.set(track, printing);
    }
    printing.lines.add(name);
    this.#missing.set(name, Math.max(0, count - (this.#decoded.get(name) ?? 0)));
  }

  /** bpftrace says that so many lines were lost: some time since all was explained. */
  lost(events: number): void {
    this.#reported += events;
    // these may be what was given up already
    this.#accepted = Math.max(0, this.#accepted - events);
    this.unknown();
  }

  /** A loss was noticed, and it is not known when it was. */
  unknown(): void {
    this.#doubt(this.explained, this.newest + 1e9);
  }

  /** bpftrace ended: what has not arrived died with it. */
  end(): void {
    for (const track of [...this.#printing.keys()]) this.#printed(track);
    if (this.explained < this.newest) this.#doubt(this.explained, this.newest + 1e9);
  }

  /** All counts of a track are there. */
  #printed(track: number): void {
    const { snapshot } = this.#printing.get(track)!;
    this.#printing.delete(track);
    for (const [name, missing] of this.#missing) {
      if (trackOf(name) === track) snapshot.missing += missing;
    }
    this.#snapshots.set(track, snapshot);
    const all = this.#all();
    if (all === null) return;
    // what was given up and came after all stands for nothing else
    this.#accepted = Math.min(this.#accepted, Math.max(0, all.missing - this.#reported));
    if (all.missing <= all.reported + this.#accepted) this.explained = all.at;
  }

  /** Nothing moves, and still lines are missing: they will not come. */
  #whenQuiet(): void {
    if (this.#tick - this.#lastLineTick < QUIET_TICKS) return;
    const all = this.#all();
    if (all === null || all.tick - this.#lastLineTick < QUIET_TICKS - 1) return;
    const more = all.missing - this.#reported - this.#accepted;
    if (more <= 0) return;
    this.unknown();
    this.#accepted += more;
    this.#missed(this.explained, all.at, more);
    this.explained = all.at;
  }

  /** What holds for all tracks; null until each has told its counts. */
  #all(): Snapshot | null {
    if (this.#tracks.length === 0) return null;
    const all = this.#tracks.map((track) => this.#snapshots.get(track));
    if (all.some((snapshot) => snapshot === undefined)) return null;
    const known = all as Snapshot[];
    return {
      at: Math.min(...known.map((s) => s.at)),
      reported: Math.min(...known.map((s) => s.reported)),
      tick: Math.min(...known.map((s) => s.tick)),
      missing: known.reduce((sum, s) => sum + s.missing, 0),
    };
  }
}
