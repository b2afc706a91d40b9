/**
 * The plan of each kind of host, as a table in test/plans/ that can be read beside the
 * tables of the kernel. A plan that changes on purpose is written anew by
 * `npx vitest run --project unit plan -u`; read the diff.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_ALERTING } from '../../server/protocol/config.ts';
import { isObserved, STAGES, type Stage } from '../../server/protocol/stages.ts';
import { epochInfo } from '../../server/tracer/epoch-info.ts';
import { parseFacts } from '../../server/tracer/facts.ts';
import {
  DEFAULT_FILESYSTEMS,
  FILESYSTEMS,
  parseFilesystems,
} from '../../server/tracer/filesystems.ts';
import { namesOf } from '../../server/tracer/kernels.ts';
import {
  DETAILS,
  type Detail,
  makePlan,
  type PlanOptions,
  STEP_LINES,
  type TracePlan,
} from '../../server/tracer/plan.ts';
import { FAMILIES, loadProbes, type ProbeBlock } from '../../server/tracer/programs.ts';
import {
  factsText,
  HOSTS,
  type HostKind,
  hostOf,
  LOCKED_DOWN_618,
  without,
} from '../fixtures/hosts.ts';
import { KERNELS, kvmOf, vmlinuxOf } from '../fixtures/kernels.ts';

const BLOCKS = loadProbes();
const NAMES = Object.keys(HOSTS);

function planOf(host: HostKind, some: Partial<PlanOptions> = {}): TracePlan {
  const { facts, families, fs } = host;
  return makePlan(facts, BLOCKS, { fs, detail: 'steps', families, ...some });
}

/** A host that is told by its text alone: nothing is known of its types. */
const bare = (text: string): HostKind => ({
  facts: parseFacts(text)!,
  btf: null,
  families: FAMILIES,
  fs: DEFAULT_FILESYSTEMS,
});

const attachOf = (plan: TracePlan) => plan.probes.map((probe) => probe.attach);

/** Everything that is said of a host, one line a stage. */
function table(host: HostKind): string {
  const { kernel, bpftrace } = host.facts;
  const details = DETAILS.map((detail) => {
    const plan = planOf(host, { detail });
    return `asked for ${detail}: ${plan.detail}, ${plan.probes.length} probes`;
  });
  const { plan } = planOf(host, { detail: 'auto' });
  const rows = STAGES.map((stage) => {
    const entry = plan[stage];
    const note = isObserved(entry) ? entry.note : entry.help;
    const said = isObserved(entry) ? entry.probe : `- ${entry.missing}`;
    return `${stage.padEnd(17)} ${said}${note === undefined ? '' : `\n${' '.repeat(20)}(${note})`}`;
  });
  return [`Linux ${kernel}, bpftrace ${bpftrace}`, ...details, '', ...rows, ''].join('\n');
}

