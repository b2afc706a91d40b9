/** What makes a comparison say less than it seems to. */
import type { PlanChange } from '../../protocol/compare.ts';
import type { Report } from '../../protocol/report.ts';
import type { Group, HostName, Run, RunEpoch } from './run.ts';

/** The worst first. */
export function weaknessesOf(
  a: Run,
  b: Run,
  plan: readonly PlanChange[],
  nameOf: HostName,
): string[] {
  const runs = [
    ['A', a],
    ['B', b],
  ] as const;
  const out: string[] = [];
  for (const [name, { report }] of runs) {
    if (report.losses.balanced === false) {
      out.push(`the ledger of ${name} does not balance: events are missing and nobody knows which`);
    }
  }
  for (const [name, { damage }] of runs) {
    if (damage !== null) out.push(`${name} was read up to where it is damaged: ${damage}`);
  }
  for (const [name, { report }] of runs) {
    const text = lossText(report);
    if (text !== '') out.push(`${name}: ${text}`);
  }
  for (const [name, { report, damage }] of runs) {
    if (report.losses.balanced === null && damage === null) {
      out.push(`the ledger of ${name} is open: it ended while events were on their way`);
    }
  }
  out.push(...observationText(a, b, plan));
  out.push(...aloneText(a, b, nameOf));
  return out;
}

function lossText({ losses, inodes, gaps }: Report): string {
  const places: [number | null, string][] = [
    [losses.not_run, 'not run'],
    [losses.map_full, 'map full'],
    [losses.ring_buffer, 'ring buffer'],
    [losses.rejected, 'rejected'],
  ];
  const lost = places.filter(([count]) => (count ?? 0) > 0);
  const parts = lost.map(([count, place]) => `${count} events lost (${place})`);
  if (gaps.length > 0) parts.push(`${gaps.length} ${gaps.length === 1 ? 'gap' : 'gaps'}`);
  if (inodes.lost > 0) parts.push(`${inodes.lost} inodes ended unseen`);
  if (losses.not_run === null) parts.push('this kernel does not count runs that it skips');
  return parts.join(', ');
}

/** The tracer's own cost is part of every duration: it has to be the same in both. */
function observationText(a: Run, b: Run, plan: readonly PlanChange[]): string[] {
  const out: string[] = [];
  const differ = (what: string, of: (epoch: RunEpoch) => string | number, note = '') => {
    const values = (run: Run) => [...new Set(run.epochs.map(of))].join(', ');
    const [inA, inB] = [values(a), values(b)];
    if (inA !== inB) out.push(`${what}: ${inA} in A, ${inB} in B${note}`);
  };
  const cost = '; what tracing costs is in the durations';
  differ('detail', ({ info }) => info.detail, cost);
  differ('bpftrace', ({ info }) => info.bpftrace, cost);
  differ('machine', ({ info }) => `${info.machine} with ${info.cpus} CPUs`);
  const other = plan.filter((change) => change.a !== null && change.b !== null);
  if (other.length > 0) {
    out.push(`observed by other probes: ${other.map(({ stage }) => stage).join(', ')}${cost}`);
  }
  for (const [name, key] of [
    ['A', 'b'],
    ['B', 'a'],
  ] as const) {
    const alone = plan.filter((change) => change[key] === null).length;
    if (alone > 0) out.push(`stages seen in ${name} alone, so not compared: ${alone} (below)`);
  }
  return out;
}

/** Hosts of which there is nothing to compare with. */
function aloneText(a: Run, b: Run, nameOf: HostName): string[] {
  const hosts = (run: Run) => new Set(run.epochs.map(({ info }) => nameOf(info.host)));
  const [inA, inB] = [hosts(a), hosts(b)];
  const alone = (own: Set<string>, other: Set<string>) =>
    [...own].filter((host) => !other.has(host));
  return [
    ...alone(inA, inB).map((host) => `host ${host} is in A alone`),
    ...alone(inB, inA).map((host) => `host ${host} is in B alone`),
  ];
}

/** Filesystems of which one run has inodes and the other none. */
export function aloneGroups(
  a: ReadonlyMap<string, Group>,
  b: ReadonlyMap<string, Group>,
): string[] {
  const text = (
    from: ReadonlyMap<string, Group>,
    other: ReadonlyMap<string, Group>,
    name: string,
  ) => {
    const alone = [...from].filter(([key]) => !other.has(key)).map(([, { fs }]) => fs);
    return alone.length === 0 ? [] : [`inodes in ${name} alone: ${[...new Set(alone)].join(', ')}`];
  };
  return [...text(a, b, 'A'), ...text(b, a, 'B')];
}

/** What differs between two runs of one kernel is what two runs differ by. */
export function sameKernel(a: Run, b: Run): string[] {
  const all = (of: (epoch: RunEpoch) => string) => new Set([...a.epochs, ...b.epochs].map(of));
  if (all(({ info }) => info.boot_id).size === 1) {
    return ['both are of the same boot: what differs is not the kernel'];
  }
  const kernels = [...all(({ info }) => info.kernel)];
  if (kernels.length > 1) return [];
  return [`both say Linux ${kernels[0]}: of one build, two runs differ by as much as this anyhow`];
}

/**
 * Why every duration between these stages is only suspected to have changed: a loss that
 * nobody can place, or another way of observing it, could explain it. Empty: nothing.
 */
export function doubtOf(
  a: Run,
  b: Run,
  plan: readonly PlanChange[],
  stages: readonly string[],
): string {
  if ([a, b].some(({ report }) => report.losses.balanced === false)) {
    return 'a ledger does not balance';
  }
  const details = new Set([...a.epochs, ...b.epochs].map(({ info }) => info.detail));
  if (details.size > 1) return 'the runs were traced in different detail';
  const other = plan.find(({ stage }) => stages.includes(stage));
  return other === undefined ? '' : `${other.stage} was observed by another probe`;
}
