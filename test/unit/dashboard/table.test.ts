import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyOption, complete } from '../../../dashboard/src/inodes/completion.ts';
import {
  nextWindow,
  ROW,
  ringRows,
  rowAt,
  scrollFor,
  scrollHeight,
} from '../../../dashboard/src/inodes/rowWindow.ts';
import { ledgerWord, sumOf } from '../../../dashboard/src/shell/ledgerText.ts';
import { addLedgers } from '../../../server/protocol/hosts.ts';
import { ledgerOf } from '../../fixtures/ledgers.ts';

describe('row window', () => {
  const rows = fc.integer({ min: 0, max: 5_000_000 });

  it('reaches every row, however many there are', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 100, max: 2000 }), (count, viewport) => {
        const bottom = scrollHeight(count, viewport) - viewport;
        expect(rowAt(0, count, viewport)).toBe(0);
        const last = rowAt(bottom, count, viewport) + viewport / ROW;
        expect(last).toBeCloseTo(Math.max(count, viewport / ROW), 3);
        expect(scrollHeight(count, viewport)).toBeLessThanOrEqual(8_000_000);
      }),
    );
  });

  it('scrolls to the row that was asked for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 1_000_000 }), fc.nat({ max: 900 }), (count, row) => {
        expect(rowAt(scrollFor(row, count, 600), count, 600)).toBeCloseTo(row, 3);
      }),
    );
  });

  it('always covers what is in sight, within the protocol’s limit', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9000 }), { maxLength: 30 }), (firsts) => {
        let window = { offset: 0, limit: 0 };
        for (const first of firsts) {
          window = nextWindow(window, first, 30, 10_000);
          expect(window.offset).toBeLessThanOrEqual(first);
          expect(window.offset + window.limit).toBeGreaterThanOrEqual(first + 30);
          expect(window.limit).toBeLessThanOrEqual(500);
        }
      }),
    );
  });

  it('has elements for what is in sight and some beyond, an even number while it scrolls', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 2, max: 90 }), fc.nat(), (count, visible, at) => {
        const start = Math.min(at, Math.max(0, count - visible));
        const [from, elements] = ringRows(start, visible, count);
        expect(from).toBeGreaterThanOrEqual(0);
        expect(from).toBeLessThanOrEqual(start);
        expect(from + elements).toBeGreaterThanOrEqual(Math.min(start + visible, count));
        expect(from + elements).toBeLessThanOrEqual(count);
        if (elements < count) expect(elements % 2).toBe(0);
      }),
    );
  });

  it('does not ask again for small movements', () => {
    const window = nextWindow({ offset: 0, limit: 0 }, 1000, 30, 10_000);
    expect(nextWindow(window, 1005, 30, 10_000)).toBe(window);
    expect(nextWindow(window, 996, 30, 10_000)).toBe(window);
  });
});

describe('completion', () => {
  const known = {
    fs: ['hugetlbfs', 'tmpfs'],
    comm: ['qemu-system-x86', 'two words'],
    host: ['vm'],
  };
  const inserts = (text: string) =>
    complete(text, text.length, known).options.map((option) => option.insert);

  it('offers keys for the word at the caret, and values after the colon', () => {
    expect(inserts('fs:tmpfs st')).toEqual(['state:']);
    expect(inserts('state:e')).toEqual(['state:evicting', 'state:ended']);
    expect(inserts('fs:h')).toEqual(['fs:hugetlbfs']);
    expect(inserts('-host:')).toEqual(['host:vm']);
    expect(inserts('')).toContain('leak');
  });
  it('does not offer a name that cannot be one word', () => {
    expect(inserts('comm:')).toEqual(['comm:qemu-system-x86']);
  });
  it('replaces the word it completes and nothing else', () => {
    const text = 'st pages>0';
    const completion = complete(text, 2, known);
    expect(applyOption(text, completion, completion.options[0]!)).toEqual({
      text: 'state: pages>0',
      caret: 6,
    });
  });
});

describe('ledger', () => {
  it('adds up by column', () => {
    const total = addLedgers([
      ledgerOf({ kernel_hits: 10, decoded: 7, not_run: 3 }),
      ledgerOf({ kernel_hits: 5, decoded: 4, in_flight: 1, balanced: null }),
    ]);
    expect(total).toMatchObject({
      kernel_hits: 15,
      decoded: 11,
      not_run: 3,
      in_flight: 1,
      balanced: null,
    });
    expect(sumOf(total)).toBe(15);
  });
  it('knows nothing of not run when nobody tells', () => {
    expect(addLedgers([ledgerOf({ not_run: null })]).not_run).toBeNull();
    expect(addLedgers([ledgerOf({ not_run: null }), ledgerOf({ not_run: 2 })]).not_run).toBe(2);
  });
  it('names the worst first', () => {
    expect(ledgerWord(ledgerOf({ balanced: false, not_run: 3 })).tone).toBe('bad');
    expect(ledgerWord(ledgerOf({ not_run: 3 })).word).toBe('3 lost');
    expect(ledgerWord(ledgerOf({})).word).toBe('balanced');
    expect(ledgerWord(ledgerOf({ balanced: null, in_flight: 4 })).word).toBe('4 in flight');
  });
});
