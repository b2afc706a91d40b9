/** Each kind of leak: when it is one, of what, how it ends; and that nothing else is one. */
import { describe, expect, it } from 'vitest';
import { LINES } from '../../server/protocol/grammar.ts';
import type { Leak } from '../../server/protocol/leaks.ts';
import type { EpochInfo } from '../../server/protocol/recording.ts';
import { STAGES } from '../../server/protocol/stages.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { BOOT_NS, epochOf, lines, planOf } from '../fixtures/trace.ts';

const HEADER = 'lastref 1 test\n';

/** A host whose time goes on by ticks, with the counters of its pool each second. */
class Host {
  readonly pipeline: Pipeline;
  /** total, free, reserved, surplus */
  pool: readonly [number, number, number | bigint, number];
  #ms = 0;

  /** `settled`: every loss of all times is known, and there is none. */
  constructor(settled = true, pool: Host['pool'] = [16, 16, 0, 0], info: Partial<EpochInfo> = {}) {
    this.pipeline = new Pipeline(epochOf({ freed_state: 0x180, ...info }), { keep: 1000 });
    this.pool = pool;
    const { contract } = this.pipeline.model;
    contract.ready(0);
    if (settled) contract.settled(1e15);
    this.pipeline.begin([['evict'], []]);
    this.pipeline.out(Buffer.from(HEADER));
    this.until(1000);
  }

  rows(table: string): this {
    this.pipeline.out(Buffer.from(lines(table).slice(HEADER.length)));
    return this;
  }

  /** As it is: frames of a stack, what bpftrace says. */
  raw(text: string): this {
    this.pipeline.out(Buffer.from(text));
    return this;
  }

