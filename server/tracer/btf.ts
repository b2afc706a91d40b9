/**
 * What a plan has to know of a kernel's types, from its BTF
 * (Documentation/bpf/btf.rst): the arguments of functions, by name and type, the
 * offsets of struct members, the values of enumerators. A module's BTF goes on
 * where that of vmlinux ends, in types and in strings.
 */

const KIND = {
  int: 1,
  ptr: 2,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  proto: 13,
  typeTag: 18,
  enum64: 19,
} as const;

/** Bytes after the 12-byte header of a type, by kind; a function of vlen. */
const EXTRA: Record<number, (vlen: number) => number> = {
  1: () => 4, // int
  2: () => 0, // ptr
  3: () => 12, // array
  4: (n) => 12 * n, // struct
  5: (n) => 12 * n, // union
  6: (n) => 8 * n, // enum
  7: () => 0, // fwd
  8: () => 0, // typedef
  9: () => 0, // volatile
  10: () => 0, // const
  11: () => 0, // restrict
  12: () => 0, // func
  13: (n) => 8 * n, // func_proto
  14: () => 4, // var
  15: (n) => 12 * n, // datasec
  16: () => 0, // float
  17: () => 4, // decl_tag
  18: () => 0, // type_tag
  19: (n) => 12 * n, // enum64
};

/** A type as far as a probe cares: a pointer to a struct, a number, or anything else. */
export interface BtfValue {
  /** `inode` for `struct inode *`; empty for all others. */
  readonly pointsTo: string;
  /** Bytes of a number, a bool or an enum; 0 for void and structs; 8 for pointers. */
  readonly size: number;
  readonly signed: boolean;
}

export interface BtfFunction {
  readonly args: readonly (BtfValue & { readonly name: string })[];
  readonly returns: BtfValue;
}

export class Btf {
  readonly #data: Buffer;
  readonly #base: Btf | null;
  readonly #strings: number;
  readonly #stringBytes: number;
  /** Byte offset of each type of this BTF; the first has the id #firstId. */
  readonly #types: number[] = [];
  readonly #firstId: number;
  readonly #structs = new Map<string, number>();
  readonly #functions = new Map<string, number>();

  /**
   * @param base that of vmlinux, for a module's.
   * Throws a plain Error when the bytes are no BTF.
   */
  constructor(data: Buffer, base: Btf | null = null) {
    if (data.length < 24 || data.readUInt16LE(0) !== 0xeb9f)
      throw new Error('not BTF: wrong magic');
    const header = data.readUInt32LE(4);
    let at = header + data.readUInt32LE(8);
    const end = at + data.readUInt32LE(12);
    this.#data = data;
    this.#base = base;
    this.#firstId = base === null ? 1 : base.#firstId + base.#types.length;
    this.#strings = header + data.readUInt32LE(16);
    this.#stringBytes = data.readUInt32LE(20);
    if (end > data.length || this.#strings + this.#stringBytes > data.length) {
      throw new Error('BTF is cut off');
    }
    while (at + 12 <= end) {
      const info = data.readUInt32LE(at + 4);
      const kind = (info >>> 24) & 0x1f;
      if (kind === KIND.struct) this.#structs.set(this.#name(data.readUInt32LE(at)), at);
      if (kind === KIND.func) this.#functions.set(this.#name(data.readUInt32LE(at)), at);
      const extra = EXTRA[kind];
      if (extra === undefined) throw new Error(`BTF has a type of the unknown kind ${kind}`);
      this.#types.push(at);
      at += 12 + extra(info & 0xffff);
    }
    if (at !== end) throw new Error('BTF is cut off inside a type');
  }

