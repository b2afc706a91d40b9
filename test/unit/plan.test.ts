import { describe, expect, it } from 'vitest';
import { isObserved, STAGES, type Stage } from '../../server/protocol/stages.ts';
import { Btf } from '../../server/tracer/btf.ts';
import { blame, compile, hasOffsetof } from '../../server/tracer/compile.ts';
import { type HostFacts, parseFacts } from '../../server/tracer/facts.ts';
import { FILESYSTEMS, parseFilesystems } from '../../server/tracer/filesystems.ts';
import { makePlan } from '../../server/tracer/plan.ts';
import { loadProbes } from '../../server/tracer/programs.ts';
import { btfOf } from '../fixtures/btf.ts';
import { factsText, LOCKED_DOWN_618, VM_612, without } from '../fixtures/hosts.ts';

const BLOCKS = loadProbes();
const DEFAULT = ['hugetlbfs', 'shmem', 'guest_memfd'];
const facts = (text: string): HostFacts => parseFacts(text)!;
const planFor = (text: string, fs = DEFAULT, dropped?: ReadonlyMap<string, string>) =>
  makePlan(facts(text), BLOCKS, fs, dropped);

/** The plan as a table: `stage: probe` or `stage: - why`. */
const table = (text: string, fs?: string[]) =>
  Object.fromEntries(
    Object.entries(planFor(text, fs).plan).map(([stage, entry]) => [
      stage,
      isObserved(entry) ? entry.probe : `- ${entry.missing}`,
    ]),
  );

