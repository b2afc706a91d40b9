/** What one page's timeline of many inodes is sent: each inode once, and again when it has changed. */
import type { Incarnation } from '../model/incarnation.ts';
import { owed } from '../model/unseen.ts';
import type { Filter } from '../protocol/filter.ts';
import {
  LANE_CONTEXTS,
  LANE_STAGES,
  LANE_STATES,
  LANES_AT_ONCE,
  type LaneStage,
  type LanesBlock,
  type LanesOfEpoch,
  MAX_LANES,
  MAX_TICKS,
} from '../protocol/lanes.ts';
import type { InodeRow } from '../protocol/messages.ts';
import { formatDev, type SbDev } from '../protocol/units.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** After so long without news nothing more is heard of an inode that has ended, ns. */
const SETTLED_NS = 3e9;

/** Which inodes a page wants. Times are wall clock, ms. */
export interface LanesAsk {
  readonly filter: Filter;
  /** Null: all. */
  readonly rowOf: ((pipeline: Pipeline, epoch: number, inode: Incarnation) => InodeRow) | null;
  readonly from: number;
  readonly to: number;
}

/** An inode that may still change, as it was when it was sent. */
interface Watched {
  readonly inode: Incarnation;
  sent: boolean;
  last: number;
  freed: number;
  pages: number;
  state: string;
}

class EpochFeed {
  /** Incarnations up to this number have been looked at. */
  looked = 0;
  readonly watched = new Map<number, Watched>();
  readonly waiting: Incarnation[] = [];
}

export class LanesFeed {
  readonly #ask: LanesAsk;
  readonly #epochs: EpochFeed[] = [];
  #reset = true;
  #leftOut = 0;

  constructor(ask: LanesAsk) {
    this.#ask = ask;
  }

  /** The next part; null when there is nothing new. */
  next(all: readonly (readonly [number, Pipeline])[]): LanesBlock | null {
    const pipelines = all.filter(([, pipeline]) => pipeline.wallMs(0) > 0);
    for (const [epoch, pipeline] of pipelines) this.#lookAt(epoch, pipeline);
    if (this.#reset) this.#bound();
    let room = LANES_AT_ONCE;
    let pending = 0;
    const epochs: LanesOfEpoch[] = [];
    for (const [epoch, pipeline] of pipelines) {
      const feed = this.#epochs[epoch]!;
      const gone = this.#changed(epoch, pipeline, feed);
      const now = feed.waiting.splice(0, room);
      room -= now.length;
      pending += feed.waiting.length;
      if (now.length > 0 || gone.length > 0) epochs.push(columns(pipeline, epoch, now, gone));
    }
    const reset = this.#reset;
    this.#reset = false;
    if (!reset && epochs.length === 0) return null;
    return { reset, pending, left_out: this.#leftOut, epochs };
  }

  /** New incarnations, in the order in which they began to end. */
  #lookAt(epoch: number, pipeline: Pipeline): void {
    this.#epochs[epoch] ??= new EpochFeed();
    const feed = this.#epochs[epoch];
    const { inodes } = pipeline.model;
    const fresh: Incarnation[] = [];
    if (feed.looked === 0) {
      for (const inode of inodes.all()) fresh.push(inode);
    } else {
      for (let number = feed.looked + 1; number <= inodes.newest; number++) {
        const inode = inodes.byNumber(number);
        if (inode !== undefined) fresh.push(inode);
      }
    }
    feed.looked = inodes.newest;
    fresh.sort((a, b) => a.began - b.began);
    for (const inode of fresh) {
      feed.watched.set(inode.number, {
        inode,
        sent: false,
        last: Number.NaN,
        freed: 0,
        pages: 0,
        state: '',
      });
    }
  }

  /** Queues what has changed; gives the numbers of those that do not belong here any more. */
  #changed(epoch: number, pipeline: Pipeline, feed: EpochFeed): number[] {
    const gone: number[] = [];
    const { now } = pipeline.model;
    for (const [number, watched] of feed.watched) {
      const { inode } = watched;
      const { last, freed, pages, state } = inode;
      const same =
        last === watched.last &&
        freed === watched.freed &&
        pages === watched.pages &&
        state === watched.state &&
        !inode.canary;
      if (!same) {
        Object.assign(watched, { last, freed, pages, state });
        if (this.#wants(epoch, pipeline, inode)) {
          feed.waiting.push(inode);
          watched.sent = true;
        } else if (watched.sent) {
          gone.push(number);
          watched.sent = false;
        }
      } else if (isSettled(inode, now)) {
        feed.watched.delete(number);
      }
      if (inode.canary) feed.watched.delete(number);
    }
    return gone;
  }

