import type { InodePage, InodeRow } from '../../../server/protocol/messages.ts';
import { cancelDraw, requestDraw } from '../frame.ts';
import type { Column } from './columns.ts';
import { RowElement } from './rowElement.ts';
import { nextWindow, ROW, type RowWindow, rowAt, scrollFor, scrollHeight } from './rowWindow.ts';

/**
 * The body of the inode table. It has as many rows as fit on the screen; scrolling
 * and news only change their text, in one animation frame. Rows that are not
 * loaded are drawn as dots and asked for through `onWindow`.
 */
export class RowTable {
  #parts: TableParts | null = null;
  #page: InodePage = { total: 0, matched: 0, offset: 0, rows: [], dropped: 0, left_out: 0 };
  #columns: readonly Column[] = [];
  #window: RowWindow = { offset: 0, limit: 0 };
  #rows: RowElement[] = [];
  #rowCount = -1;
  /** Row elements made so far; each gets its own name. */
  #made = 0;
  #selected = '';
  /** Where the selection was last seen, and where it shall go once that row is loaded. */
  #selectedIndex = -1;
  #wantedIndex = -1;
  #anchor: { id: string; index: number } | null = null;
  #visible = 0;
  readonly #events: TableEvents;
  readonly #draw = () => this.#drawNow();

  constructor(events: TableEvents) {
    this.#events = events;
  }

