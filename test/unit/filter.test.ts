import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FILTER_FLAGS,
  FILTER_KEYS,
  FilterError,
  parseFilter,
} from '../../server/protocol/filter.ts';
import type { InodeRow } from '../../server/protocol/messages.ts';
import { ROW } from '../fixtures/inode-row.ts';

const row = (some: Partial<InodeRow>): InodeRow => ({ ...ROW, ...some });
const matches = (expression: string, some: Partial<InodeRow> = {}) =>
  parseFilter(expression)(row(some));

/** Message and place of the error. */
function error(expression: string): { message: string; at: number } {
  try {
    parseFilter(expression);
  } catch (e) {
    expect(e).toBeInstanceOf(FilterError);
    return { message: (e as Error).message, at: (e as FilterError).at };
  }
  throw new Error(`no error for ${JSON.stringify(expression)}`);
}

describe('the filter language', () => {
  it.each([
    ['', true],
    ['   ', true],
    ['fs:hugetlbfs', true],
    ['fs=hugetlbfs', true],
    ['fs!=hugetlbfs', false],
    ['fs:huge*', true],
    ['fs:*fs', true],
    ['fs:huge', false],
    ['comm:qemu*', true],
    ['comm:q*-*86', true],
    ['comm:q*-*87', false],
    ['-comm:qemu*', false],
    ['-comm:perl', true],
    ['--comm:qemu*', true],
    ['state:grace', true],
    ['dev:0:17', true],
    ['address:ff49*', true],
    ['host:vm', true],
    ['ino:3057', true],
    ['ino!=3057', false],
    ['pages>1', true],
    ['pages>2', false],
    ['pages>=2', true],
    ['pages<2', false],
    ['pages<=2', true],
    ['size>4e6', true],
    ['nlink:0', true],
    ['evict>1ms', true],
    ['evict>2.5ms', false],
    ['evict:2.5ms', true],
    ['evict<2501us', true],
    ['evict>=2500000ns', true],
    ['evict<1s', true],
    ['qemu', true],
    ['hugetlb', true],
    ['3057', true],
    ['305', false],
    ['-qemu', false],
    ['doubtful', false],
    ['-doubtful', true],
    ['leak', true],
    ['fs:hugetlbfs owed>0 state:grace comm:qemu* -comm:sh', true],
    ['fs:hugetlbfs owed>1', false],
  ])('%s is %s', (expression, expected) => {
    expect(matches(expression)).toBe(expected);
  });

  it('says shmem for what the kernel calls tmpfs', () => {
    expect(matches('fs:shmem', { fs: 'tmpfs' })).toBe(true);
    expect(matches('fs:tmpfs', { fs: 'tmpfs' })).toBe(true);
    expect(matches('fs:shmem')).toBe(false);
    expect(matches('shmem', { fs: 'tmpfs', comm: 'sh' })).toBe(true);
  });

  it('takes a stage by its name', () => {
    for (const [one, other] of [
      ['stage:rcu>50ms', 'grace>50ms'],
      ['-stage:grace<=1s', '-grace<=1s'],
      ['stage:evict>1us', 'evict>1us'],
    ] as const) {
      for (const grace_ns of [null, 1e6, 51e6, 2e9]) {
        const row = { ...ROW, grace_ns, evict_ns: grace_ns };
        expect(parseFilter(one)(row)).toBe(parseFilter(other)(row));
      }
    }
    expect(() => parseFilter('stage:free>1ms')).toThrow(/stage: expected such as rcu>50ms/);
    expect(() => parseFilter('a stage:rcu>x')).toThrow(expect.objectContaining({ at: 12 }));
  });

  it('compares nothing with what is not known', () => {
    for (const operator of [':', '=', '!=', '>', '<', '>=', '<=']) {
      expect(matches(`grace${operator}1ms`), operator).toBe(false);
      expect(matches(`owed${operator}0`, { owed: null }), operator).toBe(false);
    }
    expect(matches('leak', { owed: null })).toBe(false);
  });

  it('takes every key and flag that the page completes', () => {
    const value = { text: 'x', number: '1', duration: '1ms' };
    for (const [key, type] of Object.entries(FILTER_KEYS)) {
      expect(() => parseFilter(`${key}:${value[type]}`), key).not.toThrow();
    }
    for (const flag of FILTER_FLAGS) {
      expect(matches(flag, { doubtful: true, owed: 1 })).toBe(true);
      expect(matches(flag, { doubtful: false, owed: 0, comm: flag })).toBe(false);
    }
  });
});

