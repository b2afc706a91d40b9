import { batch, type Signal, signal } from '@preact/signals';
import type { AlertsView, FiringSummary } from '../../server/protocol/alerts.ts';
import type { Comparison } from '../../server/protocol/compare.ts';
import type { HostState } from '../../server/protocol/hosts.ts';
import type {
  CallbackRow,
  ContractView,
  ErrorMessage,
  FindingDetail,
  Hello,
  InodeDetail,
  InodePage,
  LossesView,
  RecordedFile,
  ServerMessage,
  Totals,
  Update,
} from '../../server/protocol/messages.ts';
import type { HugepagesOfPool, LeakRow, PoolsView } from '../../server/protocol/pool-map.ts';
import type { ReplayMarks, ReplayStatus } from '../../server/protocol/replay.ts';
import type { ByFs } from '../../server/protocol/report.ts';
import type { StageLatency } from '../../server/protocol/series.ts';
import { applyHosts, foldUpdates } from './fold.ts';
import { LaneStore } from './lanes/laneStore.ts';
import { LatencyBuffer } from './latency/latencyBuffer.ts';
import { SeriesBuffer } from './series.ts';

/**
 * What the page shows. Messages are folded into `#next` as they come and become
 * visible all together when `commit` runs, once in an animation frame. While
 * paused they stay in `#next`, except the first answer to a new subscription:
 * whoever pauses and then opens another view sees that view as it was at that moment.
 */
export class Store {
  readonly hello: Signal<Hello | null> = signal(null);
  /** Files of a live session's recording, oldest first. */
  readonly recorded: Signal<readonly RecordedFile[]> = signal([]);
  readonly hosts: Signal<readonly HostState[]> = signal([]);
  readonly totals: Signal<Totals | null> = signal(null);
  readonly latencies: Signal<readonly StageLatency[] | null> = signal(null);
  readonly inodes: Signal<InodePage | null> = signal(null);
  /** Undefined: not answered yet. Null: the server does not know this inode (any more). */
  readonly inode: Signal<InodeDetail | null | undefined> = signal(undefined);
  readonly hugepages: Signal<readonly HugepagesOfPool[] | null> = signal(null);
  readonly pools: Signal<PoolsView | null> = signal(null);
  /** Leaks of hugepages: all that fire, or those of the inode that is shown. */
  readonly leaks: Signal<readonly LeakRow[]> = signal([]);
  readonly callbacks: Signal<readonly CallbackRow[] | null> = signal(null);
  readonly filesystems: Signal<ByFs | null> = signal(null);
  readonly contract: Signal<ContractView | null> = signal(null);
  /** Undefined: not answered yet. Null: the server does not know it (any more). */
  readonly finding: Signal<FindingDetail | null | undefined> = signal(undefined);
  readonly alerts: Signal<AlertsView | null> = signal(null);
  readonly firing: Signal<FiringSummary> = signal({ firing: 0, certain: 0, newest: [] });
  readonly losses: Signal<LossesView | null> = signal(null);
  readonly compare: Signal<Comparison | null> = signal(null);
  /** Where a replay is, and what its time bar marks; null when it is live. */
  readonly replay: Signal<ReplayStatus | null> = signal(null);
  readonly marks: Signal<ReplayMarks | null> = signal(null);
  readonly error: Signal<ErrorMessage | null> = signal(null);
  /** Not signals inside: charts read it in their own frame when `seriesVersion` moves. */
  readonly series = new SeriesBuffer();
  readonly seriesVersion = signal(0);
  /** The same of the latency over time. */
  readonly latency = new LatencyBuffer();
  readonly latencyVersion = signal(0);
  /** The inodes of the timeline; as the series, it is read when it is drawn. */
  readonly lanes = new LaneStore();
  readonly lanesVersion = signal(0);
  /** There were more than a page takes: from then on those of the time that is looked at are asked for. */
  readonly tooMany = signal(false);
  /** Server's wall clock of what is shown, ms; 0 before the first update. */
  readonly shownAt = signal(0);
  /** Server's wall clock of the first update: since when this page has been looking. */
  readonly firstAt = signal(0);
  readonly paused = signal(false);
  /** Updates not shown because of the pause. */
  readonly held = signal(0);
  /** Server's wall clock of the newest update, shown or held. */
  readonly latestAt = signal(0);
  /** Updates folded by the server because this page was slow. */
  readonly coalesced = signal(0);
  readonly received = signal(0);
  /** The server's clock minus this machine's, ms. */
  clockOffset = 0;

