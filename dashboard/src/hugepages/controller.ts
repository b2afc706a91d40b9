import { signal } from '@preact/signals';
import type { HugepagesOfPool } from '../../../server/protocol/pool-map.ts';
import { cancelDraw, requestDraw } from '../frame.ts';
import { CELL_STATES, type CellState, type PoolCells } from './cells.ts';
import { drawCells, drawOutlines } from './draw.ts';
import { cellAt, cornerOf, type Grid, gridOf } from './grid.ts';

/** Room around the cells for an outline, CSS pixels. */
const EDGE = 2;

/** What the map is of, and what in it is chosen. */
export interface Scene {
  readonly cells: PoolCells;
  readonly pages: HugepagesOfPool | null;
  readonly filter: CellState | '';
  /** Index in `pages.inodes`; -1 without one. */
  readonly of: number;
  /** The chosen cell; -1 without one. */
  readonly pinned: number;
}

/**
 * Owns the two canvases of a map: cells below, above them outlines of all that one inode
 * has. Only the rows in sight are drawn, so that a pool may have any size, and what the
 * pointer does draws no cell.
 */
export class MapController {
  /** The cell under the pointer and where it lies in the window of the map. */
  readonly hovered = signal<{ cell: number; x: number; y: number } | null>(null);
  #scroll: HTMLElement | null = null;
  #canvas: readonly [HTMLCanvasElement, HTMLCanvasElement] | null = null;
  #scene: Scene | null = null;
  #grid: Grid = gridOf(0, 1, 1);
  /** An inode whose cells are outlined because a row of the table is pointed at. */
  #pointedInode = -1;
  /** Whose cells are outlined. */
  #outlined = -1;
  #hoverFrame: HTMLElement | null = null;
  #pinFrame: HTMLElement | null = null;
  readonly #drawAll = () => this.#draw(true);
  readonly #drawOver = () => this.#draw(false);

