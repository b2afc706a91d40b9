/**
 * Which probe observes which stage on this host, and for each stage that is not
 * observed, why. A function of what the host said: no guess from version numbers.
 */
import { type Plan, type PlanEntry, STAGES, type Stage } from '../protocol/stages.ts';
import type { HostFacts } from './facts.ts';
import { canaryOnly, forFilesystems, freeingThemselves } from './for-filesystems.ts';
import { argumentOf, namesOf } from './kernels.ts';
import { FAMILIES, type Family, type ProbeBlock, type ProgramFile } from './programs.ts';
import { asRaw, canBeRaw, isRaw, wouldBeRaw } from './raw-tracepoints.ts';
import { hasStackLimit } from './versions.ts';

/**
 * steps: each stage is told at once. lifecycle: in one line when the inode ends, with
 * an early line for those that hold hugepages. auto: both, and above a rate the
 * second alone.
 */
export const DETAILS = ['steps', 'lifecycle', 'auto'] as const;
export type Detail = (typeof DETAILS)[number];

export interface PlanOptions {
  readonly fs: readonly string[];
  readonly detail: Detail;
  /** Families that may be used. */
  readonly families: readonly Family[];
  /** Attach points that this host refused when it was tried, with its words. */
  readonly dropped?: ReadonlyMap<string, string>;
}

/** Among the refused attach points: what was to be put together on the stack has no room there. */
export const ON_STACK = 'on the stack';

export interface TracePlan {
  readonly plan: Plan;
  /** What is attached, in this order. */
  readonly probes: readonly ProbeBlock[];
  /** bpftrace puts lines and what it keeps together on the stack of a program. */
  readonly onStack: boolean;
  /** What was asked for. */
  readonly fs: readonly string[];
  /** The same, and what is traced for the sake of a canary alone; see canaryOnly. */
  readonly traced: readonly string[];
  /** What was asked for, or `steps` where this host cannot do it. */
  readonly detail: Detail;
}

/** Why a stage is not observed, and what would help. */
interface Reason {
  readonly missing: string;
  readonly help: string;
}

/** Lines whose part the line at the end takes over. */
const OF_RCU: readonly string[] = ['i_callback', 'free_inode', 'tp_free_inode'];

/** Filesystems whose inodes have hugepages of the pool, and the programs about those. */
const OF_HUGEPAGES: readonly string[] = ['hugetlbfs', 'guest_memfd'];
const HUGEPAGE_FILES: readonly ProgramFile[] = ['hugetlb.bt', 'reservations.bt', 'pins.bt'];

const NEEDS_FENTRY =
  'needs a kernel with fentry (CONFIG_DEBUG_INFO_BTF, CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS, not locked down)';

export function makePlan(
  facts: HostFacts,
  blocks: readonly ProbeBlock[],
  options: PlanOptions,
): TracePlan {
  const onStack = canUseStack(facts, options);
  const { fs } = options;
  const traced = [...fs, ...canaryOnly(fs, facts)];
  const chosen = choose(facts, blocks, options, traced, options.detail !== 'steps');
  // without evict() or what follows RCU there is no line at the end
  const lives = chosen.probes.filter((probe) => probe.lifecycle);
  const complete = ['i_callback', 'free_inode'].some((stage) =>
    lives.some((probe) => probe.stages.includes(stage as Stage)),
  );
  const begins = lives.some(
    (p) =>
      p.stages.includes('evict') || (p.family === 'tracepoint' && p.stages.includes('evict_inode')),
  );
  const ends = freeingThemselves(fs, facts).length === 0;
  if (options.detail === 'steps' || (complete && begins && ends)) {
    return { ...chosen, onStack, fs, traced, detail: options.detail };
  }
  const steps = choose(facts, blocks, options, traced, false);
  return { ...steps, onStack, fs, traced, detail: 'steps' };
}

function canUseStack(facts: HostFacts, { dropped }: PlanOptions): boolean {
  return hasStackLimit(facts.bpftrace) && dropped?.has(ON_STACK) !== true;
}