describe('the plan of', () => {
  it('a 6.12 guest is fentry for every stage that has a function', () => {
    const plan = table(VM_612);
    expect(plan).toMatchObject({
      evict: 'fentry:vmlinux:evict',
      evict_inode: 'fentry:vmlinux:hugetlbfs_evict_inode, fentry:vmlinux:shmem_evict_inode',
      evict_inode_end: 'fexit:vmlinux:hugetlbfs_evict_inode, fexit:vmlinux:shmem_evict_inode',
      i_callback: 'fentry:vmlinux:i_callback',
      callbacks: 'fentry:vmlinux:evict',
      hugepage_free: 'fentry:vmlinux:free_huge_folio',
      hugepage_add: 'fexit:vmlinux:hugetlb_add_to_page_cache',
      pool: 'sysfs:/sys/kernel/mm/hugepages, each second',
    });
    expect(Object.keys(plan).filter((stage) => plan[stage]!.startsWith('-'))).toEqual([
      'last_reference',
    ]);
  });

  it('a locked-down 6.18 is the tracepoints of hugetlbfs, and says why not more', () => {
    const { plan, probes } = planFor(LOCKED_DOWN_618);
    expect(probes.map((probe) => probe.family)).toEqual(Array(5).fill('tracepoint'));
    const seen: Stage[] = [
      'alloc_inode',
      'evict_inode',
      'free_inode',
      'hugepage_add',
      'hugepage_remove',
      'pool',
    ];
    for (const stage of STAGES) {
      expect(isObserved(plan[stage]), stage).toBe(seen.includes(stage));
    }
    expect(plan.evict_inode).toEqual({
      probe: 'tracepoint:hugetlbfs:hugetlbfs_evict_inode',
      note: 'hugetlbfs only; an inode is known by its device and number',
    });
    expect(plan.evict).toMatchObject({ missing: expect.stringContaining('no BTF') });
  });

  it('a locked-down kernel with BTF names the lockdown, in the words of the kernel', () => {
    const { plan } = planFor(
      factsText({
        traceable: 'grep:/sys/kernel/tracing/available_filter_functions:Operationnotpermitted',
      }),
    );
    expect(plan.evict).toMatchObject({
      missing: expect.stringContaining('Operation not permitted: locked down'),
      help: expect.stringContaining('not locked down'),
    });
  });

  it('a kernel without BTF names the option it was built without', () => {
    const { plan, probes } = planFor(factsText({ btf: '' }));
    // the one tracepoint that it has is of the page cache
    expect(probes.filter((probe) => probe.family === 'fentry')).toEqual([]);
    expect(plan.evict).toEqual({
      missing: expect.stringContaining('CONFIG_DEBUG_INFO_BTF'),
      help: expect.stringContaining('CONFIG_DEBUG_INFO_BTF=y'),
    });
  });

  it('a host without bpftrace says that, for every stage', () => {
    const { plan, probes } = planFor(factsText({ bpftrace: '' }));
    expect(probes).toEqual([]);
    expect(plan.evict).toMatchObject({ missing: 'bpftrace is not installed there' });
  });

  it('a kernel where a function is not traceable, or inlined, goes on without it', () => {
    const listed = planFor(without(['clear_inode']));
    expect(listed.plan.clear_inode).toMatchObject({
      missing: 'clear_inode() is not traceable on this kernel',
    });
    const inlined = planFor(without(['free_huge_folio'], true));
    expect(inlined.plan.hugepage_free).toMatchObject({
      missing: 'free_huge_folio() is not a function of this kernel (inlined, renamed or not built)',
    });
    expect(inlined.probes).toHaveLength(planFor(VM_612).probes.length - 1);
    expect(inlined.probes.every((probe) => probe.family === 'fentry')).toBe(true);
  });

  it('a host that refused a probe when it was tried drops it, with its words', () => {
    const dropped = new Map([['kfunc:vmlinux:i_callback', 'bpftrace: No matches']]);
    const { plan, probes } = planFor(VM_612, DEFAULT, dropped);
    expect(plan.i_callback).toMatchObject({ missing: 'bpftrace: No matches' });
    expect(probes.map((p) => p.attach)).not.toContain('kfunc:vmlinux:i_callback');
  });

  it.each([
    ['6.12', VM_612],
    ['6.18 locked down', LOCKED_DOWN_618],
    ['no BTF', factsText({ btf: '', tracepoints: '' })],
    ['no bpftrace', factsText({ bpftrace: '' })],
    ['no function tracer', factsText({ traceable: 'grep:/x:Nosuchfileordirectory' })],
    ['functions missing', without(['evict', 'destroy_inode', 'hugetlbfs_free_inode'])],
  ])('any host has for each stage a probe or a reason: %s', (_, text) => {
    for (const fs of [['hugetlbfs'], ['shmem'], ['guest_memfd'], DEFAULT]) {
      const { plan } = planFor(text, fs);
      expect(Object.keys(plan).sort()).toEqual([...STAGES].sort());
      for (const entry of Object.values(plan)) {
        const said = isObserved(entry) ? entry.probe : entry.missing;
        expect(said.length).toBeGreaterThan(10);
        expect(said).not.toContain('undefined');
      }
    }
  });

  it('shmem alone attaches nothing of hugetlbfs to its operations', () => {
    const attached = planFor(VM_612, ['shmem']).probes.map((probe) => probe.attach);
    expect(attached.filter((attach) => attach.includes('hugetlbfs_'))).toEqual([]);
    expect(attached).toContain('kfunc:vmlinux:shmem_evict_inode');
    expect(attached).toContain('kretfunc:vmlinux:shmem_evict_inode');
  });

  it('no plan attaches the same probe twice', () => {
    for (const text of [VM_612, LOCKED_DOWN_618]) {
      const attached = planFor(text).probes.map((probe) => probe.attach);
      expect(new Set(attached).size).toBe(attached.length);
    }
  });
});

describe('--fs', () => {
  it('takes names, tmpfs for shmem, each once', () => {
    expect(parseFilesystems('hugetlbfs, tmpfs,shmem')).toEqual(['hugetlbfs', 'shmem']);
    expect(() => parseFilesystems('hugetlbfs,xfs')).toThrow('unknown filesystem "xfs"; known are');
    expect(() => parseFilesystems('')).toThrow(RangeError);
  });
});

// struct inode and task_struct of a small kernel: i_rcu lies in an anonymous union
const KERNEL_BTF = btfOf([
  { kind: 'int', name: 'long', size: 8 }, // 1
  { kind: 'ptr', type: 1 }, // 2
  {
    kind: 'struct',
    name: 'callback_head',
    members: [
      ['next', 2, 0],
      ['func', 2, 8],
    ],
  }, // 3
  { kind: 'array', type: 1, nelems: 2 }, // 4
  { kind: 'enum', name: 'state', values: ['A', 'B'] }, // 5
  {
    kind: 'union',
    name: '',
    members: [
      ['i_dentry', 2, 0],
      ['i_rcu', 3, 0],
    ],
  }, // 6
  {
    kind: 'struct',
    name: 'inode',
    members: [
      ['i_mode', 1, 0],
      ['i_sb', 2, 40],
      ['', 6, 304],
    ],
  }, // 7
  {
    kind: 'struct',
    name: 'task_struct',
    members: [
      ['flags', 1, 44],
      ['comm', 4, 3008],
    ],
    packed: true,
  }, // 8
]);

