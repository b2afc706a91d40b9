/**
 * What the callbacks of a filesystem were seen to do, for all time: where RCU called back, and while
 * which of them ran hugepages came back.
 */
import { BACK_WHEN, type BackWhen, type Context } from '../protocol/stages.ts';
import { type Incarnation, STAGE_PLACE } from './incarnation.ts';

const EVICT = STAGE_PLACE.evict;
const EVICT_INODE = STAGE_PLACE.evict_inode;
const EVICT_INODE_END = STAGE_PLACE.evict_inode_end;
const CLEAR_INODE = STAGE_PLACE.clear_inode;
const DESTROY_INODE = STAGE_PLACE.destroy_inode;
const EVICT_END = STAGE_PLACE.evict_end;

export class CallbackRuns {
  /** Inodes by where their i_callback() ran: for each end, so by name of the field and not of the context. */
  softirq = 0;
  ksoftirqd = 0;
  rcuThread = 0;
  /** Hugepages that were an inode's, by when free_huge_folio() ran on them. */
  readonly back = noneBack();

  /** An inode has ended. */
  ended(inode: Incarnation): void {
    this.calledBack(inode.freeContext, 1);
    if (inode.freed > 0) this.#cameBack(inode);
  }

  calledBack(context: Context, inodes: number): void {
    if (context === 'softirq') this.softirq += inodes;
    else if (context === 'ksoftirqd') this.ksoftirqd += inodes;
    else if (context === 'rcu-thread') this.rcuThread += inodes;
  }

  /** A hugepage of an inode that had ended: somebody else had a reference. */
  cameBackLater(): void {
    this.back.later++;
  }

  #cameBack(inode: Incarnation): void {
    const { back } = this;
    back.before_evict += inode.freedBefore;
    const evict = inode.timeAt(EVICT);
    let more = inode.freed - inode.freedBefore;
    for (const { freedAt } of inode.hugepages) {
      if (!(freedAt >= evict)) continue;
      back[whenOf(inode, freedAt)]++;
      more--;
    }
    // those that are not kept by name
    if (more > 0 && inode.freedLast <= returnOf(inode)) back.evict_inode += more;
  }
}

export function noneBack(): Record<BackWhen, number> {
  return Object.fromEntries(BACK_WHEN.map((when) => [when, 0])) as Record<BackWhen, number>;
}

/** What of its end went on at this time, after evict() had begun. */
function whenOf(inode: Incarnation, ts: number): BackWhen {
  if (ts >= inode.timeAt(EVICT_INODE) && ts <= returnOf(inode)) return 'evict_inode';
  const destroyed = inode.timeAt(DESTROY_INODE);
  const end = inode.timeAt(EVICT_END);
  if (ts >= destroyed && ts <= end) return 'destroy_inode';
  return ts <= (Number.isNaN(end) ? destroyed : end) ? 'evict' : 'grace_period';
}

/** When s_op->evict_inode returned, or the first that is known to be after; NaN: nothing is. */
function returnOf(inode: Incarnation): number {
  for (const place of [EVICT_INODE_END, CLEAR_INODE, DESTROY_INODE]) {
    const ts = inode.timeAt(place);
    if (!Number.isNaN(ts)) return ts;
  }
  return Number.NaN;
}
