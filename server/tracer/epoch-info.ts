/** What a recording and a pipeline have to know of a host and of what is traced there. */
import { nowMs } from '../protocol/clock.ts';
import type { RecordedAlerting } from '../protocol/config.ts';
import type { EpochInfo } from '../protocol/recording.ts';
import type { HostFacts } from './facts.ts';
import { freeingThemselves, OF_CANARIES } from './for-filesystems.ts';
import { mapKeys } from './map-keys.ts';
import type { TracePlan } from './plan.ts';
import { isAtLeast } from './versions.ts';

export function epochInfo(
  facts: HostFacts,
  plan: TracePlan,
  session: { readonly number: number; readonly host: string; readonly alerts: RecordedAlerting },
): EpochInfo {
  return {
    ...session,
    boot_id: facts.bootId,
    kernel: facts.kernel,
    machine: facts.machine,
    bpftrace: facts.bpftrace,
    cpus: facts.cpus,
    page_bytes: facts.pageBytes,
    hugepage_kb: facts.hugepageKb,
    fs: [...plan.fs],
    magics: Object.fromEntries(
      plan.fs.map((name) => [facts.filesystems[name]!.magic.toString(16), name]),
    ),
    free_themselves: freeingThemselves(plan.fs, facts),
    canaries: canariesFor(facts, plan),
    hidden_magic: hiddenMagic(facts, plan),
    detail: plan.detail,
    map_keys: mapKeys(facts),
    freed_state: facts.types.freedState,
    base_index: isAtLeast(facts.kernel, 6, 7),
    counts_misses: countsMisses(facts, plan),
    started_ms: nowMs(),
    plan: plan.plan,
  };
}

/**
 * Whether the kernel counts every run that it skips, and tells: of fentry since 5.12, of tracepoints
 * since 6.7 (trace_call_bpf(), kernel/trace/bpf_trace.c). A kprobe that is hit while another one
 * runs on its CPU is left out before any program is asked, and whoever attached it through perf
 * cannot read how often (kprobes_inc_nmissed_count(), kernel/kprobes.c).
 */
function countsMisses(facts: HostFacts, { probes }: TracePlan): boolean {
  if (probes.some(({ family }) => family === 'kprobe')) return false;
  return isAtLeast(facts.kernel, 6, 7) || probes.every(({ family }) => family === 'fentry');
}

/** Inodes that can be made from a shell, of those filesystems that the plan shows. */
function canariesFor({ filesystems }: HostFacts, { plan, traced }: TracePlan): string[] {
  const whole = 'probe' in plan.evict;
  const magics = traced.map((name) => filesystems[name]!.magic);
  return OF_CANARIES.filter(
    (name) => magics.includes(filesystems[name]!.magic) && (name === 'hugetlbfs' || whole),
  );
}

/** Of what is traced for the sake of a canary alone. */
function hiddenMagic({ filesystems }: HostFacts, { fs, traced }: TracePlan): number | null {
  const hidden = traced.find((name) => !fs.includes(name));
  return hidden === undefined ? null : filesystems[hidden]!.magic;
}