describe('the plan of', () => {
  it.each(NAMES)('%s is the table in test/plans/', async (name) => {
    await expect(table(HOSTS[name]!)).toMatchFileSnapshot(`../plans/${name}.txt`);
  });

  it.each(KERNELS)('%s observes every function that the kernel has, and no other', (kernel) => {
    const host = hostOf(kernel, { kvm: true });
    const there = new Set([...vmlinuxOf(kernel).keys(), ...kvmOf(kernel).keys()]);
    const { plan, probes } = planOf(host, { fs: [...DEFAULT_FILESYSTEMS, 'pipefs'] });
    for (const probe of probes) expect(there).toContain(probe.target);
    const attached = probes.map((probe) => probe.target);
    for (const block of BLOCKS.filter((b) => b.family === 'fentry' && !b.lifecycle)) {
      const name = namesOf(block.target).find((n) => there.has(n));
      if (name !== undefined) expect(attached).toContain(name);
      else if (block.stages.every((stage) => stage !== 'destroy_op' && stage !== 'free_inode')) {
        for (const stage of block.stages) expect(plan[stage], stage).toHaveProperty('missing');
      }
    }
  });

  it('a 6.1 host has the names that its functions had', () => {
    expect(planOf(HOSTS['6.1']!).plan).toMatchObject({
      hugepage_alloc: { probe: 'fexit:vmlinux:alloc_huge_page' },
      hugepage_free: { probe: 'fentry:vmlinux:free_huge_page' },
      hugepage_enqueue: { probe: 'fentry:vmlinux:enqueue_huge_page' },
      hugepage_to_buddy: { probe: 'fentry:vmlinux:update_and_free_page' },
      // of __update_and_free_page() only a .part.0 is left
      hugepage_released: { missing: expect.stringContaining('is not a function of this kernel') },
    });
  });

  it('a 6.12 guest is fentry for every stage but those of kvm', () => {
    const { plan } = planOf(HOSTS['6.12']!);
    expect(plan.evict_inode).toEqual({
      probe: 'fentry:vmlinux:hugetlbfs_evict_inode, fentry:vmlinux:shmem_evict_inode',
    });
    expect(STAGES.filter((stage) => !isObserved(plan[stage]))).toEqual([
      'last_reference',
      'gmem_create',
      'gmem_fallocate',
      'gmem_release',
      'lifecycle', // not asked for
    ]);
    expect(plan.gmem_create).toMatchObject({
      missing: 'the module kvm is not loaded',
      help: expect.stringContaining('modprobe'),
    });
  });

  it.each([
    ['6.12', true],
    ['6.1', true],
    ['6.12-family-kprobe', false], // of 6.7 and newer, but a kprobe counts for itself alone
    ['6.12-no-direct-calls', false],
    ['6.18-tracepoints', true],
  ])('%s: the kernel tells of every run that it skips: %s', (name, tells) => {
    const host = HOSTS[name]!;
    const of = { number: 1, host: 'box', alerts: DEFAULT_ALERTING };
    expect(epochInfo(host.facts, planOf(host, { detail: 'auto' }), of).counts_misses).toBe(tells);
  });

  it('a 7.3 host with kvm has the operations of guest_memfd, a 6.18 one does not', () => {
    const free = (name: string) => planOf(HOSTS[name]!).plan.free_inode;
    expect(free('7.3-kvm')).toMatchObject({
      probe: expect.stringContaining('fentry:kvm:kvm_gmem_free_inode'),
    });
    expect(free('6.18-kvm')).toMatchObject({ probe: expect.not.stringContaining('kvm') });
    expect(planOf(HOSTS['6.18-kvm']!).plan.gmem_release).toEqual({
      probe: 'fentry:kvm:kvm_gmem_release',
    });
  });

  it('a kernel without direct calls, or where fentry is not wanted, is the same by kprobes', () => {
    const fentry = planOf(HOSTS['6.12']!);
    for (const name of ['6.12-no-direct-calls', '6.12-family-kprobe']) {
      const kprobe = planOf(HOSTS[name]!);
      expect(kprobe.probes.map((p) => [p.target, p.line, p.family])).toEqual(
        fentry.probes.map((p) => [p.target, p.line, 'kprobe']),
      );
      expect(STAGES.filter((stage) => isObserved(kprobe.plan[stage]))).toEqual(
        STAGES.filter((stage) => isObserved(fentry.plan[stage])),
      );
      // what is missing is missing for each family
      expect(kprobe.plan.gmem_create).toEqual(fentry.plan.gmem_create);
    }
    const neither = hostOf('6.12', { sections: { direct: 'n', kprobes: '' } });
    expect(planOf(neither).plan.evict).toMatchObject({
      missing: 'no fentry: built without CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS',
    });
    expect(planOf(neither).probes).toEqual([]);
  });

  it('a kernel whose ftrace is switched off shows no function, and says how to switch it on', () => {
    const off = planOf(hostOf('6.12', { sections: { ftrace: '0' } }));
    expect(off.probes).toEqual([]);
    expect(off.plan.evict).toEqual({
      missing: expect.stringContaining('kernel.ftrace_enabled is 0'),
      help: 'sudo sysctl kernel.ftrace_enabled=1',
    });
  });

  it.each(['6.18-locked-down', '6.18-no-btf', '6.18-tracepoints'])(
    '%s is the tracepoints of hugetlbfs, and says why not more',
    (name) => {
      const { plan, probes } = planOf(HOSTS[name]!);
      expect(probes.map((probe) => probe.family)).toEqual(Array(5).fill('tracepoint'));
      const seen: Stage[] = [
        'alloc_inode',
        'evict_inode',
        'free_inode',
        'hugepage_add',
        'hugepage_remove',
        'pool',
      ];
      expect(STAGES.filter((stage) => isObserved(plan[stage])).sort()).toEqual([...seen].sort());
      expect(plan.evict_inode).toEqual({
        probe: 'tracepoint:hugetlbfs:hugetlbfs_evict_inode',
        note: 'hugetlbfs only; an inode is known by its device and number',
      });
    },
  );

  it('a locked-down kernel names the lockdown, in the words of the kernel', () => {
    expect(planOf(HOSTS['6.18-locked-down']!).plan.evict).toMatchObject({
      missing: expect.stringContaining('Operation not permitted: locked down'),
      help: expect.stringContaining('not locked down'),
    });
  });

  it('a kernel without BTF names the option it was built without, and attaches nothing', () => {
    // the tracepoints of the page cache alone cannot tell hugepages from other pages
    const { plan, probes } = planOf(HOSTS['6.12-no-btf']!);
    expect(probes).toEqual([]);
    expect(plan.evict).toEqual({
      missing: expect.stringContaining('CONFIG_DEBUG_INFO_BTF'),
      help: expect.stringContaining('CONFIG_DEBUG_INFO_BTF=y'),
    });
    expect(plan.hugepage_add).toHaveProperty('missing');
  });

  it('a host without bpftrace says that, for every stage', () => {
    const { plan, probes } = planOf(bare(factsText({ bpftrace: '' })));
    expect(probes).toEqual([]);
    expect(plan.evict).toMatchObject({ missing: 'bpftrace is not installed there' });
  });

  it('a kernel where a function is not traceable, or inlined, goes on without it', () => {
    const all = planOf(HOSTS['6.12']!).probes.length;
    const listed = planOf(bare(without(['clear_inode'])));
    expect(listed.plan.clear_inode).toMatchObject({
      missing: 'clear_inode() is not traceable on this kernel',
    });
    // a kprobe needs the same place in the function
    expect(listed.probes).toHaveLength(all - 1);
    const inlined = planOf(bare(without(['free_huge_folio'], true)));
    expect(inlined.plan.hugepage_free).toMatchObject({
      missing: 'free_huge_folio() is not a function of this kernel (inlined, renamed or not built)',
    });
    expect(inlined.probes).toHaveLength(all - 1);
    expect(inlined.probes.every((probe) => probe.family === 'fentry')).toBe(true);
  });

  it('a kernel whose BTF lacks a function, or an argument of it, does not probe it', () => {
    const host = HOSTS['6.12']!;
    const functions = new Map(host.facts.types.functions);
    functions.delete('clear_inode');
    const evict = functions.get('evict')!;
    functions.set('evict', { ...evict, args: [{ ...evict.args[0]!, name: 'node' }] });
    const types = { ...host.facts.types, functions };
    const { plan, probes } = planOf({ ...host, facts: { ...host.facts, types } });
    expect(plan.clear_inode).toMatchObject({ missing: 'clear_inode() has no BTF' });
    expect(plan.evict).toMatchObject({ missing: 'evict() has no argument inode on this kernel' });
    const targets = probes.map((probe) => probe.target);
    expect(targets).not.toContain('clear_inode');
    expect(targets).not.toContain('evict');
  });

  it('a host that refused a raw tracepoint gets the tracepoints themselves, for all of them', () => {
    const host = HOSTS['6.18-tracepoints']!;
    const raw = attachOf(planOf(host, { detail: 'auto' })).filter((a) => a.startsWith('raw'));
    expect(new Set(raw).size).toBe(3);
    for (const attach of raw) {
      const dropped = new Map([[attach, 'bpftrace: Probe has no valid attach points']]);
      const { plan, probes } = planOf(host, { detail: 'auto', dropped });
      expect(plan.lifecycle).toMatchObject({ probe: 'tracepoint:hugetlbfs:hugetlbfs_free_inode' });
      expect(probes.filter((probe) => probe.attach.startsWith('raw'))).toEqual([]);
    }
  });

  it('a host that refused a probe when it was tried gets a kprobe, or none and its words', () => {
    const dropped = new Map([['kfunc:vmlinux:i_callback', 'bpftrace: No matches']]);
    const host = HOSTS['6.12']!;
    expect(planOf(host, { dropped }).plan.i_callback).toEqual({ probe: 'kprobe:i_callback' });
    const attached = attachOf(planOf(host, { dropped }));
    expect(attached).toContain('kprobe:i_callback');
    expect(attached).not.toContain('kfunc:vmlinux:i_callback');
    dropped.set('kprobe:i_callback', 'bpftrace: Error attaching probe');
    expect(planOf(host, { dropped }).plan.i_callback).toEqual({ missing: 'bpftrace: No matches' });
    const left = attachOf(planOf(host, { dropped }));
    expect(left.filter((attach) => attach.includes('i_callback'))).toEqual([]);
  });

  it.each([...NAMES, 'no bpftrace', 'no function tracer', 'functions missing', 'nothing told'])(
    '%s has for each stage a probe or a reason, whatever is asked for',
    (name) => {
      const texts: Record<string, string> = {
        'no bpftrace': factsText({ bpftrace: '' }),
        'no function tracer': factsText({ traceable: 'grep:/x:Nosuchfileordirectory' }),
        'functions missing': without(['evict', 'destroy_inode', 'hugetlbfs_free_inode']),
        'nothing told': LOCKED_DOWN_618,
      };
      const host = HOSTS[name] ?? bare(texts[name]!);
      for (const detail of DETAILS) {
        const known = Object.keys(host.facts.filesystems);
        for (const fs of [...known.map((one) => [one]), known, DEFAULT_FILESYSTEMS]) {
          const { plan, probes } = planOf(host, { fs, detail });
          expect(Object.keys(plan).sort()).toEqual([...STAGES].sort());
          for (const entry of Object.values(plan)) {
            const said = isObserved(entry) ? entry.probe : entry.missing;
            expect(said.length).toBeGreaterThan(10);
            expect(said).not.toContain('undefined');
          }
          // what is said to be observed is attached, and the other way round
          const told = STAGES.filter((stage) => stage !== 'pool').flatMap((stage) => {
            const entry = plan[stage];
            return isObserved(entry) ? entry.probe.split(', ') : [];
          });
          const spelt = probes.map((probe) =>
            probe.attach.replace('kfunc:', 'fentry:').replace('kretfunc:', 'fexit:'),
          );
          expect(new Set(told)).toEqual(new Set(spelt));
        }
      }
    },
  );

  it('shmem alone attaches nothing of hugetlbfs to its operations', () => {
    const attached = attachOf(planOf(HOSTS['6.12']!, { fs: ['shmem'] }));
    const ops = Object.values(FILESYSTEMS.hugetlbfs!.ops);
    expect(attached.filter((attach) => ops.includes(attach.split(':')[2]!))).toEqual([]);
    expect(attached).toContain('kfunc:vmlinux:shmem_evict_inode');
    expect(attached).toContain('kretfunc:vmlinux:shmem_evict_inode');
  });

  it.each(NAMES)('%s attaches no probe twice to print the same', (name) => {
    for (const detail of DETAILS) {
      const { probes } = planOf(HOSTS[name]!, { detail });
      const told = probes.map((probe) => `${probe.attach} ${probe.body}`);
      expect(new Set(told).size).toBe(told.length);
      if (detail === 'steps')
        expect(new Set(attachOf(planOf(HOSTS[name]!))).size).toBe(told.length);
    }
  });
});

