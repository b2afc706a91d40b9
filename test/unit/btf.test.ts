import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Btf } from '../../server/tracer/btf.ts';
import { NO_TYPES } from '../../server/tracer/facts.ts';
import { typesOf } from '../../server/tracer/prepare.ts';
import { type BtfType, btfOf } from '../fixtures/btf.ts';
import { btfOfKernel, KERNELS, kvmOf, vmlinuxOf } from '../fixtures/kernels.ts';

// struct inode and task_struct of a small kernel: i_rcu lies in an anonymous union
const SMALL: readonly BtfType[] = [
  { kind: 'int', name: 'long', size: 8, signed: true }, // 1
  { kind: 'ptr', type: 1 }, // 2
  {
    kind: 'struct',
    name: 'callback_head',
    members: [
      ['next', 2, 0],
      ['func', 2, 8],
    ],
  }, // 3
  { kind: 'array', type: 1, nelems: 2 }, // 4
  { kind: 'enum', name: 'state', values: ['A', ['B', 7], ['C', -1]] }, // 5
  {
    kind: 'union',
    name: '',
    members: [
      ['i_dentry', 2, 0],
      ['i_rcu', 3, 0],
    ],
  }, // 6
  {
    kind: 'struct',
    name: 'inode',
    members: [
      ['i_mode', 1, 0],
      ['i_sb', 16, 40],
      ['', 6, 304],
    ],
  }, // 7
  {
    kind: 'struct',
    name: 'task_struct',
    members: [
      ['flags', 1, 44],
      ['comm', 4, 3008],
    ],
    packed: true,
  }, // 8
  { kind: 'typedef', name: 'loff_t', type: 10 }, // 9
  { kind: 'const', type: 1 }, // 10
  { kind: 'int', name: 'bool', size: 1 }, // 11
  { kind: 'ptr', type: 13 }, // 12: const struct inode *
  { kind: 'const', type: 14 }, // 13
  { kind: 'volatile', type: 7 }, // 14
  { kind: 'fwd', name: 'super_block' }, // 15
  { kind: 'ptr', type: 15 }, // 16
  {
    kind: 'enum64',
    name: 'wide',
    values: [
      ['W_SMALL', 3n],
      ['W_BIG', 0x1_0000_0002n],
    ],
  }, // 17
  {
    kind: 'proto',
    returns: 11,
    args: [
      ['inode', 12],
      ['offset', 9],
      ['sb', 16],
      ['state', 5],
      ['wide', 17],
      ['all', 7],
      ['opaque', 20],
    ],
  }, // 18
  { kind: 'func', name: 'many', type: 18 }, // 19
  { kind: 'ptr', type: 0 }, // 20: void *
  { kind: 'proto', returns: 0, args: [] }, // 21
  { kind: 'func', name: 'nothing', type: 21 }, // 22
  { kind: 'func', name: 'no_proto', type: 7 }, // 23
  // kinds that are passed over
  { kind: 'float', name: 'float', size: 4 }, // 24
  { kind: 'var', name: 'jiffies', type: 1 }, // 25
  { kind: 'datasec', name: '.data', vars: [25, 25] }, // 26
  { kind: 'declTag', name: 'tag', type: 7 }, // 27
  { kind: 'typeTag', name: 'rcu', type: 7 }, // 28
  { kind: 'restrict', type: 28 }, // 29
  { kind: 'ptr', type: 29 }, // 30
  { kind: 'proto', returns: 30, args: [['tagged', 30]] }, // 31
  { kind: 'func', name: 'last', type: 31 }, // 32
];
const VMLINUX = btfOf(SMALL);

const number = (size: number, signed = false) => ({ pointsTo: '', size, signed });
const pointer = (pointsTo: string) => ({ pointsTo, size: 8, signed: false });

