/** What of a plan depends on the filesystems that are asked for. */
import type { HostFacts } from './facts.ts';
import { freesItself, OP_STAGES } from './filesystems.ts';
import type { ProbeBlock } from './programs.ts';

/** Filesystems that a canary can be made on. */
export const OF_CANARIES: readonly string[] = ['hugetlbfs', 'shmem'];

/**
 * Where no canary can be made on what was asked for, it is made on shmem, and of that nothing else is
 * shown: without one nobody knows when all probes are attached, nor later whether they run.
 */
export function canaryOnly(fs: readonly string[], { filesystems }: HostFacts): string[] {
  const magics = OF_CANARIES.map((name) => filesystems[name]!.magic);
  return fs.some((name) => magics.includes(filesystems[name]!.magic)) ? [] : ['shmem'];
}

/**
 * Those asked for that free their inodes by themselves: no RCU callback comes at which a line could
 * tell of one. Printed in a task, it could be overwritten by that of a softirq (see TRACKS).
 */
export function freeingThemselves(fs: readonly string[], { filesystems }: HostFacts): string[] {
  return fs.filter((name) => freesItself(filesystems[name]!));
}

/**
 * The s_op probes of the files are hugetlbfs' own, and that of pipefs for what frees its inodes by
 * itself: each filesystem asked for gets its copy.
 */
export function forFilesystems(
  blocks: readonly ProbeBlock[],
  fs: readonly string[],
  { filesystems, moduleOf }: HostFacts,
): ProbeBlock[] {
  const out: ProbeBlock[] = [];
  const copied = new Set<string>();
  for (const block of blocks) {
    const stage = OP_STAGES.find((of) => of === block.stages[0]);
    if (block.target.startsWith('kvm_gmem_') && !fs.includes('guest_memfd')) continue;
    if (block.family !== 'fentry' || stage === undefined) {
      out.push(block);
      continue;
    }
    for (const name of fs) {
      const of = filesystems[name]!;
      const own = filesystems[freesItself(of) && stage === 'destroy_op' ? 'pipefs' : 'hugetlbfs']!;
      const target = of.ops[stage];
      if (target === undefined || block.target !== own.ops[stage]) continue; // another's copy in the file
      const attach = `${block.attach.split(':')[0]}:${moduleOf[target] ?? of.module}:${target}`;
      // two types may have it in common
      const key = `${block.file} ${stage} ${attach}`;
      if (!copied.has(key)) out.push({ ...block, attach, target });
      copied.add(key);
    }
  }
  return out;
}
