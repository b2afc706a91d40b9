import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ALERTING, LEAK_AFTER } from '../../server/protocol/config.ts';
import type { Leak } from '../../server/protocol/leaks.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { BOOT_NS, epochOf, lines } from '../fixtures/trace.ts';

/** /proc/PID/comm in hexadecimal, as the agent says it. */
const hex = (comm: string) => Buffer.from(`${comm}\n`).toString('hex');
const upAt = (ms: number) => (Number(BOOT_NS) / 1e9 + ms / 1000).toFixed(2);

interface File {
  readonly ino?: number;
  readonly deleted?: 0 | 1;
  readonly pages?: number;
  readonly pid?: number;
  readonly comm?: string;
  readonly how?: string;
}

function holder({ ino = 2078, deleted = 1, pages = 2, pid = 391, comm = 'qemu', how }: File) {
  const blocks = pages * 4096;
  return `a holder 17 ${ino} ${deleted} ${blocks} 2097152 ${pid} ${hex(comm)} ${how ?? 'fd 5'}`;
}

/** A host that is traced, and looked at when the test says so. */
class Host {
  readonly pipeline: Pipeline;
  #seq = 0;

  constructor(heldNs = 10e9) {
    const leak_after = { ...LEAK_AFTER, held: heldNs };
    this.pipeline = new Pipeline(epochOf({ alerts: { ...DEFAULT_ALERTING, leak_after } }), {
      keep: 100,
    });
    this.pipeline.begin([]);
    this.pipeline.out(Buffer.from('lastref 1 test\n'));
    this.at(0);
  }

  trace(table: string): void {
    this.pipeline.out(Buffer.from(lines(table).slice('lastref 1 test\n'.length)));
  }

  /** It is now so late; everything before has come. */
  at(ms: number): void {
    this.trace(`
      ${ms}     0 b/1 tick seq=${this.#seq++}
      ${ms + 6} 0 b/1 tick seq=${this.#seq++}
      ${ms + 6} 0 b/1 beat track=1`);
  }

  scan(ms: number, files: readonly File[], more: readonly string[] = [], whole = true): void {
    const end = `a scanned ${upAt(ms)} ${whole ? 'whole' : 'part'}`;
    this.pipeline.err(Buffer.from(`${[...files.map(holder), ...more, end].join('\n')}\n`));
  }

  get leaks(): readonly Leak[] {
    return this.pipeline.leaks();
  }

  wants(asked: number | null): boolean {
    return this.pipeline.model.leaks.wantsScan(asked);
  }
}

/** Inode 2078 is made at 1 ms and gets two hugepages at 10 ms. */
const MADE = `
  1  0 qemu/391 alloc_inode A
  10 0 qemu/391 hugepage_add P A index=0
  10 0 qemu/391 hugepage_add Q A index=1`;
const EVICT = 'evict A blocks=8192';

