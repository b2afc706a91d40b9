/** The bpftrace programs of a plan, one for each track, in the dialect of the host's bpftrace. */
import { GRAMMAR_VERSION, LINES, type LineName } from '../protocol/grammar.ts';
import { HITS_PER_LINE, TRACKS, trackOf } from '../protocol/line-kinds.ts';
import type { Btf } from './btf.ts';
import { dialect } from './dialect.ts';
import type { HostFacts } from './facts.ts';
import { mapKeys } from './map-keys.ts';
import { markedMagics, marks } from './marks.ts';
import { ON_STACK, STEP_LINES, type TracePlan } from './plan.ts';
import type { ProbeBlock } from './programs.ts';
import { hasRingBuffer } from './versions.ts';

export interface Program {
  readonly text: string;
  /** First and last line of each probe in the text, so that an error can be led back to it. */
  readonly places: readonly {
    readonly attach: string;
    readonly from: number;
    readonly to: number;
  }[];
  /**
   * For each of its probes, in the order in which bpftrace loads them, the line that
   * is missing when a run is skipped.
   */
  readonly lines: readonly LineName[];
}

export interface CompileOptions {
  /** Inodes a second above which `auto` stops telling each stage. */
  readonly stepsBelow: number;
}

/**
 * bpftrace puts the arguments of a line, and what a map is to keep, together in memory that all
 * programs of a CPU share, if they take more bytes than this. A preemptible kernel runs another
 * task's program in between, and what comes is a line made of two: so each has them on its own
 * stack, of 512 bytes. Of the track of RCU that is what is kept of an inode; there is no room
 * beside it for the lines, which are printed where softirqs are off: none comes in between.
 */
const STACK_LIMITS = [200, 128].map((bytes) => `config = { on_stack_limit = ${bytes} }`);

/** Ticks (of 100 ms) below half the rate, after which `auto` tells each stage again. */
const CALM_TICKS = 20;

/**
 * A program for each track that has a probe; track 0 always has one.
 * @param btf needed by bpftrace 0.18 and older, which has no offsetof().
 */
