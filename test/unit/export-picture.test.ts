/** How one inode is drawn: what is missing, unfinished, lost or hostile is shown as that. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { STAGES } from '../../server/protocol/stages.ts';
import { exportRecording } from '../../server/recording/export/export.ts';
import { BOOT_NS, epochOf, lines, planOf, TRACEPOINT_STAGES } from '../fixtures/trace.ts';
import { type PerfettoTrace, readPerfetto } from '../support/perfetto.ts';
import { type RecordedEpoch, recorded } from '../support/recorded.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/lastref-export-`);
});
afterAll(() => rmSync(folder, { recursive: true }));

function textOf(epochs: readonly RecordedEpoch[], ending: string): Buffer {
  const path = `${folder}/t.${ending}`;
  rmSync(path, { force: true });
  const format = { pftrace: 'perfetto', json: 'chrome', ndjson: 'ndjson', csv: 'csv' } as const;
  exportRecording(recorded(epochs), path, format[ending as 'csv']);
  return readFileSync(path);
}

const epoch = (table: string, info: Partial<EpochInfo> = {}, agent = ''): RecordedEpoch => ({
  info: epochOf(info),
  frames: [
    { kind: 'err', text: agent },
    { kind: 'out', text: lines(table) },
  ],
});

const traceOf = (table: string, info: Partial<EpochInfo> = {}): PerfettoTrace =>
  readPerfetto(textOf([epoch(table, info)], 'pftrace'));

/** `row: name from..to` and `row: name at`, in ms of the table. */
function drawn({ slices, points }: PerfettoTrace): string[] {
  const ms = (at: bigint) => Number(at - BOOT_NS) / 1e6;
  return [
    ...slices.map((s) => `${s.track.name}: ${s.name} ${ms(s.from)}..${ms(s.to)}`),
    ...points
      .filter((p) => p.category !== 'contract')
      .map((p) => `${p.track.name}: ${p.name} ${ms(p.at)}`),
  ];
}

const WHOLE = `
  0   0  perl/391  alloc_inode A
  10  0  perl/391  evict A ino=7 blocks=4096
  11  0  perl/391  evict_inode A
  12  0  perl/391  hugepage_remove F A ino=7 refcount=514
  13  0  perl/391  hugepage_free F
  14  0  perl/391  clear_inode A
  15  0  perl/391  evict_inode_end A
  16  0  perl/391  destroy_inode A
  17  0  perl/391  destroy_op A
  18  0  perl/391  evict_end A
  30  1  sh/9      i_callback A
  31  1  sh/9      free_inode A
`;
const NAME = 'hugetlbfs ino 7 (0:17)';

describe('an inode', () => {
  it('is drawn whole: the task on its row, RCU below it', () => {
    const trace = traceOf(WHOLE);
    expect(drawn(trace).sort()).toEqual(
      [
        `${NAME}: evict 10..18`,
        `${NAME}: evict_inode 11..15`,
        `${NAME}: alloc_inode 0`,
        `${NAME}: hugepage_remove 12`,
        `${NAME}: hugepage_free 13`,
        `${NAME}: clear_inode 14`,
        `${NAME}: destroy_inode 16`,
        `${NAME}: destroy_op 17`,
        'RCU: RCU grace period 16..30',
        'RCU: i_callback 30',
        'RCU: free_inode 31',
      ].sort(),
    );
    const evict = trace.slices.find((s) => s.name === 'evict')!;
    expect(evict.args).toMatchObject({ ino: 7, pages: 1, freed: 1, owed: 0, cpu: 0, tid: 391 });
    expect(evict.args).toMatchObject({ comm: 'perl', context: 'task', state: 'ended' });
    const callback = trace.points.find((p) => p.name === 'i_callback')!;
    expect(callback.args).toEqual({ cpu: 1, context: 'softirq' });
    const page = trace.points.find((p) => p.name === 'hugepage_remove')!;
    expect(page.args).toMatchObject({ extra_refs: 1, state: 'freed' });
  });

  it('that hangs in evict goes on to the end of the recording, and says so', () => {
    const hung = WHOLE.split('\n').slice(0, 5).join('\n');
    expect(drawn(traceOf(`${hung}\n 90 0 perl/391 tick`)).sort()).toEqual(
      [
        `${NAME}: evict (not over when the recording ends) 10..90`,
        `${NAME}: evict_inode (not over when the recording ends) 11..90`,
        `${NAME}: alloc_inode 0`,
        `${NAME}: hugepage_remove 12`,
        `${NAME}: evicting when the recording ends 90`,
      ].sort(),
    );
  });

  it('that waits for RCU has a grace period that is not over', () => {
    const waiting = WHOLE.split('\n').slice(0, -3).join('\n');
    const all = drawn(traceOf(`${waiting}\n 90 0 perl/391 tick`));
    expect(all).toContain('RCU: RCU grace period (not over when the recording ends) 16..90');
    expect(all).toContain(`${NAME}: evict 10..18`);
    expect(all).toContain(`${NAME}: grace when the recording ends 90`);
  });

  it('whose evict_end was lost has a point for its begin, with the reason, and no end', () => {
    const trace = traceOf(WHOLE.replace(/.*evict_end.*\n/, ''));
    expect(trace.slices.map((s) => s.name).sort()).toEqual(['RCU grace period', 'evict_inode']);
    const evict = trace.points.find((p) => p.name === 'evict')!;
    expect(evict.args.evict_end).toMatch(/^not seen/);
  });

  it('of a host that shows no evict_inode_end has its begin', () => {
    const plan = planOf(STAGES.filter((stage) => stage !== 'evict_inode_end'));
    const trace = traceOf(WHOLE.replace(/.*evict_inode_end.*\n/, ''), { plan });
    expect(drawn(trace)).toContain(`${NAME}: evict 10..18`);
    expect(drawn(trace)).toContain('RCU: RCU grace period 16..30');
    expect(drawn(trace)).toContain(`${NAME}: evict_inode 11`);
  });

  it('whose address was used again before its end was seen is lost, and is another track', () => {
    const again = `${WHOLE.split('\n').slice(0, 5).join('\n')}
      10 0 perl/391 Lost 3 events
      40 0 perl/391 alloc_inode A
      90 0 perl/391 tick`.replace('10 0 perl/391 Lost 3 events', 'Lost 3 events');
    const trace = traceOf(again);
    expect(drawn(trace)).toContain(`${NAME}: end not seen 12`);
    expect(drawn(trace)).toContain(`${NAME}: evict 10`);
    expect(drawn(trace)).toContain(`${NAME}: doubtful 0`);
    expect(drawn(trace)).toContain('hugetlbfs ino ? (0:17): open when the recording ends 90');
    const gap = trace.slices.find((s) => s.track.name === 'losses: ring_buffer')!;
    expect(gap).toMatchObject({ name: '3 lost', args: { where: 'ring_buffer', lost: 3 } });
  });

  it('of tracepoints is one slice, from evict_inode to free_inode', () => {
    const plan = planOf(TRACEPOINT_STAGES);
    const table = `
      0   0  perl/391  tp_alloc_inode ino=7
      10  0  perl/391  tp_evict_inode ino=7 blocks=4096
      30  1  sh/9      tp_free_inode ino=7`;
    expect(drawn(traceOf(table, { plan })).sort()).toEqual(
      [
        `${NAME}: evict_inode to free_inode 10..30`,
        `${NAME}: alloc_inode 0`,
        `${NAME}: free_inode 30`,
      ].sort(),
    );
  });
});

