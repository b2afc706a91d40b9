import { formatDate } from '../format/clock.ts';
import { visibleText } from '../format/visible.ts';
import { range } from '../range.ts';
import { route, store } from '../session.ts';
import type { Table, TextPart } from './plainText.ts';

/** Rows of one table in a text: nobody reads more in a mail. */
const MOST_ROWS = 60;

/** A part of the view as it is on the page, with its pictures. */
export interface ViewPart extends TextPart {
  readonly pictures: readonly HTMLCanvasElement[];
}

/** What stands above every text and picture: what this is of. */
export function headLines(): string[] {
  const { view, filter, host } = route.value;
  const hosts = store.hosts.value.filter((one) => host === '' || one.host === host);
  const hello = store.hello.value;
  const lines = [`lastref ${hello?.lastref ?? ''}: ${view}`];
  for (const one of hosts) {
    const about = [one.kernel && `Linux ${one.kernel}`, one.bpftrace].filter(Boolean).join(', ');
    lines.push(visibleText(`${one.host}: ${about || one.status}`));
  }
  lines.push(`${hello?.mode === 'replay' ? 'recorded' : 'at'} ${formatDate(store.shownAt.value)}`);
  const chosen = range.value;
  if (chosen !== null) lines.push(`from ${formatDate(chosen.from)} to ${formatDate(chosen.to)}`);
  if (filter !== '') lines.push(`filter: ${visibleText(filter)}`);
  return lines;
}

/** The view in sight, part by part, in the order of the page. Tables that are said apart (extra.ts) are not in it. */
export function readView(main: HTMLElement): ViewPart[] {
  const panels = [...main.querySelectorAll<HTMLElement>('section.panel')].filter(
    (panel) => panel.parentElement?.closest('section.panel') === null,
  );
  const outside = readPart(main, (element) => element.closest('section.panel') === null);
  const parts = panels.map((panel) => {
    const part = readPart(panel, (element) => !element.matches('.panel-head *'));
    return { ...part, title: textOf(panel.querySelector('h2')) };
  });
  return [outside, ...parts];
}

/** Controls say nothing, and tips are of the moment. */
const SILENT =
  'button, select, input, label, fieldset, nav, .tip, .visually-hidden, [hidden], .filter, .said, [role="listbox"]';

function readPart(root: HTMLElement, belongs: (element: Element) => boolean): ViewPart {
  const all = (selector: string) =>
    [...root.querySelectorAll<HTMLElement>(selector)].filter(
      (element) => belongs(element) && element.checkVisibility(),
    );
  const lines = all('p, dt, .legend, .totals > *, dl.totals > div, pre, h3, .alert-title')
    .filter((element) => element.closest('table') === null && element.closest(SILENT) === null)
    .map((element) => textOf(element))
    .filter((text) => text !== '');
  const tables = all('table:not([data-apart] *)').map(readTable);
  return {
    title: '',
    lines: [...new Set(lines)],
    table: tables.length === 0 ? null : joined(tables),
    // of canvases that lie on each other, the lowest
    pictures: (all('canvas') as HTMLCanvasElement[]).filter(
      (canvas) => canvas.previousElementSibling?.tagName !== 'CANVAS',
    ),
  };
}

function readTable(element: HTMLElement): Table {
  const rows = cellsOf(rowsInSight(element));
  const body = element.querySelector('tbody tr');
  const right = [...(body?.children ?? [])].map((cell) => cell.classList.contains('num'));
  return {
    rows: rows.slice(0, MOST_ROWS + 1),
    right,
    more: Math.max(0, rows.length - MOST_ROWS - 1),
  };
}

/** The text of each cell in its column: one that spans several has empty ones beside or below it. */
function cellsOf(rows: readonly Element[]): string[][] {
  /** By column, for how many rows a cell of before goes on. */
  let taken: number[] = [];
  return rows.map((row) => {
    const out: string[] = [];
    const below = taken.map((rest) => Math.max(0, rest - 1));
    for (const cell of row.querySelectorAll<HTMLTableCellElement>('th, td')) {
      while ((taken[out.length] ?? 0) > 0) out.push('');
      for (let i = 0; i < cell.colSpan; i++) {
        below[out.length] = cell.rowSpan - 1;
        out.push(i === 0 ? textOf(cell) : '');
      }
    }
    taken = below;
    return out;
  });
}

/** In the order in which they stand; the table of inodes has some that its frame hides. */
function rowsInSight(table: HTMLElement): Element[] {
  const rows = [...table.querySelectorAll('tr')];
  const frame = table.closest('.vt-scroll')?.getBoundingClientRect();
  if (frame === undefined) return rows;
  const head = rows[0]?.getBoundingClientRect().bottom ?? frame.top;
  return rows
    .map((row, i) => ({ row, i, rect: row.getBoundingClientRect() }))
    .filter(({ i, rect }) => i === 0 || (rect.bottom > head + 1 && rect.top < frame.bottom - 1))
    .sort((a, b) => a.rect.top - b.rect.top)
    .map(({ row }) => row);
}

/** Tables of one part under each other. */
function joined(tables: readonly Table[]): Table {
  const [first, ...others] = tables;
  return {
    rows: [first!, ...others].flatMap(({ rows }) => rows),
    right: first!.right,
    more: tables.reduce((sum, { more }) => sum + more, 0),
  };
}

/** As it is written on the page, without what only a screen reader hears and what can only be pressed. */
function textOf(element: Element | null): string {
  if (element === null) return '';
  const copy = element.cloneNode(true) as Element;
  for (const silent of copy.querySelectorAll(SILENT)) silent.remove();
  for (const item of copy.querySelectorAll('li, dt, dd, div, br')) item.append(' ');
  return (copy.textContent ?? '').replaceAll(/\s+/g, ' ').trim();
}
