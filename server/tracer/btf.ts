/**
 * Offsets of struct members from a kernel's BTF (Documentation/bpf/btf.rst), for
 * bpftrace versions that have no offsetof() (0.18 and older).
 */

const KIND_STRUCT = 4;
const KIND_UNION = 5;
/** Bytes after the 12-byte header of a type, by kind; a function of vlen. */
const EXTRA: Record<number, (vlen: number) => number> = {
  1: () => 4, // int
  3: () => 12, // array
  4: (n) => 12 * n, // struct
  5: (n) => 12 * n, // union
  6: (n) => 8 * n, // enum
  13: (n) => 8 * n, // func_proto
  14: () => 4, // var
  15: (n) => 12 * n, // datasec
  17: () => 4, // decl_tag
  19: (n) => 12 * n, // enum64
};

export class Btf {
  readonly #data: Buffer;
  readonly #strings: number;
  /** Byte offset of each type, by id; 0 is void. */
  readonly #types: number[] = [0];
  readonly #structs = new Map<string, number>();

  /** Throws a plain Error when the bytes are no BTF. */
  constructor(data: Buffer) {
    if (data.length < 24 || data.readUInt16LE(0) !== 0xeb9f)
      throw new Error('not BTF: wrong magic');
    const header = data.readUInt32LE(4);
    let at = header + data.readUInt32LE(8);
    const end = at + data.readUInt32LE(12);
    this.#data = data;
    this.#strings = header + data.readUInt32LE(16);
    if (end > data.length || this.#strings > data.length) throw new Error('BTF is cut off');
    while (at + 12 <= end) {
      const info = data.readUInt32LE(at + 4);
      const kind = (info >>> 24) & 0x1f;
      if (kind === KIND_STRUCT) this.#structs.set(this.#name(data.readUInt32LE(at)), at);
      this.#types.push(at);
      at += 12 + (EXTRA[kind]?.(info & 0xffff) ?? 0);
    }
  }

  /** Byte offset of a member, also inside anonymous structs and unions; null when there is none. */
  offsetOf(struct: string, member: string): number | null {
    const at = this.#structs.get(struct);
    const bits = at === undefined ? null : this.#find(at, member);
    return bits === null ? null : bits / 8;
  }

  #find(at: number, member: string): number | null {
    const info = this.#data.readUInt32LE(at + 4);
    const packed = info >>> 31 === 1;
    for (let i = 0; i < (info & 0xffff); i++) {
      const entry = at + 12 + 12 * i;
      const name = this.#name(this.#data.readUInt32LE(entry));
      const raw = this.#data.readUInt32LE(entry + 8);
      const bits = packed ? raw & 0xffffff : raw;
      if (name === member) return bits;
      if (name !== '') continue;
      const inner = this.#types[this.#data.readUInt32LE(entry + 4)];
      if (inner === undefined || inner === 0) continue;
      const kind = (this.#data.readUInt32LE(inner + 4) >>> 24) & 0x1f;
      if (kind !== KIND_STRUCT && kind !== KIND_UNION) continue;
      const found = this.#find(inner, member);
      if (found !== null) return bits + found;
    }
    return null;
  }

  #name(offset: number): string {
    const start = this.#strings + offset;
    return this.#data.toString('latin1', start, this.#data.indexOf(0, start));
  }
}
