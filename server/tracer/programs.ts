/**
 * The programs in bpf/, taken apart into their probes. The files are the source:
 * what a session attaches is made of their blocks, so that what runs is what a
 * reader sees there.
 */
import { readFileSync } from 'node:fs';
import { LINE_NAMES, LINES, type LineName, type UncountedLine } from '../protocol/grammar.ts';
import type { Stage } from '../protocol/stages.ts';

export const PROGRAM_FILES = ['teardown.bt', 'hugetlb.bt', 'hugetlbfs-tracepoints.bt'] as const;

/** One probe of a program. */
export interface ProbeBlock {
  /** As in the file: `kfunc:vmlinux:evict`. */
  readonly attach: string;
  readonly family: 'fentry' | 'tracepoint';
  /** Kernel function or tracepoint. */
  readonly target: string;
  /** Predicate with its slashes and newline, or empty. */
  readonly predicate: string;
  /** Between the braces. */
  readonly body: string;
  /** The lines it prints. */
  readonly lines: readonly LineName[];
}

/** Which stage of the plan a line shows. */
export const STAGE_OF_LINE: Record<Exclude<LineName, UncountedLine>, Stage> = {
  sb: 'callbacks',
  alloc_inode: 'alloc_inode',
  evict: 'evict',
  evict_inode: 'evict_inode',
  evict_inode_end: 'evict_inode_end',
  clear_inode: 'clear_inode',
  destroy_inode: 'destroy_inode',
  destroy_op: 'destroy_op',
  evict_end: 'evict_end',
  i_callback: 'i_callback',
  free_inode: 'free_inode',
  hugepage_add: 'hugepage_add',
  hugepage_remove: 'hugepage_remove',
  hugepage_free: 'hugepage_free',
  hugepage_enqueue: 'hugepage_enqueue',
  hugepage_to_buddy: 'hugepage_to_buddy',
  reserve: 'reserve',
  unreserve: 'unreserve',
  resv_map_release: 'resv_map_release',
  tp_alloc_inode: 'alloc_inode',
  tp_evict_inode: 'evict_inode',
  tp_free_inode: 'free_inode',
  tp_hugepage_add: 'hugepage_add',
  tp_hugepage_remove: 'hugepage_remove',
};

const NAME_OF_ID = new Map<number, LineName>(LINE_NAMES.map((name) => [LINES[name].id, name]));

/** All probes of all programs but BEGIN, END and the intervals, in the order of the files. */
export function loadProbes(): ProbeBlock[] {
  return PROGRAM_FILES.flatMap((file) =>
    parseProgram(readFileSync(new URL(`../../bpf/${file}`, import.meta.url), 'utf8')),
  );
}

/** Our files keep a shape: the probe, its predicate and the braces each begin a line. */
export function parseProgram(text: string): ProbeBlock[] {
  const blocks: ProbeBlock[] = [];
  const shape = /^((?:kfunc|kretfunc|tracepoint):\S+)\n(\/.*\/\n)?\{\n([\s\S]*?)^\}$/gm;
  for (const [, attach, predicate, body] of text.matchAll(shape)) {
    const ids = [...body!.matchAll(/@hits\[(\d+)\]/g)].map((match) => Number(match[1]));
    blocks.push({
      attach: attach!,
      family: attach!.startsWith('tracepoint') ? 'tracepoint' : 'fentry',
      target: attach!.startsWith('tracepoint')
        ? attach!.slice('tracepoint:'.length)
        : attach!.split(':').at(-1)!,
      predicate: predicate ?? '',
      body: body!,
      lines: ids.map((id) => NAME_OF_ID.get(id)!),
    });
  }
  return blocks;
}
