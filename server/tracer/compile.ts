/** The bpftrace programs of a plan, one for each track, in the dialect of the host's bpftrace. */
import { GRAMMAR_VERSION, type LineName, TRACKS, trackOf } from '../protocol/grammar.ts';
import type { Btf } from './btf.ts';
import type { HostFacts } from './facts.ts';
import { FILESYSTEMS } from './filesystems.ts';
import type { TracePlan } from './plan.ts';
import type { ProbeBlock } from './programs.ts';

export interface Program {
  readonly text: string;
  /** First and last line of each probe in the text, so that an error can be led back to it. */
  readonly places: readonly {
    readonly attach: string;
    readonly from: number;
    readonly to: number;
  }[];
  /** The line each of its probes prints, in the order in which bpftrace loads them. */
  readonly lines: readonly LineName[];
}

/**
 * A program for each track that has a probe; track 0 always has one.
 * @param btf needed by bpftrace 0.18 and older, which has no offsetof().
 */
export function compile(plan: TracePlan, facts: HostFacts, btf: Btf | null): Program[] {
  const programs: Program[] = [];
  // each text begins below where the one before ended, so that a line number names one probe
  let above = 0;
  for (let track = 0; track < TRACKS; track++) {
    const program = compileTrack(plan, facts, btf, track, above);
    if (track > 0 && program.lines.length === 0) continue;
    programs.push(program);
    above += program.text.split('\n').length;
  }
  return programs;
}

function compileTrack(
  plan: TracePlan,
  facts: HostFacts,
  btf: Btf | null,
  track: number,
  above: number,
): Program {
  const probes = plan.probes.filter((probe) => trackOf(probe.lines.at(-1)!) === track);
  const parts: string[] = [
    ...new Array<string>(above).fill(''),
    'BEGIN',
    '{',
    ...(track === 0 ? fsFilter(plan) : freeInodeFilter(plan, facts)),
    `\tprintf("lastref ${GRAMMAR_VERSION} session\\n");`,
    '}',
  ];
  const places: { attach: string; from: number; to: number }[] = [];
  for (const probe of probes) {
    const lines = dialect(probe, facts, btf).split('\n');
    places.push({
      attach: probe.attach,
      from: parts.length + 1,
      to: parts.length + lines.length,
    });
    parts.push(...lines);
  }
  // Timers interrupt the probes of their own program. Up to three arguments are put together
  // on the stack, not in the memory that all programs of a CPU share (see TRACKS).
  const beat = `printf("beat %llu %d 0 0 ${track}\\n", nsecs, cpu);`;
  parts.push(
    ...(track === 0 ? TICK : [`interval:ms:100 { ${beat} }`]),
    ...(track === 0 && facts.symbols.includes('vmemmap_base') ? VMEMMAP : []),
    'interval:s:1 { print(@hits); }',
    // With a perf buffer for each CPU, a loss is told only with the next line of that CPU,
    // and a CPU that says nothing holds up the order: so each one speaks.
    ...(hasRingBuffer(facts.bpftrace) ? [] : [`profile:hz:5 { ${beat} }`]),
    `END { ${usedMaps(probes, track)
      .map((map) => `clear(${map});`)
      .join(' ')} }`,
  );
  return { text: `${parts.join('\n')}\n`, places, lines: probes.map((p) => p.lines.at(-1)!) };
}

const TICK = [
  'interval:ms:100',
  '{',
  '\t@tick++;',
  '\tprintf("tick %llu %d 0 0 %llu\\n", nsecs, cpu, @tick);',
  '}',
];

/** Which superblocks are wanted, by their magic. */
function fsFilter(plan: TracePlan): string[] {
  return plan.fs.map((name) => `\t@fs[0x${FILESYSTEMS[name]!.magic.toString(16)}] = 1;`);
}

/** i_callback() may not look at the superblock any more: what it is about to call tells. */
function freeInodeFilter(plan: TracePlan, facts: HostFacts): string[] {
  return plan.fs
    .map((name) => FILESYSTEMS[name]!.ops.free_inode)
    .filter((name) => name !== undefined && facts.symbols.includes(name))
    .map((name) => `\t@free_inode[kaddr("${name}")] = 1;`);
}

/** bpftrace prints every map at its end; only @hits is wanted. */
function usedMaps(probes: readonly ProbeBlock[], track: number): string[] {
  const text = probes.map((p) => p.predicate + p.body).join('\n');
  const maps = new Set([...text.matchAll(/@\w+/g)].map((match) => match[0]));
  for (const map of track === 0 ? ['@fs', '@tick'] : ['@free_inode']) maps.add(map);
  maps.delete('@hits');
  return [...maps];
}

function dialect(probe: ProbeBlock, facts: HostFacts, btf: Btf | null): string {
  let body = probe.body;
  if (facts.stateIsStruct) body = body.replaceAll('->i_state)', '->i_state.__state)');
  if (!facts.btf) {
    // nothing is known of struct task_struct: no comm, no flags
    body = body
      .replace(/^\t\$c = .*\n/m, '')
      .replaceAll('*(uint64 *)$c, *(uint64 *)($c + 8)', '(uint64)0, (uint64)0')
      .replaceAll('(uint64)((struct task_struct *)curtask)->flags', '(uint64)0');
  }
  if (!hasOffsetof(facts.bpftrace)) {
    body = body.replace(/offsetof\(struct (\w+), (\w+)\)/g, (_, struct, member) => {
      const offset = btf?.offsetOf(struct, member) ?? null;
      if (offset === null) throw new Error(`BTF has no struct ${struct} with a member ${member}`);
      return String(offset);
    });
  }
  return `${probe.attach}\n${probe.predicate}{\n${body}}`;
}

/** Told again and again, so that a lost line does no harm. */
const VMEMMAP = [
  'interval:s:5',
  '{',
  '\tprintf("vmemmap %llu 0 0 0 %llx %u\\n", nsecs, *(uint64 *)kaddr("vmemmap_base"),',
  '\t    sizeof(struct page));',
  '}',
];

/** bpftrace has one ring buffer for all CPUs since 0.19, one perf buffer for each before. */
export function hasRingBuffer(version: string): boolean {
  return hasOffsetof(version);
}

/** bpftrace has offsetof() since 0.19. */
export function hasOffsetof(version: string): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  return major > 0 || minor >= 19;
}

/**
 * Which probes an error of bpftrace speaks of, with its words: from the place in
 * the text, or from the name of the program or function.
 */
export function blame(stderr: string, programs: readonly Program[]): Map<string, string> {
  const blamed = new Map<string, string>();
  const places = programs.flatMap((program) => program.places);
  for (const line of stderr.split('\n')) {
    if (!line.includes('ERROR')) continue;
    const words = line.replace(/^.*?ERROR: /, 'bpftrace: ').trim();
    const at = /^stdin:(\d+)/.exec(line);
    for (const { attach, from, to } of places) {
      const [kind, module, target] = attach.split(':');
      const named =
        new RegExp(
          `'${escapeRegExp(attach)}'|\\b${escapeRegExp(attach.replace(/^\w+:/, ''))}\\b`,
        ).test(line) ||
        (target !== undefined &&
          new RegExp(
            `\\b${kind === 'kfunc' ? '(fentry|kfunc)' : '(fexit|kretfunc)'}_${module}_${escapeRegExp(target)}_\\d`,
          ).test(line));
      const placed = at !== null && Number(at[1]) >= from && Number(at[1]) <= to;
      if (named || placed) blamed.set(attach, words);
    }
  }
  return blamed;
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
