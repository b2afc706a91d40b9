/**
 * Up to which time every line that a probe meant to print has arrived or is told to be
 * lost. The kernel's counts (@hits) are read by bpftrace when it prints them, so they
 * are ahead of the lines before them by what is in its buffer, and by what was lost
 * and not told yet. When they are ahead by exactly what it told to be lost, all of
 * before is explained; under load that has to wait for a quiet moment.
 */

import { LINE_PLACE } from '../protocol/by-line.ts';
import { LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';
import { COUNTED_LINES, trackOf } from '../protocol/line-kinds.ts';
import type { ResumeFrame } from '../protocol/recording.ts';

/** Ticks (of 100 ms) without a line, after which nothing is in the buffer any more. */
const QUIET_TICKS = 5;

/** By LINE_PLACE. */
const IS_COUNTED = LINE_NAMES.map((name) => COUNTED_LINES.includes(name));
const NONE: readonly number[] = LINE_NAMES.map(() => 0);

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
  private readonly _doubt: (from: number, to: number) => void;
  private _tracks: readonly number[] = [];
  private _reported = 0;
  /** Missing for good, and never told. */
  private _accepted = 0;
  private _tick = 0;
  private _lastLineTick = 0;
  /** Lines that arrived, by LINE_PLACE. */
  private _decoded: number[] = NONE.slice();
  private readonly _missing = new Map<LineName, number>();
  private readonly _snapshots = new Map<number, Snapshot>();
  /** Counts that are being printed: by track, what was known as they began. */
  private readonly _printing = new Map<number, { snapshot: Snapshot; keys: Set<number> }>();

  private readonly _missed: (from: number, to: number, lines: number) => void;

  /**
   * `doubt`: something was lost between these times. `missed`: so many lines were,
   * of which nobody told.
   */
  constructor(
    doubt: (from: number, to: number) => void,
    missed: (from: number, to: number, lines: number) => void = () => {},
  ) {
    this._doubt = doubt;
    this._missed = missed;
  }

  /** bpftrace starts; these tracks have probes. */
  begin(tracks: readonly number[]): void {
    this._tracks = tracks;
    this._reported = 0;
    this._accepted = 0;
    this._lastLineTick = this._tick;
    this._decoded = NONE.slice();
    for (const map of [this._missing, this._snapshots, this._printing]) map.clear();
  }

  /** Missing for good and never told, in this run. */
  get accepted(): number {
    return this._accepted;
  }

  /** The run began before the recording did: what it had counted. After begin(). */
  resume({
    lines,
    reported,
    accepted,
  }: Pick<ResumeFrame, 'lines' | 'reported' | 'accepted'>): void {
    for (const [line, , count] of lines) this._decoded[LINE_PLACE[line]] = count;
    this._reported = reported;
    this._accepted = accepted;
  }

  /** A line of a track arrived. `place`: of the name. */
  line(name: LineName, track: number, ts: number, place = LINE_PLACE[name]): void {
    if (ts > this.newest) this.newest = ts;
    if (this._printing.size > 0 && this._printing.has(track)) this.#printed(track);
    if (name === 'tick') {
      this._tick++;
      this.#whenQuiet();
    } else if (IS_COUNTED[place]!) {
      this._decoded[place]!++;
      this._lastLineTick = this._tick;
    }
  }

  /** The kernel's count of a line, as bpftrace read it; `key`: of the program that it told of last. */
  hits(name: LineName, count: number, key: number = LINES[name].id): void {
    const track = trackOf(name);
    if (this._printing.get(track)?.keys.has(key)) this.#printed(track);
    let printing = this._printing.get(track);
    if (printing === undefined) {
      const { newest: at } = this;
      const snapshot = { at, reported: this._reported, tick: this._tick, missing: 0 };
      printing = { snapshot, keys: new Set() };
      this._printing.set(track, printing);
    }
    printing.keys.add(key);
    this._missing.set(name, Math.max(0, count - this._decoded[LINE_PLACE[name]]!));
  }

  /** bpftrace says that so many lines were lost: some time since all was explained. */
  lost(events: number): void {
    this._reported += events;
    // these may be what was given up already
    this._accepted = Math.max(0, this._accepted - events);
    this.unknown();
  }

  /** A loss was noticed, and it is not known when it was. */
  unknown(): void {
    this._doubt(this.explained, this.newest + 1e9);
  }

  /** bpftrace ended: what has not arrived died with it. */
  end(): void {
    for (const track of [...this._printing.keys()]) this.#printed(track);
    if (this.explained < this.newest) this._doubt(this.explained, this.newest + 1e9);
  }

  /** All counts of a track are there. */
  #printed(track: number): void {
    const { snapshot } = this._printing.get(track)!;
    this._printing.delete(track);
    for (const [name, missing] of this._missing) {
      if (trackOf(name) === track) snapshot.missing += missing;
    }
    this._snapshots.set(track, snapshot);
    const all = this.#all();
    if (all === null) return;
    // what was given up and came after all stands for nothing else
    this._accepted = Math.min(this._accepted, Math.max(0, all.missing - this._reported));
    if (all.missing <= all.reported + this._accepted) this.explained = all.at;
  }

  /** Nothing moves, and still lines are missing: they will not come. */
  #whenQuiet(): void {
    if (this._tick - this._lastLineTick < QUIET_TICKS) return;
    const all = this.#all();
    if (all === null || all.tick - this._lastLineTick < QUIET_TICKS - 1) return;
    const more = all.missing - this._reported - this._accepted;
    if (more <= 0) return;
    this.unknown();
    this._accepted += more;
    this._missed(this.explained, all.at, more);
    this.explained = all.at;
  }

  /** What holds for all tracks; null until each has told its counts. */
  #all(): Snapshot | null {
    if (this._tracks.length === 0) return null;
    const all = this._tracks.map((track) => this._snapshots.get(track));
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
