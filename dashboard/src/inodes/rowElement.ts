import type { InodeRow } from '../../../server/protocol/messages.ts';
import { visibleParts, visibleText } from '../format/visible.ts';
import { type Column, columnShare } from './columns.ts';
import { ROW } from './rowWindow.ts';

/**
 * One row on the screen. It is given another inode whenever the table scrolls or
 * changes, many times a second, so it remembers what it shows and touches the
 * document only where that differs.
 */
export class RowElement {
  readonly element: HTMLTableRowElement;
  readonly #columns: readonly Column[];
  readonly #cells: { readonly element: HTMLTableCellElement; text: string; look: string }[];
  #id = '';
  #index = -1;
  #place = Number.NaN;
  #look = '';

  constructor(body: HTMLTableSectionElement, columns: readonly Column[], name: string) {
    this.element = body.insertRow();
    this.element.id = name;
    this.element.role = 'row';
    this.#columns = columns;
    this.#cells = columns.map((column) => {
      const element = this.element.insertCell();
      element.role = 'gridcell';
      element.style.width = columnShare(column, columns);
      return { element, text: '', look: '' };
    });
  }

  get id(): string {
    return this.#id;
  }

  get index(): number {
    return this.#index;
  }

  /** Shows an inode, or dots for one that is not loaded yet, so many rows below the body's edge. */
  show(row: InodeRow | null, index: number, place: number, selected: boolean): void {
    this.#id = row?.id ?? '';
    if (index !== this.#index) {
      this.#index = index;
      this.element.ariaRowIndex = String(index + 2);
    }
    if (place !== this.#place) {
      this.#place = place;
      this.element.style.top = `${place * ROW}px`;
    }
    const look = `${selected ? 'is-selected' : ''} ${place % 2 ? 'is-odd' : ''}`;
    if (look !== this.#look) {
      this.#look = look;
      this.element.className = look;
      this.element.ariaSelected = String(selected);
    }
    for (let at = 0; at < this.#columns.length; at++) this.#showCell(at, row);
  }

  #showCell(at: number, row: InodeRow | null): void {
    const column = this.#columns[at]!;
    const cell = this.#cells[at]!;
    const text = row ? column.text(row) : '·';
    if (text !== cell.text) {
      cell.text = text;
      if (column.foreign) setForeign(cell.element, text);
      else setText(cell.element, text);
    }
    const tone = row ? (column.tone?.(row) ?? '') : 'dim';
    const look = column.right ? `num ${tone}` : tone;
    if (look !== cell.look) {
      cell.look = look;
      cell.element.className = look;
    }
  }
}

/** Changing a text node is much cheaper than replacing it. */
function setText(cell: HTMLTableCellElement, text: string): void {
  const node = cell.firstChild;
  if (node instanceof Text) node.data = text;
  else cell.textContent = text;
}

function setForeign(cell: HTMLTableCellElement, text: string): void {
  if (visibleText(text) === text) {
    setText(cell, text);
    return;
  }
  const name = document.createElement('bdi');
  name.className = 'foreign';
  for (const part of visibleParts(text)) {
    const span = document.createElement('span');
    if (part.escaped) span.className = 'escape';
    span.textContent = part.text;
    name.append(span);
  }
  cell.replaceChildren(name);
}
