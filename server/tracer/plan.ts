/**
 * Which probe observes which stage on this host, and for each stage that is not
 * observed, why. A function of what the host said: no guess from version numbers.
 */
import { INODE_STAGES, type Plan, type PlanEntry, STAGES, type Stage } from '../protocol/stages.ts';
import type { HostFacts } from './facts.ts';
import { FILESYSTEMS } from './filesystems.ts';
import { type ProbeBlock, STAGE_OF_LINE } from './programs.ts';

export interface TracePlan {
  readonly plan: Plan;
  /** What is attached, in this order. */
  readonly probes: readonly ProbeBlock[];
  readonly fs: readonly string[];
}

/** Stages that have one function per filesystem. */
const OP_STAGES: readonly Stage[] = ['evict_inode', 'evict_inode_end', 'destroy_op', 'free_inode'];

/**
 * @param dropped attach points that this host refused when it was tried, with its words.
 */
export function makePlan(
  facts: HostFacts,
  blocks: readonly ProbeBlock[],
  fs: readonly string[],
  dropped: ReadonlyMap<string, string> = new Map(),
): TracePlan {
  const candidates = forFilesystems(blocks, fs);
  const probes: ProbeBlock[] = [];
  const why = new Map<Stage, string>();
  const observed = new Map<Stage, ProbeBlock[]>();
  // fentry first: where it works for a stage, the tracepoint of that stage is not wanted
  for (const family of ['fentry', 'tracepoint'] as const) {
    const before = new Set(observed.keys());
    for (const block of candidates.filter((b) => b.family === family)) {
      const stages = stagesOf(block);
      if (family === 'tracepoint' && (before.size > 0 || !fs.includes('hugetlbfs'))) continue;
      const reason = dropped.get(block.attach) ?? unavailable(block, facts);
      if (reason !== null) {
        for (const stage of stages) if (!why.has(stage)) why.set(stage, reason);
        continue;
      }
      probes.push(block);
      for (const stage of stages) observed.set(stage, [...(observed.get(stage) ?? []), block]);
    }
  }
  const entries = STAGES.map((stage): [Stage, PlanEntry] => [
    stage,
    entry(stage, observed, why, facts, fs),
  ]);
  return { plan: Object.fromEntries(entries) as Plan, probes, fs };
}

function stagesOf(block: ProbeBlock): Stage[] {
  return block.lines.map((line) => STAGE_OF_LINE[line as keyof typeof STAGE_OF_LINE]);
}

/** The s_op probes of the files are hugetlbfs' own: each filesystem asked for gets its copy. */
function forFilesystems(blocks: readonly ProbeBlock[], fs: readonly string[]): ProbeBlock[] {
  const out: ProbeBlock[] = [];
  for (const block of blocks) {
    const stage = stagesOf(block)[0]!;
    if (block.family !== 'fentry' || !OP_STAGES.includes(stage)) {
      out.push(block);
      continue;
    }
    if (block.target !== FILESYSTEMS.hugetlbfs!.ops[stage]) continue; // another filesystem's copy in the file
    for (const name of fs) {
      const { ops, module } = FILESYSTEMS[name]!;
      const target = ops[stage];
      if (target === undefined) continue;
      const attach = `${block.attach.split(':')[0]}:${module}:${target}`;
      out.push({ ...block, attach, target });
    }
  }
  return out;
}

/** Why a probe cannot be attached on this host; null when it can, as far as the host said. */
function unavailable(block: ProbeBlock, facts: HostFacts): string | null {
  if (facts.bpftrace === '') return 'bpftrace is not installed there';
  if (block.family === 'tracepoint') {
    if (facts.tracepoints.includes(block.target)) return null;
    return `this kernel has no tracepoint ${block.target}`;
  }
  if (!facts.btf) return 'the kernel has no BTF (CONFIG_DEBUG_INFO_BTF), which fentry needs';
  if (facts.traceable === null) return `no fentry: ${facts.traceableWhy}`;
  if (facts.traceable.includes(block.target)) return null;
  return facts.symbols.includes(block.target)
    ? `${block.target}() is not traceable on this kernel`
    : `${block.target}() is not a function of this kernel (inlined, renamed or not built)`;
}

function entry(
  stage: Stage,
  observed: ReadonlyMap<Stage, readonly ProbeBlock[]>,
  why: ReadonlyMap<Stage, string>,
  facts: HostFacts,
  fs: readonly string[],
): PlanEntry {
  if (stage === 'last_reference') {
    return {
      missing: 'iput_final() is inlined into iput() on every known kernel, and iput() is too hot',
      help: 'evict() follows at once in the same task: its pid and comm are those of the last put',
    };
  }
  if (stage === 'pool') return { probe: 'sysfs:/sys/kernel/mm/hugepages, each second' };
  const blocks = observed.get(stage);
  if (blocks !== undefined) {
    const probe = blocks.map((b) => attachName(b)).join(', ');
    return observed.has('evict') || INODE_STAGES.every((s) => s !== stage)
      ? { probe }
      : { probe, note: 'hugetlbfs only; an inode is known by its device and number' };
  }
  const missing = why.get(stage);
  if (missing === undefined) {
    return { missing: `no function of ${fs.join(', ')} shows this stage` };
  }
  const help = facts.btf
    ? 'needs a kernel with fentry (CONFIG_DEBUG_INFO_BTF, CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS, not locked down)'
    : 'needs a kernel built with CONFIG_DEBUG_INFO_BTF=y';
  return { missing, help };
}

/** The family under its present name: kfunc is the old spelling of fentry. */
export function attachName(block: ProbeBlock): string {
  return block.attach.replace(/^kfunc:/, 'fentry:').replace(/^kretfunc:/, 'fexit:');
}
