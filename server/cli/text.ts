/** Pieces of text for a terminal or a mail: at most 80 columns, plain ASCII. */
import { plain } from '../protocol/plain.ts';

export const COLUMNS = 80;

/** At most five characters and a unit: `3.34ms`. */
export function duration(ns: number): string {
  if (ns < 999.5) return `${Math.round(ns)}ns`;
  const [unit, scale] = ns < 999.5e3 ? ['us', 1e3] : ns < 999.5e6 ? ['ms', 1e6] : ['s', 1e9];
  const value = ns / Number(scale);
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}${unit}`;
}

/** A time of the epoch: `14.530 s`. */
export function seconds(ns: number): string {
  return `${(ns / 1e9).toFixed(3)} s`;
}

/** Words in lines of at most `width`; a word that is longer is cut. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    for (let rest = word; ; rest = rest.slice(width)) {
      const part = rest.slice(0, width);
      const line = lines.at(-1)!;
      if (line === '') lines[lines.length - 1] = part;
      else if (line.length + 1 + part.length > width) lines.push(part);
      else lines[lines.length - 1] = `${line} ${part}`;
      if (rest.length <= width) break;
    }
  }
  return lines;
}

/** Text under a first column: `first` stands before the first line, blanks before the others. */
export function hang(first: string, text: string, columns = COLUMNS): string[] {
  return wrap(text, columns - first.length).map((line, i) =>
    `${i === 0 ? first : ' '.repeat(first.length)}${line}`.trimEnd(),
  );
}

/** One word that a traced host may have chosen: ASCII, visible, of at most `width`. */
export function name(text: string, width: number): string {
  const ascii = plain(text).replace(/[^ -~]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return ascii.length <= width ? ascii : `${ascii.slice(0, width - 2)}..`;
}

/** A sentence with such words in it: ASCII and visible, of any length. */
export function sentence(text: string): string {
  return name(text, Number.POSITIVE_INFINITY);
}

/** `1 hugepage`, `4 hugepages`. */
export function plural(count: number, word: string, words = `${word}s`): string {
  return `${count} ${count === 1 ? word : words}`;
}