  until(ms: number): this {
    for (; this.#ms <= ms; this.#ms += 100) {
      this.rows(`${this.#ms} 0 a/1 tick\n${this.#ms} 0 a/1 beat track=1`);
      if (this.#ms % 1000 !== 0) continue;
      const up = (Number(BOOT_NS) / 1e9 + this.#ms / 1000).toFixed(2);
      this.pipeline.err(Buffer.from(`a pool ${up} 2048 -1 ${this.pool.join(' ')}\n`));
    }
    return this;
  }

  get leaks(): readonly Leak[] {
    return this.pipeline.leaks();
  }

  /** `kind state verdict pages` of each. */
  get said(): string[] {
    return this.leaks.map((l) => `${l.kind} ${l.state} ${l.verdict} ${l.pages}`);
  }
}

/** Two hugepages of an inode, one of which leaves its page cache with a reference too many. */
const PINNED = `
  2000   0  perl/391  sb S
  2000.1 0  perl/391  evict A ino=7 blocks=8192
  2000.2 0  perl/391  hugepage_remove F1 A ino=7 refcount=514
  2000.3 0  perl/391  hugepage_remove F2 A ino=7
  2000.4 0  perl/391  hugepage_free F2
  2000.5 0  perl/391  hugepage_enqueue F2
  2000.6 0  perl/391  unreserve A ino=7 freed=2
  2000.7 0  perl/391  clear_inode A
  2000.8 0  perl/391  destroy_inode A
  2000.9 0  perl/391  evict_end A
  2015   0  swap/0    i_callback A`;
/** The last mapping of an inode is gone: it had no page in its page cache. */
const UNMAPPED = `
  2000.2 0 qemu/88 evict A ino=7 blocks=0
  2000.3 0 qemu/88 clear_inode A
  2000.4 0 qemu/88 destroy_inode A
  2000.5 0 qemu/88 evict_end A
  2015   0 swap/0  i_callback A`;
const STACK = ['gup_fast_fallback+2805', 'iov_iter_get_pages2+29', '__do_sys_vmsplice+737'];

it('a counter of reserved hugepages below zero breaks R18, once for as long as it is, and is no leak', () => {
  const host = new Host(true, [64, 60, 2n ** 64n - 4n, 0]);
  host.until(9000);
  expect(host.said).toEqual([]);
  const { findings } = host.pipeline.model.contract;
  expect(findings.map(({ rule, verdict }) => `${rule} ${verdict}`)).toEqual(['R18 certain']);
  expect(findings[0]!.sentence).toContain('resv_hugepages is -4');
  expect(host.pipeline.model.pools.latest()[0]!.reserved).toBe(-4);
  host.pool = [64, 64, 0, 0];
  host.until(12_000);
  host.pool = [64, 63, 2n ** 64n - 1n, 0];
  host.until(15_000);
  expect(findings).toHaveLength(2);
});

describe('pinned', () => {
  it('is one 2 s after it left the page cache, certain, with who took the reference', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    host.rows('1500 0 qemu/88 hugepage_pin F1');
    host.raw(STACK.map((frame) => `${' '.repeat(8)}${frame}\n`).join('')).until(1900);
    host.rows(PINNED).until(3900);
    expect(host.said).toEqual([]);
    host.until(4200);
    expect(host.said).toEqual(['pinned firing certain 1']);
    expect(host.leaks[0]).toMatchObject({
      ino: 7,
      since_ns: 2000.2e6,
      bytes: 2 << 20,
      suspects: [{ pid: 88, comm: 'qemu', how: 'vmsplice' }],
    });
    expect(host.leaks[0]!.text).toContain('1 reference too many');
    host.rows('9000.25 0 qemu/88 hugepage_free F1').until(9400);
    expect(host.said).toEqual(['pinned resolved certain 1']);
    expect(host.leaks[0]!.until_ns).toBe(9000.25e6);
  });

  it('names those last who took a reference for a moment: a futex, a look by get_mempolicy()', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    const pin = (ms: number, task: string, frames: readonly string[]) => {
      host.rows(`${ms} 0 ${task} hugepage_pin F1`);
      host.raw(frames.map((frame) => `${' '.repeat(8)}${frame}\n`).join(''));
    };
    pin(1400, 'qemu/88', STACK);
    pin(1500, 'sh/90', [
      'gup_fast_fallback+1',
      'kernel_get_mempolicy+2',
      '__x64_sys_get_mempolicy+3',
    ]);
    // more of them than are remembered
    for (let i = 0; i < 40; i++) {
      pin(1501 + i, `pg/${100 + (i % 20)}`, [
        'gup_fast_fallback+1',
        'get_futex_key+2',
        'futex_wake+3',
      ]);
    }
    host.until(1900);
    host.rows(PINNED).until(4200);
    const { suspects } = host.leaks[0]!;
    expect(suspects[0]).toMatchObject({ pid: 88, how: 'vmsplice' });
    expect(new Set(suspects.slice(1).map(({ how }) => how))).toEqual(new Set(['futex']));
  });

  it('forgets of a task what it did again, before what others did', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    const dio = ['gup_fast_fallback+1', 'bio_iov_iter_get_pages+2', 'iomap_dio_rw+3'];
    const frames = (stack: readonly string[]) =>
      host.raw(stack.map((frame) => `${' '.repeat(8)}${frame}\n`).join(''));
    host.rows('1400 0 qemu/88 hugepage_pin F1');
    frames(STACK);
    for (let i = 0; i < 30; i++) {
      host.rows(`${1500 + i} 0 fio/77 hugepage_pin F1`);
      frames(dio);
    }
    host.until(1900);
    host.rows(PINNED).until(4200);
    expect(host.leaks[0]!.suspects.map(({ pid, how }) => [pid, how])).toEqual([
      [77, 'direct I/O'],
      [88, 'vmsplice'],
    ]);
  });

  it('is suspected as long as it is not known what was lost, and certain then', () => {
    const host = new Host(false);
    host.pool = [16, 15, 0, 0];
    host.rows(PINNED).until(5000);
    expect(host.said).toEqual(['pinned firing suspected 1']);
    // the kernel counted one eviction, which arrived; it skipped no run of the probe
    host.raw(`@hits[${LINES.evict.id}]: 1\n`).until(5300);
    host.pipeline.err(Buffer.from(`a misses 484.00 0 26:${LINES.evict.id + 10}:0\n`));
    host.until(5600);
    expect(host.said).toEqual(['pinned firing certain 1']);
  });

