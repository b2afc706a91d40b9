/**
 * Whether a tracer sees what it shall: probes attach one by one, so it is ready when a canary
 * inode of every filesystem has come through every planned stage.
 */
import type { Model } from '../model/model.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import { INODE_STAGES, isByTracepoint, isObserved, type PlanEntry } from '../protocol/stages.ts';
import { FILESYSTEMS, OP_STAGES } from './filesystems.ts';

export class Readiness {
  /** Since when, ns of the epoch; null: not yet. */
  at: number | null = null;
  private readonly _wanted: readonly string[];
  private readonly _model: Model;
  /** By filesystem: the canaries announced. */
  private readonly _canaries = new Map<string, { dev: number; ino: number }[]>();

  constructor({ canaries }: EpochInfo, model: Model) {
    this._wanted = canaries;
    this._model = model;
  }

  /** bpftrace starts. */
  begin(): void {
    this.at = null;
    this._canaries.clear();
  }

  /** A canary was made, and has been dropped. */
  made(fs: string, dev: number, ino: number): void {
    if (this.at !== null) return;
    const list = this._canaries.get(fs) ?? [];
    list.push({ dev, ino });
    this._canaries.set(fs, list);
  }

  /** With each tick; true when it has become ready. */
  check(): boolean {
    if (this.at !== null) return false;
    const { now } = this._model;
    const through = this._wanted.every((fs) => {
      const made = this._canaries.get(fs) ?? [];
      return made.some((canary) => this.#cameThrough(fs, canary));
    });
    if (!through || (this._wanted.length === 0 && now === 0)) return false;
    this.at = now;
    return true;
  }

  #cameThrough(fs: string, canary: { dev: number; ino: number }): boolean {
    const { plan } = this._model;
    const { ops } = FILESYSTEMS[fs]!;
    const expected = INODE_STAGES.filter((stage) => {
      // neither filesystem of a canary calls it
      if (!isObserved(plan[stage]) || stage === 'truncate_final') return false;
      const op = OP_STAGES.find((of) => of === stage);
      return op === undefined || observesOp(plan[stage], ops[op]);
    });
    for (const inode of this._model.inodes.ofFile(canary)) {
      if (expected.every((stage) => inode.at(stage) !== null)) return true;
    }
    return false;
  }
}

/** Whether the probes of a stage include the one of this filesystem's operation. */
function observesOp(entry: PlanEntry, op: string | undefined): boolean {
  if (op === undefined || !isObserved(entry)) return false;
  return isByTracepoint(entry) || entry.probe.includes(`:${op}`);
}