describe('the detail', () => {
  /** evict stays, for inodes that hold hugepages. */
  const isStep = ({ lifecycle, line }: ProbeBlock) =>
    !lifecycle && STEP_LINES.includes(line) && line !== 'evict' && line !== 'tp_evict_inode';

  /** Whether there is a program that prints the line at the end for inodes of hugetlbfs. */
  const ends = (plan: TracePlan) =>
    plan.probes.some((p) => p.lifecycle && /printf\("((tp|raw)_)?life /.test(p.body));

  it.each(NAMES)('%s: lifecycle shows no step, steps no line at the end, auto both', (name) => {
    const host = HOSTS[name]!;
    const [steps, lifecycle, auto] = DETAILS.map((detail) => planOf(host, { detail }));
    expect(steps!.probes.filter((probe) => probe.lifecycle)).toEqual([]);
    if (lifecycle!.detail === 'steps')
      return expect(attachOf(lifecycle!)).toEqual(attachOf(steps!));
    expect(lifecycle!.probes.filter(isStep)).toEqual([]);
    expect(ends(lifecycle!)).toBe(true);
    expect(ends(auto!)).toBe(true);
    // RCU's own lines are part of the line at the end
    const rcu = ['i_callback', 'free_inode', 'tp_free_inode'];
    for (const plan of [lifecycle!, auto!]) {
      expect(plan.probes.filter((p) => !p.lifecycle && rcu.includes(p.line))).toEqual([]);
    }
    // and auto has each step, so that it can tell them while the rate allows
    const told = (plan: TracePlan) => plan.probes.filter(isStep).map((probe) => probe.target);
    expect(told(auto!)).toEqual(told(steps!));
    expect(told(steps!).length).toBeGreaterThan(0);
  });

  it('the early line of inodes with hugepages stays in lifecycle, but is not the stage', () => {
    const { plan, probes } = planOf(HOSTS['6.12']!, { detail: 'lifecycle' });
    expect(probes.filter((p) => p.target === 'evict').map((p) => [p.line, p.lifecycle])).toEqual([
      ['evict', false],
      ['life', true],
      ['life', true],
    ]);
    expect(plan.evict).toEqual({
      probe: 'fentry:vmlinux:evict',
      note: 'told in one line when the inode ends',
    });
    expect(plan.alloc_inode).toEqual({
      missing: 'not told in this detail',
      help: '--detail steps or auto',
    });
  });

  it.each<[string, readonly string[], Detail]>([
    ['without evict() there is no beginning', ['evict'], 'steps'],
    [
      'without anything after RCU there is no end',
      ['i_callback', 'hugetlbfs_free_inode', 'shmem_free_in_core_inode'],
      'steps',
    ],
    ['one of both is enough', ['i_callback'], 'auto'],
  ])('%s', (_, missing, resolved) => {
    for (const detail of ['auto', 'lifecycle'] as const) {
      const plan = planOf(bare(without(missing)), { detail });
      expect(plan.detail).toBe(resolved === 'steps' ? 'steps' : detail);
      if (resolved !== 'steps') continue;
      // all the steps that are there, as if they had been asked for
      expect(attachOf(plan)).toEqual(attachOf(planOf(bare(without(missing)))));
      expect(plan.plan.lifecycle).toMatchObject({ missing: expect.stringContaining('not both') });
    }
  });

  it.each([
    ['is not there', bare(without(['hugetlbfs_free_inode'], true)), new Map()],
    ['is not traceable', bare(without(['hugetlbfs_free_inode'])), new Map()],
    [
      'was refused',
      HOSTS['6.12-family-kprobe']!,
      new Map([['kprobe:hugetlbfs_free_inode', 'bpftrace: Error attaching probe']]),
    ],
  ])('where s_op->free_inode %s, i_callback() prints the line at the end', (_, host, dropped) => {
    const plan = planOf(host, { detail: 'auto', fs: ['hugetlbfs'], dropped });
    expect(plan.detail).toBe('auto');
    const printing = plan.probes.filter((probe) => probe.body.includes('printf("life '));
    expect(printing.map((probe) => probe.target)).toEqual(['i_callback']);
    expect(plan.plan.lifecycle).toHaveProperty('probe');
    expect(plan.plan.free_inode).toHaveProperty('missing');
  });

  it('on 6.18 i_callback() prints that of a guest_memfd, which has no s_op->free_inode', () => {
    const targets = (name: string) =>
      planOf(HOSTS[name]!, { detail: 'auto' })
        .probes.filter((probe) => probe.body.includes('printf("life '))
        .map((probe) => probe.target);
    const free = ['hugetlbfs_free_inode', 'shmem_free_in_core_inode'];
    expect(targets('6.18')).toEqual(free);
    expect(targets('6.18-kvm')).toEqual(['i_callback', ...free]);
    expect(targets('7.3-kvm')).toEqual([...free, 'kvm_gmem_free_inode']);
  });
});

describe('any subset of refusals', () => {
  it('leaves a plan whose probes were not refused, and reasons for the rest', () => {
    const refused = fc.record({
      name: fc.constantFrom(...NAMES),
      detail: fc.constantFrom(...DETAILS),
      seeds: fc.array(fc.nat(), { maxLength: 40 }),
    });
    fc.assert(
      fc.property(refused, ({ name, detail, seeds }) => {
        const host = HOSTS[name]!;
        const dropped = new Map<string, string>();
        for (const seed of seeds) {
          const attached = attachOf(planOf(host, { detail, dropped }));
          if (attached.length === 0) break;
          dropped.set(attached[seed % attached.length]!, 'bpftrace: refused');
          const plan = planOf(host, { detail, dropped });
          expect(attachOf(plan).filter((attach) => dropped.has(attach))).toEqual([]);
          for (const stage of STAGES) {
            const entry = plan.plan[stage];
            if (isObserved(entry)) expect(entry.probe).not.toBe('');
            else expect(entry.missing.length).toBeGreaterThan(10);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('--fs', () => {
  it('takes names, tmpfs for shmem, each once', () => {
    expect(parseFilesystems('hugetlbfs, tmpfs,shmem')).toEqual(['hugetlbfs', 'shmem']);
    expect(parseFilesystems('hugetlbfs,xfs, fuse')).toEqual(['hugetlbfs', 'xfs', 'fuse']);
    expect(() => parseFilesystems('hugetlbfs,x s')).toThrow('"x s" is no type of a filesystem');
    expect(() => parseFilesystems('')).toThrow(RangeError);
  });
});