function choose(
  facts: HostFacts,
  blocks: readonly ProbeBlock[],
  options: PlanOptions,
  traced: readonly string[],
  lifecycle: boolean,
): { plan: Plan; probes: ProbeBlock[] } {
  const { fs, families } = options;
  const dropped = options.dropped ?? new Map<string, string>();
  const other: ProgramFile = canUseStack(facts, options) ? 'lifecycle-maps.bt' : 'lifecycle.bt';
  const pages = fs.some((name) => OF_HUGEPAGES.includes(name));
  const wanted = blocks.filter(
    (block) =>
      block.file !== other &&
      (pages || !HUGEPAGE_FILES.includes(block.file)) &&
      (lifecycle ? block.lifecycle || !OF_RCU.includes(block.line) : !block.lifecycle),
  );
  const detail = lifecycle ? options.detail : 'steps';
  const copies = forFilesystems(wanted, traced, facts);
  const candidates = copies.filter(
    (block) =>
      !block.body.includes(WITHOUT_FREE_OP) ||
      needsLastStep(copies, facts, { ...options, fs: traced }),
  );
  const probes: ProbeBlock[] = [];
  const why = new Map<Stage, Reason>();
  const observed = new Map<Stage, ProbeBlock[]>();
  const use = (block: ProbeBlock) => {
    probes.push(block);
    for (const stage of block.stages) {
      if (stage === 'evict' && detail === 'lifecycle' && !block.lifecycle) continue;
      observed.set(stage, [...(observed.get(stage) ?? []), block]);
    }
  };
  if (!pages) {
    const help = `--fs ${[...fs, 'hugetlbfs'].join(',')}`;
    for (const block of blocks.filter(({ file }) => HUGEPAGE_FILES.includes(file))) {
      for (const stage of block.stages)
        why.set(stage, { missing: 'no hugetlbfs was asked for', help });
    }
  }
  for (const block of candidates.filter((b) => b.family === 'fentry')) {
    if (detail === 'lifecycle' && isStep(block)) continue;
    const found = forHost(block, facts, families, dropped);
    if ('missing' in found) {
      for (const stage of block.stages) if (!why.has(stage)) why.set(stage, found);
    } else use(found);
  }
  // without evict() an inode has no address: the tracepoints' device and number, or nothing
  if (!observed.has('evict') && families.includes('tracepoint') && fs.includes('hugetlbfs')) {
    probes.length = 0;
    observed.clear();
    const ofTracepoints = candidates.filter((b) => b.family === 'tracepoint');
    // a run of free_inode that is left out shows in what was noted at evict, and nowhere else
    const raw = lifecycle && canBeRaw(ofTracepoints, facts, dropped);
    for (const candidate of ofTracepoints) {
      // one of the two ways to note what is told at the end
      if (candidate.lifecycle && isRaw(candidate) !== raw) continue;
      if (detail === 'lifecycle' && isStep(candidate)) continue;
      const block = raw && !candidate.lifecycle ? asRaw(candidate) : candidate;
      const reason = dropped.get(block.attach) ?? noTracepoint(block, facts);
      if (reason === null) use(block);
      else {
        for (const stage of block.stages) {
          if (!why.has(stage)) why.set(stage, { missing: reason, help: NEEDS_FENTRY });
        }
      }
    }
  }
  const entries = STAGES.map((stage): [Stage, PlanEntry] => [
    stage,
    entry(stage, observed, why, options, facts),
  ]);
  return { plan: Object.fromEntries(entries) as Plan, probes };
}

/**
 * The program of i_callback() that prints the line at the end where no free_inode does:
 * s_op->free_inode is NULL, or the inode is a guest_memfd on anon_inodefs.
 */
const WITHOUT_FREE_OP = '@free_op[@evict[$k].3] == 0';

function needsLastStep(
  blocks: readonly ProbeBlock[],
  facts: HostFacts,
  { fs, families, dropped }: PlanOptions,
): boolean {
  return fs.some((name) => {
    if (name === 'guest_memfd' && !facts.symbols.includes('kvm_gmem_release')) return false;
    const target = facts.filesystems[name]!.ops.free_inode;
    const block = blocks.find((b) => b.lifecycle && b.family === 'fentry' && b.target === target);
    return (
      block === undefined || 'missing' in forHost(block, facts, families, dropped ?? new Map())
    );
  });
}

