/** Real recordings exported, and read again by readers that are not ours. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../server/protocol/report.ts';
import { exportRecording } from '../../server/recording/export/export.ts';
import { CSV_TABLES, type CsvTable } from '../../server/recording/export/formats.ts';
import { RecordingReader } from '../../server/recording/reader.ts';
import { Replay } from '../../server/recording/replay.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { ROOT } from '../support/cli.ts';
import { type PerfettoTrace, readPerfetto } from '../support/perfetto.ts';

const FILES = [
  'samples/demo-6.12.lastref',
  'test/golden/guest-6.12/recording.lastref',
  'test/golden/tracepoints/recording.lastref',
  'test/golden/failed-mount-6.18/recording.lastref',
];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/lastref-export-`);
});
afterAll(() => rmSync(folder, { recursive: true }));

let exported = 0;
function exportOf(file: string, ending: string, table?: CsvTable): string {
  const path = `${folder}/${++exported}.${ending}`;
  const reader = new RecordingReader(`${ROOT}${file}`);
  const format = { pftrace: 'perfetto', json: 'chrome', ndjson: 'ndjson', csv: 'csv' } as const;
  exportRecording(reader, path, format[ending as 'csv'], table);
  reader.close();
  return path;
}

function reportOf(file: string): Report {
  const reader = new RecordingReader(`${ROOT}${file}`);
  const report = makeReport(new Replay(reader, { keep: 20_000, banner: '' }).run());
  reader.close();
  return report;
}

/** The agent's words about the pools, as they stand in the file. */
function poolLines(file: string): string[] {
  const reader = new RecordingReader(`${ROOT}${file}`);
  const text = [...reader.frames()].flatMap((f) => (f.kind === 'err' ? f.bytes.toString() : ''));
  reader.close();
  return text
    .join('')
    .split('\n')
    .filter((line) => line.startsWith('a pool '));
}

function count<T>(list: readonly T[], is: (one: T) => boolean): number {
  return list.filter(is).length;
}

/** Of each pair of stages in the report, how an export draws it. */
const DRAWN: Readonly<Record<string, (trace: PerfettoTrace) => number>> = {
  'evict..evict_end': (t) => count(t.slices, (s) => s.name === 'evict'),
  'evict_inode..evict_inode_end': (t) => count(t.slices, (s) => s.name === 'evict_inode'),
  'destroy_inode..i_callback': (t) => count(t.slices, (s) => s.name === 'RCU grace period'),
  'evict_inode..free_inode': (t) => count(t.slices, (s) => s.name === 'evict_inode to free_inode'),
  'evict..clear_inode': (t) => count(t.points, (p) => p.name === 'clear_inode'),
  'i_callback..free_inode': (t) => count(t.points, (p) => p.name === 'free_inode'),
  'evict..i_callback': (t) => count(t.points, (p) => p.name === 'i_callback'),
};

