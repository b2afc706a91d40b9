/**
 * CSV as RFC 4180 has it: one table. A spreadsheet takes a cell that begins with `=`,
 * `+`, `-` or `@` for a formula, and a process may call itself that: such a text gets
 * an apostrophe in front, and no control character leaves here as it came.
 */
import type { GoneHugepage } from '../../model/hugepages.ts';
import type { Incarnation } from '../../model/incarnation.ts';
import type { PoolSample } from '../../model/pools.ts';
import { plain } from '../../protocol/plain.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import { CSV_TABLES, type CsvTable } from './formats.ts';
import type { Output } from './output.ts';
import {
  gapRecords,
  hugepageRecord,
  type InodeRecord,
  inodeRecord,
  leakRecords,
  poolRecord,
  type Scalar,
} from './records.ts';
import type { ExportSink } from './walk.ts';

export class CsvSink implements ExportSink {
  readonly #out: Output;
  readonly #table: CsvTable;

  constructor(out: Output, table: CsvTable) {
    this.#out = out;
    this.#table = table;
    this.#out.write(`${CSV_TABLES[table].join(',')}\r\n`);
  }

  epoch(): void {}

  inode(pipeline: Pipeline, inode: Incarnation): void {
    if (this.#table === 'inodes') this.#row(inodeCells(inodeRecord(pipeline, inode)));
  }

  hugepage(pipeline: Pipeline, page: GoneHugepage): void {
    if (this.#table === 'hugepages') this.#row(hugepageRecord(pipeline, page));
  }

  pool(pipeline: Pipeline, sample: PoolSample): void {
    if (this.#table === 'pool') this.#row(poolRecord(pipeline, sample));
  }

  outstanding(): void {}

  end(pipeline: Pipeline): void {
    if (this.#table === 'gaps') for (const gap of gapRecords(pipeline)) this.#row(gap);
    if (this.#table !== 'leaks') return;
    for (const { suspects, ...leak } of leakRecords(pipeline)) {
      const who = suspects.map((s) => `${s.comm}/${s.pid} ${s.how}`).join('; ');
      this.#row({ ...leak, suspects: who });
    }
  }

  #row(record: Readonly<Record<string, Scalar>>): void {
    const cells = CSV_TABLES[this.#table].map((column) => csvCell(record[column]!));
    this.#out.write(`${cells.join(',')}\r\n`);
  }
}

function inodeCells(record: InodeRecord): Record<string, Scalar> {
  const { stages, unseen: _, contexts: _contexts, broken, suspected, mode, ...rest } = record;
  return {
    ...rest,
    mode: mode === null ? null : `0${mode.toString(8)}`,
    broken: broken.join(' '),
    suspected: suspected.join(' '),
    ...Object.fromEntries(Object.entries(stages).map(([stage, ns]) => [`${stage}_ns`, ns])),
  };
}

/** Null is an empty cell. */
export function csvCell(value: Scalar): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  // the last four are those of East Asian keyboards, which some take as well
  const safe = plain(value).replace(/^(?=\s*[=+\-@＝＋－＠])/, "'");
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
