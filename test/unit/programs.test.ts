/** The programs that are made of a plan: what bpftrace of each host is given to read. */
import { describe, expect, it } from 'vitest';
import { LINES, type LineName } from '../../server/protocol/grammar.ts';
import { COUNTED_LINES, HITS_PER_LINE } from '../../server/protocol/line-kinds.ts';
import { INODE_STAGES } from '../../server/protocol/stages.ts';
import type { BtfFunction } from '../../server/tracer/btf.ts';
import { blame, compile, type Program } from '../../server/tracer/compile.ts';
import {
  DEFAULT_FILESYSTEMS,
  FILESYSTEMS,
  type Filesystem,
} from '../../server/tracer/filesystems.ts';
import { mapKeys } from '../../server/tracer/map-keys.ts';
import { DETAILS, makePlan, type PlanOptions, type TracePlan } from '../../server/tracer/plan.ts';
import { loadProbes } from '../../server/tracer/programs.ts';
import { hasOffsetof, hasStackLimit } from '../../server/tracer/versions.ts';
import { HOSTS, type HostKind, hostOf } from '../fixtures/hosts.ts';

const BLOCKS = loadProbes();
const NAMES = Object.keys(HOSTS);
const ENDS: readonly LineName[] = ['life', 'raw_life'];
const COUNTED_IDS = new Set<number>(COUNTED_LINES.map((name) => LINES[name].id));
const OPTIONS = { stepsBelow: 5000 };
/** The count of a line: one of a map, or a map of its own. */
const HITS = /@hits(?:\[(\d+)\]|_(\d+)) = count\(\)/g;

function planOf(host: HostKind, some: Partial<PlanOptions> = {}): TracePlan {
  const { facts, families, fs } = host;
  return makePlan(facts, BLOCKS, { fs, detail: 'steps', families, ...some });
}

const programsOf = (host: HostKind, some: Partial<PlanOptions> = {}) =>
  compile(planOf(host, some), host.facts, host.btf, OPTIONS);

const textOf = (host: HostKind, some: Partial<PlanOptions> = {}) =>
  programsOf(host, some)
    .map((program) => program.text)
    .join('\n');

/** One probe as it stands in a text. */
interface Block {
  readonly attach: string;
  readonly text: string;
}

/** The probes of a program, BEGIN, END and the timers apart. */
function blocksOf({ text }: Program): Block[] {
  const shape =
    /^((?:kfunc|kretfunc|kprobe|kretprobe|tracepoint|rawtracepoint):\S+)\n((?:\/.*\/\n)?\{[\s\S]*?^\})$/gm;
  return [...text.matchAll(shape)].map(([, attach, block]) => ({ attach: attach!, text: block! }));
}

const without = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/"[^"]*"/g, '""');

/** Fields of the tracepoints (events/.../format). */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'hugetlbfs:hugetlbfs_alloc_inode': ['dev', 'ino', 'dir', 'mode'],
  'hugetlbfs:hugetlbfs_evict_inode': ['dev', 'ino', 'mode', 'size', 'nlink', 'seals', 'blocks'],
  'hugetlbfs:hugetlbfs_free_inode': ['dev', 'ino', 'mode', 'size', 'nlink', 'seals', 'blocks'],
  'filemap:mm_filemap_add_to_page_cache': ['pfn', 'i_ino', 'index', 's_dev', 'order'],
  'filemap:mm_filemap_delete_from_page_cache': ['pfn', 'i_ino', 'index', 's_dev', 'order'],
};

/** Splits at commas that are inside no parenthesis or bracket. */
function splitArguments(text: string): string[] {
  const out = [''];
  let depth = 0;
  for (const c of text) {
    if ('([{'.includes(c)) depth++;
    if (')]}'.includes(c)) depth--;
    if (c === ',' && depth === 0) out.push('');
    else out[out.length - 1] += c;
  }
  return out;
}

