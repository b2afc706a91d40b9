/**
 * Gives each inode the lowest lane that is free when it begins. A tree holds, of every two
 * lanes, the earlier end: the lowest free lane is found without looking at the others, and
 * there may be tens of thousands.
 */
export class LanePacker {
  /** Lanes that were ever used. */
  lanes = 0;
  /** Leaves there is room for, a power of two. */
  #room = 16;
  /** From #room on: when each lane is free; before that, the smaller one of two. */
  #free = new Float64Array(2 * this.#room).fill(Number.NEGATIVE_INFINITY);

  /** `end`: Infinity while it is not known. */
  take(begin: number, end: number): number {
    if (this.#free[1]! > begin) this.#grow();
    let at = 1;
    while (at < this.#room) {
      at *= 2;
      if (this.#free[at]! > begin) at++;
    }
    const lane = at - this.#room;
    this.#set(lane, end);
    this.lanes = Math.max(this.lanes, lane + 1);
    return lane;
  }

  /** The end of whom a lane was given to became known, or another one. */
  ends(lane: number, before: number, end: number): void {
    if (this.#free[this.#room + lane] === before) this.#set(lane, end);
  }

  #set(lane: number, end: number): void {
    const tree = this.#free;
    let at = this.#room + lane;
    tree[at] = end;
    for (at >>= 1; at >= 1; at >>= 1) tree[at] = Math.min(tree[2 * at]!, tree[2 * at + 1]!);
  }

  #grow(): void {
    const leaves = this.#free.slice(this.#room);
    this.#room *= 2;
    this.#free = new Float64Array(2 * this.#room).fill(Number.NEGATIVE_INFINITY);
    this.#free.set(leaves, this.#room);
    for (let at = this.#room - 1; at >= 1; at--) {
      this.#free[at] = Math.min(this.#free[2 * at]!, this.#free[2 * at + 1]!);
    }
  }
}