describe('a file without a name that holds hugepages', () => {
  it('is a leak when a scan shows it after the threshold, and names who has it', () => {
    const host = new Host();
    host.trace(MADE);
    host.at(5000);
    host.scan(5000, [{}]);
    expect(host.leaks).toEqual([]);
    host.at(12_000);
    host.scan(12_000, [{}, { how: 'mapping 7f0000000000-7f0000400000' }, { pid: 400, comm: 'x' }]);
    expect(host.leaks).toMatchObject([
      {
        kind: 'held',
        state: 'firing',
        verdict: 'certain',
        ino: 2078,
        s_dev: '0:17',
        inode: '0.1',
        pages: 2,
        bytes: 4 << 20,
        since_ns: 10e6,
        text: 'a file without a name holds 2 hugepages, still open in 391, 400 and mapped in 391',
        suspects: [
          { pid: 391, comm: 'qemu', how: 'fd 5', evidence: '/proc/391/fd/5' },
          {
            pid: 391,
            comm: 'qemu',
            how: 'mapping',
            evidence: '/proc/391/map_files/7f0000000000-7f0000400000',
          },
          { pid: 400, comm: 'x', how: 'fd 5', evidence: '/proc/400/fd/5' },
        ],
      },
    ]);
  });

  it('is a leak where nobody is seen to have it, if it lies on the mount of memfds', () => {
    const host = new Host();
    host.trace(MADE);
    host.pipeline.err(Buffer.from('a canary hugetlbfs 17 1\n'));
    host.pipeline.model.contract.ready(0);
    host.pipeline.model.contract.settled(1e15);
    host.at(12_000);
    host.scan(12_000, []);
    expect(host.leaks).toEqual([]); // it may be on its way from one to another
    host.at(18_000);
    host.scan(18_000, [], [`a segment 2078 77 ${hex('ipc')} 0`, `a segment 1 78 - 0`]);
    expect(host.leaks).toMatchObject([
      {
        ...{ kind: 'held', state: 'firing', verdict: 'certain', pages: 2, ino: 2078 },
        suspects: [{ pid: 77, comm: 'ipc', how: 'SysV segment 2078' }],
      },
    ]);
    expect(host.leaks[0]!.text).toContain('though no process was seen');
    host.trace(`20000 0 qemu/391 ${EVICT}`);
    host.at(21_000);
    expect(host.leaks[0]).toMatchObject({ state: 'resolved', until_ns: 20_000e6 });
  });

  it('counts only looks in a row that show nobody', () => {
    const host = new Host();
    host.trace(MADE);
    host.pipeline.err(Buffer.from('a canary hugetlbfs 17 1\n'));
    host.pipeline.model.contract.ready(0);
    host.pipeline.model.contract.settled(1e15);
    for (const ms of [2000, 5000]) {
      host.at(ms);
      host.scan(ms, [{}]);
    }
    // on its way from one process to another, then with the other
    host.at(12_000);
    host.scan(12_000, []);
    expect(host.leaks).toEqual([]);
    host.at(18_000);
    host.scan(18_000, []);
    expect(host.leaks).toMatchObject([{ kind: 'held', state: 'firing', verdict: 'certain' }]);
  });

  it.each([
    ['lies elsewhere, and may have a name', 18, true],
    ['may be gone, since lines were lost', 17, false],
  ])('is none where nobody is seen to have it and it %s', (_, dev, whole) => {
    const host = new Host();
    host.trace(MADE);
    host.pipeline.err(Buffer.from(`a canary hugetlbfs ${dev} 1\n`));
    host.pipeline.model.contract.ready(0);
    host.pipeline.model.contract.settled(1e15);
    if (!whole) {
      host.pipeline.model.gap({ from: 11e6, to: 12e6, lost: 1, where: 'ring_buffer', detail: '' });
    }
    for (const ms of [12_000, 18_000, 24_000]) {
      host.at(ms);
      host.scan(ms, []);
    }
    expect(host.leaks).toEqual([]);
  });

  it('raises an alert of severity info, without a config', () => {
    const host = new Host();
    host.trace(MADE);
    host.at(12_000);
    host.scan(12_000, [{}]);
    host.at(12_100);
    const alerts = host.pipeline.alerts.list();
    expect(alerts).toMatchObject([
      { labels: { alertname: 'HugepagesHeld', severity: 'info', ino: '2078' } },
    ]);
  });

  it('ends with its eviction, at the time of it', () => {
    const host = new Host();
    host.trace(MADE);
    host.at(12_000);
    host.scan(12_000, [{}]);
    host.trace(`13000 0 qemu/391 ${EVICT}`);
    host.at(13_100);
    expect(host.leaks).toMatchObject([{ kind: 'held', state: 'resolved', until_ns: 13_000e6 }]);
  });

  it('ends when its pages are gone, and follows their number', () => {
    const host = new Host();
    host.trace(MADE);
    host.at(12_000);
    host.scan(12_000, [{}]);
    host.trace('12500 0 qemu/391 hugepage_remove P A index=0');
    host.at(12_600);
    expect(host.leaks).toMatchObject([{ state: 'firing', pages: 1, bytes: 2 << 20 }]);
    host.trace('12700 0 qemu/391 hugepage_remove Q A index=512');
    host.at(12_800);
    expect(host.leaks.filter(({ kind }) => kind === 'held')).toMatchObject([
      { state: 'resolved', until_ns: 12_700e6 },
    ]);
  });

  it('is none when it was evicted while the scan went on', () => {
    const host = new Host();
    host.trace(`${MADE}\n11000 0 qemu/391 ${EVICT}`);
    host.at(12_000);
    host.scan(12_000, [{}]);
    host.at(12_100);
    expect(host.leaks).toEqual([]);
  });

  it('stays a leak when no process is seen to have it; a scan that was cut says nothing', () => {
    const host = new Host();
    host.trace(MADE);
    host.at(12_000);
    host.scan(12_000, [{}]);
    host.at(42_000);
    host.scan(42_000, [], [], false);
    expect(host.leaks[0]).toMatchObject({ state: 'firing', suspects: [{ pid: 391 }] });
    host.scan(42_500, []);
    expect(host.leaks[0]).toMatchObject({ state: 'firing', pages: 2, suspects: [] });
    expect(host.leaks[0]!.text).toContain('no process was seen that has it open or mapped');
  });

  it('tells many processes by their number, and names eight', () => {
    const host = new Host();
    host.trace(MADE);
    host.at(12_000);
    host.scan(
      12_000,
      Array.from({ length: 30 }, (_, i) => ({ pid: 500 + i })),
    );
    expect(host.leaks[0]!.text).toContain('still open in 30 processes');
    expect(host.leaks[0]!.suspects).toHaveLength(8);
  });
});