  it('names who took the reference also when it ends while word of the losses is awaited', () => {
    const host = new Host(false);
    host.pool = [16, 15, 0, 0];
    // the counts of a second, and nothing after them
    host.raw(`@hits[${LINES.evict.id}]: 0\n`).until(1200);
    host.pipeline.err(Buffer.from(`a misses 479.10 0 26:${LINES.evict.id + 10}:0\n`));
    host.rows('1500 0 qemu/88 hugepage_pin F1');
    host.raw(STACK.map((frame) => `${' '.repeat(8)}${frame}\n`).join('')).until(1900);
    host.rows(PINNED).until(4200);
    expect(host.said).toEqual([]);
    host.rows('4300 0 qemu/88 hugepage_free F1').until(4700);
    expect(host.said).toEqual(['pinned resolved suspected 1']);
    expect(host.leaks[0]).toMatchObject({
      until_ns: 4300e6,
      suspects: [{ pid: 88, how: 'vmsplice' }],
    });
    // word comes: one eviction was counted, and no run of the probe was skipped
    host.raw(`@hits[${LINES.evict.id}]: 1\n`).until(5300);
    host.pipeline.err(Buffer.from(`a misses 484.00 0 26:${LINES.evict.id + 10}:0\n`));
    host.until(5600);
    expect(host.said).toEqual(['pinned resolved certain 1']);
  });

  it('is one of a private mapping, whose page is in no page cache, when its last mapping is gone', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    host.rows(`
      1400   0 qemu/88 alloc_inode A
      1500   0 qemu/88 hugepage_alloc F1 A ino=7
      1500.5 0 qemu/88 hugepage_alloc F2 A ino=7
      1600   0 qemu/88 hugepage_pin F1`);
    host.raw(STACK.map((frame) => `${' '.repeat(8)}${frame}\n`).join('')).until(1900);
    host.rows(`
      2000   0 qemu/88 hugepage_free F2 anon=1
      2000.1 0 qemu/88 hugepage_enqueue F2${UNMAPPED}`);
    host.until(4400);
    expect(host.said).toEqual(['pinned firing certain 1']);
    expect(host.leaks[0]).toMatchObject({ ino: 7, since_ns: 2000.2e6 });
    expect(host.leaks[0]!.text).toMatch(/^a private hugepage outlived the last mapping/);
    expect(host.leaks[0]!.suspects[0]).toMatchObject({ pid: 88, how: 'vmsplice' });
    host.rows('9000.25 0 qemu/88 hugepage_free F1 anon=1').until(9400);
    expect(host.said).toEqual(['pinned resolved certain 1']);
    expect(host.leaks[0]!.until_ns).toBe(9000.25e6);
    expect(host.pipeline.model.hugepages.outstanding).toBe(0);
  });

  it('of a private mapping is in doubt when a line was lost since it was taken', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    host.rows(`
      1400   0 qemu/88 alloc_inode A
      1500   0 qemu/88 hugepage_alloc F1 A ino=7`);
    host.until(1800);
    host.pipeline.model.gap({
      from: 1600e6,
      to: 1700e6,
      lost: 1,
      where: 'ring_buffer',
      detail: '',
    });
    host.rows(UNMAPPED);
    host.until(6400);
    expect(host.said).toEqual(['pinned firing suspected 1']);
    expect(host.leaks[0]!.suspects).toMatchObject([{ pid: 88, how: 'mapping' }]);
  });

  it('is none of a mapping that is shared: what such a hugepage lacks is a line', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    host.rows(`
      1400   0 qemu/88 alloc_inode A
      1500   0 qemu/88 hugepage_alloc F1 A ino=7 flags=80${UNMAPPED}`);
    host.until(6400);
    expect(host.said).toEqual([]);
  });

  it('is none when the pool has it back: the line of its return was lost', () => {
    const host = new Host();
    host.rows(PINNED).until(8000); // the pool says all 16 are free
    expect(host.said).toEqual([]);
  });

  it('is refuted by the pool when that comes to know later', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    host.rows(PINNED).until(5000);
    expect(host.said).toEqual(['pinned firing certain 1']);
    host.pool = [16, 16, 0, 0];
    host.until(9000);
    expect(host.said).toEqual(['pinned refuted certain 1']);
    expect(host.leaks[0]!.text).toContain('lost event');
    expect(host.pipeline.model.hugepages.outstanding).toBe(0);
  });

  it('says that memory of the host is poisoned', () => {
    const host = new Host();
    host.pool = [16, 15, 0, 0];
    host.rows(PINNED);
    host.pipeline.err(Buffer.from('a corrupted 480.00 2048\n'));
    host.until(5000);
    expect(host.leaks[0]!.text).toMatch(/HardwareCorrupted.*2048 kB/);
  });
});