export function compile(
  plan: TracePlan,
  facts: HostFacts,
  btf: Btf | null,
  options: CompileOptions,
): Program[] {
  const programs: Program[] = [];
  // each text begins below where the one before ended, so that a line number names one probe
  let above = 0;
  for (let track = 0; track < TRACKS; track++) {
    const program = compileTrack(plan, facts, btf, options, track, above);
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
  options: CompileOptions,
  track: number,
  above: number,
): Program {
  const probes = plan.probes
    .filter((probe) => trackOf(probe.line) === track)
    .map((probe) => inDetail(withoutUnreadNotes(probe, plan), plan));
  if (track === 1 && probes.length > 0) probes.unshift(...marks(plan, facts));
  const texts = countedApart(probes.map((probe) => dialect(probe, plan, facts, btf)))
    .map((ofProbe) => (hasRingBuffer(facts.bpftrace) ? ofProbe.map(withoutKeys) : ofProbe))
    .map((ofProbe) => ofProbe.map((text) => withPlaces(text, facts)));
  const filters = [
    ...fsFilter(plan, facts),
    ...(track === 1 && probes.some(looksAtOps) ? freeInodeFilter(plan, facts) : []),
    ...(track === 0 && plan.detail === 'auto'
      ? ['\t@steps = 1; @evicts = 0; @before = 0; @calm = 0;']
      : []),
  ];
  const parts: string[] = [
    ...new Array<string>(above).fill(''),
    ...(plan.onStack ? [STACK_LIMITS[track]!] : []),
    'BEGIN',
    '{',
    ...filters,
    ...neverWritten([...filters, ...texts.flat()].join('\n')).map(
      (map) => `\t${map}[(uint64)0] = (uint64)0;`,
    ),
    `\tprintf("lastref ${GRAMMAR_VERSION} session\\n");`,
    '}',
  ];
  const places: { attach: string; from: number; to: number }[] = [];
  const lines: LineName[] = [];
  probes.forEach((probe, i) => {
    for (const text of texts[i]!) {
      const rows = text.split('\n');
      places.push({ attach: probe.attach, from: parts.length + 1, to: parts.length + rows.length });
      parts.push(...rows);
      lines.push(probe.line);
    }
  });
  // Timers interrupt the probes of their own program. Up to three arguments are put together
  // on the stack, not in the memory that all programs of a CPU share (see TRACKS).
  const beat = `printf("beat %llu %d 0 0 ${track}\\n", nsecs, cpu);`;
  parts.push(
    ...(track === 0 ? tick(plan, options) : [`interval:ms:100 { ${beat} }`]),
    ...(track === 0 && facts.btf && facts.symbols.includes('vmemmap_base') ? VMEMMAP : []),
    ...counts(texts.flat()),
    ...(texts.flat().some((text) => text.includes('@told[')) ? [FORGET_TOLD] : []),
    // With a perf buffer for each CPU, a loss is told only with the next line of that CPU,
    // and a CPU that says nothing holds up the order: so each one speaks.
    ...(hasRingBuffer(facts.bpftrace) ? [] : [`profile:hz:${beatsOf(facts.cpus)} { ${beat} }`]),
  );
  parts.push(
    `END { ${usedMaps(parts)
      .map((map) => `clear(${map});`)
      .join(' ')} }`,
  );
  return { text: `${parts.join('\n')}\n`, places, lines };
}

/** How often each CPU speaks, a second: what the others said waits for it. Of many, less often. */
function beatsOf(cpus: number): number {
  return Math.max(5, Math.min(20, Math.floor(320 / cpus)));
}

/** Each program with a count of its own for the lines that others print as well. */
function countedApart(texts: readonly (readonly string[])[]): string[][] {
  const programs = new Map<string, number>();
  return texts.map((ofProbe) =>
    ofProbe.map((text) => {
      const ids = new Set([...text.matchAll(/@hits\[(\d+)\]/g)].map((match) => match[1]!));
      const before = new Map([...ids].map((id) => [id, programs.get(id) ?? 0]));
      for (const [id, count] of before) programs.set(id, count + 1);
      return text.replace(
        /@hits\[(\d+)\]/g,
        (_, id: string) => `@hits[${Number(id) + before.get(id)! * HITS_PER_LINE}]`,
      );
    }),
  );
}

/**
 * A count that has a map of its own is an array of one for each CPU, and nothing is hashed to
 * find it. Up to 0.18, what is printed each second is better in one map: it
 * has a buffer for each CPU, of a fixed size.
 */
function withoutKeys(text: string): string {
  return text.replace(/@hits\[(\d+)\]/g, '@hits_$1');
}

/** Ten times a second: time goes on, and `auto` looks at the rate. */
function tick(plan: TracePlan, { stepsBelow }: CompileOptions): string[] {
  const body = ['\t@tick++;', '\tprintf("tick %llu %d 0 0 %llu\\n", nsecs, cpu, @tick);'];
  if (plan.detail === 'auto') {
    const high = Math.max(1, Math.round(stepsBelow / 10));
    body.push(
      '\t$rate = (uint64)((uint64)@evicts - (uint64)@before);',
      '\t@before = @evicts;',
      `\tif (@steps == 1 && $rate > ${high}) {`,
      // told before, so that no stage is left out before it is told
      '\t\tprintf("detail %llu 0 0 0 0 %llu\\n", nsecs, $rate * 10);',
      '\t\t@steps = 0; @calm = 0;',
      '\t}',
      `\tif (@steps == 0 && $rate * 2 < ${high}) { @calm++; }`,
      `\tif (@steps == 0 && $rate * 2 >= ${high}) { @calm = 0; }`,
      `\tif (@steps == 0 && @calm > ${CALM_TICKS}) {`,
      '\t\t@steps = 1; @calm = 0;',
      '\t\tprintf("detail %llu 0 0 0 1 %llu\\n", nsecs, $rate * 10);',
      '\t}',
    );
  }
  return ['interval:ms:100', '{', ...body, '}'];
}

/**
 * Lines of which there is one or more for every inode of hugetlbfs, beside its stages:
 * told only when they say something, while the stages are not. `@promised`: inodes that
 * have reserved hugepages.
 */
const TELLING: Partial<Record<LineName, string>> = {
  resv_map_alloc: '',
  resv_map_release: '',
  remove_hugepages: 'args->inode->i_blocks',
  subpool: 'args->from < args->to',
  reserve: 'args->from < args->to',
  unreserve: 'args->freed || @promised[(uint64)args->inode]',
};
const PROMISES: Partial<Record<LineName, string>> = {
  reserve: '\tif (args->from < args->to) { @promised[(uint64)$i] = 1; }\n',
  unreserve:
    '\tif (args->start == 0 && @promised[(uint64)$i]) { delete(@promised[(uint64)$i]); }\n',
};

/** Inodes that hold hugepages are told early, so that one that hangs is seen. */
const HOLDS: Partial<Record<LineName, string>> = {
  evict: '($i->i_blocks && $sb->s_magic == 0x958458f6)',
  tp_evict_inode: 'args->blocks',
};

/** `@hugetlbfs` notes superblocks for the tracepoints of the page cache, which not every host has. */
function withoutUnreadNotes(probe: ProbeBlock, plan: TracePlan): ProbeBlock {
  if (plan.probes.some(({ predicate }) => predicate.includes('@hugetlbfs['))) return probe;
  return { ...probe, body: probe.body.replace(/^\tif \(@hugetlbfs\[.*\n/gm, '') };
}

/** Where inodes wait by place, there are as many places as the maps have room for. */
function withPlaces(text: string, facts: HostFacts): string {
  return text.replaceAll('ino & 0xfff;', `ino & 0x${(mapKeys(facts) - 1).toString(16)};`);
}

/** Where the line at the end takes over, a stage is told at once only while that is wanted. */
function inDetail(probe: ProbeBlock, plan: TracePlan): ProbeBlock {
  if (plan.detail === 'steps' || probe.lifecycle) return probe;
  const auto = plan.detail === 'auto';
  const own = probe.predicate.replace(/^\/(.*)\/\n$/, '$1');
  const telling = TELLING[probe.line];
  if (telling !== undefined) {
    const when = [auto ? '@steps' : '', telling].filter((part) => part !== '').join(' || ');
    const body = probe.body + (PROMISES[probe.line] ?? '');
    return { ...probe, predicate: `/${when}/\n`, body };
  }
  if (!STEP_LINES.includes(probe.line)) return probe;
  // what these note of the mount is wanted also when they print nothing
  const notes = ['evict', 'tp_evict_inode', 'tp_alloc_inode'].includes(probe.line);
  if (!notes) return { ...probe, predicate: `/@steps${own === '' ? '' : ` && ${own}`}/\n` };
  const holds = HOLDS[probe.line] ?? '';
  const at = probe.body.indexOf(`\t@hits[${LINES[probe.line].id}]`);
  const [before, last] = [probe.body.slice(0, at), probe.body.slice(at)];
  const count = auto && holds !== '' ? '\t@evicts++;\n' : '';
  const when = [auto ? '@steps' : '', holds].filter((part) => part !== '').join(' || ');
  const indented = last.replace(/^(?=.)/gm, '\t');
  const body = `${count}${before}\tif (${when}) {\n${indented}\t}\n`;
  return { ...probe, body };
}

/** Which superblocks are wanted, by their magic. */
function fsFilter(plan: TracePlan, { filesystems }: HostFacts): string[] {
  const magics = new Set(plan.traced.map((name) => filesystems[name]!.magic));
  return [...magics].map((magic) => `\t@fs[0x${magic.toString(16)}] = 1;`);
}

/**
 * i_callback() may not look at the superblock any more: what it is about to call tells
 * whose inode it is (kaddr() knows no modules). For the line at the end, evict() kept
 * the magic: that line is printed by free_inode where it is probed, else by i_callback.
 */
function freeInodeFilter(plan: TracePlan, facts: HostFacts): string[] {
  const rows: string[] = [];
  for (const name of plan.traced) {
    const { magic, ops } = facts.filesystems[name]!;
    const target = ops.free_inode;
    if (target === undefined || !facts.symbols.includes(target)) continue;
    if (facts.moduleOf[target] === undefined) rows.push(`\t@free_inode[kaddr("${target}")] = 1;`);
    const probed = plan.probes.some((probe) => probe.lifecycle && probe.target === target);
    if (probed) rows.push(`\t@free_op[0x${magic.toString(16)}] = 1;`);
  }
  rows.push(...markedMagics(plan, facts).map((magic) => `\t@rcu[0x${magic.toString(16)}] = 1;`));
  return [...new Set(rows)];
}

/** Whether it asks which s_op->free_inode an inode has. */
function looksAtOps({ family }: ProbeBlock): boolean {
  return family !== 'tracepoint';
}

/**
 * Maps that are read and written nowhere, which bpftrace refuses: those of a step that
 * no probe of this plan notes.
 */
function neverWritten(text: string): string[] {
  const [read, written] = [new Set<string>(), new Set<string>()];
  for (const match of text.matchAll(/@[a-z]\w*/g)) {
    let at = match.index + match[0].length;
    // past the key, which may hold another map with a key
    for (let depth = 0; at < text.length && (text[at] === '[' || depth > 0); at++) {
      if (text[at] === '[') depth++;
      if (text[at] === ']') depth--;
    }
    const writes = /^\s*(=(?!=)|\+\+)/.test(text.slice(at, at + 10));
    (writes ? written : read).add(match[0]);
  }
  return [...read].filter((map) => !written.has(map));
}

/** bpftrace prints every map at its end; only the counts are wanted. */
function usedMaps(parts: readonly string[]): string[] {
  const maps = new Set([...parts.join('\n').matchAll(/@[a-z]\w*/g)].map((match) => match[0]));
  return [...maps].filter((map) => !COUNT.test(map));
}

/** The counts, see `DecoderSink` of decoder.ts. */
const COUNT = /^@(hits(_\d+)?|full|kept)$/;

/** They are told each second; bpftrace refuses to print a map that nothing writes. */
function counts(texts: readonly string[]): string[] {
  const written = new Set(
    texts.flatMap((text) =>
      [...text.matchAll(/(@\w+)(?:\[\d+\])? = count\(\)/g)].map(([, map]) => map!),
    ),
  );
  const told = [...written].filter((map) => COUNT.test(map));
  if (told.length === 0) return [];
  return [`interval:s:1 { ${told.map((map) => `print(${map});`).join(' ')} }`];
}

/** By hugepage, task and flags, when a pin was told last: tasks come and go; see bpf/pins.bt. */
const FORGET_TOLD = 'interval:s:10 { clear(@told); }';

/** Told again and again, so that a lost line does no harm. */
const VMEMMAP = [
  'interval:s:5',
  '{',
  '\tprintf("vmemmap %llu 0 0 0 %llx %u\\n", nsecs, *(uint64 *)kaddr("vmemmap_base"),',
  '\t    sizeof(struct page));',
  '}',
];

/**
 * Which probes an error of bpftrace speaks of, with its words: from the place in
 * the text, or from the name of the program or function. ON_STACK, where a program has no
 * room on its stack: how much it needs depends on the compiler that bpftrace was built with.
 */
export function blame(stderr: string, programs: readonly Program[]): Map<string, string> {
  const blamed = new Map<string, string>();
  const places = programs.flatMap((program) => program.places);
  for (const line of stderr.split('\n')) {
    if (/BPF stack limit (of \d+ bytes )?is exceeded/.test(line)) {
      blamed.set(ON_STACK, `bpftrace: ${line.replace(/^.*? in function (\w+).*/, '$1')}: no room`);
      continue;
    }
    if (!line.includes('ERROR')) continue;
    const words = line.replace(/^.*?ERROR: /, 'bpftrace: ').trim();
    const at = /^stdin:(\d+)/.exec(line);
    for (const { attach, from, to } of places) {
      const placed = at !== null && Number(at[1]) >= from && Number(at[1]) <= to;
      if (placed || isNamed(attach, line)) blamed.set(attach, words);
    }
  }
  return blamed;
}

/** Whether a message names an attach point, as bpftrace spells it or as a BPF program. */
function isNamed(attach: string, line: string): boolean {
  const [kind] = attach.split(':');
  const tail = attach.slice(kind!.length + 1).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const spelt = { kfunc: '(fentry|kfunc)', kretfunc: '(fexit|kretfunc)' }[kind!] ?? kind;
  if (new RegExp(`(?<![\\w:])(${spelt}:)?${tail}\\b`).test(line)) return true;
  return new RegExp(`\\b${spelt}_${tail.replaceAll(':', '_')}_\\d`).test(line);
}
