/** The kernel's counts of lines, each program's own: several may print the same line. */
import { LINE_NAMES, LINES, type LineName } from '../protocol/grammar.ts';
import { HITS_PER_LINE } from '../protocol/line-kinds.ts';

const NAME_OF_ID = new Map<number, LineName>(LINE_NAMES.map((name) => [LINES[name].id, name]));

export class HitCounts {
  /** In this run of bpftrace, by key of a program, and by id of a line. */
  private readonly _ofKey = new Map<number, number>();
  private readonly _ofId = new Map<number, number>();

  /** bpftrace starts, and counts anew. */
  begin(): void {
    this._ofKey.clear();
    this._ofId.clear();
  }

  /** A program has counted so many: the line it prints, and the sum over all that print it. Null: no such line. */
  told(key: number, count: number): { name: LineName; id: number; sum: number } | null {
    const id = key % HITS_PER_LINE;
    const name = NAME_OF_ID.get(id);
    if (name === undefined) return null;
    const sum = (this._ofId.get(id) ?? 0) + count - (this._ofKey.get(key) ?? 0);
    this._ofKey.set(key, count);
    this._ofId.set(id, sum);
    return { name, id, sum };
  }
}