/** Told for every inode and only with the steps; evict stays, for inodes that hold hugepages. */
function isStep({ lifecycle, line }: ProbeBlock): boolean {
  if (lifecycle || line === 'evict' || line === 'tp_evict_inode') return false;
  return STEP_LINES.includes(line) || line === 'resv_map_alloc' || line === 'resv_map_release';
}

/** The lines of which there are many for each inode. */
export const STEP_LINES: readonly string[] = [
  'alloc_inode',
  'evict',
  'evict_inode',
  'truncate_final',
  'clear_inode',
  'evict_inode_end',
  'destroy_inode',
  'destroy_op',
  'evict_end',
  'tp_alloc_inode',
  'tp_evict_inode',
];

/** The probe as this host can have it: its name for the function, the best family. */
function forHost(
  block: ProbeBlock,
  facts: HostFacts,
  families: readonly Family[],
  dropped: ReadonlyMap<string, string>,
): ProbeBlock | Reason {
  let first: Reason | null = null;
  for (const target of namesOf(block.target)) {
    const [kind, module] = block.attach.split(':') as [string, string, string];
    const variants: Record<Family, string> = {
      fentry: `${kind}:${module}:${target}`,
      kprobe: `${kind === 'kfunc' ? 'kprobe' : 'kretprobe'}:${target}`,
      tracepoint: '',
    };
    for (const family of FAMILIES) {
      if (family === 'tracepoint' || !families.includes(family)) continue;
      const attach = variants[family];
      const refused = dropped.get(attach) ?? dropped.get(attach.split(':')[0]!);
      const reason =
        refused === undefined
          ? unavailable(family, module, target, block, facts)
          : { missing: refused, help: '' };
      if (reason === null) return { ...block, attach, target, family };
      // the reason of the best family, under the name this kernel has
      if (first === null || (facts.symbols.includes(target) && family === 'fentry')) first = reason;
    }
  }
  return first ?? { missing: `not asked for: only ${families.join(', ')}`, help: '' };
}

/** Why a function cannot be probed on this host; null when it can, as far as the host said. */
function unavailable(
  family: Family,
  module: string,
  target: string,
  block: ProbeBlock,
  facts: HostFacts,
): Reason | null {
  if (facts.bpftrace === '') {
    return { missing: 'bpftrace is not installed there', help: 'apt install bpftrace' };
  }
  if (!facts.btf) {
    return {
      missing: `the kernel has no BTF (CONFIG_DEBUG_INFO_BTF), which ${family} needs`,
      help: 'needs a kernel built with CONFIG_DEBUG_INFO_BTF=y',
    };
  }
  if (facts.traceable === null) {
    return { missing: `no ${family}: ${facts.traceableWhy}`, help: NEEDS_FENTRY };
  }
  if (facts.ftraceOff) {
    return {
      missing: `no ${family}: kernel.ftrace_enabled is 0, so that a probe would attach and never run`,
      help: 'sudo sysctl kernel.ftrace_enabled=1',
    };
  }
  if (module !== 'vmlinux' && !facts.modules.includes(module)) {
    return {
      missing: `the module ${module} is not loaded`,
      help: `load it before lastref starts (modprobe ${module === 'kvm' ? 'kvm_intel or kvm_amd' : module})`,
    };
  }
  if (!facts.symbols.includes(target)) {
    return {
      missing: `${target}() is not a function of this kernel (inlined, renamed or not built)`,
      help: 'no probe can show it on this build of the kernel',
    };
  }
  if (!facts.traceable.includes(target)) {
    return {
      missing: `${target}() is not traceable on this kernel`,
      help: 'the kernel leaves it out of available_filter_functions',
    };
  }
  const proto = facts.types.functions?.get(target);
  if (facts.types.functions !== null && proto === undefined) {
    return { missing: `${target}() has no BTF`, help: 'no probe can read its arguments' };
  }
  const arg = proto === undefined ? null : unknownArgument(block, target, proto);
  if (arg !== null) {
    return {
      missing: `${target}() has no argument ${arg} on this kernel`,
      help: 'tell us: lastref does not know this kernel yet',
    };
  }
  // last: what is said of a function is true for each family
  if (family === 'fentry' && facts.directCalls === false) {
    return {
      missing: 'no fentry: built without CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS',
      help: NEEDS_FENTRY,
    };
  }
  if (family === 'kprobe' && !facts.kprobes) {
    return { missing: 'no kprobes: built without CONFIG_KPROBE_EVENTS', help: NEEDS_FENTRY };
  }
  return null;
}