describe.each(FILES)('%s as a Perfetto trace, read by protobufjs', (file) => {
  let trace: PerfettoTrace;
  let report: Report;
  beforeAll(() => {
    trace = readPerfetto(readFileSync(exportOf(file, 'pftrace')));
    report = reportOf(file);
  });

  it('has a track for each inode of the report, under its filesystem and host', () => {
    for (const [fs, { ended, live }] of Object.entries(report.inodes.by_fs)) {
      const own = trace.tracks.filter((track) => track.parent?.name === `inodes of ${fs}`);
      expect(own.length, fs).toBe(ended + live);
      for (const track of own) {
        expect(track.name.startsWith(`${fs} ino `), track.name).toBe(true);
        const { host, kernel } = report.epochs[0]!;
        expect(track.parent!.parent!.name).toBe(`${host}  Linux ${kernel}`);
      }
    }
    const inodes = trace.tracks.filter((track) => track.parent?.name.startsWith('inodes of '));
    expect(inodes.length).toBe(report.inodes.ended + report.inodes.live);
    const still = count(trace.points, (p) => p.name.endsWith(' when the recording ends'));
    expect(still).toBe(report.inodes.live);
  });

  it('has as many stages of each kind as the report', () => {
    expect(report.inodes.lost).toBe(0);
    const drawn = Object.fromEntries(
      Object.keys(report.stages).flatMap((pair) => {
        const how = DRAWN[pair];
        return how === undefined ? [] : [[pair, how(trace)]];
      }),
    );
    const counted = Object.entries(report.stages).filter(([pair]) => pair in DRAWN);
    expect(drawn).toEqual(Object.fromEntries(counted.map(([pair, { count: n }]) => [pair, n])));
    expect(counted.length).toBeGreaterThan(0);
  });

  it('nests each stage in evict, and has RCU on a row of its own', () => {
    for (const slice of trace.slices) {
      if (slice.name === 'evict' || slice.name === 'evict_inode to free_inode') {
        expect(slice.depth).toBe(0);
        expect(slice.args).toMatchObject({ context: 'task', comm: expect.any(String) });
        expect(slice.args.tid).toBeGreaterThan(0);
      }
      if (slice.name === 'evict_inode') expect(slice.depth).toBe(1);
      if (slice.name === 'RCU grace period') {
        expect(slice.track.name).toBe('RCU');
        expect(slice.track.parent!.name).toContain(' ino ');
      }
    }
    for (const point of trace.points.filter((p) => p.name === 'i_callback')) {
      expect(point.args.context).toMatch(/^(softirq|ksoftirqd|rcu-thread)$/);
      // the task that RCU borrowed has nothing to do with it
      expect(point.args).not.toHaveProperty('comm');
    }
  });

  it('has as many hugepages freed, attributed and outstanding as the report', () => {
    const freed = trace.points.filter((p) => p.name === 'hugepage_free');
    const attributed = count(freed, (p) => p.track.name.includes(' ino '));
    expect(freed.length).toBe(report.hugepages.freed ?? 0);
    expect(attributed).toBe(report.hugepages.attributed ?? 0);
    const outstanding = trace.counts.filter((c) => c.track.name === 'hugepages outstanding');
    expect(outstanding.at(-1)?.value ?? 0).toBe(report.hugepages.outstanding ?? 0);
    const removed = count(trace.points, (p) => p.name === 'hugepage_remove');
    expect(outstanding.length).toBe(report.hugepages.freed === null ? 0 : removed * 2);
  });

  it('has every sample of every pool, at its time', () => {
    const told = poolLines(file).flatMap((line) => {
      const [, , uptime, size, node, ...values] = line.split(' ');
      const where = node === '-1' ? '' : ` node ${node}`;
      return ['total', 'free', 'reserved', 'surplus'].flatMap((name, i) =>
        values[i] === '-'
          ? []
          : `${Math.round(Number(uptime) * 100)} hugepages ${size} kB${where} ${name} ${values[i]}`,
      );
    });
    const drawn = trace.counts
      .filter(({ track }) => track.name !== 'hugepages outstanding')
      .map(({ track, at, value }) => `${at / 10_000_000n} ${track.name} ${value}`);
    expect(drawn.sort()).toEqual(told.sort());
    expect(drawn.length).toBeGreaterThan(100);
  });

  it('has every gap, leak and finding', () => {
    const on = (start: string) => count(trace.slices, (s) => s.track.name.startsWith(start));
    expect(on('losses: ')).toBe(report.gaps.length);
    expect(on('leaks: ')).toBe(report.leaks.length);
    expect(count(trace.points, (p) => p.category === 'contract')).toBe(report.findings.length);
    const fired = report.alerts.filter((alert) => alert.fired_ns !== null).length;
    expect(count(trace.points, (p) => p.name.endsWith(' fires'))).toBe(fired);
  });

  it('tells what the wall clock was', () => {
    const started = BigInt(Date.parse(report.epochs[0]!.started)) * 1_000_000n;
    const apart = trace.clock!.realtime - started;
    expect(apart).toBeGreaterThan(0n);
    expect(apart).toBeLessThan(300_000_000_000n);
  });

  it('says the same as Chrome JSON', () => {
    const { traceEvents } = JSON.parse(readFileSync(exportOf(file, 'json'), 'utf8')) as {
      traceEvents: {
        ph: string;
        name: string;
        ts: number;
        dur: number;
        tid: number;
        args: object;
      }[];
    };
    const of = (ph: string) => traceEvents.filter((event) => event.ph === ph);
    const ns = (us: number) => BigInt(Math.round(us * 1000));
    const line = (name: string, from: bigint, took: bigint, args: object) =>
      `${name} ${from} ${took} ${JSON.stringify(args)}`;
    expect(
      of('X')
        .map((x) => line(x.name, ns(x.ts), ns(x.dur), x.args))
        .sort(),
    ).toEqual(trace.slices.map((s) => line(s.name, s.from, s.to - s.from, s.args)).sort());
    expect(
      of('i')
        .map((x) => line(x.name, ns(x.ts), 0n, x.args))
        .sort(),
    ).toEqual(trace.points.map((p) => line(p.name, p.at, 0n, p.args)).sort());
    expect(of('C').length).toBe(trace.counts.length);
    const named = new Set(of('M').flatMap((m) => (m.name === 'thread_name' ? m.tid : [])));
    expect(new Set([...of('X'), ...of('i')].map((event) => event.tid))).toEqual(named);
  });
});

