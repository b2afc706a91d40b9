/**
 * The tables that are there to be asked with SQL, from the pipelines that saw the same
 * frames. Written with each flush, in its transaction; after `kill -9` they lack the same
 * half second as the chunks, and what only the end of a recording tells.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ModelGap } from '../model/gaps.ts';
import type { Hugepage, Incarnation } from '../model/incarnation.ts';
import type { Alert } from '../protocol/alerts.ts';
import { plain } from '../protocol/plain.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { InodeRows, inodeId } from './inode-rows.ts';

/** A hugepage that is out of the page cache for so long is listed. */
const LATE_NS = 1e9;
/** Rows of hugepages; what comes beyond is in no row. */
const MAX_HUGEPAGES = 100_000;

/** Gaps whose rows are known; those that the model has let go of are not needed. */
const MAX_LOSSES = 4000;

export class RecordedTables {
  readonly #inodes: InodeRows;
  readonly #addHugepage: StatementSync;
  readonly #endHugepage: StatementSync;
  readonly #putAlert: StatementSync;
  readonly #addLoss: StatementSync;
  readonly #endLoss: StatementSync;
  /** Hugepages that are listed and have not come back, by row. */
  readonly #late = new Map<Hugepage, { pipeline: Pipeline; row: number }>();
  #hugepages = 0;
  readonly #losses = new Map<ModelGap, { row: number; lost: number; to: number }>();
  /** Of each epoch what had been said of findings and leaks. */
  readonly #seen = new Map<Pipeline, { verdicts: number; leaks: number }>();

  constructor(db: DatabaseSync) {
    this.#inodes = new InodeRows(db);
    this.#addHugepage = db.prepare(
      'INSERT INTO hugepages (epoch, folio, pfn, inode, state, since_ns, freed_ns, extra_refs) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#endHugepage = db.prepare('UPDATE hugepages SET state = ?, freed_ns = ? WHERE id = ?');
    this.#putAlert = db.prepare(
      'INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#addLoss = db.prepare(
      'INSERT INTO losses (epoch, from_ns, to_ns, lost, place, detail) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#endLoss = db.prepare('UPDATE losses SET to_ns = ?, lost = ? WHERE id = ?');
  }

  /** An inode ended, or was lost. */
  ended(pipeline: Pipeline, inode: Incarnation): void {
    this.#inodes.ended(pipeline, inode);
  }

  /** An alert fired or was resolved. */
  alert({ info }: Pipeline, alert: Alert): void {
    const { leak, labels } = alert;
    const number = leak.inode === null ? null : Number(leak.inode.split('.')[1]);
    this.#putAlert.run(
      info.number,
      alert.fingerprint,
      Math.round(alert.active_ns),
      plain(labels.alertname ?? ''),
      plain(labels.severity ?? ''),
      alert.state,
      leak.kind,
      leak.verdict,
      plain(leak.fs),
      leak.s_dev,
      leak.ino,
      number === null ? null : inodeId(info.number, number),
      leak.pages,
      rounded(alert.fired_ns),
      rounded(alert.resolved_ns),
      plain(alert.annotations.summary ?? leak.text),
    );
  }

  /** `chunkBytes`: compressed bytes of all chunks so far. */
  flush(pipelines: readonly Pipeline[], chunkBytes: number): void {
    this.#inodes.flush(chunkBytes);
    for (const pipeline of pipelines) {
      this.#noteworthy(pipeline);
      this.#outstanding(pipeline);
      this.#lost(pipeline);
    }
    for (const [page, { pipeline, row }] of this.#late) {
      const { left } = pipeline.model.hugepages;
      if (page.state === 'removed' && left.has(page)) continue;
      const state = page.state === 'removed' ? 'unknown' : page.state;
      const freed = page.state === 'freed' ? rounded(page.freedAt) : null;
      this.#endHugepage.run(state, freed, row);
      this.#late.delete(page);
    }
  }

  /** What is still there when the recording ends. */
  finish(pipelines: readonly Pipeline[], chunkBytes: number): void {
    this.flush(pipelines, chunkBytes);
    for (const pipeline of pipelines) {
      this.#inodes.finish(pipeline);
      for (const page of pipeline.model.hugepages.known()) {
        if (!this.#late.has(page)) this.#hugepage(pipeline, page);
      }
      for (const alert of pipeline.alerts.list()) {
        if (alert.state === 'firing') this.alert(pipeline, alert);
      }
    }
  }

  /** Inodes that broke a rule or leak are listed, though nothing else is of their second. */
  #noteworthy(pipeline: Pipeline): void {
    const { contract, leaks, inodes } = pipeline.model;
    const seen = this.#seen.get(pipeline) ?? { verdicts: 0, leaks: 0 };
    const now = { verdicts: contract.verdicts.revision, leaks: leaks.revision };
    if (seen.verdicts === now.verdicts && seen.leaks === now.leaks) return;
    this.#seen.set(pipeline, now);
    const found = new Set<Incarnation>();
    for (const { inode } of contract.findings) if (inode !== null) found.add(inode);
    for (const { inode } of pipeline.leaks()) {
      const leaking = inode === null ? undefined : inodes.byNumber(Number(inode.split('.')[1]));
      if (leaking !== undefined) found.add(leaking);
    }
    for (const inode of found) if (!inode.canary) this.#inodes.list(pipeline, inode);
  }

  #outstanding(pipeline: Pipeline): void {
    const { hugepages, now } = pipeline.model;
    for (const page of hugepages.left) {
      if (now - page.removedAt < LATE_NS) return;
      if (!this.#late.has(page)) this.#hugepage(pipeline, page);
    }
  }

  #hugepage(pipeline: Pipeline, page: Hugepage): void {
    const { info } = pipeline;
    const { owner } = page;
    if (owner?.canary === true || ++this.#hugepages > MAX_HUGEPAGES) return;
    const { lastInsertRowid } = this.#addHugepage.run(
      info.number,
      page.folio,
      page.pfn,
      owner === null ? null : inodeId(info.number, owner.number),
      page.state,
      Math.round(page.since),
      null,
      page.extraRefs,
    );
    this.#late.set(page, { pipeline, row: Number(lastInsertRowid) });
  }

  #lost({ info, model }: Pipeline): void {
    for (const gap of model.gaps.list) {
      const known = this.#losses.get(gap);
      if (known?.lost === gap.lost && known.to === gap.to) continue;
      const to = Number.isFinite(gap.to) ? Math.round(gap.to) : null;
      let row = known?.row;
      if (row !== undefined) this.#endLoss.run(to, gap.lost, row);
      else {
        const { from, lost, where, detail } = gap;
        // merged only in memory: each of them is a row here
        const merged = detail === 'older gaps, merged';
        row = merged
          ? 0
          : Number(
              this.#addLoss.run(info.number, Math.round(from), to, lost, where, plain(detail))
                .lastInsertRowid,
            );
      }
      this.#losses.set(gap, { row, lost: gap.lost, to: gap.to });
    }
    if (this.#losses.size < MAX_LOSSES) return;
    const list = new Set(model.gaps.list);
    for (const gap of this.#losses.keys()) if (!list.has(gap)) this.#losses.delete(gap);
  }
}

function rounded(ns: number | null): number | null {
  return ns === null || Number.isNaN(ns) ? null : Math.round(ns);
}
