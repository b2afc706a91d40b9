/**
 * The programs in bpf/, taken apart into their probes. The files are the source:
 * what a session attaches is made of their blocks, so that what runs is what a
 * reader sees there.
 */
import { readFileSync } from 'node:fs';
import { GRAMMAR_VERSION, LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';
import type { UncountedLine } from '../protocol/line-kinds.ts';
import type { Stage } from '../protocol/stages.ts';
import { isRaw } from './raw-tracepoints.ts';

/** Programs that print each stage at once. */
export const STEP_FILES = [
  'teardown.bt',
  'hugetlb.bt',
  'reservations.bt',
  'guest_memfd.bt',
  'pins.bt',
  'hugetlbfs-tracepoints.bt',
] as const;
/** Programs that print one line when an inode has ended. */
export const LIFECYCLE_FILES = [
  'lifecycle.bt',
  'lifecycle-maps.bt',
  'lifecycle-tracepoints.bt',
  'lifecycle-rawtracepoints.bt',
] as const;
export const PROGRAM_FILES = [...STEP_FILES, ...LIFECYCLE_FILES] as const;
export type ProgramFile = (typeof PROGRAM_FILES)[number];

/** How a probe is attached, best first. */
export const FAMILIES = ['fentry', 'kprobe', 'tracepoint'] as const;
export type Family = (typeof FAMILIES)[number];

/** One probe of a program. */
export interface ProbeBlock {
  readonly file: ProgramFile;
  /** As bpftrace reads it: `kfunc:vmlinux:evict`. */
  readonly attach: string;
  readonly family: Family;
  /** Kernel function or tracepoint. */
  readonly target: string;
  /** Predicate with its slashes and newline, or empty. */
  readonly predicate: string;
  /** Between the braces. */
  readonly body: string;
  /** The line that is missing when a run of it is skipped. */
  readonly line: LineName;
  /** What it shows. */
  readonly stages: readonly Stage[];
  /** It belongs to the line at the end of an inode; the others print at once. */
  readonly lifecycle: boolean;
}

/** Which stage of the plan a line shows. */
export const STAGE_OF_LINE: Record<Exclude<LineName, UncountedLine>, Stage> = {
  sb: 'callbacks',
  sb_size: 'callbacks',
  alloc_inode: 'alloc_inode',
  evict: 'evict',
  evict_inode: 'evict_inode',
  evict_inode_end: 'evict_inode_end',
  truncate_final: 'truncate_final',
  clear_inode: 'clear_inode',
  destroy_inode: 'destroy_inode',
  destroy_op: 'destroy_op',
  evict_end: 'evict_end',
  i_callback: 'i_callback',
  free_inode: 'free_inode',
  life: 'lifecycle',
  hugepage_alloc: 'hugepage_alloc',
  hugepage_alloc_nodemask: 'hugepage_alloc_nodemask',
  hugepage_add: 'hugepage_add',
  hugepage_remove: 'hugepage_remove',
  hugepage_free: 'hugepage_free',
  hugepage_enqueue: 'hugepage_enqueue',
  hugepage_to_buddy: 'hugepage_to_buddy',
  hugepage_released: 'hugepage_released',
  hugepage_move: 'hugepage_move',
  hugepage_pin: 'hugepage_pin',
  remove_hugepages: 'remove_hugepages',
  reserve: 'reserve',
  unreserve: 'unreserve',
  resv_map_alloc: 'resv_map_alloc',
  resv_map_release: 'resv_map_release',
  vm_close: 'vm_close',
  new_subpool: 'new_subpool',
  subpool: 'subpool',
  put_subpool: 'put_subpool',
  fill_super: 'fill_super',
  shutdown_super: 'shutdown_super',
  gmem_create: 'gmem_create',
  gmem_fallocate: 'gmem_fallocate',
  gmem_release: 'gmem_release',
  tp_alloc_inode: 'alloc_inode',
  tp_evict_inode: 'evict_inode',
  tp_free_inode: 'free_inode',
  tp_life: 'lifecycle',
  raw_free_inode: 'free_inode',
  raw_life: 'lifecycle',
  tp_hugepage_add: 'hugepage_add',
  tp_hugepage_remove: 'hugepage_remove',
};

const NAME_OF_ID = new Map<number, LineName>(LINE_NAMES.map((name) => [LINES[name].id, name]));

/** All probes of all programs but BEGIN, END and the intervals, in the order of the files. */
export function loadProbes(): ProbeBlock[] {
  const steps = STEP_FILES.flatMap(parseProgram);
  const stageOf = new Map(steps.map((block) => [block.attach, block.stages.at(-1)!]));
  const inSteps = ({ attach, family, target }: ProbeBlock) =>
    stageOf.get(family === 'tracepoint' ? `tracepoint:${target}` : attach)!;
  const lives = LIFECYCLE_FILES.flatMap((file) =>
    parseProgram(file).map(
      (block): ProbeBlock => ({
        ...block,
        line: lifeOf(block),
        stages: [inSteps(block), ...block.stages.filter((s) => s === 'lifecycle')],
        lifecycle: true,
      }),
    ),
  );
  return [...steps, ...lives];
}

/** The line that tells the life of which a block is a part. */
function lifeOf({ family, attach }: ProbeBlock): LineName {
  if (family !== 'tracepoint') return 'life';
  return isRaw({ attach }) ? 'raw_life' : 'tp_life';
}

/** The probes of the program with this name in its header; null: there is none. */
export function probesOf(name: string): ProbeBlock[] | null {
  const header = `printf("lastref ${GRAMMAR_VERSION} ${name}\\n")`;
  const file = PROGRAM_FILES.find((of) => read(of).includes(header));
  return file === undefined ? null : loadProbes().filter((probe) => probe.file === file);
}

function read(file: ProgramFile): string {
  return readFileSync(new URL(`../../bpf/${file}`, import.meta.url), 'utf8');
}

/** Our files keep a shape: the probe, its predicate and the braces each begin a line. */
function parseProgram(file: ProgramFile): ProbeBlock[] {
  const blocks: ProbeBlock[] = [];
  const shape =
    /^((?:kfunc|kretfunc|tracepoint|rawtracepoint):\S+)\n(\/.*\/\n)?\{\n([\s\S]*?)^\}$/gm;
  for (const [, attach, predicate, body] of read(file).matchAll(shape)) {
    const lines = linesOf(body!);
    const tracepoint = tracepointOf(attach!);
    blocks.push({
      file,
      attach: attach!,
      family: tracepoint === null ? 'fentry' : 'tracepoint',
      target: tracepoint ?? attach!.split(':').at(-1)!,
      predicate: predicate ?? '',
      body: body!,
      line: lines.at(-1) ?? 'life',
      stages: [...new Set(lines.map((line) => STAGE_OF_LINE[line as keyof typeof STAGE_OF_LINE]))],
      lifecycle: false,
    });
  }
  return blocks;
}

/** `hugetlbfs:hugetlbfs_evict_inode`; a raw one is attached by its name alone. */
function tracepointOf(attach: string): string | null {
  if (isRaw({ attach })) return attach.replace(/^rawtracepoint:([a-z]+)_/, '$1:$1_');
  return attach.startsWith('tracepoint:') ? attach.slice('tracepoint:'.length) : null;
}

/** The lines that a body prints, by the counters it raises. */
export function linesOf(body: string): LineName[] {
  return [...body.matchAll(/@hits\[(\d+)\]/g)].map((match) => NAME_OF_ID.get(Number(match[1]))!);
}