describe('stuck', () => {
  const BEGUN = `
    2000   0  perl/391  sb S
    2000.1 0  perl/391  evict A ino=7 blocks=4096`;
  const HANDED_OVER = `
    2000.7 0  perl/391  clear_inode A
    2000.8 0  perl/391  destroy_inode A
    2000.9 0  perl/391  evict_end A`;

  it('is an evict() that does not end within 20 s', () => {
    const host = new Host().rows(BEGUN).until(21_900);
    expect(host.said).toEqual([]);
    host.until(22_300);
    expect(host.said).toEqual(['stuck firing certain 1']);
    expect(host.leaks[0]!.suspects).toMatchObject([
      { pid: 391, comm: 'perl', evidence: 'runs evict() on it' },
    ]);
    host.rows(HANDED_OVER.replaceAll('2000.', '30000.')).until(31_000);
    host.rows('31100 0 swap/0 i_callback A').until(31_500);
    expect(host.said).toEqual(['stuck resolved certain 1']);
    expect(host.leaks[0]!.until_ns).toBe(31_100e6);
  });

  const TAKEN = [16, 14, 0, 0] as const;

  /** A hugepage is pinned for 7 s; the inode, which was handed to RCU, is not heard of again. */
  function pinnedAndGone(host: Host): Host {
    host.until(2000).pool = [16, 15, 0, 0];
    host.rows(PINNED.slice(0, PINNED.indexOf('  2015 '))).until(9000);
    host.pool = [16, 16, 0, 0];
    return host.rows('9000 0 cat/5 hugepage_free F1\n9000.1 0 cat/5 hugepage_enqueue F1');
  }

  it('is not moved on by a hugepage that comes back while the inode waits', () => {
    const host = pinnedAndGone(new Host(true, TAKEN)).until(22_300);
    // evict() gave one back, the pipe the other
    expect(host.said).toEqual(['stuck firing certain 0', 'pinned resolved certain 1']);
    expect(host.leaks[0]!.since_ns).toBe(2000.9e6);
  });

  it('is none when its end fell into a gap, whatever was heard of its hugepages since', () => {
    const host = new Host(true, TAKEN);
    const gap = {
      from: 2500e6,
      to: 3500e6,
      lost: 9,
      where: 'ring_buffer',
      detail: 'full',
    } as const;
    host.pipeline.model.gap(gap);
    pinnedAndGone(host).until(60_000);
    expect(host.said).toEqual(['pinned resolved suspected 1']);
  });

  it('is none where the line at its end is of a program that has not seen evict()', () => {
    const rows = `1500 0 perl/391 alloc_inode A${HANDED_OVER}`;
    const lost = new Host(true, TAKEN, { detail: 'auto' }).rows(rows).until(60_000);
    expect(lost.said).toEqual([]);
    expect([...lost.pipeline.model.inodes.all()].map(({ state }) => state)).toEqual(['lost']);
    // a step tells itself
    expect(new Host(true, TAKEN, { detail: 'steps' }).rows(rows).until(60_000).said).toEqual([
      'stuck firing certain 0',
    ]);
  });

  it('is told though an inode whose evict() began before it goes on', () => {
    const host = new Host().rows(BEGUN).rows('2000.2 0 cat/5 evict B ino=8 blocks=4096');
    for (let ms = 3000; ms < 22_000; ms += 1000) {
      host.until(ms).rows(`${ms} 0 perl/391 hugepage_remove F${ms} A ino=7`);
    }
    host.until(23_000);
    expect(host.leaks.filter(({ kind }) => kind === 'stuck')).toMatchObject([{ ino: 8 }]);
  });

  it('is a callback that does not come, but not for lazy RCU', () => {
    const host = new Host().rows(BEGUN + HANDED_OVER).until(15_000);
    expect(host.said).toEqual([]);
    host.until(22_500);
    expect(host.said).toEqual(['stuck firing certain 1']);
    expect(host.leaks[0]!.text).toContain('i_callback() has not come');
    expect(host.leaks[0]!.suspects).toMatchObject([{ pid: 391, evidence: 'ran evict() on it' }]);
  });
});

describe('surplus', () => {
  it('is one while the pool has more than anybody uses', () => {
    const host = new Host(true, [18, 16, 0, 2]).until(90_000); // in use
    expect(host.said).toEqual([]);
    host.pool = [18, 18, 0, 2];
    host.until(152_000);
    expect(host.said).toEqual(['surplus firing certain 2']);
    host.pool = [16, 16, 0, 0];
    host.until(154_000);
    expect(host.said).toEqual(['surplus resolved certain 2']);
  });
});

