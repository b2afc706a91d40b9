import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type FieldType,
  LINE_NAMES,
  LINES,
  type LineName,
  type LineSpec,
} from '../../server/protocol/grammar.ts';
import { COUNTED_LINES } from '../../server/protocol/line-kinds.ts';
import { INODE_STAGES } from '../../server/protocol/stages.ts';
import { VERSION } from '../../server/protocol/version.ts';
import {
  LIFECYCLE_FILES,
  linesOf,
  loadProbes,
  PROGRAM_FILES,
  STAGE_OF_LINE,
} from '../../server/tracer/programs.ts';

const BPF = new URL('../../bpf/', import.meta.url);
const FILES = readdirSync(BPF).filter((file) => file.endsWith('.bt'));
const textOf = (file: string) => readFileSync(new URL(file, BPF), 'utf8');

/**
 * printf conversions that print a field of a type; a number may stand in the format itself.
 * `cpu`, `pid` and `tid` are printed as %d.
 */
const CONVERSIONS: Record<FieldType, RegExp> = {
  u: /^(%(u|llu)|\d+)$/,
  i: /^%(d|lld)$/,
  a: /^%llx$/,
  x: /^%(llx|x)$/,
  s: /^%s$/,
  c: /^%llx$/,
  t: /^%s$/,
};

interface Printf {
  readonly file: string;
  readonly words: readonly string[];
  /** The number of arguments after the format. */
  readonly args: number;
  /** The @hits counted right before it, in the same block. */
  readonly hits: number | null;
}

/** Splits at commas that are inside no parenthesis or bracket. */
function splitArguments(text: string): string[] {
  const out = [''];
  let depth = 0;
  for (const c of text) {
    if ('([{'.includes(c)) depth++;
    if (')]}'.includes(c)) depth--;
    if (c === ',' && depth === 0) out.push('');
    else out[out.length - 1] += c;
  }
  return out.map((arg) => arg.trim());
}

/** Every printf of the code of a file (comments are not code). */
function printfs(file: string): Printf[] {
  const code = textOf(file).replace(/\/\*[\s\S]*?\*\//g, '');
  const out: Printf[] = [];
  let hits: number | null = null;
  for (const match of code.matchAll(/@hits\[(\d+)\] = count\(\);|^\}|printf\(([\s\S]*?)\);$/gm)) {
    if (match[0] === '}') hits = null;
    else if (match[1] !== undefined) hits = Number(match[1]);
    else {
      const [format, ...args] = splitArguments(match[2]!);
      const words = JSON.parse(format!).trimEnd().split(' ') as string[];
      out.push({ file, words, args: args.length, hits });
      hits = null;
    }
  }
  return out;
}

const PRINTFS = FILES.flatMap(printfs);
const EVENTS = PRINTFS.filter((p) => p.words[0] !== 'lastref');

