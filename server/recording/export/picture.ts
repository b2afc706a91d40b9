/**
 * One inode as slices and points on two rows: what ran in the task of evict(), and what
 * RCU did afterwards, which may begin before evict() returned. A slice has a begin and
 * an end that were seen; where one is missing there is a point for the other. Only what
 * still goes on when the recording ends is drawn up to there, and says so.
 */
import type { Incarnation } from '../../model/incarnation.ts';
import type { Model } from '../../model/model.ts';
import { whyUnseen } from '../../model/unseen.ts';
import { INODE_STAGES, type InodeStage, isObserved } from '../../protocol/stages.ts';
import { type StageContext, stageContexts } from './contexts.ts';
import { backing, identity, lastUser, type Scalar, verdicts } from './records.ts';

export type Args = Readonly<Record<string, Scalar>>;

/** Times: nanoseconds of the epoch. */
export interface Slice {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly args: Args;
}
export interface Point {
  readonly name: string;
  readonly at: number;
  readonly args: Args;
}
export interface Row {
  readonly slices: Slice[];
  readonly points: Point[];
}
export interface Picture {
  readonly task: Row;
  readonly rcu: Row;
}

/** Said of what has a begin and, so far, no end. */
export const UNFINISHED = '(not over when the recording ends)';

/** Those that are entered and not seen to return. */
const TASK_POINTS = ['truncate_final', 'clear_inode', 'destroy_inode', 'destroy_op'] as const;
const RCU_POINTS = ['i_callback', 'free_inode'] as const;

export function pictureOf(model: Model, inode: Incarnation, id: string): Picture {
  const painter = new Painter(model, inode);
  const { task, rcu } = painter;
  const about = aboutInode(model, inode, id);
  if (inode.born) task.points.push({ name: 'alloc_inode', at: inode.first, args: {} });
  painter.slice(task, 'evict', 'evict', 'evict_end', about);
  const evictTold = inode.at('evict') !== null;
  if (inode.address !== 0) {
    painter.slice(task, 'evict_inode', 'evict_inode', 'evict_inode_end', evictTold ? {} : about);
  } else {
    // with tracepoints alone nothing is seen between these two
    painter.slice(task, 'evict_inode to free_inode', 'evict_inode', 'free_inode', about);
  }
  painter.slice(rcu, 'RCU grace period', 'destroy_inode', 'i_callback', {}, true);
  for (const stage of TASK_POINTS) painter.point(task, stage);
  const ofRcu = inode.address === 0 ? task : rcu;
  for (const stage of RCU_POINTS) painter.point(ofRcu, stage);
  painter.remarks(about);
  return painter;
}

function aboutInode(model: Model, inode: Incarnation, id: string): Args {
  const { mode, ...user } = lastUser(inode);
  const broken = verdicts(inode, 'broken').join(' ');
  const suspected = verdicts(inode, 'suspected').join(' ');
  return {
    inode: id,
    ...identity(inode),
    state: inode.state,
    doubtful: model.doubtful(inode),
    ...user,
    mode: mode === null ? null : `0${mode.toString(8)}`,
    ...backing(model, inode),
    ...(broken === '' ? {} : { 'contract broken': broken }),
    ...(suspected === '' ? {} : { 'contract suspected': suspected }),
  };
}

class Painter implements Picture {
  readonly task: Row = { slices: [], points: [] };
  readonly rcu: Row = { slices: [], points: [] };
  readonly #model: Model;
  readonly #inode: Incarnation;
  readonly #contexts: ReadonlyMap<InodeStage, StageContext>;

  constructor(model: Model, inode: Incarnation) {
    this.#model = model;
    this.#inode = inode;
    this.#contexts = stageContexts(inode);
  }

  /**
   * Between two stages. `pointsApart`: these two stages have points of their own, so
   * that one alone needs nothing here.
   */
  slice(
    row: Row,
    name: string,
    from: InodeStage,
    to: InodeStage,
    about: Args,
    pointsApart = false,
  ): void {
    const begin = this.#inode.at(from);
    const end = this.#inode.at(to);
    const args = begin === null ? about : { ...about, ...this.#where(from) };
    if (begin !== null && end !== null && end >= begin) {
      row.slices.push({ name, from: begin, to: end, args });
    } else if (begin !== null && end === null && this.#goesOn(from, to)) {
      const until = Math.max(begin, this.#model.now);
      row.slices.push({ name: `${name} ${UNFINISHED}`, from: begin, to: until, args });
    } else if (!pointsApart) {
      if (begin !== null) {
        const why = whyUnseen(this.#model, this.#inode, to);
        row.points.push({ name: from, at: begin, args: { ...args, [to]: end ?? why } });
      }
      // free_inode is drawn by itself
      if (end !== null && to !== 'free_inode') {
        row.points.push({ name: to, at: end, args: this.#where(to) });
      }
    }
  }

  point(row: Row, stage: InodeStage): void {
    const at = this.#inode.at(stage);
    if (at !== null) row.points.push({ name: stage, at, args: this.#where(stage) });
  }

  /** What there is no stage for. */
  remarks(about: Args): void {
    const { task } = this;
    const { state, first, last } = this.#inode;
    const told = task.slices.length > 0 || task.points.length > 0;
    if (this.#model.doubtful(this.#inode)) {
      const why = 'events were lost while it lived: what is missing may have been lost';
      task.points.push({ name: 'doubtful', at: first, args: { why } });
    }
    if (state === 'lost') {
      const why = 'its end fell into a gap';
      task.points.push({ name: 'end not seen', at: last, args: { why } });
    } else if (state !== 'ended') {
      const args = told && state !== 'open' ? {} : about;
      const at = Math.max(first, this.#model.now);
      task.points.push({ name: `${state} when the recording ends`, at, args });
    }
  }

  /** Whether it still goes on between these two, for all that is known. */
  #goesOn(from: InodeStage, to: InodeStage): boolean {
    const inode = this.#inode;
    if (inode.state !== 'evicting' && inode.state !== 'grace') return false;
    if (!isObserved(this.#model.plan[to])) return false;
    const between = INODE_STAGES.slice(INODE_STAGES.indexOf(to) + 1);
    const passed = between.some((stage) => inode.at(stage) !== null);
    // destroy_inode() is the last thing that evict() does
    const inGrace = inode.state === 'grace' && from !== 'destroy_inode' && to !== 'evict_end';
    return !passed && !inGrace;
  }

  #where(stage: InodeStage): Args {
    const where = this.#contexts.get(stage);
    if (where === undefined) return {};
    const { cpu, context, pid, tid } = where;
    return {
      ...(cpu === null ? {} : { cpu }),
      context,
      ...(tid === null ? {} : { pid, tid, comm: this.#inode.comm }),
    };
  }
}
