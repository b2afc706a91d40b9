/**
 * A recording as tracks: for each epoch counters of the pools, then rows for losses,
 * leaks, alerts and the contract, then each inode, by filesystem. Perfetto and Chrome
 * differ only in how this is written.
 */
import type { GoneHugepage } from '../../model/hugepages.ts';
import type { Incarnation } from '../../model/incarnation.ts';
import type { PoolSample } from '../../model/pools.ts';
import type { Alert } from '../../protocol/alerts.ts';
import { plain } from '../../protocol/plain.ts';
import type { Pipeline } from '../../tracer/pipeline.ts';
import { pictureOf, type Row, type Slice, UNFINISHED } from './picture.ts';
import { hugepageRecord, identity, inodeId } from './records.ts';
import type { Track, TrackWriter } from './tracks.ts';
import type { ExportSink } from './walk.ts';

interface InodeTracks {
  readonly task: Track;
  rcu: Track | null;
}

export class TimelineSink implements ExportSink {
  readonly #writer: TrackWriter;
  readonly #roots = new Map<Pipeline, Track>();
  /** By parent's id and name. */
  readonly #named = new Map<string, Track>();
  readonly #inodes = new WeakMap<Incarnation, InodeTracks>();
  #nextId = 1;

  constructor(writer: TrackWriter) {
    this.#writer = writer;
  }

  epoch(pipeline: Pipeline): void {
    const { host, kernel, number } = pipeline.info;
    const name = `${host}  Linux ${kernel}${number === 1 ? '' : `  (epoch ${number})`}`;
    this.#roots.set(pipeline, this.#declare(pipeline, null, name, 'group'));
  }

  inode(pipeline: Pipeline, inode: Incarnation): void {
    const { task, rcu } = pictureOf(pipeline.model, inode, inodeId(pipeline, inode));
    const tracks = this.#tracksOf(pipeline, inode);
    const rows = new Map<Track, Row>([[tracks.task, task]]);
    if (rcu.slices.length > 0 || rcu.points.length > 0) {
      tracks.rcu ??= this.#declare(pipeline, tracks.task, 'RCU', 'row');
      rows.set(tracks.rcu, rcu);
    }
    this.#writer.rows('inode', 'inode', rows);
  }

  hugepage(pipeline: Pipeline, page: GoneHugepage): void {
    const record = hugepageRecord(pipeline, page);
    const { removed_ns, freed_ns, folio, pfn, index, state, extra_refs, back_ns, fate } = record;
    const what = { folio, pfn, index };
    const points: Row['points'] = [];
    if (removed_ns !== null) {
      const args = { ...what, extra_refs, state };
      points.push({ name: 'hugepage_remove', at: removed_ns, args });
    }
    if (freed_ns !== null) {
      points.push({ name: 'hugepage_free', at: freed_ns, args: { ...what, fate, back_ns } });
    }
    if (points.length === 0) return;
    const track =
      page.owner === null
        ? this.#row(pipeline, 'hugepages of no known inode')
        : this.#tracksOf(pipeline, page.owner).task;
    this.#writer.rows('hugepage', 'hugepage', new Map([[track, { slices: [], points }]]));
  }