describe('BTF', () => {
  it('gives offsets of members, also inside anonymous unions and with bit sizes', () => {
    const btf = new Btf(KERNEL_BTF);
    expect(btf.offsetOf('inode', 'i_sb')).toBe(40);
    expect(btf.offsetOf('inode', 'i_rcu')).toBe(304);
    expect(btf.offsetOf('callback_head', 'func')).toBe(8);
    expect(btf.offsetOf('task_struct', 'comm')).toBe(3008);
    expect(btf.offsetOf('inode', 'next')).toBeNull(); // of i_rcu, which has a name
    expect(btf.offsetOf('inode', 'nothing')).toBeNull();
    expect(btf.offsetOf('nothing', 'i_rcu')).toBeNull();
  });

  it('that is none, or cut off, is an error', () => {
    expect(() => new Btf(Buffer.from('hello'))).toThrow('not BTF');
    expect(() => new Btf(Buffer.alloc(100))).toThrow('not BTF');
    const strings = KERNEL_BTF.length - KERNEL_BTF.readUInt32LE(20);
    for (let cut = 0; cut < strings; cut += 5) {
      expect(() => new Btf(KERNEL_BTF.subarray(0, cut))).toThrow(Error);
    }
  });
});

describe('the program', () => {
  const programsFor = (text: string, btf: Btf | null = null, fs = DEFAULT) =>
    compile(makePlan(facts(text), BLOCKS, fs), facts(text), btf);
  const textFor = (...args: Parameters<typeof programsFor>) =>
    programsFor(...args)
      .map((program) => program.text)
      .join('\n');

  it('filters by the magic numbers of what was asked for', () => {
    const text = textFor(VM_612, null, ['shmem', 'ext4']);
    expect(text).toContain('@fs[0x1021994] = 1;');
    expect(text).toContain('@fs[0xef53] = 1;');
    expect(text).not.toContain('@fs[0x958458f6] = 1;');
  });

  it('says where each probe is in the text, and which line it prints', () => {
    const programs = programsFor(VM_612);
    for (const { text, places, lines } of programs) {
      const rows = text.split('\n');
      expect(lines).toHaveLength(places.length);
      places.forEach(({ attach, from, to }, i) => {
        expect(rows[from - 1]).toBe(attach);
        expect(rows[to - 1]).toBe('}');
        expect(rows.slice(from, to).join('\n')).toContain(`printf("${lines[i]} `);
      });
    }
    const attached = programs.flatMap((program) => program.places.map((place) => place.attach));
    expect(attached.sort()).toEqual(
      planFor(VM_612)
        .probes.map((p) => p.attach)
        .sort(),
    );
  });

  it('is two where something runs from RCU, which may interrupt the rest', () => {
    const [tasks, rcu] = programsFor(VM_612).map((program) => new Set(program.lines));
    expect([...rcu!].sort()).toEqual(['free_inode', 'i_callback']);
    expect(tasks!.has('i_callback') || tasks!.has('free_inode')).toBe(false);
  });

  it('speaks 0.17: offsets as numbers, a beat on each CPU, no new word', () => {
    const old = VM_612.replace('v0.23.2', 'v0.17.0');
    const text = textFor(old, new Btf(KERNEL_BTF));
    expect(text).not.toContain('offsetof');
    expect(text).toContain('(uint64)args->head - 304');
    expect(text).toContain('(uint64)curtask + 3008');
    expect(text).toMatch(/profile:hz:5 \{ printf\("beat /);
    expect(text).not.toMatch(/\b(fentry|fexit|config)\b/);
    expect(() => programsFor(old, null)).toThrow(
      'BTF has no struct task_struct with a member comm',
    );
    expect(hasOffsetof('0.18.1')).toBe(false);
    expect(hasOffsetof('0.19.0')).toBe(true);
    expect(hasOffsetof('1.0.0')).toBe(true);
  });

  it('speaks the newer ones: offsetof(), one ring buffer, no beat', () => {
    const text = textFor(VM_612);
    expect(text).toContain('offsetof(struct inode, i_rcu)');
    expect(text).not.toContain('profile:');
  });

  it('reads i_state inside its struct on 7.x', () => {
    expect(textFor(VM_612)).toContain('(uint64)args->inode->i_state)');
    const seven = textFor(factsText({ kernel: '7.3.0', state: '2' }));
    expect(seven).not.toMatch(/->i_state\)/);
    expect(seven.match(/->i_state\.__state\)/g)).toHaveLength(2);
  });

  it('does without comm and flags where there is no BTF, and prints every field all the same', () => {
    const text = textFor(LOCKED_DOWN_618);
    expect(text).not.toContain('$c');
    expect(text).not.toContain('struct task_struct');
    for (const [, format, args] of text.matchAll(/printf\("([^"]*)\\n",([\s\S]*?)\);/g)) {
      const depth0 = args!.replace(/\([^()]*\)/g, '').split(',').length;
      expect(depth0, format).toBe(format!.split('%').length - 1);
    }
  });

  it('clears at the end every map that it uses, but the counts', () => {
    for (const { text } of [VM_612, LOCKED_DOWN_618].flatMap((host) => programsFor(host))) {
      const used = new Set([...text.matchAll(/@\w+/g)].map((match) => match[0]));
      used.delete('@hits');
      const end = /END \{(.*)\}/.exec(text)![1]!;
      for (const map of used) expect(end).toContain(`clear(${map});`);
      // and no other: 0.17 knows no map that is not used
      for (const [, map] of end.matchAll(/clear\((@\w+)\)/g)) expect(used).toContain(map);
      expect(end).not.toContain('@hits');
      expect(text.match(/print\(@hits\)/g)).toHaveLength(1);
    }
  });

  it('asks for page frame numbers only where the kernel can tell them', () => {
    expect(textFor(VM_612)).toContain('kaddr("vmemmap_base")');
    expect(textFor(LOCKED_DOWN_618)).not.toContain('vmemmap');
  });
});

describe('an error of bpftrace is led back to its probe', () => {
  const programs = compile(planFor(VM_612), facts(VM_612), null);
  const places = programs.flatMap((program) => program.places);
  const blamed = (stderr: string) => [...blame(stderr, programs).keys()];

  // kernel-facts: what bpftrace 0.17, 0.23 and 0.27 say
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
    ['WARNING: Addrspace is not set', []],
    ['ERROR: Error attaching probe', []],
    ['Lost 3 events', []],
  ])('%s', (stderr, attach) => {
    expect(blamed(`Attaching 17 probes...\n${stderr}\n`)).toEqual(attach);
  });

  // known: destroy_inode is blamed as well
  it('of a function whose name ends like that of another', () => {
    expect(
      blamed('ERROR: Error loading BPF program for fentry_vmlinux_hugetlbfs_destroy_inode_11.'),
    ).toEqual(['kfunc:vmlinux:hugetlbfs_destroy_inode']);
  });

  it('by the place in the text', () => {
    for (const program of programs) {
      for (const { attach, from, to } of program.places) {
        for (const line of [from, to]) {
          const said = `stdin:${line}:5-9: ERROR: Unknown field i_state`;
          expect([...blame(said, [program]).keys()]).toEqual([attach]);
        }
      }
      expect(blame('stdin:1:5-9: ERROR: syntax error', [program]).size).toBe(0);
    }
  });

  // known: the other program has a probe at that line as well
  it('by the place in one of two texts', () => {
    const { attach, from } = programs[1]!.places[0]!;
    expect(blamed(`stdin:${from}:5-9: ERROR: Unknown field i_rcu`)).toEqual([attach]);
  });

  it('of a tracepoint that is not there', () => {
    const locked = compile(planFor(LOCKED_DOWN_618), facts(LOCKED_DOWN_618), null);
    const said = 'ERROR: tracepoint not found: hugetlbfs:hugetlbfs_free_inode';
    expect([...blame(said, locked)]).toEqual([
      [
        'tracepoint:hugetlbfs:hugetlbfs_free_inode',
        'bpftrace: tracepoint not found: hugetlbfs:hugetlbfs_free_inode',
      ],
    ]);
  });

  it('with a filesystem of its own for each copy of an operation', () => {
    for (const name of DEFAULT) {
      for (const [stage, target] of Object.entries(FILESYSTEMS[name]!.ops)) {
        const kind = stage === 'evict_inode_end' ? 'kretfunc' : 'kfunc';
        const attach = `${kind}:${FILESYSTEMS[name]!.module}:${target}`;
        expect(places.map((place) => place.attach)).toContain(attach);
      }
    }
  });
});
