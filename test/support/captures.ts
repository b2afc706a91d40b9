/**
 * Traces of small programs on four kernels (test/fixtures/captures), taken with a
 * program other than ours and merged with what the program itself measured. Turns one
 * into our lines. What that program did not print and a rule needs (the table of each
 * superblock, the return of kvm_gmem_create() and of a mount) is put where the kernel
 * has it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { LineName } from '../../server/protocol/grammar.ts';
import { STAGES, type Stage } from '../../server/protocol/stages.ts';
import { type FieldValue, formatLine, MAGIC } from '../fixtures/trace.ts';

const FOLDER = new URL('../fixtures/captures/', import.meta.url);

/** `I_FREEING | I_CLEAR` of each kernel. */
export const FREED_STATE: Readonly<Record<string, number>> = {
  6.1: 0x60,
  6.12: 0x180,
  6.18: 0x300,
  7.3: 0x300,
};

/** What that program looked at. */
export const CAPTURED: readonly Stage[] = STAGES.filter(
  (stage) =>
    ![
      'evict_inode_end',
      'hugepage_alloc_nodemask',
      'hugepage_move',
      'lifecycle',
      'subpool',
    ].includes(stage),
);

export interface Capture {
  readonly kernel: string;
  readonly name: string;
}

export function captures(): Capture[] {
  return readdirSync(FOLDER)
    .sort()
    .flatMap((kernel) =>
      readdirSync(new URL(`${kernel}/`, FOLDER))
        .sort()
        .map((file) => ({ kernel, name: file.replace(/\.txt$/, '') })),
    );
}

const OTHER_MAGIC: Readonly<Record<string, number>> = {
  ...MAGIC,
  devtmpfs: MAGIC.tmpfs,
  debugfs: 0x64626720,
  pipefs: 0x50495045,
  sockfs: 0x534f434b,
};

interface Row {
  readonly us: number;
  readonly cpu: number;
  readonly tid: number;
  readonly comm: string;
  readonly what: string;
  readonly f: Readonly<Record<string, string>>;
}

/** Of an inode, what a later line tells and an earlier one needs. */
interface Known {
  dev: number;
  ino: number;
  fs: string;
}

/** Standard output and the agent's standard error, in the order of time. */
export function framesOf({ kernel, name }: Capture): { kind: 'out' | 'err'; text: string }[] {
  const text = readFileSync(new URL(`${kernel}/${name}.txt`, FOLDER), 'utf8');
  return new Converter(text).frames();
}

