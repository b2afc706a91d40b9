/** The tables of a recording that are there to be asked with SQL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Recorder } from '../../server/recording/recorder.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { DEMO, framesOf, GOLDEN, RecordedSession } from '../fixtures/recordings.ts';
import { epochOf, lines } from '../fixtures/trace.ts';

const DIR = mkdtempSync(join(tmpdir(), 'lastref-tables-'));
afterAll(() => rmSync(DIR, { recursive: true }));
let file = '';
let count = 0;
beforeEach(() => {
  file = join(DIR, `${++count}.lastref`);
});

type Row = Record<string, number | string | null>;

function ask(sql: string): Row[] {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db.prepare(sql).all() as Row[];
  } finally {
    db.close();
  }
}

/** A session of one epoch that prints these tables of lines, with a flush after each. */
function recorded(tables: readonly string[]): Pipeline {
  let pipeline: Pipeline;
  const recorder: Recorder = new Recorder({
    file,
    pipelines: () => [pipeline],
    say: (text) => expect.unreachable(text),
  });
  pipeline = new Pipeline(epochOf(), {
    keep: 1000,
    onEnd: (of, inode) => recorder.ended(of, inode),
    onAlert: (of, alert) => recorder.alert(of, alert),
  });
  recorder.epoch(pipeline);
  pipeline.begin([]);
  for (const table of tables) {
    const bytes = Buffer.from(lines(table));
    recorder.frame(pipeline.info, 'out', bytes);
    pipeline.out(bytes);
    recorder.flush();
  }
  pipeline.end(true, ''); // as when a session is stopped: nothing is held back any more
  recorder.close();
  return pipeline;
}

describe.each([DEMO, ...GOLDEN])('the tables of %s', (recording) => {
  it('say what the report says', () => {
    const session = new RecordedSession(framesOf(recording), { file });
    session.giveAll().close();
    const report = makeReport(session.pipelines);
    const [sum] = ask(
      'SELECT ifnull(sum(ended), 0) AS ended, ifnull(sum(lost), 0) AS lost FROM inode_counts',
    );
    expect(sum).toEqual({ ended: report.inodes.ended, lost: report.inodes.lost });
    const byFs = ask('SELECT fs, sum(ended) AS ended FROM inode_counts GROUP BY fs');
    for (const { fs, ended } of byFs) expect(report.inodes.by_fs[fs as string]!.ended).toBe(ended);
    const gaps = ask('SELECT from_ns, to_ns, lost, place FROM losses');
    expect(gaps).toEqual(
      report.gaps.map(({ from_ns, to_ns, lost, where }) => ({
        from_ns,
        to_ns,
        lost,
        place: where,
      })),
    );
    const [listed] = ask("SELECT count(*) AS n FROM inode_list WHERE state IN ('ended', 'lost')");
    const [said] = ask('SELECT ifnull(sum(listed), 0) AS n FROM inode_counts');
    expect(listed!.n).toBeGreaterThanOrEqual(said!.n as number);
    expect(ask('SELECT host, kernel FROM epoch_list')).toEqual(
      report.epochs.map(({ host, kernel }) => ({ host, kernel })),
    );
    expect(ask('PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });
});

describe('the table of inodes', () => {
  it('lists those with hugepages, once, with who dropped the last reference', () => {
    recorded([
      `0    0 perl/391  alloc_inode A
       10   0 perl/391  hugepage_add B A ino=7 index=0
       20   0 perl/391  evict A ino=7 blocks=4096
       21   0 perl/391  hugepage_remove B A ino=7 index=0
       22   0 perl/391  hugepage_free B
       30   0 perl/391  destroy_inode A
       31   0 perl/391  evict_end A
       60   1 swapper/0 i_callback A`,
      `70   0 perl/391  alloc_inode C magic=01021994
       80   0 perl/391  evict C ino=8 magic=01021994
       90   1 swapper/0 i_callback C
       200  0 swapper/0 tick`,
    ]);
    expect(ask('SELECT * FROM inode_list WHERE pages > 0')).toEqual([
      {
        epoch: 1,
        number: 1,
        fs: 'hugetlbfs',
        s_dev: '0:17',
        ino: 7,
        pid: 391,
        comm: 'perl',
        state: 'ended',
        first_s: 0,
        evict_s: 0.02,
        last_s: 0.06,
        teardown_ms: 40,
        pages: 1,
        owed: 0,
      },
    ]);
    expect(ask('SELECT fs, ended, lost, pages, listed FROM inode_counts ORDER BY fs')).toEqual([
      { fs: 'hugetlbfs', ended: 1, lost: 0, pages: 1, listed: 1 },
      { fs: 'tmpfs', ended: 1, lost: 0, pages: 0, listed: 0 },
    ]);
  });

  it('shows names of the host without what a terminal would obey', () => {
    recorded([
      `0    0 perl/391  alloc_inode A
       20   0 perl/391  evict A ino=7 blocks=4096 comm=a\x1b[2Jb
       60   1 swapper/0 i_callback A
       200  0 swapper/0 tick`,
    ]);
    expect(ask('SELECT comm FROM inode_list')).toEqual([{ comm: 'a\\x1b[2Jb' }]);
  });
});

describe('the tables of hugepages and alerts', () => {
  it('tell of one that is pinned, and that it came back', () => {
    recorded([
      `0     0 perl/391  alloc_inode A
       10    0 perl/391  hugepage_add B A ino=7 index=0
       20    0 perl/391  evict A ino=7 blocks=4096
       21    0 perl/391  hugepage_remove B A ino=7 index=0 refcount=514
       30    0 perl/391  destroy_inode A
       31    0 perl/391  evict_end A
       60    1 swapper/0 i_callback A
       1500  0 swapper/0 tick`,
      `3000  0 swapper/0 tick
       9000  0 swapper/0 tick
       15000 0 swapper/0 tick
       15000 1 swapper/1 beat track=1`,
      `19000 0 swapper/0 tick
       20000 0 perl/391  hugepage_free B
       20100 0 swapper/0 tick
       26000 0 swapper/0 tick`,
    ]);
    expect(
      ask('SELECT state, since_s, freed_s, out_ms, extra_refs, ino FROM hugepage_list'),
    ).toEqual([
      { state: 'freed', since_s: 0.021, freed_s: 20, out_ms: 19_979, extra_refs: 1, ino: 7 },
    ]);
    const alerts = ask('SELECT state, kind, ino, pages, inode FROM alerts');
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatchObject({
      state: 'resolved',
      kind: 'pinned',
      ino: 7,
      inode: 2 ** 32 + 1,
    });
  });

  it('tell of one that is still out at the end', () => {
    recorded([
      `0     0 perl/391  alloc_inode A
       10    0 perl/391  hugepage_add B A ino=7 index=0
       20    0 perl/391  tick`,
    ]);
    expect(ask('SELECT folio, state, ino FROM hugepage_list')).toMatchObject([
      { folio: expect.stringMatching(/^ff[0-9a-f]{14}$/), state: 'cached', ino: 7 },
    ]);
    expect(ask('SELECT state, pages FROM inode_list')).toEqual([{ state: 'open', pages: 1 }]);
  });
});
