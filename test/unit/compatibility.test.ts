/** docs/compatibility.md is what the matrix found, and nobody's wish. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CELLS, nameOf, parseCells } from '../matrix/cells.ts';
import { DOCUMENT, render } from '../matrix/document.ts';
import { type CellResult, readResults } from '../matrix/results.ts';
import { SCENARIOS } from '../scenarios/expected.ts';

describe('docs/compatibility.md', () => {
  it('says what the results say, to the letter', () => {
    expect(readFileSync(DOCUMENT, 'utf8')).toBe(render(readResults()));
  });

  it('has every cell of the matrix, or says that it was not run', () => {
    const text = readFileSync(DOCUMENT, 'utf8');
    const results = readResults();
    for (const name of CELLS.map(nameOf)) {
      const row =
        results[name] === undefined
          ? new RegExp(`^Not run yet: .*\`${name}\``, 'm')
          : `| \`${name}\` |`;
      expect(text).toMatch(row);
    }
    for (const name of Object.keys(results)) expect(CELLS.map(nameOf)).toContain(name);
  });

  const result: CellResult = {
    kernel: '6.1.0',
    bpftrace: '0.17.0',
    when: '2026-11-24',
    missing: { gmem_create: 'not a function | here' },
    scenarios: { s02_memfd_hugetlb: 'inodes: expected 1, saw 0', s03_private_hugetlb: 'passed' },
    churn: {
      made: 100,
      seconds: 2,
      ended: 90,
      hits: 1000,
      decoded: 990,
      notRun: 4,
      ringBuffer: 6,
      mapFull: 0,
      rejected: 0,
      balanced: false,
      endsHit: 100,
    },
  };
  const text = (more: Partial<CellResult> = {}) => render({ '6.1/0.17': { ...result, ...more } });

  it('hides no failure', () => {
    expect(text()).toContain('| 1 of 2 | 50/s, 990 | not run 4, buffer 6 | does not balance |');
    expect(text()).toContain('- `6.1/0.17` `s02_memfd_hugetlb`: inodes: expected 1, saw 0');
    expect(text()).toContain('- `6.1/0.17`: the account of the churn');
    expect(text({ refused: 'bpftrace ended\nERROR: x' })).toContain('did not attach');
    expect(text({ refused: 'bpftrace ended\nERROR: x' })).toContain('bpftrace ended ERROR: x');
    expect(text({ environment: 'Kernel panic' })).toContain('environment failure');
  });

  it('says why a stage is not observed, whatever is in the words', () => {
    expect(text()).toContain('| not a function \\| here | all |');
  });
});

describe('the cells', () => {
  it('are chosen by name, or all of a kernel', () => {
    expect(parseCells('6.12/0.23/kprobe').map(nameOf)).toEqual(['6.12/0.23/kprobe']);
    expect(parseCells('7 6.1/0.17').map(nameOf)).toEqual([
      '7/0.17',
      '7/0.23',
      '7/0.27',
      '6.1/0.17',
    ]);
    expect(parseCells('')).toBe(CELLS);
    expect(() => parseCells('6.13')).toThrow(/no cell "6.13"/);
    expect(() => parseCells('6.12/0.23/uprobe')).toThrow(/kprobe/);
  });
});

describe('the scenarios', () => {
  it('have a file each, and their step lines are in it', () => {
    for (const { name, expected } of SCENARIOS) {
      const source = readFileSync(new URL(`../scenarios/${name}.c`, import.meta.url), 'utf8');
      const { inodes } = expected({ kernel: '6.12', available: 64, said: () => 0 });
      for (const { step } of inodes) {
        if (step !== undefined) expect(source, name).toContain(`step("${step}"`);
      }
    }
  });
});
