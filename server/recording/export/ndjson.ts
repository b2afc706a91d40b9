/** NDJSON: one object to a line, its `type` first. docs/export.md lists the fields. */
import type { GoneHugepage } from '../../model/hugepages.ts';
import type { Incarnation } from '../../model/incarnation.ts';
import type { PoolSample } from '../../model/pools.ts';
import type { Alert } from '../../protocol/alerts.ts';
import { escapeHidden } from '../../protocol/plain.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import type { Output } from './output.ts';
import {
  epochRecord,
  findingRecords,
  gapRecords,
  hugepageRecord,
  inodeRecord,
  leakRecords,
  poolRecord,
  totalsRecord,
} from './records.ts';
import type { ExportSink } from './walk.ts';

export class NdjsonSink implements ExportSink {
  readonly #out: Output;

  constructor(out: Output) {
    this.#out = out;
  }

  epoch(pipeline: Pipeline): void {
    this.#line('epoch', epochRecord(pipeline));
  }

  inode(pipeline: Pipeline, inode: Incarnation): void {
    this.#line('inode', inodeRecord(pipeline, inode));
  }

  hugepage(pipeline: Pipeline, page: GoneHugepage): void {
    this.#line('hugepage', hugepageRecord(pipeline, page));
  }

  pool(pipeline: Pipeline, sample: PoolSample): void {
    this.#line('pool', poolRecord(pipeline, sample));
  }

  outstanding(): void {} // follows from the hugepages

  end(pipeline: Pipeline, alerts: readonly Alert[]): void {
    for (const gap of gapRecords(pipeline)) this.#line('gap', gap);
    for (const leak of leakRecords(pipeline)) this.#line('leak', leak);
    const { number: epoch, host } = pipeline.info;
    for (const alert of alerts) this.#line('alert', { epoch, host, ...alert });
    for (const finding of findingRecords(pipeline)) this.#line('finding', finding);
    this.#line('totals', totalsRecord(pipeline));
  }

  #line(type: string, record: object): void {
    this.#out.write(`${escapeHidden(JSON.stringify({ type, ...record }))}\n`);
  }
}