/** Python reads it; gives what it prints as JSON. */
function python<T>(script: string, ...args: string[]): T {
  return JSON.parse(execFileSync('python3', ['-c', script, ...args], { encoding: 'utf8' })) as T;
}

describe.each(FILES)('%s as NDJSON, read by Python', (file) => {
  it('has the objects that the report counts', () => {
    const counts = python<Record<string, number>>(
      `
import json, sys, collections
seen = collections.Counter()
ids = set()
for line in open(sys.argv[1], encoding='utf-8', newline='\\n'):
    o = json.loads(line)
    seen[o['type']] += 1
    if o['type'] == 'inode':
        seen['inode ' + o['state']] += 1
        seen['doubtful'] += o['doubtful']
        ids.add(o['id'])
        for stage, ns in o['stages'].items():
            seen['stage ' + stage] += ns is not None and o['state'] == 'ended'
    if o['type'] == 'hugepage':
        seen['freed'] += o['freed_ns'] is not None
        seen['attributed'] += o['freed_ns'] is not None and o['inode'] is not None
        seen['outstanding'] += o['state'] == 'removed'
seen['ids'] = len(ids)
print(json.dumps(seen))`,
      exportOf(file, 'ndjson'),
    );
    const report = reportOf(file);
    const { ended, live, lost } = report.inodes;
    expect(counts.inode).toBe(ended + live);
    expect(counts.ids).toBe(ended + live);
    expect((counts['inode ended'] ?? 0) + (counts['inode lost'] ?? 0)).toBe(ended);
    expect(counts['inode lost'] ?? 0).toBe(lost);
    for (const [pair, { count: n }] of Object.entries(report.stages)) {
      const [from, to] = pair.split('..') as [string, string];
      if (to.includes(' ')) continue;
      expect(Math.min(counts[`stage ${from}`]!, counts[`stage ${to}`]!), pair).toBe(n);
    }
    expect(counts.freed ?? 0).toBe(report.hugepages.freed ?? 0);
    expect(counts.attributed ?? 0).toBe(report.hugepages.attributed ?? 0);
    expect(counts.outstanding ?? 0).toBe(report.hugepages.outstanding ?? 0);
    expect(counts.gap ?? 0).toBe(report.gaps.length);
    expect(counts.leak ?? 0).toBe(report.leaks.length);
    expect(counts.alert ?? 0).toBe(report.alerts.length);
    expect(counts.finding ?? 0).toBe(report.findings.length);
    expect([counts.epoch, counts.totals]).toEqual([report.epochs.length, report.epochs.length]);
  });
});

const READ_CSV = `
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], encoding='utf-8', newline=''), strict=True))
print(json.dumps(rows))`;

describe.each(FILES)('%s as CSV, read by Python and SQLite', (file) => {
  const tables = Object.keys(CSV_TABLES) as CsvTable[];

  it('has a row for each inode, hugepage, gap and leak, and every column in each', () => {
    const report = reportOf(file);
    const rows = Object.fromEntries(
      tables.map((table) => {
        const path = exportOf(file, 'csv', table);
        const read = python<Record<string, string>[]>(READ_CSV, path);
        for (const row of read) expect(Object.keys(row)).toEqual([...CSV_TABLES[table]]);
        const script = `.import --csv ${path} t\nSELECT count(*) FROM t;`;
        const inSqlite = execFileSync('sqlite3', [':memory:'], { input: script, encoding: 'utf8' });
        // without rows there is no table
        if (read.length > 0) expect(Number(inSqlite)).toBe(read.length);
        return [table, read];
      }),
    ) as Record<CsvTable, Record<string, string>[]>;
    expect(rows.inodes.length).toBe(report.inodes.ended + report.inodes.live);
    expect(count(rows.inodes, (row) => row.evict_took_ns !== '')).toBe(
      (report.stages['evict..evict_end'] ?? report.stages['evict_inode..evict_inode_end'])?.count ??
        0,
    );
    expect(count(rows.hugepages, (row) => row.freed_ns !== '')).toBe(report.hugepages.freed ?? 0);
    expect(rows.gaps.length).toBe(report.gaps.length);
    expect(rows.leaks.length).toBe(report.leaks.length);
    expect(rows.pool.length).toBeGreaterThan(10);
    const sizes = new Set(rows.pool.map((row) => `${row.size_kb} ${row.node}`));
    expect(sizes).toEqual(new Set(report.pools.map((pool) => `${pool.size_kb} ${pool.node}`)));
  });
});