/** Each map of a text that is read, and each that is written. */
function mapsOf(text: string): { read: Set<string>; written: Set<string> } {
  let bare = without(text);
  // keys may hold maps with keys: from the inside out, each becomes a map without one
  const inner: string[] = [];
  for (let before = ''; before !== bare; ) {
    before = bare;
    bare = bare.replace(/(@\w+)\[([^[\]]*)\]/g, (_, map: string, key: string) => {
      inner.push(...(key.match(/@\w+/g) ?? []));
      return map;
    });
  }
  const written = [...bare.matchAll(/(@\w+)\s*(?:=(?!=)|\+\+)/g)].map(([, map]) => map!);
  const all = [...bare.matchAll(/(@\w+)(?!\w)(?!\s*(?:=(?!=)|\+\+))/g)].map(([, map]) => map!);
  return { read: new Set([...inner, ...all]), written: new Set(written) };
}

/** What is true of the program for any host. */
function check(program: Program, host: HostKind): void {
  const { text, lines, places } = program;
  const blocks = blocksOf(program);
  const rows = text.split('\n');

  // an error is led back by the place, a skipped run by the line
  expect(blocks).toHaveLength(lines.length);
  expect(places).toHaveLength(lines.length);
  const misplaced = places.filter(({ attach, from, to }, i) => {
    const block = blocks[i]!.attach;
    // a kretprobe that reads arguments has a kprobe that keeps them
    const own = block === attach || block === attach.replace('kretprobe:', 'kprobe:');
    return !own || rows[from - 1] !== block || rows[to - 1] !== '}';
  });
  expect(misplaced).toEqual([]);

  // no two of them count in the same place, since one may interrupt the other
  const keys = blocks.flatMap(({ text: block }) => [
    ...new Set([...block.matchAll(HITS)].map(([, one, other]) => Number(one ?? other))),
  ]);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys.every((key) => COUNTED_IDS.has(key % HITS_PER_LINE))).toBe(true);

  const functions = host.facts.types.functions ?? new Map<string, BtfFunction>();
  for (const { attach, text: block } of blocks) {
    const code = without(block);
    const [kind] = attach.split(':') as [string];
    const args = [...code.matchAll(/args->(\w+)/g)].map(([, name]) => name!);
    if (kind === 'tracepoint') {
      const fields = FIELDS[attach.slice('tracepoint:'.length)]!;
      expect(
        args.filter((name) => !fields.includes(name)),
        attach,
      ).toEqual([]);
      continue;
    }
    if (kind === 'rawtracepoint') {
      expect(args, attach).toEqual([]);
      // the inode, which each has first; of alloc_inode the mode as well
      const registers = new Set([...code.matchAll(/\barg(\d)\b/g)].map(([, n]) => Number(n)));
      registers.delete(attach.endsWith('alloc_inode') ? 2 : 0);
      expect([...registers], attach).toEqual(attach.endsWith('alloc_inode') ? [0] : []);
      continue;
    }
    const proto = functions.get(attach.split(':').at(-1)!)!;
    expect(proto, attach).toBeDefined();
    const named = proto.args.map((arg) => arg.name);
    expect(
      args.filter((name) => !named.includes(name)),
      attach,
    ).toEqual([]);
    // registers: of a kprobe alone, and no more than the function has arguments
    const registers = [...code.matchAll(/\barg(\d)\b/g)].map(([, n]) => Number(n));
    const most = kind === 'kprobe' ? proto.args.length : 0;
    expect(
      registers.filter((n) => n >= most),
      attach,
    ).toEqual([]);
    if (kind === 'kprobe' || kind === 'kretprobe') expect(args, attach).toEqual([]);
    if (kind !== 'kretfunc' && kind !== 'kretprobe') expect(code, attach).not.toMatch(/\bretval\b/);
    else if (/\bretval\b/.test(code)) expect(proto.returns.size, attach).toBeGreaterThan(0);
    // what is read was set before, in this block
    const unset = [...new Set(code.match(/\$\w+/g))].filter((variable) => {
      const [first] = new RegExp(`\\${variable}\\b.{0,3}`).exec(code)!;
      return !/^\$\w+\s*=(?!=)/.test(first);
    });
    expect(unset, attach).toEqual([]);
  }

  // one argument for each conversion
  const printfs = [...text.matchAll(/printf\("([^"]*)"([\s\S]*?)\);/g)];
  const wrong = printfs.filter(([, format, list]) => {
    const conversions = format!.match(/%[a-z]+/g) ?? [];
    return splitArguments(list!).length - 1 !== conversions.length;
  });
  expect(printfs.length).toBeGreaterThan(0);
  expect(wrong.map(([whole]) => whole)).toEqual([]);

  // bpftrace refuses a map that is read and never written, and prints at its end what is left
  const { read, written } = mapsOf(text);
  expect([...read].filter((map) => !written.has(map))).toEqual([]);
  const counts = new Set(
    [...text.matchAll(/(@\w+)(?:\[\d+\])? = count\(\)/g)].map(([, map]) => map!),
  );
  const used = [...read, ...written].filter((map) => !counts.has(map));
  const end = /^END \{(.*)\}$/m.exec(text)![1]!;
  const cleared = [...end.matchAll(/clear\((@\w+)\)/g)].map(([, map]) => map!);
  expect([...cleared].sort()).toEqual([...new Set(used)].sort());
  for (const map of counts) {
    expect(text.split(`print(${map})`).length - 1, map).toBe(1);
  }

  // braces close
  for (const [open, close] of ['()', '[]', '{}'] as const) {
    const bare = without(text);
    expect(bare.split(open!).length, `${open}${close}`).toBe(bare.split(close!).length);
  }
  expect(text).not.toMatch(/undefined|NaN|null/);

  // a member of the struct that i_state is on 7.x
  const isStruct = host.facts.types.stateIsStruct;
  const members = new Set(text.match(/->i_state(\.\w+)?/g));
  members.delete(isStruct ? '->i_state.__state' : '->i_state');
  expect([...members]).toEqual([]);

  // the words of its bpftrace
  expect(text).not.toMatch(/\b(fentry|fexit)\b/);
  // nothing else is said in it, and that only where it is known
  const configs = text.match(/.*\bconfig\b.*/g) ?? [];
  if (!hasStackLimit(host.facts.bpftrace)) expect(configs).toEqual([]);
  for (const line of configs) expect(line).toMatch(/^config = \{ on_stack_limit = \d+ \}$/);
  const old = !hasOffsetof(host.facts.bpftrace);
  if (old || !host.facts.btf) expect(text).not.toContain('offsetof');
  expect(text.includes('profile:hz:')).toBe(old);
  if (!host.facts.btf) expect(text).not.toMatch(/struct|\$c/);
}