describe('a recording of several boots', () => {
  const clock = (uptime: number, wall: number) => `a clock ${uptime.toFixed(2)} ${wall}000000000\n`;

  it('puts each where its wall clock says, and keeps tracks apart', () => {
    const first = epoch(WHOLE, {}, clock(478, 1_700_000_000));
    const second = epoch(
      WHOLE,
      { number: 2, boot_id: 'c', host: 'other', kernel: '7.0' },
      clock(478, 1_700_000_100),
    );
    const trace = readPerfetto(textOf([first, second], 'pftrace'));
    const evicts = trace.slices.filter((s) => s.name === 'evict');
    expect(evicts.map((s) => Number(s.from - BOOT_NS) / 1e9)).toEqual([0.01, 100.01]);
    const roots = trace.tracks.filter((track) => track.parent === null);
    expect(roots.map((root) => root.name)).toEqual([
      'test  Linux 6.12.0',
      'other  Linux 7.0  (epoch 2)',
    ]);
    expect(trace.clock).toEqual({ boottime: BOOT_NS, realtime: 1_700_000_000_000_000_000n });
  });

  it('keeps the clock of one boot', () => {
    const second = epoch(WHOLE.replaceAll('\n  ', '\n  10'), { number: 2 });
    const trace = readPerfetto(textOf([epoch(WHOLE), second], 'pftrace'));
    const evicts = trace.slices.filter((s) => s.name === 'evict');
    expect(evicts.map((s) => Number(s.from - BOOT_NS) / 1e6)).toEqual([10, 1010]);
  });
});

it('a hostile name is data in every format', () => {
  const hostile = '=1,"\u202e\u{1f600}';
  const table = WHOLE.replaceAll('perl/391', 'HOSTILE/391');
  const one: RecordedEpoch = epoch(table);
  const words = (name: string) => {
    const bytes = Buffer.alloc(16);
    Buffer.from(name).copy(bytes);
    return `${bytes.readBigUInt64LE(0).toString(16)} ${bytes.readBigUInt64LE(8).toString(16)}`;
  };
  const epochs = [
    {
      ...one,
      frames: one.frames.map(({ kind, text }) => {
        return { kind, text: text.replaceAll(words('HOSTILE'), words(hostile)) };
      }),
    },
  ];
  const evict = readPerfetto(textOf(epochs, 'pftrace')).slices.find((s) => s.name === 'evict')!;
  expect(evict.args.comm).toBe(hostile);
  const json = textOf(epochs, 'json').toString();
  const { traceEvents } = JSON.parse(json) as {
    traceEvents: { name: string; args: { comm?: string } }[];
  };
  expect(traceEvents.find((e) => e.name === 'evict')!.args.comm).toBe(hostile);
  const ndjson = textOf(epochs, 'ndjson').toString();
  const inode = ndjson.split('\n').find((line) => line.includes('"type":"inode"'))!;
  expect((JSON.parse(inode) as { comm: string }).comm).toBe(hostile);
  const csv = textOf(epochs, 'csv').toString();
  expect(csv).toContain(`"'=1,""\\u{202e}\u{1f600}"`);
  for (const text of [json, ndjson, csv]) expect(text).not.toContain('\u202e');
});
