import type { InodePage, InodeRow } from '../../../server/protocol/messages.ts';
import { cancelDraw, requestDraw } from '../frame.ts';
import type { Column } from './columns.ts';
import { RowElement } from './rowElement.ts';
import {
  nextWindow,
  ROW,
  type RowWindow,
  ringRows,
  rowAt,
  scrollFor,
  scrollHeight,
} from './rowWindow.ts';

/**
 * The body of the inode table. It has as many rows as fit on the screen and a few beyond.
 * They are a ring: a row that leaves at one end is used at the other, so that a step of the
 * wheel writes two or three rows and leaves the others alone. News that shift all rows move
 * the body. Nothing here reads from the layout while it draws: sizes are told by a
 * ResizeObserver, the scroll position by its event. Rows that are not loaded are drawn as
 * dots and asked for through `onWindow`.
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
  /** The row whose place in the ring is 0, and stands at the body's upper edge. */
  #origin = 0;
  /** As the browser has told them. */
  #scrollTop = 0;
  #height = ROW;
  #head = 0;
  /** As they were written, so that nothing is written twice. */
  #spacerHeight = -1;
  #bodyTop = 0;
  #active = '';
  #tidyTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #events: TableEvents;
  readonly #draw = () => this.#drawNow();

  constructor(events: TableEvents) {
    this.#events = events;
  }

  attach(parts: TableParts): () => void {
    this.#parts = parts;
    const onScroll = () => {
      this.#scrollTop = parts.scroller.scrollTop;
      if (this.#scrollTop > ROW) this.#events.onScrolledAway();
      // rows are put in order when the scrolling is over
      this.#tidyLater(true);
      this.redraw();
    };
    parts.scroller.addEventListener('scroll', onScroll, { passive: true });
    const observer = new ResizeObserver(() => {
      this.#height = parts.scroller.clientHeight;
      this.#head = parts.table.tHead?.offsetHeight ?? 0;
      this.redraw();
    });
    observer.observe(parts.scroller);
    if (parts.table.tHead) observer.observe(parts.table.tHead);
    return () => {
      observer.disconnect();
      parts.scroller.removeEventListener('scroll', onScroll);
      cancelDraw(this.#draw);
      clearTimeout(this.#tidyTimer);
      this.#parts = null;
      this.#rows = [];
    };
  }

  setColumns(columns: readonly Column[]): void {
    if (columns === this.#columns) return;
    this.#columns = columns;
    for (const row of this.#rows) row.element.remove();
    this.#rows = [];
    this.#active = '';
    this.redraw();
  }

  setPage(page: InodePage, follow: boolean): void {
    this.#page = page;
    this.#shift();
    if (follow) this.#toTop();
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
    // the first draw is when the sizes are known
    if (!parts || this.#head === 0) return;
    const viewport = this.#viewport();
    const { matched } = this.#page;
    this.#setHeight();
    // of a list that got shorter the browser keeps the height, as long as the body stands so far down
    this.#scroll(Math.min(this.#scrollTop, scrollHeight(matched, viewport) - viewport));
    this.#visible = Math.ceil(viewport / ROW) + 1;
    const first = this.#first();
    const start = Math.floor(first);
    if (matched !== this.#rowCount) {
      this.#rowCount = matched;
      parts.table.ariaRowCount = String(matched + 1);
    }
    const [from, count] = ringRows(start, this.#visible, matched);
    this.#fitRows(count);
    // nor may the body stand out below the last row: there would be room for rows that are not
    if (Math.abs(from - this.#origin) > FAR || this.#origin + count > matched) this.#origin = from;
    const active = this.#showRows(from);
    // how far the scrollbar is from the rows: 0 unless there are more than browsers can scroll
    const lag = Math.round(this.#scrollTop - first * ROW);
    this.#moveBody(this.#origin * ROW + lag);
    if (active !== this.#active) {
      this.#active = active;
      if (active) parts.table.setAttribute('aria-activedescendant', active);
      else parts.table.removeAttribute('aria-activedescendant');
    }
    this.#anchor = this.#anchorAt(start);
    this.#tidyLater(false);
    const wanted = nextWindow(this.#window, first, this.#visible, matched);
    if (wanted !== this.#window) {
      this.#window = wanted;
      this.#events.onWindow(wanted);
    }
  }

  /** Shows the rows from this one on; the name of the selected one's element, if it is there. */
  #showRows(from: number): string {
    const size = this.#rows.length;
    let active = '';
    for (let index = from; index < from + size; index++) {
      const place = index - this.#origin;
      const element = this.#rows[((place % size) + size) % size]!;
      const row = this.#rowOf(index);
      const selected = row !== null && row.id === this.#selected;
      element.show(row, index, place, selected);
      if (selected) active = element.element.id;
    }
    return active;
  }

  #moveBody(top: number): void {
    if (top === this.#bodyTop) return;
    this.#bodyTop = top;
    this.#parts!.body.style.transform = `translateY(${top}px)`;
  }

  #setHeight(): void {
    const { matched } = this.#page;
    // Without rows there is nothing to scroll, and what to do instead is shown below the head.
    const rows = matched === 0 ? 0 : scrollHeight(matched, this.#viewport());
    const height = rows + this.#head;
    if (height === this.#spacerHeight) return;
    this.#spacerHeight = height;
    this.#parts!.spacer.style.height = `${height}px`;
  }

  #fitRows(count: number): void {
    const { body } = this.#parts!;
    while (this.#rows.length > count) this.#rows.pop()!.element.remove();
    while (this.#rows.length < count) {
      this.#rows.push(new RowElement(body, this.#columns, `inode-row-${this.#made++}`));
    }
  }

  /**
   * Puts the elements into the order of the rows, for who reads the document: after a while, as
   * it costs more than to draw them. `anew`: not before so long from now.
   */
  #tidyLater(anew: boolean): void {
    if (anew) clearTimeout(this.#tidyTimer);
    else if (this.#tidyTimer !== undefined) return;
    this.#tidyTimer = setTimeout(() => {
      this.#tidyTimer = undefined;
      this.#tidy();
    }, TIDY_MS);
  }

  #tidy(): void {
    const { body } = this.#parts!;
    const wanted = [...this.#rows].sort((a, b) => a.index - b.index).map((row) => row.element);
    const top = wanted.indexOf(body.rows[0]!);
    // they are a ring, so what is out of order are the first or the last
    if (top * 2 <= wanted.length) body.prepend(...wanted.slice(0, top));
    else body.append(...wanted.slice(top));
    if (wanted.some((row, i) => body.rows[i] !== row)) body.append(...wanted);
  }

  /**
   * Where rows arrived above what is shown, it keeps its elements; and unless the table is at
   * its top, what is read stays where it is.
   */
  #shift(): void {
    if (!this.#anchor) return;
    const now = this.#indexOf(this.#anchor.id);
    const by = now - this.#anchor.index;
    if (now < 0 || by === 0) return;
    this.#origin += by;
    if (!this.#parts || this.#scrollTop < 1) return;
    const first = this.#first() + by;
    this.#setHeight();
    this.#scroll(scrollFor(first, this.#page.matched, this.#viewport()));
  }

  /** What is in sight is told again by this row after news. */
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
    this.#setHeight();
    this.#scroll(scrollFor(wanted, this.#page.matched, this.#viewport()));
    this.#anchor = null;
  }

  #toTop(): void {
    this.#scroll(0);
  }

  #scroll(top: number): void {
    if (!this.#parts || top === this.#scrollTop) return;
    this.#scrollTop = top;
    this.#parts.scroller.scrollTop = top;
  }

  #first(): number {
    return rowAt(this.#scrollTop, this.#page.matched, this.#viewport());
  }

  /** Height left for rows, below the table's head. */
  #viewport(): number {
    return Math.max(ROW, this.#height - this.#head);
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

/** Beyond this a row stands too far from its body's edge for exact pixels. */
const FAR = 50_000;
const TIDY_MS = 400;

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
