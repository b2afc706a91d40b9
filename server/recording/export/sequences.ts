/**
 * Perfetto wants the packets of one sequence in the order of time. Batches come in the
 * order in which inodes end, so each goes to a sequence that has not got beyond its
 * begin: as many sequences as inodes are in flight at once.
 */
export class Sequences {
  readonly #next: () => number;
  /** A heap: the one whose last time is the earliest is first. */
  readonly #heap: { readonly id: number; last: bigint }[] = [];

  /** `next` gives the id of a new sequence. */
  constructor(next: () => number) {
    this.#next = next;
  }

  /** The id for a batch between these times, and whether it is a new one. */
  take(from: bigint, to: bigint): { id: number; isNew: boolean } {
    const first = this.#heap[0];
    if (first === undefined || first.last > from) {
      const id = this.#next();
      this.#heap.push({ id, last: to });
      this.#up(this.#heap.length - 1);
      return { id, isNew: true };
    }
    first.last = to;
    this.#down();
    return { id: first.id, isNew: false };
  }

  #up(at: number): void {
    const heap = this.#heap;
    for (let i = at; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.last <= heap[i]!.last) return;
      [heap[parent], heap[i]] = [heap[i]!, heap[parent]!];
      i = parent;
    }
  }

  #down(): void {
    const heap = this.#heap;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && heap[child]!.last < heap[least]!.last) least = child;
      }
      if (least === i) return;
      [heap[least], heap[i]] = [heap[i]!, heap[least]!];
      i = least;
    }
  }
}