describe('BTF', () => {
  const btf = new Btf(VMLINUX);

  it('gives offsets of members, also inside anonymous unions and with bit sizes', () => {
    expect(btf.offsetOf('inode', 'i_sb')).toBe(40);
    expect(btf.offsetOf('inode', 'i_rcu')).toBe(304);
    expect(btf.offsetOf('callback_head', 'func')).toBe(8);
    expect(btf.offsetOf('task_struct', 'comm')).toBe(3008);
    expect(btf.offsetOf('inode', 'next')).toBeNull(); // of i_rcu, which has a name
    expect(btf.offsetOf('inode', 'nothing')).toBeNull();
    expect(btf.offsetOf('nothing', 'i_rcu')).toBeNull();
  });

  it('gives what a member is', () => {
    expect(btf.memberOf('inode', 'i_mode')).toEqual({ ...number(8, true), isStruct: false });
    expect(btf.memberOf('inode', 'i_sb')).toEqual({ ...pointer('super_block'), isStruct: false });
    expect(btf.memberOf('inode', 'i_rcu')).toEqual({ ...number(0), isStruct: true });
    expect(btf.memberOf('inode', 'nothing')).toBeNull();
    expect(btf.memberOf('nothing', 'i_sb')).toBeNull();
  });

  it('gives the arguments of a function, behind typedefs and qualifiers', () => {
    expect(btf.functionOf('many')).toEqual({
      args: [
        { name: 'inode', ...pointer('inode') },
        { name: 'offset', ...number(8, true) },
        { name: 'sb', ...pointer('super_block') },
        { name: 'state', ...number(4) },
        { name: 'wide', ...number(8) },
        { name: 'all', ...number(0) },
        { name: 'opaque', ...pointer('') },
      ],
      returns: number(1),
    });
    expect(btf.functionOf('nothing')).toEqual({ args: [], returns: number(0) });
    expect(btf.functionOf('last')).toEqual({
      args: [{ name: 'tagged', ...pointer('inode') }],
      returns: pointer('inode'),
    });
    expect(btf.functionOf('no_proto')).toBeNull();
    expect(btf.functionOf('inode')).toBeNull();
    expect(btf.functionOf('not_there')).toBeNull();
  });

  it('gives the values of enumerators, of any enum', () => {
    expect(['A', 'B', 'W_SMALL', 'W_BIG'].map((name) => btf.enumerator(name))).toEqual([
      0, 7, 3, 0x1_0000_0002,
    ]);
    expect(btf.enumerator('C')).toBe(0xffff_ffff); // bits, not a number below 0
    expect(btf.enumerator('state')).toBeNull();
  });

  it('of a module goes on where that of vmlinux ends, in types and in strings', () => {
    const first = SMALL.length + 1;
    const bytes = btfOf(
      [
        { kind: 'ptr', type: first + 1 },
        { kind: 'struct', name: 'kvm', members: [['mm', 2, 16]] },
        {
          kind: 'proto',
          returns: 1,
          args: [
            ['inode', 12], // of vmlinux
            ['kvm', first],
          ],
        },
        { kind: 'func', name: 'kvm_gmem_release', type: first + 2 },
        { kind: 'enum', name: 'own', values: ['K'] },
        // the one of vmlinux is hidden behind it
        { kind: 'func', name: 'nothing', type: first + 2 },
      ],
      VMLINUX,
    );
    const kvm = new Btf(bytes, btf);
    const release = {
      args: [
        { name: 'inode', ...pointer('inode') },
        { name: 'kvm', ...pointer('kvm') },
      ],
      returns: number(8, true),
    };
    expect(kvm.functionOf('kvm_gmem_release')).toEqual(release);
    expect(kvm.functionOf('nothing')).toEqual(release);
    expect(kvm.functionOf('many')).toEqual(btf.functionOf('many'));
    expect(kvm.offsetOf('kvm', 'mm')).toBe(16);
    expect(kvm.offsetOf('inode', 'i_rcu')).toBe(304);
    expect([kvm.enumerator('K'), kvm.enumerator('B')]).toEqual([0, 7]);
    expect(btf.functionOf('kvm_gmem_release')).toBeNull();
  });

  it('that is none, or cut off, is an error', () => {
    expect(() => new Btf(Buffer.from('hello'))).toThrow('not BTF');
    expect(() => new Btf(Buffer.alloc(100))).toThrow('not BTF');
    for (let cut = 0; cut < VMLINUX.length; cut += 5) {
      expect(() => new Btf(VMLINUX.subarray(0, cut))).toThrow(/^not BTF|^BTF is cut off/);
    }
  });

  it('with types that this lastref does not know is an error, since it cannot pass them over', () => {
    const unknown = Buffer.from(VMLINUX);
    unknown.writeUInt32LE(21 * 2 ** 24, 24 + 4);
    expect(() => new Btf(unknown)).toThrow('unknown kind 21');
  });

  it('is no tree when it is hostile, and searched all the same in no time', () => {
    // each of 60 anonymous structs holds the next one twice: 2^60 ways to the last one
    const knot = (last: number) =>
      Array.from({ length: 60 }, (_, i): BtfType => {
        const next = i === 59 ? last : i + 2;
        const name = i === 0 ? 'knot' : '';
        const members = [
          ['', next, 0],
          ['', next, 8],
        ] as const;
        return { kind: 'struct', name, members };
      });
    const round: BtfType[] = [
      { kind: 'typedef', name: 'a', type: 2 },
      { kind: 'const', type: 1 },
      { kind: 'struct', name: 'round', members: [['a', 1, 0]] },
    ];
    for (const last of [0, 1]) {
      expect(new Btf(btfOf(knot(last))).offsetOf('knot', 'x')).toBeNull();
    }
    expect(new Btf(btfOf(round)).memberOf('round', 'a')).toEqual({ ...number(0), isStruct: false });
  });
});