describe('an error', () => {
  it.each([
    ['color:red', 0, /unknown key "color"; known are fs, state/],
    ['fs:hugetlbfs  color:red', 14, /unknown key/],
    ['-color:red', 1, /unknown key/],
    ['constructor:5ms', 0, /unknown key "constructor"/],
    ['__proto__>1', 0, /unknown key "__proto__"/],
    ['pages>many', 6, /pages: expected a number, got "many"/],
    ['pages:NaN', 6, /expected a number/],
    ['owed>=', 6, /owed>= what\?/],
    ['fs:', 3, /fs: what\?/],
    ['evict>1', 6, /evict: expected a duration such as 50ms, 3us or 1.5s, got "1"/],
    ['evict>1h', 6, /duration/],
    ['evict>-1ms', 6, /duration/],
    ['comm>a', 4, /comm holds text: it takes ":" or "!=", not ">"/],
    ['a -fs<b', 5, /fs holds text/],
  ])('in %j is told at %i', (expression, at, message) => {
    expect(error(expression)).toEqual({ message: expect.stringMatching(message), at });
  });

  it('is always a FilterError, with a place inside the expression', () => {
    const word = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc
        .tuple(
          fc.constantFrom('', '-', '--'),
          fc.oneof(
            fc.constantFrom(...Object.keys(FILTER_KEYS), 'toString', 'valueOf', 'x'),
            fc.string({ maxLength: 5 }),
          ),
          fc.constantFrom(':', '=', '!=', '>', '<', '>=', '<=', ''),
          fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('*', '**', '1', '2ms', '1e999')),
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        const expression = words.join(' ');
        try {
          expect(typeof parseFilter(expression)(ROW)).toBe('boolean');
        } catch (e) {
          expect(e).toBeInstanceOf(FilterError);
          expect((e as FilterError).at).toBeGreaterThanOrEqual(0);
          expect((e as FilterError).at).toBeLessThanOrEqual(expression.length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('a row of minus signs negates as often', () => {
    expect(matches(`${'-'.repeat(994)}qemu`)).toBe(true);
    expect(matches(`${'-'.repeat(995)}qemu`)).toBe(false);
  });

  it.each<[string, string, string, number, RegExp]>([
    ['length', 'a'.repeat(1000), 'a'.repeat(1001), 1000, /1001 characters: 1000 at most/],
    ['terms', 'a '.repeat(50), `${'a '.repeat(50)}ino:1`, 100, /more than 50 terms/],
    ['stars', '*'.repeat(50), `comm:${'*'.repeat(51)}`, 55, /more than 50 "\*"/],
  ])('has a bounded %s, and says where it is exceeded', (_, fits, more, at, message) => {
    expect(() => parseFilter(fits)).not.toThrow();
    expect(error(more)).toEqual({ message: expect.stringMatching(message), at });
  });
});

describe('a wildcard', () => {
  it('agrees with a regular expression', () => {
    const letters = fc.stringMatching(/^[ab*]{0,8}$/);
    fc.assert(
      fc.property(letters, fc.stringMatching(/^[ab]{0,12}$/), (pattern, comm) => {
        fc.pre(pattern !== '');
        const like = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        expect(matches(`comm:${pattern}`, { comm })).toBe(like.test(comm));
      }),
      { numRuns: 2000 },
    );
  });

  it('takes no longer the worse the pattern is', () => {
    const comm = 'a'.repeat(20_000);
    const filter = parseFilter(`comm:${'*a'.repeat(49)}*b`);
    const began = performance.now();
    for (let i = 0; i < 100; i++) expect(filter(row({ comm }))).toBe(false);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