const freeInodeOf = ({ ops }: Filesystem) => ops.free_inode;

describe.each(NAMES)('the programs for %s', (name) => {
  const host = HOSTS[name]!;
  const known = Object.keys(host.facts.filesystems);
  const lists = [DEFAULT_FILESYSTEMS, known, ...known.map((one) => [one])];

  it.each(DETAILS)('hold together, each stage %s', (detail) => {
    for (const fs of lists) {
      for (const program of programsOf(host, { detail, fs })) check(program, host);
    }
  });

  it('hold together without any one of their probes, and without its kprobe', () => {
    for (const detail of ['steps', 'auto'] as const) {
      for (const { attach } of planOf(host, { detail }).probes) {
        const dropped = new Map([[attach, 'bpftrace: refused']]);
        for (let again = 0; again < 2; again++) {
          const programs = programsOf(host, { detail, dropped });
          for (const program of programs) check(program, host);
          const attached = programs.flatMap((program) => program.places.map((at) => at.attach));
          expect(attached.filter((at) => dropped.has(at))).toEqual([]);
          dropped.set(attach.replace(/^kfunc:\w+:/, 'kprobe:'), 'bpftrace: refused');
        }
      }
    }
  });

  it('have a probe of the plan for each of their places, and the other way round', () => {
    for (const detail of DETAILS) {
      const planned = planOf(host, { detail }).probes.map((probe) => probe.attach);
      const attached = programsOf(host, { detail }).flatMap((p) => p.places.map((at) => at.attach));
      expect(new Set(attached)).toEqual(new Set(planned));
    }
  });

  it('print where something is attached, and note a time or a mark otherwise', () => {
    for (const detail of DETAILS) {
      for (const program of programsOf(host, { detail })) {
        blocksOf(program).forEach(({ attach, text }, i) => {
          const printed = [...text.matchAll(/printf\("(\w+) /g)].map(
            ([, line]) => line as LineName,
          );
          const counted = [...text.matchAll(HITS)];
          expect(counted, attach).toHaveLength(printed.length);
          const line = program.lines[i]!;
          if (printed.length > 0 && !ENDS.includes(line)) expect(printed.at(-1), attach).toBe(line);
          else if (printed.length === 0) expect(text, attach).toMatch(/@\w+(\[.*\])? ?(=|\+\+)/);
        });
      }
    }
  });
});

describe('the program', () => {
  const host = HOSTS['6.12']!;

  it('filters by the magic numbers of what was asked for', () => {
    const text = textOf(host, { fs: ['shmem', 'ext4'] });
    expect(text).toContain('@fs[0x1021994] = 1;');
    expect(text).toContain('@fs[0xef53] = 1;');
    expect(text).not.toContain('@fs[0x958458f6] = 1;');
  });

  it('is two where something runs from RCU, which may interrupt the rest', () => {
    const linesOf = (name: string, detail: 'steps' | 'auto') =>
      programsOf(HOSTS[name]!, { detail }).map((program) => [...new Set(program.lines)].sort());
    const [tasks, rcu] = linesOf('6.12', 'steps');
    expect(rcu).toEqual(['free_inode', 'i_callback']);
    expect(tasks).not.toContain('i_callback');
    // which guest_memfd was closed, both have to know
    expect(linesOf('6.18-kvm', 'steps')[1]).toEqual(['free_inode', 'gmem_release', 'i_callback']);
    // the maps of the line at the end are of one program
    const [told, lives] = linesOf('6.12', 'auto');
    expect(lives).toEqual(['life']);
    expect(told).not.toContain('life');
    // raw tracepoints run there as well; those of the steps do not, and none do before 0.21
    expect(linesOf('6.18-tracepoints', 'auto')[1]).toEqual(['raw_life']);
    expect(linesOf('6.18-tracepoints', 'steps')).toHaveLength(1);
    expect(linesOf('6.18-tracepoints-bpftrace-0.17', 'auto')).toHaveLength(1);
  });

  it('marks a guest_memfd in both programs by the same kind of probe', () => {
    for (const [name, attach] of [
      ['6.18-kvm', 'kfunc:kvm:kvm_gmem_release'],
      ['6.18-kvm-family-kprobe', 'kprobe:kvm_gmem_release'],
    ] as const) {
      for (const program of programsOf(HOSTS[name]!)) {
        const [mark] = blocksOf(program).filter((block) => block.attach === attach);
        expect(mark?.text, attach).toMatch(/@gmem\[\(uint64\).*\] = 1;/);
      }
    }
    // once the kernel refused it, nobody asks for marks
    const dropped = new Map([
      ['kfunc:kvm:kvm_gmem_release', 'bpftrace: refused'],
      ['kprobe:kvm_gmem_release', 'bpftrace: refused'],
    ]);
    expect(textOf(HOSTS['6.18-kvm']!, { dropped })).not.toContain('@gmem');
    expect(textOf(HOSTS['6.12']!)).not.toContain('@gmem');
  });

  it.each([
    [1, 20],
    [16, 20],
    [17, 18],
    [64, 5],
    [512, 5],
  ])('on %i CPUs, each says %i times a second that it is there, up to 0.18', (cpus, hz) => {
    const { facts, ...host } = HOSTS['6.12-bpftrace-0.17']!;
    expect(textOf({ ...host, facts: { ...facts, cpus } })).toContain(`profile:hz:${hz} {`);
  });

  it('speaks 0.17: offsets as numbers, a beat on each CPU', () => {
    const text = textOf(HOSTS['6.12-bpftrace-0.17']!);
    expect(text).toContain('(uint64)args->head - 304');
    expect(text).toContain('(uint64)curtask + 3008');
    expect(text).toMatch(/profile:hz:20 \{ printf\("beat /);
    expect(textOf(HOSTS['6.1']!)).toContain('(uint64)args->head - 312');
    const { facts } = HOSTS['6.12-bpftrace-0.17']!;
    expect(() => compile(planOf(host), facts, null, OPTIONS)).toThrow(
      'BTF has no struct task_struct with a member comm',
    );
    expect(hasOffsetof('0.18.1')).toBe(false);
    expect(hasOffsetof('0.19.0')).toBe(true);
    expect(hasOffsetof('1.0.0')).toBe(true);
  });

  it('speaks the newer ones: offsetof(), one ring buffer', () => {
    const text = textOf(host);
    expect(text).toContain('offsetof(struct inode, i_rcu)');
    expect(text).not.toContain('profile:');
  });

  it('reads i_state inside its struct on 7.x', () => {
    expect(textOf(host)).toContain('(uint64)args->inode->i_state)');
    const seven = textOf(HOSTS['7.3-kvm']!);
    expect(seven.match(/->i_state\.__state\)/g)).toHaveLength(2);
  });

  it('reads a folio under the name that its function gives it', () => {
    const text = textOf(HOSTS['6.1']!);
    const of = (attach: string, where: string) =>
      new RegExp(`^${attach}\\n[\\s\\S]*?^\\}`, 'm').exec(where)![0];
    expect(of('kfunc:vmlinux:free_huge_page', text)).toContain('args->page->mapping');
    expect(of('kfunc:vmlinux:filemap_remove_folio', text)).toContain('args->folio->mapping');
    expect(of('kfunc:vmlinux:move_hugetlb_state', text)).toContain('args->oldpage');
    const kprobe = textOf(HOSTS['6.12-family-kprobe']!);
    expect(of('kprobe:enqueue_hugetlb_folio', kprobe)).toContain('((struct hstate *)arg0)->');
    expect(of('kprobe:enqueue_hugetlb_folio', kprobe)).toContain('((struct folio *)arg1)');
  });

  it('says 0 or -1 where hugetlb_reserve_pages() returns a bool', () => {
    const reserve = (name: string) =>
      /printf\("reserve [\s\S]*?\);/.exec(textOf(HOSTS[name]!))![0].replace(/\s+/g, ' ');
    for (const name of ['6.1', '6.12']) {
      expect(reserve(name)).toContain('retval ? (int64)0 : (int64)-1)');
    }
    for (const name of ['6.18', '7.3-kvm']) expect(reserve(name)).toContain('(int64)retval)');
    // the register of a kprobe is wider than the bool in it
    expect(reserve('6.12-family-kprobe')).toContain('(uint8)retval ? (int64)0 : (int64)-1)');
    expect(reserve('6.18-kvm-family-kprobe')).toContain('(int64)retval)');
  });

  it('keeps the arguments of a kretprobe by thread and depth, and lets go of them', () => {
    const text = textOf(HOSTS['6.12-family-kprobe']!);
    const [entry] = /^kprobe:evict\n\{\n\t@depth[\s\S]*?^\}/m.exec(text)!;
    expect(entry).toBe(
      'kprobe:evict\n{\n\t@depth_evict[tid]++;\n\t@kept_evict_inode[tid, @depth_evict[tid]] = arg0;\n}',
    );
    const [exit] = /^kretprobe:evict\n[\s\S]*?^\}/m.exec(text)!;
    expect(exit).toContain('/@depth_evict[tid] > 0/');
    expect(exit).toContain('delete(@kept_evict_inode[tid, @depth_evict[tid]]);');
    expect(exit.indexOf('delete(@kept')).toBeGreaterThan(exit.indexOf('printf('));
    expect(exit.indexOf('@depth_evict[tid]--')).toBeGreaterThan(exit.indexOf('delete(@kept'));
    // one that reads none needs no kprobe
    expect(text).not.toMatch(/^kprobe:resv_map_alloc$/m);
    expect(text).toMatch(/^kretprobe:resv_map_alloc$/m);
  });

  it('tells steps in auto only while it is wanted, the end always', () => {
    const [tasks, rcu] = programsOf(host, { detail: 'auto' });
    const step =
      /^(alloc_inode|(hugetlbfs|shmem)_(evict|destroy)_inode|truncate_inode_pages_final|clear_inode|destroy_inode|evict|resv_map_(alloc|release))$/;
    // otherwise only if they say something
    const telling = /^(hugetlb_reserve_pages|hugetlb_unreserve_pages|remove_inode_hugepages)$/;
    for (const { attach, text } of blocksOf(tasks!)) {
      const fn = attach.split(':').at(-1)!;
      const isEvict = attach === 'kfunc:vmlinux:evict';
      const [, guard = ''] = /^\/@steps(?: (&&|\|\|) .*)?\/\n/.exec(text) ?? ['', 'none'];
      if (telling.test(fn)) expect(guard, attach).toBe('||');
      else if (step.test(fn) && !isEvict) expect(guard, attach).toMatch(/^(&&)?$/);
      else expect(guard, attach).toBe('none');
      // an inode with hugepages is told early, so that one that hangs is seen
      if (isEvict) {
        expect(text).toMatch(
          /\tif \(@steps \|\| \(.*i_blocks && .*0x958458f6\)\) \{\n\t\t@hits_3 /,
        );
        expect(text).toContain('@evicts++;');
        // the callbacks of its superblock do not depend on it
        expect(text.indexOf('@hits_1 ')).toBeLessThan(text.indexOf('if (@steps'));
      }
    }
    expect(rcu!.text).not.toContain('@steps');
    expect(textOf(host, { detail: 'lifecycle' })).not.toMatch(/@steps|@evicts/);
    expect(textOf(host)).not.toMatch(/@steps|@evicts|printf\("(life|detail) /);
  });

  it('goes over to whole lives above the rate, and back a while after it fell to half', () => {
    const rates = (stepsBelow: number) => {
      const [{ text }] = compile(planOf(host, { detail: 'auto' }), host.facts, null, {
        stepsBelow,
      }) as [Program];
      const numbers = [...text.matchAll(/\$rate(?: \* 2)? (>|<|>=) (\d+)/g)];
      return numbers.map(([, sign, n]) => `${sign} ${n}`);
    };
    // ten ticks a second
    expect(rates(5000)).toEqual(['> 500', '< 500', '>= 500']);
    expect(rates(1)).toEqual(['> 1', '< 1', '>= 1']);
  });

  it('notes superblocks of hugetlbfs only where the page cache tells of its folios', () => {
    const bare = HOSTS['6.18-tracepoints']!;
    const add = 'tracepoint:filemap:mm_filemap_add_to_page_cache';
    const remove = 'tracepoint:filemap:mm_filemap_delete_from_page_cache';
    const none = new Map([add, remove].map((attach) => [attach, 'not found']));
    expect(textOf(bare)).toContain('@hugetlbfs[');
    for (const detail of DETAILS) {
      const text = textOf(bare, { dropped: none, detail });
      expect(text).toContain('hugetlbfs_evict_inode');
      expect(text).not.toContain('@hugetlbfs');
    }
    expect(textOf(bare, { dropped: new Map([[add, 'not found']]) })).toContain('@hugetlbfs[');
  });

  it.each([
    [64, 4096],
    [2048, 16_384],
    [65_536, 262_144],
  ])('with %i MiB, tracepoints let inodes wait in %i places, and nowhere else', (mb, places) => {
    const { facts, ...rest } = HOSTS['6.18-tracepoints-bpftrace-0.17']!;
    const host = { ...rest, facts: { ...facts, memoryKb: mb * 1024 } };
    expect(mapKeys(host.facts)).toBe(places);
    const text = textOf(host, { detail: 'lifecycle' });
    const masks = [...text.matchAll(/\$k = .*ino & 0x(\w+);/g)].map(([, mask]) => mask);
    expect(masks).toEqual([(places - 1).toString(16), (places - 1).toString(16)]);
    for (const map of ['@evict', '@what', '@comm']) {
      const keys = [...text.matchAll(new RegExp(`${map}\\[([^\\]]*)\\]`, 'g'))];
      expect(new Set(keys.map(([, key]) => key)), map).toEqual(new Set(['$k']));
    }
  });

  it.each(Object.entries(HOSTS))(
    '%s: the track of RCU prints where RCU calls back, and in no task',
    (_, host) => {
      const ofRcu = ['i_callback', ...Object.values(host.facts.filesystems).map(freeInodeOf)];
      for (const fs of [host.fs, DEFAULT_FILESYSTEMS, Object.keys(host.facts.filesystems)]) {
        for (const detail of DETAILS) {
          const [, rcu] = programsOf(host, { detail, fs });
          if (rcu === undefined) continue;
          const printing = blocksOf(rcu).filter(({ text }) => text.includes('printf('));
          const targets = printing.map(({ attach }) =>
            attach.split(/[:]|hugetlbfs_(?=free)/).at(-1),
          );
          const others = targets.filter((of) => !ofRcu.includes(of) && of !== 'free_inode');
          expect(others, `${detail} of ${fs.join(',')}`).toEqual([]);
        }
      }
    },
  );

  it.each(Object.entries(HOSTS))(
    '%s: nothing of a task is put together where another one writes',
    (_, host) => {
      for (const detail of DETAILS) {
        const plan = planOf(host, { detail });
        const texts = programsOf(host, { detail }).map(({ text }) => text.trim());
        const limited = hasStackLimit(host.facts.bpftrace);
        texts.forEach((text, track) => {
          const limit = /^config = \{ on_stack_limit = (\d+) \}\n/.exec(text)?.[1];
          expect(limit !== undefined).toBe(limited);
          if (!limited) return;
          // what a map is to keep; lines: which one it is, and then its arguments
          const kept = /@\w+\[[^\]]*\] = \(((?:nsecs|\$w)[\s\S]*?)\);$/gm;
          const printed = /printf\("[^"]*"([\s\S]*?)\);/g;
          const parts = [kept, ...(track === 0 ? [printed] : [])].flatMap((of) => [
            ...text.matchAll(of),
          ]);
          const sizes = parts.map(([, list]) => 8 * splitArguments(list!).length);
          expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(Number(limit));
          if (track === 0 || plan.detail !== 'steps') expect(sizes.length).toBeGreaterThan(0);
        });
      }
    },
  );

  it('keeps all of an inode in one entry of a map where bpftrace has room to put it together', () => {
    const { facts, ...rest } = HOSTS['6.12']!;
    const kept = (bpftrace: string) => {
      const [, { text }] = compile(
        planOf({ ...rest, facts: { ...facts, bpftrace } }, { detail: 'lifecycle' }),
        { ...facts, bpftrace },
        null,
        { stepsBelow: 5000 },
      ) as [Program, Program];
      const used = text.matchAll(/@(\w+)\[(?:\$k|cpu|\(uint64\)args->\w+(?:->\w+)?)\]/g);
      return [...new Set([...used].map(([, map]) => map!))].sort();
    };
    expect(kept('0.22.0')).toEqual(['evict', 'evict_end', 'i_callback']);
    for (const older of ['0.19.0', '0.21.3']) {
      expect(kept(older)).toEqual(
        [...INODE_STAGES.filter((stage) => stage !== 'free_inode'), 'comm', 'what'].sort(),
      );
    }
  });

  it('asks for page frame numbers only where the kernel can tell them', () => {
    expect(textOf(host)).toContain('kaddr("vmemmap_base")');
    expect(textOf(HOSTS['6.18-locked-down']!)).not.toContain('vmemmap');
  });
});

describe('an error of bpftrace is led back to its probe', () => {
  const host = hostOf('7.3', { kvm: true });
  const programs = programsOf(host);
  const places = programs.flatMap((program) => program.places);
  const blamed = (stderr: string, of = programs) => [...blame(stderr, of).keys()];

  // what bpftrace 0.17, 0.23 and 0.27 say
  it.each([
    ['stdin:7:1-40: ERROR: No BTF found for vmlinux:clear_inode', ['kfunc:vmlinux:clear_inode']],
    [
      'ERROR: Error loading BPF program for fentry_vmlinux_i_callback_13.',
      ['kfunc:vmlinux:i_callback'],
    ],
    [
      "ERROR: Error attaching probe: 'kfunc:vmlinux:free_huge_folio'",
      ['kfunc:vmlinux:free_huge_folio'],
    ],
    ['ERROR: No matches for fentry:vmlinux:free_huge_folio', ['kfunc:vmlinux:free_huge_folio']],
    ['ERROR: No matches for fentry kvm:kvm_gmem_fallocate', ['kfunc:kvm:kvm_gmem_fallocate']],
    [
      'ERROR: Error loading program: kfunc:vmlinux:i_callback (try -v)',
      ['kfunc:vmlinux:i_callback'],
    ],
    [
      'ERROR: Error loading BPF program for fexit_vmlinux_alloc_inode_1.',
      ['kretfunc:vmlinux:alloc_inode'],
    ],
    [
      'ERROR: Error loading BPF program for fentry_vmlinux_hugetlbfs_evict_inode_3.',
      ['kfunc:vmlinux:hugetlbfs_evict_inode'],
    ],
    ['ERROR: No matches for fexit:vmlinux:evict', ['kretfunc:vmlinux:evict']],
    ['WARNING: Addrspace is not set', []],
    ['ERROR: Error attaching probe', []],
    ['Lost 3 events', []],
  ])('%s', (stderr, attach) => {
    expect(blamed(`Attaching 17 probes...\n${stderr}\n`)).toEqual(attach);
  });

  it.each([
    'error: <unknown>:0:0: in function rawtracepoint_hugetlbfs_free_inode_3 i64 (ptr): Looks like the BPF stack limit is exceeded. Please move large on stack variables into BPF per-cpu array map. For non-kernel uses, the stack can be increased using -mllvm -bpf-stack-size.',
    'ERROR: in function fentry_vmlinux_hugetlbfs_free_inode_9 i64 (ptr): Looks like the BPF stack limit of 512 bytes is exceeded.',
  ])(
    'of a stack without room: it is done without the stack, and no probe is left out',
    (stderr) => {
      const dropped = blame(`${stderr}\n`, programs);
      expect([...dropped]).toEqual([
        ['on the stack', expect.stringMatching(/^bpftrace: \w+_hugetlbfs_free_inode_\d: no room$/)],
      ]);
      const all = planOf(host, { detail: 'auto' });
      const without = planOf(host, { detail: 'auto', dropped });
      expect(without.plan).toEqual(all.plan);
      const names = (plan: TracePlan) => plan.probes.map(({ attach }) => attach);
      expect(names(without)).toEqual(names(all));
      for (const { text } of compile(without, host.facts, null, { stepsBelow: 5000 })) {
        expect(text).not.toContain('config');
        expect(text).not.toContain('@i_callback[cpu]');
      }
    },
  );

  // known: destroy_inode is blamed as well
  it('of a function whose name ends like that of another', () => {
    expect(
      blamed('ERROR: Error loading BPF program for fentry_vmlinux_hugetlbfs_destroy_inode_11.'),
    ).toEqual(['kfunc:vmlinux:hugetlbfs_destroy_inode']);
  });

  it('by the place in the text, the probe that keeps arguments for another as that one', () => {
    for (const of of [programs, programsOf(HOSTS['6.12-family-kprobe']!, { detail: 'auto' })]) {
      for (const { attach, from, to } of of.flatMap((program) => program.places)) {
        for (const line of [from, to]) {
          // in whichever of the two texts it is: no line is a line of both
          expect(blamed(`stdin:${line}:5-9: ERROR: Unknown field i_state`, of)).toEqual([attach]);
        }
      }
      expect(blamed('stdin:1:5-9: ERROR: syntax error', of)).toEqual([]);
    }
  });

  it('of a kprobe, and of the kretprobe of the same function', () => {
    const kprobes = programsOf(HOSTS['6.12-family-kprobe']!);
    const said = (attach: string) => `ERROR: Error attaching probe: '${attach}'`;
    expect(blamed(said('kprobe:clear_inode'), kprobes)).toEqual(['kprobe:clear_inode']);
    expect(blamed(said('kretprobe:evict'), kprobes)).toEqual(['kretprobe:evict']);
  });

  it('of a tracepoint that is not there', () => {
    const locked = programsOf(HOSTS['6.18-locked-down']!);
    const said = 'ERROR: tracepoint not found: hugetlbfs:hugetlbfs_free_inode';
    expect([...blame(said, locked)]).toEqual([
      [
        'tracepoint:hugetlbfs:hugetlbfs_free_inode',
        'bpftrace: tracepoint not found: hugetlbfs:hugetlbfs_free_inode',
      ],
    ]);
  });

  it('with a filesystem of its own for each copy of an operation', () => {
    for (const name of DEFAULT_FILESYSTEMS) {
      for (const [stage, target] of Object.entries(FILESYSTEMS[name]!.ops)) {
        const kind = stage === 'evict_inode_end' ? 'kretfunc' : 'kfunc';
        const attach = `${kind}:${FILESYSTEMS[name]!.module}:${target}`;
        expect(places.map((place) => place.attach)).toContain(attach);
      }
    }
  });
});