class Converter {
  readonly #rows: Row[] = [];
  readonly #out: { us: number; kind: 'out' | 'err'; text: string }[] = [];
  readonly #printedSb = new Set<string>();
  readonly #subpools = new Map<string, { max: string; min: string }>();
  /** By task: the device of the hugetlbfs inode that it evicted last. */
  readonly #evictedDev = new Map<number, number>();
  #mounting: { subpool: string; tid: number } | null = null;
  #gmemTask: number | null = null;

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const step = /^ +(\d+) == STEP \S+ total=(\d+) free=(\d+) rsvd=(\d+) surp=(\d+)/.exec(line);
      if (step !== null) {
        const [, us, total, free, reserved, surplus] = step;
        this.#pool(Number(us), `2048 -1 ${total} ${free} ${reserved} ${surplus}`);
      }
      const row = /^ +(\d+) (\d+) \d+\/(\d+) (.{1,15}?) ([A-Za-z_]\w*)((?: \w+=\S+)*)$/.exec(line);
      if (row === null) continue;
      const [, us, cpu, tid, comm, what, words] = row as unknown as string[];
      const f = Object.fromEntries(
        words!
          .trim()
          .split(' ')
          .map((word) => word.split('=')),
      );
      this.#rows.push({
        us: Number(us),
        cpu: Number(cpu),
        tid: Number(tid),
        comm: comm!,
        what: what!,
        f,
      });
    }
  }

  frames(): { kind: 'out' | 'err'; text: string }[] {
    const last = this.#rows.at(-1)!.us;
    for (const [i, row] of this.#rows.entries()) this.#convert(row, i);
    // the pool as it is in the end goes on, and so does time
    const end = this.#out.findLast((frame) => frame.kind === 'err');
    for (let us = 0; us < last + 40e6; us += 100_000) {
      this.#line('tick', { us, cpu: 0, tid: 0 }, { seq: us / 100_000 + 1 });
      if (us > last && us % 1_000_000 === 0 && end !== undefined) {
        this.#pool(us, end.text.trim().split(' ').slice(3).join(' '));
      }
    }
    return this.#out.sort((a, b) => a.us - b.us).map(({ kind, text }) => ({ kind, text }));
  }

  #pool(us: number, counters: string): void {
    const uptime = ((us + 1e6) / 1e6).toFixed(2);
    this.#out.push({ us, kind: 'err', text: `a pool ${uptime} ${counters}\n` });
  }

  #line(
    name: LineName,
    { us, cpu, tid }: { us: number; cpu: number; tid: number },
    values: Record<string, FieldValue>,
  ): void {
    const ts = BigInt(Math.round(us * 1000)) + 1_000_000_000n;
    const at = { ts, cpu, pid: tid, tid };
    this.#out.push({ us, kind: 'out', text: `${formatLine(name, at, values)}\n` });
  }

  /** What is known of the inode that a row names: its eviction tells it. */
  #known(address: string, i: number): Known {
    const from = (row: Row) => ({
      dev: Number.parseInt(row.f.dev!, 16),
      ino: Number(row.f.ino),
      fs: row.f.fs!,
    });
    for (const row of this.#rows.slice(i)) {
      if (row.f.i === address && row.what === 'evict') return from(row);
      if (row.f.i === address && row.what === 'alloc_inode' && row !== this.#rows[i]) break;
    }
    // it outlives the capture
    const fs = this.#rows[i]!.f.fs ?? 'hugetlbfs';
    const same = this.#rows.find((row) => row.what === 'evict' && row.f.fs === fs);
    return { dev: same === undefined ? 99 : from(same).dev, ino: 0, fs };
  }

  #convert(row: Row, i: number): void {
    const { f, what } = row;
    const inode = f.i ?? '0';
    const of = () => {
      const { dev, ino } = this.#known(inode, i);
      return { inode, dev, ino };
    };
    switch (what) {
      case 'alloc_inode': {
        const dev = f.i === '0' ? 99 : this.#known(inode, i).dev;
        return this.#alloc(row, dev);
      }
      case 'evict':
        return this.#evict(row);
      case 'hugetlbfs_evict_inode':
      case 'shmem_evict_inode':
      case 'ext4_evict_inode':
      case 'proc_evict_inode':
        return this.#line('evict_inode', row, { inode });
      case 'truncate_final':
        return this.#line('truncate_final', row, { inode, nrpages: f.nrpages! });
      case 'clear_inode':
        return this.#line('clear_inode', row, { inode, nrpages: f.nrpages!, state: f.state! });
      case 'destroy_inode':
        return this.#line('destroy_inode', row, { inode, state: f.state! });
      case 'hugetlbfs_destroy_inode':
      case 'kvm_gmem_destroy_inode':
      case 'free_inode_nonrcu':
        return this.#line('destroy_op', row, { inode });
      case 'evict_ret':
        return this.#line('evict_end', row, { inode });
      case 'i_callback': {
        const values = { inode, free_inode: f.free!, flags: 0x4200002, comm: row.comm };
        return this.#line('i_callback', row, values);
      }
      case 'hugetlbfs_free_inode':
      case 'shmem_free':
      case 'kvm_gmem_free_inode':
        return this.#line('free_inode', row, { inode });
      case 'kvm_gmem_alloc_inode':
        this.#gmemTask = row.tid;
        return;
      case 'kvm_gmem_fallocate': {
        if (this.#gmemTask === row.tid) {
          this.#line('gmem_create', { ...row, us: row.us - 1 }, { ret: 4 });
        }
        this.#gmemTask = null;
        const values = { inode, mode: f.mode!, offset: f.off!, len: f.len! };
        return this.#line('gmem_fallocate', row, values);
      }
      case 'kvm_gmem_release':
        return this.#line('gmem_release', row, { inode, nrpages: f.nrpages! });
      case 'remove_inode_hugepages':
        return this.#line('remove_hugepages', row, { inode, start: f.start!, end: f.end! });
      case 'filemap_remove_folio':
        return this.#line('hugepage_remove', row, {
          ...of(),
          folio: f.f!,
          index: f.idx!,
          refcount: f.ref!,
        });
      case 'add_to_cache':
        return this.#line('hugepage_add', row, {
          ...of(),
          folio: f.f!,
          index: f.idx!,
          blocks: f.blocks!,
          ret: f.ret!,
        });
      case 'reserve':
        return this.#line('reserve', row, {
          ...of(),
          from: f.from!,
          to: f.to!,
          vma: f.vma!,
          ret: this.#granted(f.ret!),
        });
      case 'unreserve':
        return this.#line('unreserve', row, {
          ...of(),
          start: f.start!,
          end: f.end!,
          freed: f.freed!,
        });
      case 'hugetlb_vm_op_close': {
        const nothing = { inode: '0', dev: 0, ino: 0, start: 0, end: 0, flags: 0 };
        return this.#line('vm_close', row, { ...nothing, vma: f.vma! });
      }
      default:
        return this.#hugepage(row);
    }
  }

  #hugepage(row: Row): void {
    const { f, comm } = row;
    switch (row.what) {
      case 'alloc_hugetlb_folio':
      case 'alloc_huge_page': {
        const failed = f.f!.startsWith('fffffffffffff');
        const error = failed ? BigInt.asIntN(64, BigInt(`0x${f.f}`)) : 0;
        const values = { folio: failed ? '0' : f.f!, inode: '0', dev: 0, ino: 0, flags: 0, comm };
        return this.#line('hugepage_alloc', row, { ...values, error });
      }
      case 'free_huge_folio':
      case 'free_huge_page':
        return this.#line('hugepage_free', row, {
          folio: f.f!,
          anon: f.map === '0' ? 0 : 1,
          private: f.priv!,
          refcount: f.rc!,
          comm,
        });
      case 'enqueue': {
        const values = { folio: f.f!, free: f.free!, reserved: f.resv! };
        return this.#line('hugepage_enqueue', row, values);
      }
      case 'update_and_free':
        return this.#line('hugepage_to_buddy', row, { folio: f.f! });
      case '__update_and_free':
        return this.#line('hugepage_released', row, { folio: f.f! });
      case 'resv_map_alloc':
      case 'resv_map_release':
        return this.#line(row.what, row, { resv_map: f.r! });
      case 'new_subpool':
        this.#subpools.set(f.s!, { max: f.max!, min: f.min! });
        this.#mounting = { subpool: f.s!, tid: row.tid };
        return this.#line('new_subpool', row, { subpool: f.s!, max: f.max!, min: f.min! });
      case 'put_subpool': {
        const { max, min } = this.#subpools.get(f.s!) ?? { max: '-1', min: '-1' };
        const values = {
          subpool: f.s!,
          count: f.count!,
          max,
          min,
          used: f.used!,
          reserved: f.rsv!,
        };
        this.#line('put_subpool', row, values);
        const dev = this.#evictedDev.get(row.tid) ?? 0;
        const sb = addressOfSb(dev);
        const magic = MAGIC.hugetlbfs;
        return this.#line('shutdown_super', { ...row, us: row.us + 1 }, { sb, dev, magic });
      }
    }
  }

  /** Up to 6.12 true and false, later pages and -errno: the line has it as the second. */
  #granted(ret: string): string {
    const isBool = this.#rows.some((row) => row.f.fop !== undefined && row.f.state === '180');
    const before612 = this.#rows.some(
      (row) => row.what === 'destroy_inode' && row.f.state === '60',
    );
    if (!isBool && !before612) return ret;
    return ret === '1' ? '0' : '-1';
  }

  #alloc(row: Row, dev: number): void {
    const { i, fs } = row.f;
    this.#line('alloc_inode', row, { inode: i!, dev, magic: OTHER_MAGIC[fs!] ?? 0xabcd });
    // the root of a mount: what follows is its return
    if (fs !== 'hugetlbfs' || this.#mounting?.tid !== row.tid) return;
    const at = { ...row, us: row.us + 1 };
    this.#line('fill_super', at, { sb: addressOfSb(dev), dev, ret: 0 });
    this.#mounting = null;
  }

  #evict(row: Row): void {
    const { f } = row;
    const fs = f.fs!;
    const dev = Number.parseInt(f.dev!, 16);
    const magic = OTHER_MAGIC[fs] ?? 0xabcd;
    if (fs === 'hugetlbfs') this.#evictedDev.set(row.tid, dev);
    if (!this.#printedSb.has(`${dev} ${fs}`)) {
      this.#printedSb.add(`${dev} ${fs}`);
      const at = { ...row, us: row.us - 0.5 };
      const sb = addressOfSb(dev);
      this.#line('sb', at, {
        sb,
        dev,
        magic,
        drop_inode: f.drop!,
        evict_inode: f.evict!,
        destroy_inode: f.destroy!,
        free_inode: f.free!,
        fstype: fs,
      });
      this.#line('sb_size', at, { sb, dev, blocksize: fs === 'hugetlbfs' ? 2097152 : 4096 });
    }
    this.#line('evict', row, {
      inode: f.i!,
      dev,
      magic,
      ino: f.ino!,
      nlink: f.nlink!,
      // it was not captured: a directory has two links or more
      mode: Number(f.nlink) >= 2 ? 0o40755 : 0o100644,
      size: f.size!,
      blocks: f.blocks!,
      nrpages: f.nrpages!,
      comm: row.comm,
    });
  }
}

function addressOfSb(dev: number): string {
  return (0xff00_0000_0000_0000n + BigInt(dev) * 4096n).toString(16);
}