  /** The arguments and the return type of a function; null when BTF does not have it. */
  functionOf(name: string): BtfFunction | null {
    const at = this.#functions.get(name);
    if (at === undefined) return this.#base?.functionOf(name) ?? null;
    const proto = this.#at(this.#data.readUInt32LE(at + 8));
    if (proto === null || proto.kind !== KIND.proto) return null;
    const { btf } = proto;
    const args = Array.from({ length: proto.vlen }, (_, i) => {
      const entry = proto.at + 12 + 8 * i;
      return {
        name: btf.#name(btf.#data.readUInt32LE(entry)),
        ...btf.#value(btf.#data.readUInt32LE(entry + 4)),
      };
    });
    return { args, returns: btf.#value(btf.#data.readUInt32LE(proto.at + 8)) };
  }

  /** Byte offset of a member, also inside anonymous structs and unions; null when there is none. */
  offsetOf(struct: string, member: string): number | null {
    const found = this.#member(struct, member);
    return found === null ? null : found.bits / 8;
  }

  /** What a member of a struct is; null when there is none. */
  memberOf(struct: string, member: string): (BtfValue & { isStruct: boolean }) | null {
    const found = this.#member(struct, member);
    if (found === null) return null;
    const type = this.#resolve(found.type);
    const isStruct = type !== null && (type.kind === KIND.struct || type.kind === KIND.union);
    return { ...this.#value(found.type), isStruct };
  }

  /** The value of an enumerator of any enum; null when there is none. */
  enumerator(name: string): number | null {
    for (const at of this.#types) {
      const info = this.#data.readUInt32LE(at + 4);
      const kind = (info >>> 24) & 0x1f;
      if (kind !== KIND.enum && kind !== KIND.enum64) continue;
      const size = kind === KIND.enum ? 8 : 12;
      for (let i = 0; i < (info & 0xffff); i++) {
        const entry = at + 12 + size * i;
        if (this.#name(this.#data.readUInt32LE(entry)) !== name) continue;
        const high = kind === KIND.enum ? 0 : this.#data.readUInt32LE(entry + 8);
        return high * 2 ** 32 + this.#data.readUInt32LE(entry + 4);
      }
    }
    return this.#base?.enumerator(name) ?? null;
  }

  #member(struct: string, member: string): { bits: number; type: number } | null {
    const at = this.#structs.get(struct);
    if (at === undefined) return this.#base === null ? null : this.#base.#member(struct, member);
    return this.#find(at, member, new Set());
  }

  /** `seen`: what was searched already, for BTF that is no tree. */
  #find(at: number, member: string, seen: Set<number>): { bits: number; type: number } | null {
    const info = this.#data.readUInt32LE(at + 4);
    const packed = info >>> 31 === 1;
    for (let i = 0; i < (info & 0xffff); i++) {
      const entry = at + 12 + 12 * i;
      const name = this.#name(this.#data.readUInt32LE(entry));
      const type = this.#data.readUInt32LE(entry + 4);
      const raw = this.#data.readUInt32LE(entry + 8);
      const bits = packed ? raw & 0xffffff : raw;
      if (name === member) return { bits, type };
      if (name !== '') continue;
      const inner = this.#at(type);
      if (inner === null || (inner.kind !== KIND.struct && inner.kind !== KIND.union)) continue;
      if (seen.has(type)) continue;
      seen.add(type);
      const found = inner.btf.#find(inner.at, member, seen);
      if (found !== null) return { bits: bits + found.bits, type: found.type };
    }
    return null;
  }

  #value(id: number): BtfValue {
    const type = this.#resolve(id);
    if (type === null) return { pointsTo: '', size: 0, signed: false };
    const { btf, at, kind } = type;
    const word = btf.#data.readUInt32LE(at + 8);
    if (kind === KIND.ptr) {
      const target = btf.#resolve(word);
      const isStruct = target?.kind === KIND.struct || target?.kind === KIND.fwd;
      const name = isStruct ? target.btf.#name(target.btf.#data.readUInt32LE(target.at)) : '';
      return { pointsTo: name, size: 8, signed: false };
    }
    if (kind === KIND.int) {
      const signed = ((btf.#data.readUInt32LE(at + 12) >>> 24) & 1) === 1;
      return { pointsTo: '', size: word, signed };
    }
    const number = kind === KIND.enum || kind === KIND.enum64;
    return { pointsTo: '', size: number ? word : 0, signed: false };
  }

  /** The type behind typedefs and qualifiers; null for void. */
  #resolve(id: number): { btf: Btf; at: number; kind: number; vlen: number } | null {
    let type = this.#at(id);
    const through: readonly number[] = [
      KIND.typedef,
      KIND.volatile,
      KIND.const,
      KIND.restrict,
      KIND.typeTag,
    ];
    for (let i = 0; type !== null && through.includes(type.kind) && i < 32; i++) {
      type = type.btf.#at(type.btf.#data.readUInt32LE(type.at + 8));
    }
    return type;
  }

  #at(id: number): { btf: Btf; at: number; kind: number; vlen: number } | null {
    if (id < this.#firstId) return this.#base === null ? null : this.#base.#at(id);
    const at = this.#types[id - this.#firstId];
    if (at === undefined) return null;
    const info = this.#data.readUInt32LE(at + 4);
    return { btf: this, at, kind: (info >>> 24) & 0x1f, vlen: info & 0xffff };
  }

  #name(offset: number): string {
    const inherited = this.#base === null ? 0 : this.#base.#stringEnd();
    if (offset < inherited) return this.#base!.#name(offset);
    const [start, limit] = [this.#strings + offset - inherited, this.#strings + this.#stringBytes];
    const end = start < limit ? this.#data.indexOf(0, start) : -1;
    if (end < 0 || end >= limit) throw new Error('BTF has a name outside of its strings');
    return this.#data.toString('latin1', start, end);
  }

  #stringEnd(): number {
    return this.#stringBytes + (this.#base === null ? 0 : this.#base.#stringEnd());
  }
}
