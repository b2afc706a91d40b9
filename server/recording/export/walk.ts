/**
 * Goes once through a recording and tells a sink of each inode, hugepage and counter
 * when nothing more of it is to come. Memory is bounded, however long the recording.
 */
import type { GoneHugepage } from '../../model/hugepages.ts';
import type { Incarnation } from '../../model/incarnation.ts';
import type { PoolSample } from '../../model/pools.ts';
import type { Alert } from '../../protocol/alerts.ts';
import type { EpochInfo } from '../../protocol/recording.ts';
import type { AgentLine } from '../../tracer/agent-lines.ts';
import { alertsOf } from '../../tracer/alerts.ts';
import { Pipeline } from '../../tracer/pipeline.ts';
import { feed } from '../../tracer/tracer.ts';
import type { Frame } from '../reader.ts';
import { Settling } from './settling.ts';

/** What is asked of a recording. */
export interface Readable {
  readonly epochs: readonly EpochInfo[];
  readonly damage: string | null;
  frames(): Iterable<Frame>;
}

/**
 * Takes what a recording holds. `epoch` comes first; of an epoch, inodes and hugepages
 * come when they end, `pool` and `outstanding` when they are known, `end` last. Times
 * are nanoseconds of the epoch.
 */
export interface ExportSink {
  epoch(pipeline: Pipeline): void;
  inode(pipeline: Pipeline, inode: Incarnation): void;
  hugepage(pipeline: Pipeline, page: GoneHugepage): void;
  pool(pipeline: Pipeline, sample: PoolSample): void;
  /** Hugepages that left a page cache and are not freed; on a host that shows both. */
  outstanding(pipeline: Pipeline, ts: number, pages: number): void;
  /** Its gaps, leaks and findings are in the pipeline. */
  end(pipeline: Pipeline, alerts: readonly Alert[]): void;
}

export interface Walked {
  readonly pipelines: readonly Pipeline[];
  readonly inodes: number;
  readonly hugepages: number;
}

/** Ended inodes that the model keeps, as `report` has it by default: the counts are the same. */
const KEEP = 20_000;
/** A loss may be told seconds after an end, and makes it doubtful. */
const SETTLE_NS = 5e9;
/** Where a hugepage went is told in the next lines. */
const SETTLE_PAGE_NS = 1e9;
const MAX_SETTLING = 20_000;
/** Ends that were taken as lost, of which more may come: as many as the model has, and more. */
const MAX_LOST = 4096;

/** Samples of pools before the first line: ten minutes of attaching, many pools. */
const MAX_EARLY = 10_000;

type PoolLine = Extract<AgentLine, { kind: 'pool' }>;

/** Throws what the sink throws; `recording.damage` says whether the end was reached. */
export function walk(recording: Readable, sink: ExportSink): Walked {
  const walks = new Map<number, EpochWalk>();
  for (const { epoch, kind, bytes } of recording.frames()) {
    let known = walks.get(epoch);
    if (known === undefined) {
      const info = recording.epochs.find((e) => e.number === epoch);
      if (info === undefined) throw new Error(`epoch ${epoch} is not in the list of epochs`);
      known = new EpochWalk(info, sink);
      walks.set(epoch, known);
    }
    feed(known.pipeline, kind, bytes);
  }
  const all = [...walks.values()];
  const pipelines = all.map((one) => one.pipeline);
  const alerts = alertsOf(pipelines);
  for (const one of all) {
    one.finish(alerts.flatMap(({ pipeline, alert }) => (pipeline === one.pipeline ? alert : [])));
  }
  const sum = (of: (one: EpochWalk) => number) => all.reduce((total, one) => total + of(one), 0);
  return { pipelines, inodes: sum((o) => o.inodes), hugepages: sum((o) => o.hugepages) };
}

class EpochWalk {
  readonly pipeline: Pipeline;
  inodes = 0;
  hugepages = 0;
  readonly #sink: ExportSink;
  readonly #ended = new Settling<Incarnation>(SETTLE_NS, MAX_SETTLING, (i) => this.#write(i));
  readonly #lost = new Settling<Incarnation>(Number.POSITIVE_INFINITY, MAX_LOST, (i) =>
    this.#write(i),
  );
  readonly #gone = new Settling<GoneHugepage>(SETTLE_PAGE_NS, MAX_SETTLING, (page) =>
    this.#writePage(page),
  );
  readonly #early: PoolLine[] = [];
  readonly #written = new WeakSet<Incarnation>();
  #outstanding = 0;

  constructor(info: EpochInfo, sink: ExportSink) {
    this.#sink = sink;
    this.pipeline = new Pipeline(info, {
      keep: KEEP,
      onEvent: () => this.#drain(),
      onAgent: (line) => {
        if (line.kind === 'pool') this.#pool(line);
      },
    });
    const { model } = this.pipeline;
    model.inodes.onEnded = (inode) =>
      (inode.state === 'lost' ? this.#lost : this.#ended).add(inode, model.now);
    model.hugepages.onGone = (gone) => this.#gone.add(gone, model.now);
    sink.epoch(this.pipeline);
  }

  finish(alerts: readonly Alert[]): void {
    const { model } = this.pipeline;
    this.#gone.flush();
    this.#lost.flush();
    this.#ended.flush();
    for (const page of model.hugepages.known()) {
      this.#writePage({ page, folio: page.folio, owner: page.owner, freedAt: null });
    }
    // the others were told of when they ended
    for (const inode of model.inodes.unended()) {
      if (inode.state !== 'ended' && inode.state !== 'lost') this.#write(inode);
    }
    this.#sink.end(this.pipeline, alerts);
  }

  /** Samples from before the first line have a time once it is there: a negative one. */
  #pool(line: PoolLine): void {
    const { origin } = this.pipeline;
    if (origin === null) {
      if (this.#early.length < MAX_EARLY) this.#early.push(line);
      return;
    }
    for (const one of [...this.#early.splice(0), line]) {
      this.#sink.pool(this.pipeline, { ...one, ts: one.uptimeNs - Number(origin) });
    }
  }

  #drain(): void {
    const { model } = this.pipeline;
    this.#gone.drain(model.now);
    this.#ended.drain(model.now);
    this.#lost.drain(model.now);
    const { outstanding } = model.hugepages;
    if (outstanding === this.#outstanding) return;
    this.#outstanding = outstanding;
    this.#sink.outstanding(this.pipeline, model.now, outstanding);
  }

  #write(inode: Incarnation): void {
    if (inode.canary || this.#written.has(inode)) return;
    this.#written.add(inode);
    this.inodes++;
    this.#sink.inode(this.pipeline, inode);
  }

  #writePage(page: GoneHugepage): void {
    this.hugepages++;
    this.#sink.hugepage(this.pipeline, page);
  }
}