  pool(pipeline: Pipeline, { ts, sizeKb, node, ...counters }: PoolSample): void {
    const where = node === -1 ? '' : ` node ${node}`;
    const values = new Map<Track, number>();
    for (const name of ['total', 'free', 'reserved', 'surplus'] as const) {
      const value = counters[name];
      if (value === null) continue;
      values.set(this.#counter(pipeline, `hugepages ${sizeKb} kB${where} ${name}`), value);
    }
    this.#writer.counts(ts, values);
  }

  outstanding(pipeline: Pipeline, ts: number, pages: number): void {
    const track = this.#counter(pipeline, 'hugepages outstanding');
    this.#writer.counts(ts, new Map([[track, pages]]));
  }

  end(pipeline: Pipeline, alerts: readonly Alert[]): void {
    const { gaps, contract } = pipeline.model;
    this.#slices(
      pipeline,
      'losses',
      gaps.list.map((gap) => ({
        row: `losses: ${gap.where}`,
        name: gap.lost === 0 ? gap.where : `${gap.lost} lost`,
        from: gap.from,
        to: Number.isFinite(gap.to) ? gap.to : null,
        args: { where: gap.where, lost: gap.lost, detail: gap.detail },
      })),
    );
    this.#slices(
      pipeline,
      'leak',
      pipeline.leaks().map(({ suspects, id: _, ...leak }) => ({
        row: `leaks: ${leak.kind}`,
        name: `${leak.verdict === 'suspected' ? 'suspected: ' : ''}${leak.kind}${leak.state === 'refuted' ? ' (refuted)' : ''}`,
        from: leak.since_ns,
        to: leak.until_ns,
        args: {
          ...leak,
          suspects: suspects.map((s) => `${s.comm}/${s.pid} ${s.how}`).join('; '),
        },
      })),
    );
    const points = alerts.flatMap(({ labels, annotations, fired_ns, resolved_ns, note }) => {
      const name = labels.alertname ?? 'alert';
      const args = { ...labels, ...annotations, note };
      if (fired_ns === null) return [];
      const fired = { name: `${name} fires`, at: fired_ns, args };
      return resolved_ns === null
        ? [fired]
        : [fired, { name: `${name} resolved`, at: resolved_ns, args }];
    });
    this.#points(pipeline, 'alerts', 'alert', points);
    this.#points(
      pipeline,
      'contract',
      'contract',
      contract.findings.map(({ rule, verdict, ts, inode, what, sentence }) => ({
        name: `${rule} ${verdict === 'certain' ? 'broken' : 'suspected'}`,
        at: ts,
        args: { what, sentence, inode: inode === null ? null : inodeId(pipeline, inode) },
      })),
    );
  }

  /** Slices that overlap come to several tracks of the same name, which a viewer shows as one. */
  #slices(
    pipeline: Pipeline,
    category: string,
    slices: readonly (Omit<Slice, 'to'> & { row: string; to: number | null })[],
  ): void {
    const ends = new Map<string, { track: Track; end: number }[]>();
    for (const slice of [...slices].sort((a, b) => a.from - b.from)) {
      const { row, args } = slice;
      const to = Math.max(slice.from, slice.to ?? pipeline.model.now);
      const name = slice.to === null ? `${slice.name} ${UNFINISHED}` : slice.name;
      const lanes = ends.get(row) ?? [];
      ends.set(row, lanes);
      let lane = lanes.find(({ end }) => end <= slice.from);
      if (lane === undefined) {
        const root = this.#roots.get(pipeline)!;
        lane = { track: this.#declare(pipeline, root, row, 'row'), end: 0 };
        lanes.push(lane);
      }
      lane.end = to;
      const one: Slice = { name, from: slice.from, to, args };
      this.#writer.rows('remark', category, new Map([[lane.track, { slices: [one], points: [] }]]));
    }
  }

  #points(pipeline: Pipeline, row: string, category: string, points: Row['points']): void {
    if (points.length === 0) return;
    const rows = new Map([[this.#row(pipeline, row), { slices: [], points }]]);
    this.#writer.rows('remark', category, rows);
  }

  #tracksOf(pipeline: Pipeline, inode: Incarnation): InodeTracks {
    let tracks = this.#inodes.get(inode);
    if (tracks === undefined) {
      const { fs, ino, s_dev } = identity(inode);
      const name = `${fs} ino ${ino ?? '?'} (${s_dev})`;
      const group = this.#child(pipeline, `inodes of ${fs}`, 'group', true);
      tracks = { task: this.#declare(pipeline, group, name, 'row'), rcu: null };
      this.#inodes.set(inode, tracks);
    }
    return tracks;
  }

  #row(pipeline: Pipeline, name: string): Track {
    return this.#child(pipeline, name, 'row', false);
  }

  #counter(pipeline: Pipeline, name: string): Track {
    return this.#child(pipeline, name, 'counter', false);
  }

  /** Directly below the epoch's root; there is one of each name. */
  #child(pipeline: Pipeline, name: string, kind: Track['kind'], chronological: boolean): Track {
    const root = this.#roots.get(pipeline)!;
    const key = `${root.id} ${name}`;
    let track = this.#named.get(key);
    if (track === undefined) {
      track = this.#declare(pipeline, root, name, kind, chronological);
      this.#named.set(key, track);
    }
    return track;
  }

  #declare(
    pipeline: Pipeline,
    parent: Track | null,
    name: string,
    kind: Track['kind'],
    chronological = false,
  ): Track {
    const id = this.#nextId++;
    const track = { id, pipeline, parent, name: plain(name), kind, chronological };
    this.#writer.declare(track);
    return track;
  }
}