describe('the grammar', () => {
  it('has ids that are unique', () => {
    const ids = LINE_NAMES.map((name) => LINES[name].id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('puts what reaches to the end of the line last', () => {
    for (const name of LINE_NAMES) {
      const { fields }: LineSpec = LINES[name];
      expect(fields.slice(0, -1).filter(([, type]) => type === 'c' || type === 't')).toEqual([]);
      expect(new Set(fields.map(([field]) => field)).size).toBe(fields.length);
    }
  });

  it('knows a stage for each counted line', () => {
    expect(Object.keys(STAGE_OF_LINE).sort()).toEqual([...COUNTED_LINES].sort());
  });
});

describe('the programs in bpf/', () => {
  it('are all known, and print each counted line somewhere', () => {
    expect([...FILES].sort()).toEqual([...PROGRAM_FILES].sort());
    const printed = new Set(EVENTS.map((p) => p.words[0]));
    expect(COUNTED_LINES.filter((name) => !printed.has(name))).toEqual([]);
  });

  it.each(EVENTS.map((p) => [`${p.words[0]} in ${p.file}`, p] as const))(
    'print the fields of the grammar: %s',
    (_, { words, args, hits }) => {
      const [name, ...conversions] = words;
      const spec: LineSpec | undefined = LINES[name as LineName];
      expect(spec, `${name} is a line of the grammar`).toBeDefined();
      const wanted = [
        /^%llu$/, // ts
        ...[/^%d$/, /^%d$/, /^%d$/], // cpu, pid, tid
        // a comm is printed as two words
        ...spec!.fields.flatMap(([, type]) =>
          type === 'c' ? [CONVERSIONS.c, CONVERSIONS.c] : [CONVERSIONS[type]],
        ),
      ];
      // a kernel stack follows the last field, and begins with a newline of its own
      const stack = conversions.at(-1)!.endsWith('x%s');
      if (stack) conversions.push(conversions.pop()!.replace('%s', ''));
      expect(conversions).toHaveLength(wanted.length);
      conversions.forEach((conversion, i) => void expect(conversion).toMatch(wanted[i]!));
      const asked = conversions.filter((conversion) => conversion.startsWith('%'));
      expect(args, 'one argument for each conversion').toBe(asked.length + (stack ? 1 : 0));
      const counted = COUNTED_LINES.includes(name as LineName);
      expect(hits, 'the @hits that is counted right before').toBe(counted ? spec!.id : null);
    },
  );

  it.each(FILES)('%s begins with its header, and prints its @hits each second', (file) => {
    const name = file.replace('.bt', '').replace('_', '-');
    expect(PRINTFS.filter((p) => p.file === file && p.words[0] === 'lastref')).toMatchObject([
      { words: ['lastref', '1', name] },
    ]);
    const code = textOf(file).replace(/\/\*[\s\S]*?\*\//g, '');
    expect(code).toMatch(/interval:s:1\n\{[^}]*print\(@hits\);/);
    const counts = code.includes('@full = count()');
    expect(/interval:s:1\n\{[^}]*print\(@full\);/.test(code)).toBe(counts);
  });

  it.each(FILES)('%s clears at its end every map that it uses, but the counts', (file) => {
    const code = textOf(file).replace(/\/\*[\s\S]*?\*\//g, '');
    const used = new Set([...code.matchAll(/@\w+/g)].map(([map]) => map));
    for (const count of ['@hits', '@full', '@kept']) used.delete(count);
    const end = code.slice(code.indexOf('\nEND\n'));
    const cleared = [...end.matchAll(/clear\((@\w+)\)/g)].map(([, map]) => map!);
    expect(cleared.sort()).toEqual([...used].sort());
  });

  it.each(FILES)('%s has the sections of a tool: purpose, USAGE, Example, CAVEATS', (file) => {
    const [first, ...rest] = textOf(file).split('\n');
    expect(first).toBe('#!/usr/bin/env bpftrace');
    const comment = /^\/\*\n([\s\S]*?)\*\//.exec(rest.join('\n'))![1]!;
    const at = [` * ${file} - `, ' * USAGE: ', ' * Example, ', ' * CAVEATS: ', ' * Copyright '].map(
      (section) => comment.indexOf(section),
    );
    expect(at[0]).toBe(0);
    expect(at).not.toContain(-1);
    expect([...at].sort((a, b) => a - b)).toEqual(at);
    expect(comment).toContain('Apache License, Version 2.0');
  });

  it.each(FILES)('%s: every line of its example is one that the decoder takes', async (file) => {
    const { Decoder } = await import('../../server/tracer/decoder.ts');
    const example = [...textOf(file).matchAll(/^ \* {3}((?:lastref|[a-z_]+ \d{6,}).*)$/gm)];
    const rejected: unknown[] = [];
    const programs: string[] = [];
    const kinds: string[] = [];
    const decoder = new Decoder({
      event: (event) => kinds.push(event.kind),
      hits: () => {},
      lost: () => {},
      full: () => {},
      kept: () => {},
      frame: () => {},
      program: (name) => programs.push(name),
      rejected: (line, why) => rejected.push([line, why]),
    });
    decoder.push(Buffer.from(example.map(([, line]) => `${line}\n`).join('')));
    expect(rejected).toEqual([]);
    expect(programs).toHaveLength(1);
    expect(kinds).toHaveLength(example.length - 1);
    // nothing that this program does not print
    const printed = EVENTS.filter((p) => p.file === file).map((p) => p.words[0]);
    expect(kinds.length).toBeGreaterThan(0);
    for (const kind of kinds) expect(printed).toContain(kind);
  });

  it('come apart into probes without losing one', () => {
    const probes = loadProbes();
    const written = FILES.flatMap((file) => [
      ...textOf(file).matchAll(
        /^(?:kfunc|kretfunc|tracepoint|rawtracepoint|kprobe|kretprobe|fentry|fexit):\S+/gm,
      ),
    ]).map(([attach]) => attach);
    expect(probes.map((p) => p.attach).sort()).toEqual([...written].sort());
    for (const { attach, body, line, stages, lifecycle } of probes) {
      const printed = [...body.matchAll(/printf\("(\w+) /g)].map(([, name]) => name);
      expect(linesOf(body), attach).toEqual(printed);
      expect(stages.length, attach).toBeGreaterThan(0);
      expect(stages, attach).not.toContain(undefined);
      // one that only notes a time for the line at the end prints nothing
      if (lifecycle) expect(line, attach).toMatch(/^(life|tp_life|raw_life)$/);
      else expect(printed.at(-1), attach).toBe(line);
    }
  });

  it('have a line at the end of an inode, with each of its stages from a probe of its own', () => {
    const lives = loadProbes().filter((probe) => probe.lifecycle);
    const written = LIFECYCLE_FILES.flatMap((file) => [
      ...textOf(file).matchAll(/^(?:kfunc|kretfunc|tracepoint|rawtracepoint):\S+/gm),
    ]);
    expect(lives).toHaveLength(written.length);
    const told = new Set(lives.flatMap((probe) => probe.stages));
    expect([...told].sort()).toEqual([...INODE_STAGES, 'lifecycle'].sort());
    // printed where RCU calls back: by free_inode, or by i_callback where there is none
    const printing = lives.filter((probe) => linesOf(probe.body).some((l) => l.endsWith('life')));
    const addressed = [
      'kfunc:vmlinux:i_callback',
      'kfunc:vmlinux:hugetlbfs_free_inode',
      'kfunc:vmlinux:shmem_free_in_core_inode',
    ];
    expect(printing.map((probe) => probe.attach)).toEqual([
      ...addressed,
      ...addressed,
      'tracepoint:hugetlbfs:hugetlbfs_free_inode',
      'rawtracepoint:hugetlbfs_free_inode',
    ]);
  });
});

it('package.json and the program agree on the version', () => {
  const json = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  expect(VERSION).toBe(JSON.parse(json).version);
});