describe('a file that was made before tracing began', () => {
  it('is a leak when a second scan shows it after the threshold, with the pages of i_blocks', () => {
    const host = new Host();
    host.at(1000);
    host.scan(1000, [{ ino: 7, pages: 3 }]);
    host.at(7000);
    host.scan(7000, [{ ino: 7, pages: 3 }]);
    expect(host.leaks).toEqual([]);
    host.at(11_500);
    host.scan(11_500, [{ ino: 7, pages: 3 }]);
    expect(host.leaks).toMatchObject([
      { kind: 'held', ino: 7, s_dev: '0:17', inode: null, pages: 3, since_ns: 1000e6 },
    ]);
    expect(host.leaks[0]!.text).toContain('that it was made was not seen');
    host.scan(20_000, []);
    expect(host.leaks).toMatchObject([{ state: 'resolved', until_ns: 20_000e6 }]);
  });

  it('needs a second scan even without a threshold: the first may be older than its end', () => {
    const host = new Host(0);
    host.at(1000);
    host.scan(1000, [{ ino: 7 }]);
    expect(host.leaks).toEqual([]);
    host.scan(3000, [{ ino: 7 }]);
    expect(host.leaks).toHaveLength(1);
  });

  it('ends when its eviction is the first line that names it', () => {
    const host = new Host(0);
    host.at(1000);
    host.scan(1000, [{}]);
    host.scan(3000, [{}]);
    host.trace(`4000 0 qemu/391 ${EVICT}`);
    host.at(5000);
    host.scan(5000, []);
    expect(host.leaks).toMatchObject([{ state: 'resolved', until_ns: 4000e6 }]);
  });
});

describe('asking for a scan', () => {
  it('once at the beginning; then only while something has held hugepages for long', () => {
    const host = new Host();
    expect(host.wants(null)).toBe(true);
    expect(host.wants(0)).toBe(false);
    host.trace(MADE);
    host.at(9000);
    expect(host.wants(0)).toBe(false);
    host.at(10_100);
    expect(host.wants(0)).toBe(true);
    expect(host.wants(6000e6)).toBe(false); // half the threshold ago
    host.trace(`11000 0 qemu/391 ${EVICT}`);
    host.at(11_100);
    expect(host.wants(0)).toBe(false);
  });

  it('at most every 30 s', () => {
    const host = new Host(600e9);
    host.trace(MADE);
    host.at(700_000);
    expect(host.wants(671_000e6)).toBe(false);
    expect(host.wants(669_000e6)).toBe(true);
  });

  it('goes on while a scan has shown a file that no line names', () => {
    const host = new Host();
    host.scan(0, [{ ino: 7 }]);
    host.at(6000);
    expect(host.wants(0)).toBe(true);
    host.scan(6000, []);
    expect(host.wants(0)).toBe(false);
  });

  it('changes nothing: a replay, which does not ask, comes to the same', () => {
    const [asked, silent] = [new Host(), new Host()];
    for (const host of [asked, silent]) {
      host.trace(MADE);
      for (let ms = 1000; ms < 20_000; ms += 1000) {
        host.at(ms);
        if (host === asked) host.wants(0);
        if (ms % 5000 === 0) host.scan(ms, [{}]);
      }
    }
    expect(asked.leaks).toHaveLength(1);
    expect(silent.leaks).toEqual(asked.leaks);
  });
});