  #wants(epoch: number, pipeline: Pipeline, inode: Incarnation): boolean {
    if (inode.canary) return false;
    const { filter, rowOf, from, to } = this.#ask;
    const began_ms = pipeline.wallMs(inode.began);
    if (began_ms > to) return false;
    if (pipeline.wallMs(inode.last) < from && isSettled(inode, pipeline.model.now)) return false;
    return rowOf === null || filter(rowOf(pipeline, epoch, inode));
  }

  /** The newest ones of what is there at first. */
  #bound(): void {
    for (const feed of this.#epochs) {
      const over = feed.watched.size - MAX_LANES;
      if (over <= 0) continue;
      this.#leftOut += over;
      let left = over;
      for (const number of feed.watched.keys()) {
        if (left-- === 0) break;
        feed.watched.delete(number);
      }
    }
  }
}

function isSettled(inode: Incarnation, now: number): boolean {
  const over = inode.state === 'ended' || inode.state === 'lost';
  return over && now - inode.last > SETTLED_NS && owed(inode) === 0;
}

function columns(
  pipeline: Pipeline,
  epoch: number,
  inodes: readonly Incarnation[],
  gone: readonly number[],
): LanesOfEpoch {
  const { model } = pipeline;
  const words: string[] = [];
  const places = new Map<string, number>();
  const place = (word: string) => {
    let at = places.get(word);
    if (at === undefined) {
      at = words.push(word) - 1;
      places.set(word, at);
    }
    return at;
  };
  const backs = inodes.map((inode) => ticksOf(inode));
  const column = (of: (inode: Incarnation) => number) => inodes.map(of);
  const stages = Object.fromEntries<number[]>(
    LANE_STAGES.map((stage) => [
      stage,
      column((inode) => {
        const at = inode.at(stage);
        return at === null ? -1 : Math.max(0, at - inode.began);
      }),
    ]),
  ) as Record<LaneStage, number[]>;
  return {
    epoch,
    host: pipeline.info.host,
    zero_ms: pipeline.wallMs(0),
    number: column((inode) => inode.number),
    fs: column((inode) => place(inode.fs)),
    dev: column((inode) => place(formatDev(inode.dev as SbDev))),
    comm: column((inode) => place(inode.comm)),
    ino: column((inode) => inode.ino),
    pid: column((inode) => inode.pid),
    state: column((inode) => LANE_STATES.indexOf(inode.state)),
    context: column((inode) => LANE_CONTEXTS.indexOf(inode.freeContext)),
    doubtful: column((inode) => (model.doubtful(inode) ? 1 : 0)),
    begin: column((inode) => inode.began),
    stages,
    pages: column((inode) => inode.pages),
    owed: column((inode) => (model.seesFree ? owed(inode) : -1)),
    backs: backs.map((ticks) => ticks.length),
    back: backs.flat(),
    gone,
    words,
  };
}

/** When its hugepages were free again, since it began to end. */
function ticksOf(inode: Incarnation): number[] {
  const zero = inode.began;
  const ticks: number[] = [];
  for (const page of inode.hugepages) {
    if (ticks.length === MAX_TICKS) break;
    if (page.state === 'freed' && page.freedAt >= zero) ticks.push(page.freedAt - zero);
  }
  return ticks.sort((a, b) => a - b);
}
