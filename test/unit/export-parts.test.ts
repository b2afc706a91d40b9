/** The parts of an export: nesting, sequences, settling, the wire format, cells, the command line. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { escapeHidden, plain } from '../../server/protocol/plain.ts';
import { csvCell } from '../../server/recording/export/csv.ts';
import { edgesOf, nested } from '../../server/recording/export/nest.ts';
import { Output } from '../../server/recording/export/output.ts';
import { ProtoWriter } from '../../server/recording/export/protobuf.ts';
import { Sequences } from '../../server/recording/export/sequences.ts';
import { Settling } from '../../server/recording/export/settling.ts';
import { lastref, ROOT } from '../support/cli.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(`${tmpdir()}/lastref-export-`);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a row of slices and points', () => {
  const time = fc.nat(30);
  const row = fc.record({
    slices: fc.array(
      fc.tuple(time, time).map(([a, b]) => {
        return { name: 's', from: Math.min(a, b), to: Math.max(a, b), args: {} };
      }),
      { maxLength: 12 },
    ),
    points: fc.array(time.map((at) => ({ name: 'p', at, args: {} }))),
  });

  it('comes out in order, balanced and nested, and nothing is gone', () => {
    fc.assert(
      fc.property(row, (r) => {
        const edges = edgesOf(r);
        expect(edges.map((e) => e.at)).toEqual(edges.map((e) => e.at).sort((a, b) => a - b));
        const open: number[] = [];
        let slices = 0;
        for (const edge of edges) {
          if (edge.kind === 'begin') open.push(edge.slice.to);
          if (edge.kind !== 'end') continue;
          // the innermost one that is open ends here
          expect(open.pop()).toBe(edge.at);
          slices++;
        }
        expect(open).toEqual([]);
        const points = edges.filter((e) => e.kind === 'point').length;
        // one that crosses another is two points
        expect(points - r.points.length).toBe(2 * (r.slices.length - slices));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps slices that nest, and makes points of one that crosses', () => {
    const slice = (name: string, from: number, to: number) => ({ name, from, to, args: {} });
    const row = {
      slices: [slice('evict', 0, 10), slice('in', 2, 5), slice('cross', 8, 12)],
      points: [],
    };
    const { slices, points } = nested(row);
    expect(slices.map((s) => s.name)).toEqual(['evict', 'in']);
    expect(points.map((p) => [p.name, p.at])).toEqual([
      ['cross begins', 8],
      ['cross ends', 12],
    ]);
  });
});

describe('sequences', () => {
  it('never go back in time', () => {
    const batch = fc.tuple(fc.nat(1000), fc.nat(50));
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 200 }), (batches) => {
        let made = 0;
        const sequences = new Sequences(() => ++made);
        const newest = new Map<number, bigint>();
        // as they end, which is how they come
        const intervals = batches
          .map(([from, length]) => [from, from + length] as const)
          .sort((a, b) => a[1] - b[1] || a[0] - b[0]);
        for (const [from, to] of intervals) {
          const { id, isNew } = sequences.take(BigInt(from), BigInt(to));
          expect(isNew).toBe(!newest.has(id));
          expect((newest.get(id) ?? 0n) <= BigInt(from)).toBe(true);
          newest.set(id, BigInt(to));
        }
      }),
    );
  });

  it('are one where nothing overlaps', () => {
    let made = 0;
    const sequences = new Sequences(() => ++made);
    for (let at = 0n; at < 100n; at += 10n) sequences.take(at, at + 10n);
    expect(made).toBe(1);
  });
});

describe('settling', () => {
  it('gives each on once, in order, in time, and never holds more than it may', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 300 }), fc.nat(20), (steps, max) => {
        const given: number[] = [];
        const settling = new Settling<number>(10, max, (n) => given.push(n));
        const came: number[] = [];
        let now = 0;
        for (const step of steps) {
          now += step;
          settling.add(came.length, now);
          came.push(now);
          settling.drain(now);
          const due = came.filter((at) => at + 10 <= now).length;
          expect(given.length).toBe(Math.max(due, came.length - max));
        }
        settling.flush();
        expect(given).toEqual(came.map((_, i) => i));
      }),
    );
  });
});

describe('the wire format', () => {
  const { root } = protobuf.parse(`syntax = "proto2";
    message M {
      optional uint64 u = 1; optional int64 i = 2; optional bool b = 3; optional double d = 4;
      optional string s = 5; repeated M m = 6; optional uint64 big = 900;
    }`);
  const M = root.lookupType('M');
  interface Fields {
    readonly u: number;
    readonly i: number;
    readonly b: boolean;
    readonly d: number;
    readonly s: string;
    readonly big: bigint;
    readonly m: readonly Fields[];
  }
  const leaf = {
    u: fc.maxSafeNat(),
    i: fc.maxSafeInteger(),
    b: fc.boolean(),
    d: fc.double({ noNaN: true }),
    s: fc.string({ unit: 'grapheme', maxLength: 300 }),
    big: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  };
  const flat = fc.record<Fields>({ ...leaf, m: fc.constant([]) });
  const nest = (inner: fc.Arbitrary<Fields>) =>
    fc.record<Fields>({ ...leaf, m: fc.array(inner, { maxLength: 3 }) });
  const message = nest(nest(flat));

  it('is read by protobufjs as it was written', () => {
    fc.assert(
      fc.property(message, (fields) => {
        const proto = new ProtoWriter();
        const write = (f: Fields) => {
          proto.uint(1, f.u);
          proto.int64(2, f.i);
          proto.bool(3, f.b);
          proto.double(4, f.d);
          proto.string(5, f.s);
          for (const inner of f.m) proto.message(6, () => write(inner));
          proto.uint64(900, f.big);
        };
        write(fields);
        const shape = ({ u, i, big, m, ...rest }: Fields): object => {
          const inner = m.length === 0 ? {} : { m: m.map(shape) };
          return { ...rest, u: String(u), i: String(i), big: String(big), ...inner };
        };
        const bytes = proto.take();
        expect(M.toObject(M.decode(bytes), { longs: String })).toEqual(shape(fields));
        expect(proto.take()).toHaveLength(0);
      }),
    );
  });
});

describe('a cell of CSV', () => {
  it('is read by Python as the text it was, with what is hidden made visible, and is no formula', () => {
    const hostile = ['=1+1', '+a', '-a', '@SUM(A1)', '\t=1', ' =1', '"', 'a,b', 'a\r\nb', '\u202e'];
    const texts = [
      ...hostile,
      ...fc.sample(fc.string({ unit: 'binary', maxLength: 20 }), { numRuns: 300, seed: 1 }),
      ...fc.sample(fc.string({ unit: fc.constantFrom(...'=+-@",\r\n\t a'), maxLength: 8 }), 300),
    ];
    const path = `${folder}/cells.csv`;
    writeFileSync(path, texts.map((text) => `${csvCell(text)},1\r\n`).join(''));
    const read = JSON.parse(
      execFileSync('python3', [
        '-c',
        'import csv,json,sys; print(json.dumps(list(csv.reader(open(sys.argv[1],encoding="utf-8",newline=""),strict=True))))',
        path,
      ]).toString(),
    ) as string[][];
    expect(read.map(([, one]) => one)).toEqual(texts.map(() => '1'));
    read.forEach(([cell], i) => {
      expect(cell!.replace(/^'/, '')).toBe(plain(texts[i]!).replace(/^'/, ''));
      expect(cell).not.toMatch(/^\s*[=+\-@]/);
      expect(cell).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    });
  });

  it('leaves numbers as they are, and is empty for null', () => {
    expect([-1, 0, true, null].map(csvCell)).toEqual(['-1', '0', 'true', '']);
  });
});

it('escapes in JSON what a terminal must not be shown, and no more', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = escapeHidden(JSON.stringify({ text }));
      expect(JSON.parse(json)).toEqual({ text });
      expect(plain(json)).toBe(json);
    }),
  );
});

describe('a file that is written', () => {
  it('is a new one, in a folder that is there', () => {
    const path = `${folder}/there`;
    writeFileSync(path, 'mine');
    expect(() => new Output(path)).toThrow(/there exists already/);
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect(() => new Output(`${folder}/none/x`)).toThrow(/no such folder/);
    expect(() => new Output(folder)).toThrow(RangeError);
  });

  it('is gone when it is abandoned', () => {
    const out = new Output(`${folder}/half`);
    out.write('x'.repeat(300_000));
    out.abandon();
    expect(existsSync(`${folder}/half`)).toBe(false);
  });
});

describe('lastref export', () => {
  const sample = `${ROOT}samples/demo-6.12.lastref`;
  const run = (...args: string[]) => lastref(['export', ...args]);

  it('says what it wrote, and overwrites nothing', async () => {
    const out = `${folder}/t.pftrace`;
    const done = await run(sample, '-o', out);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toBe(
      `${out}: perfetto, 193 inodes, 254 hugepages, 0 gaps, 0 leaks (0.4 MB)\n`,
    );
    const again = await run(sample, '-o', out);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/t\.pftrace exists already; an export never overwrites/);
  });

  it.each([
    [['-o', 'x.txt'], /which format\? x\.txt ends with none of .*\.pftrace.*--format/s],
    [['-o', '-'], /which format\?.*--format/s],
    [['-o', '-', '--format', 'perfetto'], /binary: give -o a file/],
    [['-o', 'x.json', '--table', 'gaps'], /--table is for csv/],
    [['-o', 'x.csv', '--table', 'none'], /--table/],
    [['-o', 'x.csv', '--format', 'none'], /--format/],
    [[], /-o, --output/],
  ])('refuses %j, and says what to do', async (args, why) => {
    const done = await run(sample, ...args);
    expect(done.code).toBe(2);
    expect(done.stderr).toMatch(why);
    expect(existsSync('x.csv') || existsSync('x.json') || existsSync('x.txt')).toBe(false);
  });

  it('makes no file of what is no recording', async () => {
    const done = await run(`${ROOT}package.json`, '-o', `${folder}/none.csv`);
    expect(done.code).toBe(2);
    expect(done.stderr).toMatch(/not a recording/);
    expect(existsSync(`${folder}/none.csv`)).toBe(false);
  });

  it('writes to standard output, and ends quietly when nobody reads on', () => {
    const script = `${process.execPath} server/cli/main.ts export ${sample} -o - --format ndjson | head -1; echo \${PIPESTATUS[0]}`;
    const [line, code] = execFileSync('bash', ['-c', script], { cwd: ROOT, encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(JSON.parse(line!)).toMatchObject({ type: 'epoch', host: 'vm' });
    expect(code).toBe('0');
  });

  it('exports what lies before the damage of a file, and says so', async () => {
    const cut = `${folder}/cut.lastref`;
    const bytes = readFileSync(sample);
    bytes.fill(0x5a, Math.floor(bytes.length * 0.6), Math.floor(bytes.length * 0.9));
    writeFileSync(cut, bytes);
    const done = await run(cut, '-o', '-', '--format', 'csv');
    expect(done.code).toBe(0);
    expect(done.stderr).toMatch(/is damaged: .*; what came before is exported/);
    const rows = done.stdout.trim().split('\r\n').length - 1;
    expect(rows).toBeGreaterThan(10);
    expect(rows).toBeLessThan(193);
  });
});
