/** Text for a mail to a list: no line wider than this. */
export const WIDTH = 80;

/** A part of a view in text: a title, lines that wrap, and a table. */
export interface TextPart {
  readonly title: string;
  readonly lines: readonly string[];
  /** Rows of cells, the first of them the head; null without a table. */
  readonly table: Table | null;
}

export interface Table {
  readonly rows: readonly (readonly string[])[];
  /** Columns of numbers, which are set to the right. */
  readonly right: readonly boolean[];
  /** Rows that are not here. */
  readonly more: number;
}

export function asText(head: readonly string[], parts: readonly TextPart[]): string {
  const out = head.flatMap((line) => wrap(line, WIDTH));
  for (const { title, lines, table } of parts) {
    if (lines.length === 0 && table === null) continue;
    out.push('');
    if (title !== '') out.push(...wrap(title, WIDTH), '-'.repeat(Math.min(WIDTH, length(title))));
    out.push(...lines.flatMap((line) => wrap(line, WIDTH)));
    if (table !== null) out.push(...tableText(table));
  }
  return `${out.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** The widest columns give way until all fit; what does not fit is cut with an ellipsis. */
export function tableText({ rows, right, more }: Table): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const used = [...Array(columns).keys()].filter((at) =>
    rows.some((row) => (row[at] ?? '') !== ''),
  );
  const widths = used.map((at) => Math.max(...rows.map((row) => length(row[at] ?? ''))));
  const room = WIDTH - 2 * (used.length - 1);
  let over = widths.reduce((sum, width) => sum + width, 0) - room;
  while (over > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= MIN_COLUMN) break;
    widths[widest]!--;
    over--;
  }
  // where not even the narrowest fit, the last ones are left out
  let shown = used.length;
  while (shown > 1 && widths.slice(0, shown).reduce((a, b) => a + b + 2, -2) > WIDTH) shown--;
  const lines = rows.map((row) =>
    used
      .slice(0, shown)
      .map((at, i) => {
        const cell = cut(row[at] ?? '', widths[i]!);
        const space = ' '.repeat(Math.max(0, widths[i]! - length(cell)));
        return right[at] ? space + cell : cell + space;
      })
      .join('  '),
  );
  if (shown < used.length) lines.push(`(${used.length - shown} more columns)`);
  if (more > 0) lines.push(`(${more} more)`);
  return lines;
}

const MIN_COLUMN = 4;

function length(text: string): number {
  return [...text].length;
}

function cut(text: string, width: number): string {
  return length(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`;
}

/** At blanks where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter(Boolean)) {
    let rest = word;
    if (line !== '' && length(line) + 1 + length(rest) > width) {
      lines.push(line);
      line = '';
    }
    while (length(rest) > width) {
      lines.push([...rest].slice(0, width).join(''));
      rest = [...rest].slice(width).join('');
    }
    line = line === '' ? rest : `${line} ${rest}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}