  attach(scroll: HTMLElement, canvas: readonly [HTMLCanvasElement, HTMLCanvasElement]): () => void {
    this.#scroll = scroll;
    this.#canvas = canvas;
    this.#hoverFrame = scroll.querySelector('.map-hover');
    this.#pinFrame = scroll.querySelector('.map-pin');
    const observer = new ResizeObserver(() => this.redraw());
    observer.observe(scroll);
    const onScroll = () => this.redraw();
    scroll.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      scroll.removeEventListener('scroll', onScroll);
      cancelDraw(this.#drawAll);
      cancelDraw(this.#drawOver);
      this.#canvas = null;
    };
  }

  get grid(): Grid {
    return this.#grid;
  }

  setScene(scene: Scene): void {
    const moved = scene.pinned !== this.#scene?.pinned;
    this.#scene = scene;
    if (this.hovered.value !== null && this.hovered.value.cell >= scene.cells.states.length) {
      this.leave();
    }
    this.#measure();
    if (moved && scene.pinned >= 0) this.#intoSight(scene.pinned);
    this.redraw();
  }

  redraw(): void {
    requestDraw(this.#drawAll);
  }

  /** `x`, `y`: in the window of the map. */
  point(x: number, y: number): void {
    const cell = this.cellAt(x, y);
    const before = this.hovered.value;
    if (before?.cell === cell || (before === null && cell < 0)) return;
    this.hovered.value = cell < 0 ? null : { cell, ...this.#placeOf(cell) };
    requestDraw(this.#drawOver);
  }

  leave(): void {
    if (this.hovered.value === null) return;
    this.hovered.value = null;
    requestDraw(this.#drawOver);
  }

  pointInode(inode: number): void {
    this.#pointedInode = inode;
    requestDraw(this.#drawOver);
  }

  cellAt(x: number, y: number): number {
    return cellAt(this.#grid, x - EDGE, y - EDGE + (this.#scroll?.scrollTop ?? 0));
  }

  #placeOf(cell: number): { x: number; y: number } {
    const { x, y } = cornerOf(this.#grid, cell);
    const { pitch } = this.#grid;
    return { x: x + pitch, y: y + pitch - (this.#scroll?.scrollTop ?? 0) };
  }

  #intoSight(cell: number): void {
    const scroll = this.#scroll;
    if (scroll === null) return;
    const { y } = cornerOf(this.#grid, cell);
    const { pitch } = this.#grid;
    if (y < scroll.scrollTop) scroll.scrollTop = y;
    else if (y + pitch + 2 * EDGE > scroll.scrollTop + scroll.clientHeight) {
      scroll.scrollTop = y + pitch + 2 * EDGE - scroll.clientHeight;
    }
  }

  /** Fits the cells into the room there is, and gives the scrolled part its height. */
  #measure(): void {
    const scroll = this.#scroll;
    if (scroll === null || this.#scene === null) return;
    const width = Math.max(40, scroll.clientWidth - 2 * EDGE);
    const room = Number.parseFloat(getComputedStyle(scroll).maxHeight) || 400;
    const { length } = this.#scene.cells.states;
    this.#grid = gridOf(length, width, room - 2 * EDGE, devicePixelRatio || 1);
    const space = scroll.firstElementChild as HTMLElement;
    const height = `${this.#grid.rows * this.#grid.pitch + 2 * EDGE}px`;
    if (space.style.height !== height) space.style.height = height;
  }

  #draw(all: boolean): void {
    const scroll = this.#scroll;
    const scene = this.#scene;
    if (scroll === null || this.#canvas === null || scene === null) return;
    this.#measure();
    const [below, above] = this.#canvas;
    const { pitch, rows } = this.#grid;
    const fromRow = Math.max(0, Math.floor(scroll.scrollTop / pitch) - 1);
    const toRow = Math.min(rows, Math.ceil((scroll.scrollTop + scroll.clientHeight) / pitch) + 1);
    // the canvas stands still in the window; rows begin where the scrolling has them
    const shift = fromRow * pitch - scroll.scrollTop + EDGE;
    if (all) {
      const ctx = clear(below, scroll);
      if (ctx === null) return;
      ctx.translate(EDGE, shift);
      drawCells(ctx, this.#grid, scene.cells, { faint: this.#faint(scene), fromRow, toRow });
    }
    const related = this.#relatedInode(scene);
    if (all || related !== this.#outlined) {
      this.#outlined = related;
      const over = clear(above, scroll);
      if (over === null) return;
      over.translate(0, shift - EDGE);
      const sight = { from: fromRow * this.#grid.columns, to: toRow * this.#grid.columns };
      const cells = cellsOf(scene, related, sight);
      drawOutlines(over, this.#grid, cells, { top: fromRow * pitch, edge: EDGE });
    }
    this.#frame(this.#hoverFrame, this.hovered.value?.cell ?? -1);
    this.#frame(this.#pinFrame, scene.pinned);
  }

  /** Frames are elements: to move one costs less than to draw. */
  #frame(frame: HTMLElement | null, cell: number): void {
    if (frame === null) return;
    frame.hidden = cell < 0;
    if (cell < 0) return;
    const { x, y } = cornerOf(this.#grid, cell);
    const side = `${this.#grid.pitch - this.#grid.gap}px`;
    frame.style.width = side;
    frame.style.height = side;
    frame.style.transform = `translate(${x + EDGE}px, ${y + EDGE}px)`;
  }

  /** The inode of the hovered cell, or the one that the table points at; -1 for none. */
  #relatedInode({ cells, pages }: Scene): number {
    const row = cells.rows[this.hovered.value?.cell ?? -1] ?? -1;
    return pages !== null && row >= 0 ? pages.inode[row]! : this.#pointedInode;
  }

  #faint({ cells, pages, filter, of }: Scene): ((cell: number) => boolean) | null {
    if (filter === '' && of < 0) return null;
    const code = filter === '' ? -1 : CELL_STATES.indexOf(filter);
    return (cell) => {
      if (code >= 0 && cells.states[cell] !== code) return true;
      const row = cells.rows[cell]!;
      return of >= 0 && (row < 0 || pages?.inode[row] !== of);
    };
  }
}

function* cellsOf(
  { cells, pages }: Scene,
  inode: number,
  sight: { from: number; to: number },
): Iterable<number> {
  if (pages === null || inode < 0) return;
  const to = Math.min(sight.to, cells.rows.length);
  for (let cell = sight.from; cell < to; cell++) {
    const row = cells.rows[cell]!;
    if (row >= 0 && pages.inode[row] === inode) yield cell;
  }
}

/** Gives a canvas the size of the window in device pixels, and an empty page in CSS pixels. */
function clear(canvas: HTMLCanvasElement, room: HTMLElement): CanvasRenderingContext2D | null {
  const { clientWidth, clientHeight } = room;
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
    canvas.style.width = `${clientWidth}px`;
    canvas.style.height = `${clientHeight}px`;
  }
  const ctx = canvas.getContext('2d');
  ctx?.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx?.clearRect(0, 0, clientWidth, clientHeight);
  return ctx;
}
