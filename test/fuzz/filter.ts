/**
 * Expressions of the filter, and names they are held against. One input is one expression,
 * tried on one row.
 */
import {
  FILTER_FLAGS,
  FILTER_KEYS,
  FilterError,
  parseFilter,
} from '../../server/protocol/filter.ts';
import type { InodeRow } from '../../server/protocol/messages.ts';
import { ROW } from '../fixtures/inode-row.ts';
import type { Random } from '../support/random.ts';
import { duplicate, flipBit, insert, remove, repeatTo, replaceByte, splice } from './mutate.ts';
import { Failed, must, mustBeQuick, type Target } from './target.ts';

/** Expressions in a batch. */
const BATCH = 1000;
const LONGEST = 4096;
/** On an expression of some thousand characters and a name of ten thousand. */
const SLOW_MS = 200;

const KEYS = [...Object.keys(FILTER_KEYS), ...FILTER_FLAGS, 'constructor', '__proto__', 'x'];
const OPERATORS = [':', '=', '!=', '>', '<', '>=', '<=', '', '::', '!', '=>'];
const VALUES = [
  ...['*', '**', 'a*b*', '*a*a*a*a*a*b', 'hugetlbfs', 'qemu*', '1', '-1', '1e999', '0x10', 'NaN'],
  ...['2ms', '1.5s', '.5ms', '1.ms', '3µs', '1e3ms', '\u202e', '\ufeff', '\u2028', '😀', '\ud800'],
];
const DAMAGES = [replaceByte, flipBit, remove, duplicate, insert];

export class FilterTarget implements Target {
  readonly growthMb = 8;
  readonly #buf = Buffer.alloc(2 * LONGEST);
  readonly #splice = splice(VALUES.map((value) => Buffer.from(value)));

  batch(random: Random): number {
    for (let i = 0; i < BATCH; i++) {
      const expression = this.#expression(random);
      try {
        check(expression, random.once(100));
      } catch (error) {
        throw new Failed(Buffer.from(expression), error);
      }
    }
    return BATCH;
  }

  replay(input: Buffer): void {
    check(input.toString('utf8'), true);
  }

  close(): void {}

  #expression(random: Random): string {
    const words: string[] = [];
    for (let i = random.below(5); i >= 0; i--) {
      const minus = '-'.repeat(random.once(3) ? random.below(4) : 0);
      words.push(minus + random.pick(KEYS) + random.pick(OPERATORS) + random.pick(VALUES));
    }
    const text = words.join(random.once(9) ? '\u3000' : ' ');
    if (random.once(2)) return text;
    let length = this.#buf.write(text, 'utf8');
    for (let i = random.below(3); i >= 0; i--) {
      const damage = random.once(6) ? this.#splice : random.pick(DAMAGES);
      length = damage(this.#buf, 0, length, random);
    }
    if (random.once(1000)) length = repeatTo(this.#buf, 0, length, random.below(LONGEST));
    return this.#buf.toString('utf8', 0, length);
  }
}

function check(expression: string, isLong: boolean): void {
  mustBeQuick(SLOW_MS, () => {
    try {
      const value: unknown = parseFilter(expression)(isLong ? LONG_ROW : ROW);
      must(typeof value === 'boolean', 'a filter says neither yes nor no');
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      const inside = Number.isInteger(error.at) && error.at >= 0 && error.at <= expression.length;
      must(inside, `an error at ${error.at}, outside the expression`);
      must(error.message !== '', 'an error that says nothing');
    }
  });
}

/** What a pattern may be slow on: a long name of few letters. */
const LONG_ROW: InodeRow = { ...ROW, comm: 'ab'.repeat(5000) };