describe('who may have pinned', () => {
  /** One hugepage left the page cache with one reference too many. */
  const PINNED = `
    1  0 perl/391 alloc_inode A
    10 0 perl/391 hugepage_alloc P A
    10 0 perl/391 hugepage_add P A index=0
    20 0 perl/391 hugepage_remove P A index=0 refcount=514`;
  const PINNERS = [
    `a pinner 500 ${hex('qemu')} fd 9 kvm`,
    `a pinner 501 ${hex('fio')} fd 4 io_uring 3`,
  ];
  const pinned = (host: Host) => host.leaks.find(({ kind }) => kind === 'pinned');

  it('is found on the host when no pin was seen; registered buffers before the rest', () => {
    const host = new Host();
    host.trace(PINNED);
    host.at(3000);
    expect(pinned(host)).toMatchObject({ suspects: [] });
    expect(host.wants(0)).toBe(false);
    host.at(10_500);
    expect(host.wants(0)).toBe(true);
    host.scan(10_500, [], PINNERS);
    expect(pinned(host)!.suspects).toEqual([
      {
        pid: 501,
        comm: 'fio',
        how: 'io_uring registered buffer',
        evidence: 'has 3 registered buffers, of whatever memory: /proc/501/fdinfo/4',
      },
      { pid: 500, comm: 'qemu', how: 'kvm', evidence: 'can pin memory by kvm: /proc/500/fd/9' },
    ]);
    host.at(30_000);
    expect(host.wants(10_500e6)).toBe(false);
  });

  it('is not asked of the host when the pins that were seen explain all references', () => {
    const host = new Host();
    host.trace(`${PINNED}\n15 0 fio/77 hugepage_pin P`);
    host.at(3000);
    host.scan(3000, [], PINNERS);
    expect(pinned(host)!.suspects).toMatchObject([{ pid: 77, comm: 'fio' }]);
    host.at(30_000);
    expect(host.wants(0)).toBe(false);
  });

  it('comes after those whose pins were seen, where these are too few', () => {
    const host = new Host();
    host.trace(`${PINNED.replace('514', '515')}\n15 0 fio/77 hugepage_pin P`);
    host.at(3000);
    expect(host.wants(null)).toBe(true);
    host.scan(3000, [], PINNERS);
    expect(pinned(host)!.suspects.map(({ pid }) => pid)).toEqual([77, 501, 500]);
    host.at(30_000);
    expect(host.wants(4000e6)).toBe(false); // it was looked once
  });

  it('is not taken from a scan that is older than the pages are missing', () => {
    const host = new Host();
    host.scan(10, [], PINNERS);
    host.trace(PINNED);
    host.at(3000);
    expect(pinned(host)).toMatchObject({ suspects: [] });
  });
});

describe('whatever scans show', () => {
  const file = fc.record({
    ino: fc.integer({ min: 1, max: 4 }),
    pages: fc.nat(3),
    pid: fc.integer({ min: 300, max: 303 }),
    how: fc.constantFrom('fd 3', 'mapping 7f0000000000-7f0000200000'),
  });
  const step = fc.record({
    files: fc.array(file, { maxLength: 6 }),
    whole: fc.boolean(),
    line: fc.constantFrom(
      '',
      'alloc_inode A',
      'hugepage_add P A ino=1',
      'evict A ino=1 blocks=4096',
    ),
  });

  /** Files 1 and 2 have no name, 3 and 4 have one. */
  it('a file that has a name is no leak, nor one that no scan showed with hugepages', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.nat(8), (steps, after) => {
        const host = new Host(after * 1e9);
        const shown = new Set<number>();
        steps.forEach(({ files, whole, line }, i) => {
          const ms = (i + 1) * 2000;
          if (line !== '') host.trace(`${ms - 500} 0 x/9 ${line}`);
          host.at(ms);
          const named = files.map((f) => ({ ...f, deleted: f.ino <= 2 ? 1 : 0 }) as const);
          for (const f of named) if (f.deleted === 1) shown.add(f.ino);
          host.scan(ms, named, [], whole);
        });
        host.at(100_000);
        for (const leak of host.leaks.filter(({ kind }) => kind === 'held')) {
          expect(shown).toContain(leak.ino);
          expect(leak.since_ns).toBeLessThanOrEqual(leak.fired_ns);
          if (leak.until_ns !== null) {
            expect(leak.until_ns).toBeGreaterThanOrEqual(leak.since_ns);
          }
        }
        const firing = host.leaks.filter(
          ({ state, kind }) => state === 'firing' && kind === 'held',
        );
        expect(new Set(firing.map(({ ino }) => ino)).size).toBe(firing.length);
      }),
    );
  });
});
