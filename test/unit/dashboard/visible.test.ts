import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { visibleLines, visibleParts, visibleText } from '../../../dashboard/src/format/visible.ts';

describe('visibleText', () => {
  const cases: [string, string][] = [
    ['qemu-system-x86', 'qemu-system-x86'],
    ['', ''],
    ['a b', 'a b'],
    ['evil\nE 1 evict', 'evil\\nE 1 evict'],
    ['\x1b[31mred', '\\x1b[31mred'],
    ['tab\tcr\r', 'tab\\tcr\\r'],
    ['a\u202egnp.exe', 'a\\u202egnp.exe'],
    ['z\u200bw', 'z\\u200bw'],
    ['back\\nslash', 'back\\\\nslash'],
    [' lead', '\\x20lead'],
    ['trail ', 'trail\\x20'],
    [' ', '\\x20'],
    ['nb\u00a0sp', 'nb\\xa0sp'],
    ['hangul\u3164filler', 'hangul\\u3164filler'],
    ['half \ud800', 'half \\ud800'],
    ['tag\u{e0041}', 'tag\\u{e0041}'],
    ['<script>', '<script>'],
    ['кот', 'кот'],
    ['cafe\u0301', 'cafe\u0301'],
  ];
  for (const [text, shown] of cases) {
    it(`${JSON.stringify(text)} is shown as ${JSON.stringify(shown)}`, () => {
      expect(visibleText(text)).toBe(shown);
    });
  }

  it('does not let combining marks pile up', () => {
    expect(visibleText(`a${'\u0301'.repeat(40)}`)).toBe(`a\u0301\u0301${'\\u0301'.repeat(38)}`);
    expect(visibleText('\u0301a')).toBe('\\u0301a');
    expect(visibleText('\n\u0301')).toBe('\\n\\u0301');
  });

  it('leaves nothing that moves, hides or breaks text, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visibleText(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}]/u);
      }),
    );
  });

  it('shows different names differently', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        if (a !== b) expect(visibleText(a)).not.toBe(visibleText(b));
      }),
    );
  });
});

describe('visibleParts', () => {
  it('marks what stands for something else', () => {
    expect(visibleParts('a\nb')).toEqual([
      { text: 'a', escaped: false },
      { text: '\\n', escaped: true },
      { text: 'b', escaped: false },
    ]);
  });
  it('keeps the backslashes of text that was escaped before', () => {
    expect(visibleParts('x\\x0a\u0007', 'keep').map((part) => part.text)).toEqual([
      'x\\x0a',
      '\\x07',
    ]);
  });
});

describe('visibleLines', () => {
  it('keeps lines and indentation, and nothing else', () => {
    expect(visibleLines('one\n  two\u202e\r\n\tthree\n')).toEqual([
      'one',
      '  two\\u202e',
      '  three',
      '',
    ]);
  });
});