describe('the types of a kernel', () => {
  it.each(KERNELS)('%s: the prototypes of its functions, and no other', (kernel) => {
    const files = btfOfKernel(kernel);
    const btf = new Btf(files.kvm, new Btf(files.vmlinux));
    const there = new Map([...vmlinuxOf(kernel), ...kvmOf(kernel)]);
    const { functions } = typesOf([btf], [...there.keys(), 'not_there']);
    expect([...functions!.keys()]).toEqual([...there.keys()]);
    for (const [name, { args, returns }] of there) {
      const found = functions!.get(name)!;
      expect(found.args.map((arg) => arg.name)).toEqual(args.map(([arg]) => arg));
      expect(found.args.map((arg) => arg.pointsTo)).toEqual(
        args.map(([, type]) => (type.endsWith('*') ? type.slice(0, -2) : '')),
      );
      const pointsTo = returns.endsWith('*') ? returns.slice(0, -2) : '';
      const size = { void: 0, bool: 1, int: 4, long: 8 }[returns] ?? 8;
      expect(found.returns, name).toMatchObject({ pointsTo, size });
    }
  });

  // seen at destroy_inode() on each of them
  it.each([
    ['6.1', false, 0x60],
    ['6.12', false, 0x180],
    ['6.18', false, 0x300],
    ['7.3', true, 0x300],
  ] as const)('%s: i_state of an inode in destroy_inode()', (kernel, stateIsStruct, freedState) => {
    const types = typesOf([new Btf(btfOfKernel(kernel).vmlinux)], []);
    expect(types).toMatchObject({ stateIsStruct, freedState });
  });

  it('of which nothing is known', () => {
    const types = typesOf([new Btf(btfOf([]))], ['evict']);
    expect(types).toEqual({ ...NO_TYPES, functions: new Map() });
  });
});

describe('any bytes', () => {
  const NAMES = ['inode', 'task_struct', 'many', 'knot', '', 'i_rcu', 'A', 'W_BIG'];

  /** Asks everything: each answer is null, or of the right shape, or an Error. */
  function ask(bytes: Buffer, base: Btf | null = null): void {
    const plain = (ask: () => unknown): unknown => {
      try {
        return ask();
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        return null;
      }
    };
    const btf = plain(() => new Btf(bytes, base)) as Btf | null;
    if (btf === null) return;
    for (const name of NAMES) {
      const found = plain(() => btf.functionOf(name)) as ReturnType<Btf['functionOf']>;
      for (const value of found === null ? [] : [...found.args, found.returns]) {
        expect(value.size).toBeGreaterThanOrEqual(0);
        expect(typeof value.pointsTo).toBe('string');
      }
      const enumerator = plain(() => btf.enumerator(name)) as number | null;
      if (enumerator !== null) expect(enumerator).toBeGreaterThanOrEqual(0);
      for (const member of NAMES) {
        const offset = plain(() => btf.offsetOf(name, member)) as number | null;
        if (offset !== null) expect(offset).toBeGreaterThanOrEqual(0);
        plain(() => btf.memberOf(name, member));
      }
    }
  }

  it('after a header that fits them are null or an error, and soon', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2000, size: 'max' }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (noise, part) => {
          const types = Math.floor((noise.length * part) / 4) * 4;
          const header = Buffer.from(VMLINUX.subarray(0, 24));
          header.writeUInt32LE(types, 12);
          header.writeUInt32LE(types, 16);
          header.writeUInt32LE(noise.length - types, 20);
          ask(Buffer.concat([header, noise]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('in BTF that was right are null, an error, or an answer of the right shape', () => {
    const bytes = btfOfKernel('6.18');
    const change = fc.tuple(fc.nat(), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), fc.boolean(), (some, small) => {
        const copy = Buffer.from(small ? VMLINUX : bytes.vmlinux);
        for (const [at, byte] of some) copy[at % copy.length] = byte;
        ask(copy);
        const kvm = Buffer.from(bytes.kvm);
        for (const [at, byte] of some) kvm[at % kvm.length] = byte;
        ask(kvm, new Btf(bytes.vmlinux));
      }),
      { numRuns: 300 },
    );
  });

  it('of a module on another kernel than its own are null or an error', () => {
    ask(btfOfKernel('7.3').kvm, new Btf(VMLINUX));
    ask(btfOfKernel('7.3').kvm);
  });
});