describe('pool drift', () => {
  it('is one when more are in use than were seen being taken, for 30 s', () => {
    const host = new Host(true, [16, 12, 0, 0]).until(5000); // four are of before
    host.pool = [16, 10, 0, 0];
    host.until(34_000);
    expect(host.said).toEqual([]);
    host.until(42_000);
    expect(host.said).toEqual(['pool drift firing certain 2']);
    host.pool = [16, 12, 0, 0];
    host.until(45_000);
    expect(host.said.map((s) => s.split(' ').slice(0, 3).join(' '))).toEqual([
      'pool drift resolved',
    ]);
  });

  it('is none for hugepages that were seen being taken', () => {
    const host = new Host();
    host.rows('1500 0 perl/391 hugepage_alloc F1 A');
    host.pool = [16, 15, 0, 0];
    host.until(60_000);
    expect(host.said).toEqual([]);
  });

  it('is none for those that are taken for no mapping: moved into, or given back', () => {
    const host = new Host();
    host.rows(`
      1500   0 qemu/88     hugepage_alloc F1 A
      1501   0 qemu/88     hugepage_alloc_nodemask F2
      1502   0 qemu/88     hugepage_free F2
      1503   0 kcompactd/9 hugepage_alloc_nodemask F3
      1504   0 kcompactd/9 hugepage_move F1 F3
      1505   0 kcompactd/9 hugepage_free F1`);
    host.pool = [16, 15, 0, 0];
    host.until(60_000);
    expect(host.said).toEqual([]);
    expect(host.pipeline.model.hugepages).toMatchObject({ allocated: 3, freed: 2 });
  });

  it('is none when more came back than were in use: they had been taken unseen', () => {
    const host = new Host();
    host.rows('1500 0 qemu/88 hugepage_free F1').until(60_000);
    expect(host.said).toEqual([]);
    // nor does it hide one that comes later
    host.pool = [16, 14, 0, 0];
    host.until(120_000);
    expect(host.said).toEqual(['pool drift firing certain 2']);
    expect(host.leaks[0]!.text).toBe(
      '2 hugepages are in use, 2 too many: 1 before tracing, 0 seen being taken since, 1 given back',
    );
  });

  it('is suspected where it is not seen what is taken for no mapping', () => {
    const seen = STAGES.filter((stage) => stage !== 'hugepage_alloc_nodemask');
    const host = new Host(true, [16, 12, 0, 0], { plan: planOf(seen) }).until(5000);
    host.pool = [16, 10, 0, 0];
    host.until(42_000);
    expect(host.said).toEqual(['pool drift firing suspected 2']);
  });
});

describe('reservation', () => {
  const FAILED = `
    2000   0  mount/454 new_subpool P max=4 min=2
    2000.1 0  mount/454 fill_super S ret=-12
    2000.2 0  mount/454 shutdown_super S`;

  it('is what a mount that failed keeps, once, with who mounted', () => {
    const host = new Host();
    host.rows(FAILED);
    host.pool = [16, 16, 2, 0];
    host.until(30_000);
    expect(host.said).toEqual(['reservation firing certain 2']);
    expect(host.leaks[0]).toMatchObject({ s_dev: '0:17', suspects: [{ pid: 454, how: 'mount' }] });
  });

  it('is nothing when the subpool was put', () => {
    const host = new Host();
    const put = '2000.15 0 mount/454 put_subpool P max=4 min=2 reserved=2\n';
    host.rows(FAILED.replace('    2000.2', `${put}    2000.2`)).until(30_000);
    expect(host.said).toEqual([]);
  });

  it('is what a pool at rest has reserved, beyond those of mounts', () => {
    const host = new Host().until(5000);
    host.rows(FAILED.replaceAll('2000', '6000'));
    host.pool = [16, 16, 5, 0];
    host.until(30_000);
    expect(host.said).toEqual(['reservation firing certain 2', 'reservation firing certain 3']);
    host.pool = [16, 16, 3, 0];
    host.until(33_000);
    expect(host.said.at(1)).toEqual('reservation firing certain 1');
    host.pool = [16, 16, 2, 0];
    host.until(36_000);
    expect(host.said.filter((s) => s.includes('firing'))).toEqual(['reservation firing certain 2']);
  });

  it('is nothing while somebody may hold it', () => {
    const host = new Host().until(2000);
    host.rows('2500 0 perl/391 reserve A ino=7 to=3');
    host.pool = [16, 16, 3, 0];
    host.until(60_000);
    expect(host.said).toEqual([]);
  });
});
