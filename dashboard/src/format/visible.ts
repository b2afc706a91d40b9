/**
 * Names come from processes and file systems, which may put any bytes into them:
 * newlines, escape sequences, bidirectional overrides, blanks that cannot be seen.
 * `visibleParts` splits such a text into what can be shown as it is and what is
 * written as an escape instead, so that no name can look like another or leave its place.
 * Text that the server has escaped already keeps its backslashes.
 */
export function visibleParts(text: string, backslash: 'double' | 'keep' = 'double'): Part[] {
  const parts: Part[] = [];
  const characters = [...text];
  let marks = 0;
  let before = true;
  characters.forEach((character, index) => {
    const atEdge = index === 0 || index === characters.length - 1;
    marks = MARK.test(character) ? marks + 1 : 0;
    const escaped =
      HIDDEN.test(character) ||
      (character === '\\' && backslash === 'double') ||
      (character === ' ' && atEdge) ||
      // A mark belongs on a letter, not on an escape, and not in a heap.
      (marks > 0 && (before || marks > 2));
    before = escaped;
    append(parts, escaped ? escapeOf(character) : character, escaped);
  });
  return parts;
}

/** The same as one string, for canvas and plain text. A backslash is doubled, so it is unambiguous. */
export function visibleText(text: string): string {
  return PLAIN.test(text)
    ? text
    : visibleParts(text)
        .map((part) => part.text)
        .join('');
}

/**
 * Longer text of the server (messages, details): its newlines, tabs and indentation are
 * layout, the rest is not trusted.
 */
export function visibleLines(text: string): string[] {
  return text.split(/\r?\n/).map((line) => {
    const plain = line.replaceAll('\t', '  ').trimEnd();
    const start = plain.search(/[^ ]|$/);
    const rest = visibleParts(plain.slice(start), 'keep');
    return plain.slice(0, start) + rest.map((part) => part.text).join('');
  });
}

export interface Part {
  readonly text: string;
  /** True for an escape that stands for a character that cannot be shown. */
  readonly escaped: boolean;
}

/** Nearly every name: printable ASCII without backslash, no blank at either end. */
const PLAIN = /^(?:[!-[\]-~](?:[ -[\]-~]*[!-[\]-~])?)?$/;

/**
 * Control, format (bidi, zero width), private use, surrogate halves and unassigned; line and
 * paragraph separators; every blank but the space; fillers that are letters by name only.
 */
const HIDDEN = new RegExp(
  [
    String.raw`[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]`,
    String.raw`[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]`,
    String.raw`[\u115f\u1160\u2800\u3164\uffa0]`,
    // Variation selectors: they change or hide what stands before them.
    String.raw`[\u180b-\u180f\ufe00-\ufe0f\u{e0100}-\u{e01ef}]`,
  ].join('|'),
  'u',
);
const MARK = /\p{M}/u;

const SHORT: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\\': '\\\\',
};

function escapeOf(character: string): string {
  const known = SHORT[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

function append(parts: Part[], text: string, escaped: boolean): void {
  const last = parts.at(-1);
  if (last && last.escaped === escaped) {
    parts[parts.length - 1] = { text: last.text + text, escaped };
  } else {
    parts.push({ text, escaped });
  }
}
