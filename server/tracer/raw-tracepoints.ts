/**
 * The tracepoints of hugetlbfs as raw ones (include/trace/events/hugetlbfs.h): nothing is copied
 * for them beforehand, and the kernel leaves out fewer runs: not because another program is active
 * on that CPU (bpf_prog_active in trace_call_bpf(), kernel/trace/bpf_trace.c). Some it leaves out
 * all the same, whole turns of RCU, and counts them nowhere: 0.002 to 0.3 % at full churn on 6.18.
 */
import type { HostFacts } from './facts.ts';
import type { ProbeBlock } from './programs.ts';
import { hasRawTracepoints } from './versions.ts';

const INODE = '((struct inode *)arg0)';
/** What the tracepoint copies of the inode, its first argument. */
const OF_INODE: Readonly<Record<string, string>> = {
  dev: `${INODE}->i_sb->s_dev`,
  ino: `${INODE}->i_ino`,
  mode: `${INODE}->i_mode`,
  nlink: `${INODE}->i_nlink`,
  size: `${INODE}->i_size`,
  blocks: `${INODE}->i_blocks`,
};
const ARGUMENTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // (inode, dir, mode)
  hugetlbfs_alloc_inode: { ...OF_INODE, mode: '(uint32)arg2' },
  hugetlbfs_evict_inode: OF_INODE,
};

export function isRaw({ attach }: { readonly attach: string }): boolean {
  return attach.startsWith('rawtracepoint:');
}

/** Whether this host has raw tracepoints for these blocks, as far as it said. */
export function canBeRaw(
  blocks: readonly ProbeBlock[],
  facts: HostFacts,
  dropped: ReadonlyMap<string, string>,
): boolean {
  // members of struct inode are read by their place in BTF
  if (!facts.btf || !hasRawTracepoints(facts.bpftrace)) return false;
  return blocks.map(asRaw).every((block) => !isRaw(block) || !dropped.has(block.attach));
}

/** Whether another bpftrace would have them on this host. */
export function wouldBeRaw(facts: HostFacts): boolean {
  return facts.btf && !hasRawTracepoints(facts.bpftrace);
}

/** The same probe on the raw tracepoint, where there is one that has the same to say. */
export function asRaw(block: ProbeBlock): ProbeBlock {
  const name = block.target.replace('hugetlbfs:', '');
  if (ARGUMENTS[name] === undefined) return block;
  return { ...block, attach: `rawtracepoint:${name}` };
}

/** `args->ino` read from the inode. */
export function withRawArguments(text: string, attach: string): string {
  const known = ARGUMENTS[attach.replace('rawtracepoint:', '')] ?? {};
  return text.replace(/args->(\w+)/g, (whole, name: string) => known[name] ?? whole);
}