  #next: Update | null = null;
  #letThrough = true;
  readonly #scheduleCommit: () => void;
  readonly #now: () => number;

  constructor(scheduleCommit: () => void, now: () => number = Date.now) {
    this.#scheduleCommit = scheduleCommit;
    this.#now = now;
  }

  receive(message: ServerMessage): void {
    if (message.type === 'hello') {
      this.hello.value = message;
      this.recorded.value = [];
    } else if (message.type === 'error') {
      this.error.value = message;
      this.#letThrough = false;
    } else {
      this.clockOffset = message.now_ms - this.#now();
      if (message.recorded) this.recorded.value = message.recorded;
      if (message.series) this.series.append(message.series);
      if (message.latency) this.latency.append(message.latency);
      if (message.lanes) {
        this.lanes.apply(message.lanes);
        this.lanesVersion.value++;
        if (this.lanes.leftOut > 0) this.tooMany.value = true;
      }
      this.#next = foldUpdates(this.#next, message);
      if (this.paused.value && !this.#letThrough) this.held.value++;
      this.#scheduleCommit();
    }
  }

  /** A new subscription was sent: its answer is shown even while paused. */
  expectAnswer(): void {
    this.#letThrough = true;
    this.error.value = null;
  }

  /** Makes what has arrived visible. */
  commit(): void {
    const update = this.#next;
    if (!update) return;
    batch(() => {
      this.latestAt.value = update.now_ms;
      if (this.firstAt.value === 0) this.firstAt.value = update.now_ms;
      // A dying tracer or a leak must not hide behind a pause: these are always live.
      if (update.hosts) this.hosts.value = applyHosts(this.hosts.value, update.hosts);
      if (update.firing) this.firing.value = update.firing;
      if (this.paused.value && !this.#letThrough) return;
      this.#next = null;
      this.#show(update);
      if (isWhole(update)) this.#letThrough = false;
    });
  }

  setPaused(paused: boolean): void {
    this.paused.value = paused;
    this.#letThrough = false;
    this.held.value = 0;
    if (!paused) this.commit();
  }

  /** The server's clock now, ms, from this machine's clock; in a replay the time that is shown. */
  serverNow(): number {
    if (this.replay.value !== null) return this.shownAt.value;
    return this.paused.value ? this.shownAt.value : this.#now() + this.clockOffset;
  }

  #show(update: Update): void {
    this.shownAt.value = update.now_ms;
    this.held.value = 0;
    this.received.value++;
    this.coalesced.value += update.coalesced;
    if (update.replay) this.replay.value = update.replay;
    if (update.marks) this.marks.value = update.marks;
    if (update.totals) this.totals.value = update.totals;
    if (update.latencies) this.latencies.value = update.latencies;
    if (update.inodes) this.inodes.value = update.inodes;
    if (update.inode !== undefined) this.inode.value = update.inode;
    if (update.hugepages) this.hugepages.value = update.hugepages;
    if (update.pools) this.pools.value = update.pools;
    if (update.leaks) this.leaks.value = update.leaks;
    if (update.callbacks) this.callbacks.value = update.callbacks;
    if (update.filesystems) this.filesystems.value = update.filesystems;
    if (update.contract) this.contract.value = update.contract;
    if (update.finding !== undefined) this.finding.value = update.finding;
    if (update.alerts) this.alerts.value = update.alerts;
    if (update.losses) this.losses.value = update.losses;
    if (update.compare !== undefined) this.compare.value = update.compare;
    if (update.series) this.seriesVersion.value++;
    if (update.latency) this.latencyVersion.value++;
  }
}

/** Whether an update holds every section of its view: the answer to a subscription. */
function isWhole(update: Update): boolean {
  if (!update.hosts) return false;
  switch (update.view) {
    case 'overview':
      return update.series?.reset === true;
    case 'inodes':
      return update.inodes !== undefined;
    case 'timeline':
      return update.lanes !== undefined;
    case 'inode':
      return update.inode !== undefined;
    case 'hugepages':
      return update.hugepages !== undefined;
    case 'callbacks':
      return update.callbacks !== undefined;
    case 'contract':
      return update.contract !== undefined;
    case 'alerts':
      return update.alerts !== undefined;
    case 'losses':
      return update.losses !== undefined;
    case 'compare':
      return update.compare !== undefined;
    default:
      return true;
  }
}
