/**
 * Runs of our programs that the kernel skipped, because another tracing program was active on
 * that CPU: `recursion_misses` of each program, read every second, led back to the line that
 * it costs.
 */
import type { LineName } from '../protocol/grammar.ts';
import { TRACKS } from '../protocol/line-kinds.ts';
import type { ProgramMisses } from './agent-lines.ts';

/**
 * BPF_PROG_TYPE_KPROBE, _TRACEPOINT, _RAW_TRACEPOINT and _TRACING: what our probes are. Intervals are
 * others; BEGIN and END are uprobes or raw tracepoints, so of two of these types, on some versions.
 */
const PROBE_TYPES = new Set([2, 5, 17, 26]);
const TYPES_OF_BEGIN = new Set([2, 17]);

/** `line`: null where the program could not be led back to one. */
export interface Missed {
  readonly line: LineName | null;
  readonly more: number;
  /** Between these times, ns of the epoch. */
  readonly from: number;
  readonly to: number;
}

export class Misses {
  /** By track: the line that a skipped run of each program costs, in the order of loading. */
  private _programs: readonly (readonly LineName[])[] = [];
  /** By id of the program. */
  private readonly _counts = new Map<number, number>();
  /** When they were read last, ns of the epoch. */
  private readonly _readAt: number[] = new Array<number>(TRACKS).fill(0);

  get programs(): readonly (readonly LineName[])[] {
    return this._programs;
  }

  /** By id of the program, for a recording that begins now. */
  get counts(): [number, number][] {
    return [...this._counts];
  }

  /** bpftrace starts. */
  begin(programs: readonly (readonly LineName[])[], now: number): void {
    this._programs = programs;
    this._counts.clear();
    this._readAt.fill(now);
  }

  /** The run began before the recording did. */
  resume(counts: readonly (readonly [number, number])[]): void {
    for (const [program, misses] of counts) this._counts.set(program, misses);
  }

  /** Tracks that have a probe. */
  tracks(): number[] {
    return this._programs.flatMap((lines, track) => (lines.length > 0 ? [track] : []));
  }

  /** Up to when all of them are known, ns of the epoch. */
  knownUntil(): number {
    return Math.min(...this.tracks().map((track) => this._readAt[track]!));
  }

  /**
   * Programs are loaded in the order of the text: their ids ascend with it.
   * @param now when they were read; the events of that time may still be on their way
   */
  read(track: number, programs: readonly ProgramMisses[], now: number): Missed[] {
    const lines = this._programs[track] ?? [];
    const ours = withoutOwn(
      programs.filter((p) => PROBE_TYPES.has(p.type)).sort((a, b) => a.id - b.id),
      lines.length,
    );
    // still attaching; the counts go on, so that nothing is missed
    if (ours.length < lines.length) return [];
    const known = ours.length === lines.length;
    const from = this._readAt[track]!;
    this._readAt[track] = now;
    return ours.map((program, index) => {
      const more = program.misses - (this._counts.get(program.id) ?? 0);
      this._counts.set(program.id, program.misses);
      // the time was taken a moment before the counts
      return { line: known ? lines[index]! : null, more, from, to: now + 1e9 };
    });
  }
}

/** BEGIN is loaded first and END last: they go where there are more programs than probes. */
function withoutOwn(programs: ProgramMisses[], probes: number): ProgramMisses[] {
  const ours = [...programs];
  const isOwn = (program: ProgramMisses | undefined) =>
    program !== undefined && TYPES_OF_BEGIN.has(program.type);
  if (ours.length > probes && isOwn(ours[0])) ours.shift();
  if (ours.length > probes && isOwn(ours.at(-1))) ours.pop();
  return ours;
}
