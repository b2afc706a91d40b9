import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  COUNTED_LINES,
  type FieldType,
  LINE_NAMES,
  LINES,
  type LineName,
  type LineSpec,
} from '../../server/protocol/grammar.ts';
import { VERSION } from '../../server/protocol/version.ts';
import { loadProbes, PROGRAM_FILES, STAGE_OF_LINE } from '../../server/tracer/programs.ts';

const BPF = new URL('../../bpf/', import.meta.url);
const FILES = readdirSync(BPF).filter((file) => file.endsWith('.bt'));
const textOf = (file: string) => readFileSync(new URL(file, BPF), 'utf8');

/** printf conversions that print a field of a type. `cpu`, `pid` and `tid` are printed as %d. */
const CONVERSIONS: Record<FieldType, RegExp> = {
  u: /^%(u|llu)$/,
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
      expect(conversions).toHaveLength(wanted.length);
      conversions.forEach((conversion, i) => void expect(conversion).toMatch(wanted[i]!));
      expect(args, 'one argument for each conversion').toBe(conversions.length);
      const counted = COUNTED_LINES.includes(name as LineName);
      expect(hits, 'the @hits that is counted right before').toBe(counted ? spec!.id : null);
    },
  );

  it.each(FILES)('%s begins with its header, and prints its @hits each second', (file) => {
    const name = file.replace('.bt', '');
    expect(PRINTFS.filter((p) => p.file === file && p.words[0] === 'lastref')).toMatchObject([
      { words: ['lastref', '1', name] },
    ]);
    expect(textOf(file)).toMatch(/interval:s:1\n\{[^}]*print\(@hits\);/);
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
    expect(example.length).toBeGreaterThan(3);
    const rejected: unknown[] = [];
    const decoder = new Decoder({
      event: () => {},
      hits: () => {},
      lost: () => {},
      program: () => {},
      rejected: (line, why) => rejected.push([line, why]),
    });
    decoder.push(Buffer.from(example.map(([, line]) => `${line}\n`).join('')));
    expect(rejected).toEqual([]);
  });

  it('come apart into probes without losing one', () => {
    const probes = loadProbes();
    const written = FILES.flatMap((file) => [
      ...textOf(file).matchAll(
        /^(?:kfunc|kretfunc|tracepoint|kprobe|kretprobe|fentry|fexit):\S+/gm,
      ),
    ]).map(([attach]) => attach);
    expect(probes.map((p) => p.attach).sort()).toEqual([...written].sort());
    for (const { lines, body } of probes) {
      expect(lines.length).toBeGreaterThan(0);
      expect(lines).not.toContain(undefined);
      expect([...body.matchAll(/printf\("(\w+) /g)].map(([, name]) => name)).toEqual(lines);
    }
  });
});

it('package.json and the program agree on the version', () => {
  const json = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  expect(VERSION).toBe(JSON.parse(json).version);
});