  attach(parts: TableParts): () => void {
    this.#parts = parts;
    const redraw = () => this.redraw();
    const onScroll = () => {
      if (parts.scroller.scrollTop > ROW) this.#events.onScrolledAway();
      redraw();
    };
    parts.scroller.addEventListener('scroll', onScroll, { passive: true });
    const observer = new ResizeObserver(redraw);
    observer.observe(parts.scroller);
    return () => {
      observer.disconnect();
      parts.scroller.removeEventListener('scroll', onScroll);
      cancelDraw(this.#draw);
      this.#parts = null;
      this.#rows = [];
    };
  }

  setColumns(columns: readonly Column[]): void {
    if (columns === this.#columns) return;
    this.#columns = columns;
    for (const row of this.#rows) row.element.remove();
    this.#rows = [];
    this.redraw();
  }

  setPage(page: InodePage, follow: boolean): void {
    this.#page = page;
    if (follow) this.#toTop();
    else this.#keepInPlace();
    const at = this.#indexOf(this.#selected);
    if (at >= 0) this.#selectedIndex = at;
    const wanted = this.#rowOf(this.#wantedIndex);
    if (wanted) this.#select(wanted, this.#wantedIndex);
    this.redraw();
  }

  setSelected(id: string): void {
    this.#selected = id;
    const at = this.#indexOf(id);
    if (at >= 0) this.#selectedIndex = at;
    this.redraw();
  }

  /** Another order or filter: begin at the top. */
  restart(): void {
    this.#anchor = null;
    this.#selectedIndex = -1;
    this.#wantedIndex = -1;
    this.#toTop();
    this.redraw();
  }

  /** Moves the selection by rows; `Infinity` goes to the end. */
  moveBy(rows: number): void {
    const from =
      this.#selectedIndex >= 0 ? this.#selectedIndex : Math.ceil(this.#first()) - Math.sign(rows);
    this.moveTo(from + rows);
  }

  moveTo(index: number): void {
    const last = this.#page.matched - 1;
    if (last < 0) return;
    const target = Math.min(Math.max(index, 0), last);
    this.#scrollTo(target);
    const row = this.#rowOf(target);
    this.#wantedIndex = row ? -1 : target;
    this.#selectedIndex = target;
    if (row) this.#select(row, target);
    this.redraw();
  }

  /** The inode that an element of the body shows. */
  idAt(element: Element): string {
    return this.#rows.find((row) => row.element.contains(element))?.id ?? '';
  }

  get pageLength(): number {
    return Math.max(1, this.#visible - 2);
  }

  redraw(): void {
    requestDraw(this.#draw);
  }

  #select(row: InodeRow, index: number): void {
    this.#selected = row.id;
    this.#selectedIndex = index;
    this.#wantedIndex = -1;
    this.#events.onSelect(row);
  }

  #drawNow(): void {
    const parts = this.#parts;
    if (!parts) return;
    const viewport = this.#viewport();
    const { matched } = this.#page;
    const head = parts.table.tHead?.offsetHeight ?? 0;
    // Without rows there is nothing to scroll, and what to do instead is shown below the head.
    const height = matched === 0 ? head : scrollHeight(matched, viewport) + head;
    parts.spacer.style.height = `${height}px`;
    this.#visible = Math.ceil(viewport / ROW) + 1;
    const first = this.#first();
    const start = Math.floor(first);
    parts.body.style.transform = `translateY(${-Math.round((first - start) * ROW)}px)`;
    this.#fitRows(Math.min(this.#visible, matched));
    if (matched !== this.#rowCount) {
      this.#rowCount = matched;
      parts.table.ariaRowCount = String(matched + 1);
    }
    this.#reuseRows(start);
    let active = '';
    this.#rows.forEach((element, index) => {
      const row = this.#rowOf(start + index);
      const selected = row !== null && row.id === this.#selected;
      element.show(row, start + index, selected);
      if (selected) active = element.element.id;
    });
    if (active) parts.table.setAttribute('aria-activedescendant', active);
    else parts.table.removeAttribute('aria-activedescendant');
    this.#anchor = this.#anchorAt(start);
    const wanted = nextWindow(this.#window, first, this.#visible, matched);
    if (wanted !== this.#window) {
      this.#window = wanted;
      this.#events.onWindow(wanted);
    }
  }

  /**
   * Rows that are still in sight keep their elements: those that left at one end go to
   * the other. So a step of the wheel lays out two or three rows instead of all.
   */
  #reuseRows(start: number): void {
    const { body } = this.#parts!;
    const before = this.#rows.map((row) => row.id);
    const now = before.map((_, index) => this.#rowOf(start + index)?.id ?? '');
    const down = now[0] ? before.indexOf(now[0]) : -1;
    const up = before[0] ? now.indexOf(before[0]) : -1;
    if (down > 0) {
      const moved = this.#rows.splice(0, down);
      body.append(...moved.map((row) => row.element));
      this.#rows.push(...moved);
    } else if (up > 0) {
      const moved = this.#rows.splice(-up);
      body.prepend(...moved.map((row) => row.element));
      this.#rows.unshift(...moved);
    }
  }

  #fitRows(count: number): void {
    const { body } = this.#parts!;
    while (this.#rows.length > count) this.#rows.pop()!.element.remove();
    while (this.#rows.length < count) {
      this.#rows.push(new RowElement(body, this.#columns, `inode-row-${this.#made++}`));
    }
  }

  /** When rows arrive above what is read, what is read stays where it is. */
  #keepInPlace(): void {
    const parts = this.#parts;
    if (!parts || !this.#anchor || parts.scroller.scrollTop < 1) return;
    const now = this.#indexOf(this.#anchor.id);
    if (now < 0 || now === this.#anchor.index) return;
    const first = this.#first() + now - this.#anchor.index;
    const viewport = this.#viewport();
    const head = parts.table.tHead?.offsetHeight ?? 0;
    parts.spacer.style.height = `${scrollHeight(this.#page.matched, viewport) + head}px`;
    parts.scroller.scrollTop = scrollFor(first, this.#page.matched, viewport);
  }

  #anchorAt(start: number): { id: string; index: number } | null {
    const row = this.#rowOf(start);
    return row ? { id: row.id, index: start } : null;
  }

  #scrollTo(index: number): void {
    const parts = this.#parts;
    if (!parts) return;
    const rows = this.#viewport() / ROW;
    const first = this.#first();
    let wanted = first;
    if (index < first) wanted = index;
    else if (index + 1 > first + rows) wanted = index + 1 - rows;
    if (wanted === first) return;
    parts.scroller.scrollTop = scrollFor(wanted, this.#page.matched, this.#viewport());
    this.#anchor = null;
  }

  #toTop(): void {
    if (this.#parts) this.#parts.scroller.scrollTop = 0;
  }

  #first(): number {
    return rowAt(this.#parts?.scroller.scrollTop ?? 0, this.#page.matched, this.#viewport());
  }

  /** Height left for rows, below the table's head. */
  #viewport(): number {
    const parts = this.#parts;
    if (!parts) return ROW;
    return Math.max(ROW, parts.scroller.clientHeight - (parts.table.tHead?.offsetHeight ?? 0));
  }

  #rowOf(index: number): InodeRow | null {
    return this.#page.rows[index - this.#page.offset] ?? null;
  }

  #indexOf(id: string): number {
    if (id === '') return -1;
    const at = this.#page.rows.findIndex((row) => row.id === id);
    return at < 0 ? -1 : at + this.#page.offset;
  }
}

export interface TableParts {
  readonly scroller: HTMLElement;
  readonly spacer: HTMLElement;
  readonly table: HTMLTableElement;
  readonly body: HTMLTableSectionElement;
}

export interface TableEvents {
  readonly onWindow: (window: RowWindow) => void;
  readonly onSelect: (row: InodeRow) => void;
  readonly onScrolledAway: () => void;
}