/** An argument that the program reads and the function does not have, under any of its names. */
function unknownArgument(
  block: ProbeBlock,
  target: string,
  proto: { readonly args: readonly { readonly name: string }[] },
): string | null {
  for (const [, name] of (block.predicate + block.body).matchAll(/args->(\w+)/g)) {
    if (argumentOf(target, name!, proto.args) === null) return name!;
  }
  return null;
}

function noTracepoint(block: ProbeBlock, facts: HostFacts): string | null {
  if (facts.bpftrace === '') return 'bpftrace is not installed there';
  if (!facts.tracepoints.includes(block.target)) {
    return `this kernel has no tracepoint ${block.target}`;
  }
  // those of the page cache are of all filesystems: the others tell which mounts are hugetlbfs
  if (block.target.startsWith('filemap:') && !facts.tracepoints.some(isOfHugetlbfs)) {
    return `this kernel has no tracepoint of hugetlbfs to tell its pages in ${block.target} by`;
  }
  return null;
}

function isOfHugetlbfs(tracepoint: string): boolean {
  return tracepoint.startsWith('hugetlbfs:');
}

function entry(
  stage: Stage,
  observed: ReadonlyMap<Stage, readonly ProbeBlock[]>,
  why: ReadonlyMap<Stage, Reason>,
  options: PlanOptions,
  facts: HostFacts,
): PlanEntry {
  const { fs, detail } = options;
  if (stage === 'last_reference') {
    return {
      missing: 'iput_final() is inlined into iput() on every known kernel, and iput() is too hot',
      help: 'evict() follows at once in the same task: its pid and comm are those of the last put',
    };
  }
  if (stage === 'pool') return { probe: 'sysfs:/sys/kernel/mm/hugepages, each second' };
  const blocks = observed.get(stage);
  if (blocks !== undefined) {
    const probe = [...new Set(blocks.map(attachName))].join(', ');
    const notes = [];
    if (blocks[0]!.family === 'tracepoint') {
      notes.push('hugetlbfs only; an inode is known by its device and number');
    }
    if (blocks.every((block) => block.lifecycle) && stage !== 'lifecycle') {
      notes.push('told in one line when the inode ends');
    }
    if (stage === 'lifecycle' && blocks[0]!.family === 'tracepoint' && wouldBeRaw(facts)) {
      notes.push('bpftrace 0.21 to 0.26 tells it at a third of the cost: --bpftrace');
    }
    return notes.length === 0 ? { probe } : { probe, note: notes.join('; ') };
  }
  const reason = why.get(stage);
  if (reason !== undefined) {
    return reason.help === '' ? { missing: reason.missing } : reason;
  }
  if (stage === 'lifecycle') {
    if (detail === 'steps') return { missing: 'not asked for', help: '--detail lifecycle or auto' };
    const themselves = freeingThemselves(fs, facts);
    if (themselves.length > 0) {
      return {
        missing: `no callback of RCU tells of the end of inodes that their filesystem frees by itself (${themselves.join(', ')})`,
        help: 'each stage is told at once; another session with the other filesystems can do without',
      };
    }
    return {
      missing: 'needs evict() and what RCU calls for each inode, and not both are observed here',
      help: 'each stage that is observed is told at once',
    };
  }
  if (
    detail === 'lifecycle' &&
    ['alloc_inode', 'resv_map_alloc', 'resv_map_release'].includes(stage)
  ) {
    return { missing: 'not told in this detail', help: '--detail steps or auto' };
  }
  return { missing: `no function of ${fs.join(', ')} shows this stage` };
}

/** The family under its present name: kfunc is the old spelling of fentry. */
export function attachName(block: { readonly attach: string }): string {
  return block.attach.replace(/^kfunc:/, 'fentry:').replace(/^kretfunc:/, 'fexit:');
}
