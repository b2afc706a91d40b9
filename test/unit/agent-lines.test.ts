import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kernelDev, LineSplitter, parseAgentLine } from '../../server/tracer/agent-lines.ts';

describe('what the agent says', () => {
  it.each([
    [
      'a clock 477.70 1794000000123456789',
      { kind: 'clock', uptimeNs: 477_700_000_000, wallMs: 1794000000123.4568 },
    ],
    [
      'a pool 477.71 2048 -1 16 12 3 0',
      {
        kind: 'pool',
        uptimeNs: 477_710_000_000,
        sizeKb: 2048,
        node: -1,
        total: 16,
        free: 12,
        reserved: 3,
        surplus: 0,
      },
    ],
    // four less than none: the kernel's counter is unsigned
    ['a pool 477.71 2048 -1 64 60 18446744073709551612 0', { kind: 'pool', reserved: -4 }],
    [
      'a segment 32769 391 71656d750a 1',
      { kind: 'segment', segment: { id: 32769, pid: 391, comm: 'qemu', attached: 1 } },
    ],
    [
      'a segment 0 391 - 0',
      { kind: 'segment', segment: { id: 0, pid: 391, comm: '', attached: 0 } },
    ],
    ['a pool 477.71 1048576 0 0 0 - 0', { kind: 'pool', node: 0, reserved: null, sizeKb: 1048576 }],
    [
      'a misses 12.34 1 26:41:0 5:42:36704',
      {
        kind: 'misses',
        uptimeNs: 12_340_000_000,
        track: 1,
        programs: [
          { type: 26, id: 41, misses: 0 },
          { type: 5, id: 42, misses: 36704 },
        ],
      },
    ],
    ['a misses 12.34 0', { kind: 'misses', track: 0, programs: [] }],
    ['a canary hugetlbfs 17 3057', { kind: 'canary', fs: 'hugetlbfs', dev: 17, ino: 3057 }],
    [
      'a nocanary shmem /dev/shm is not writable',
      { kind: 'nocanary', fs: 'shmem', why: '/dev/shm is not writable' },
    ],
    [
      'a holder 17 1396629 1 8192 2097152 391 71656d750a fd 5',
      {
        kind: 'holder',
        holder: {
          dev: 17,
          ino: 1396629,
          deleted: true,
          pages: 2,
          pageBytes: 2 << 20,
          pid: 391,
          comm: 'qemu',
          how: 'fd 5',
        },
      },
    ],
    [
      'a holder 2049 7 0 0 2097152 1 6120686f6c6465720a310a mapping 7f7886a00000-7f7886c00000',
      {
        kind: 'holder',
        holder: {
          dev: 8 * 2 ** 20 + 1,
          deleted: false,
          pages: 0,
          comm: 'a holder\n1',
          how: 'mapping 7f7886a00000-7f7886c00000',
        },
      },
    ],
    // no name at all, and bytes that are no UTF-8
    ['a holder 17 7 1 0 2097152 1 0a fd 0', { kind: 'holder', holder: { comm: '' } }],
    ['a pinner 7 ff1b0a fd 3 vfio', { kind: 'pinner', pinner: { comm: '\\xff\x1b' } }],
    [
      'a pinner 391 66696f0a fd 4 io_uring 3',
      { kind: 'pinner', pinner: { pid: 391, comm: 'fio', fd: 4, way: 'io_uring', buffers: 3 } },
    ],
    ['a pinner 391 66696f0a fd 4 kvm', { kind: 'pinner', pinner: { way: 'kvm', buffers: null } }],
    ['a scanned 12.34 whole', { kind: 'scanned', uptimeNs: 12_340_000_000, whole: true }],
    ['a scanned 12.34 part', { kind: 'scanned', whole: false }],
    ['a exit 137', { kind: 'exit', status: 137 }],
    ['a fail cannot make a fifo', { kind: 'fail', why: 'cannot make a fifo' }],
    ['b Lost 3 events', { kind: 'bpftrace', text: 'Lost 3 events' }],
    ['b a exit 1', { kind: 'bpftrace', text: 'a exit 1' }],
  ])('%s', (line, expected) => {
    expect(parseAgentLine(line)).toMatchObject(expected);
  });

  it.each([
    'a',
    'a ',
    'a unheard of',
    'a segment -1 391 - 0',
    'a segment 0 391 qemu 0',
    'a pool 477.71 2048 -1 16 12 3',
    'a pool 477.71 2048 -1 16 12 3 0 1',
    'a pool 4.7.71 2048 -1 16 12 3 0',
    'a pool 477.71 2048 -1 16 12 3 99999999999999999999',
    'a clock',
    'a clock 477.70 now',
    'a clock Infinity 1794000000123456789',
    'a misses 12.34 0 0x1a:1e2:',
    'a misses 12.34 0 26:41:-5',
    `a misses 12.34 0${' 26:41:5'.repeat(1100)}`, // as long as a line that was cut
    'a canary hugetlbfs x y',
    'a exit',
    'a exit x',
    'a constructor',
    'a __proto__ 1',
    'a misses 12.34',
    'a misses 12.34 2 26:41:0',
    'a misses x 0 26:41:0',
    'a misses 12.34 0 26:41',
    'a misses 12.34 0 26:41:x',
    'a canary hugetlbfs 17',
    'a holder 17 7 1 8192 2097152 391 71656d75 fd 5', // the name has no end
    'a holder 17 7 1 8192 2097152 391 71656d750 fd 5',
    'a holder 17 7 1 8192 2097152 391 qemu fd 5',
    'a holder 17 7 2 8192 2097152 391 71656d750a fd 5',
    'a holder 17 7 1 8192 0 391 71656d750a fd 5',
    'a holder 17 7 1 100 2097152 391 71656d750a fd 5', // no whole hugepage
    'a holder 17 7 1 8192 2097152 391 71656d750a fd 5 6',
    'a holder 17 7 1 8192 2097152 391 71656d750a fd x',
    'a holder 17 7 1 8192 2097152 391 71656d750a',
    'a holder 17 7 1 8192 2097152 -1 71656d750a fd 5',
    'a holder 17 99999999999999999999 1 8192 2097152 391 71656d750a fd 5',
    'a pinner 391 66696f0a fd 4 io_uring',
    'a pinner 391 66696f0a fd 4 kvm 3',
    'a pinner 391 66696f0a fd 4 sorcery',
    'a pinner 391 66696f fd 4 kvm',
    'a pinner 391 fd 4 kvm',
    'a scanned 12.34',
    'a scanned x whole',
    'a scanned 12.34 whole or part',
    'sudo: a password is required',
    'b',
    '',
  ])('%j is kept as it is, and nothing is read out of it', (line) => {
    expect(parseAgentLine(line)).toEqual({ kind: 'other', text: line });
  });

  it('nothing that a host may say makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, ours) => {
        const { kind } = parseAgentLine(ours ? `a ${text}` : text);
        expect(typeof kind).toBe('string');
      }),
    );
  });
});

describe('the splitter', () => {
  const split = (text: string, cuts: readonly number[]): string[] => {
    const said: string[] = [];
    const splitter = new LineSplitter((line) => said.push(line));
    const at = [0, ...[...cuts].sort((a, b) => a - b), text.length];
    for (let i = 1; i < at.length; i++) {
      splitter.push(Buffer.from(text.slice(at[i - 1], at[i]), 'latin1'));
    }
    splitter.end();
    return said;
  };

  it('gives the same lines wherever the chunks are cut; the last one may be unfinished, but not of the agent', () => {
    const text = fc.array(fc.constantFrom('a exit 1', '', 'b x', '\n', '\xff'), { maxLength: 20 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(60)), (words, cuts) => {
        const whole = words.join('\n');
        const parts = whole.split('\n');
        if (parts.at(-1)!.startsWith('a ')) parts.pop();
        const lines = parts.filter((line) => line !== '');
        expect(
          split(
            whole,
            cuts.map((cut) => Math.min(cut, whole.length)),
          ),
        ).toEqual(lines);
      }),
    );
  });

  it('bounds what it holds of a line without end', () => {
    const chunk = Buffer.alloc(60_000, 'x');
    const said: string[] = [];
    const splitter = new LineSplitter((line) => said.push(line));
    for (let i = 0; i < 100; i++) {
      splitter.push(chunk);
      expect(splitter.rest.length).toBeLessThan(10_000);
    }
    splitter.push(Buffer.from('\na exit 1\n'));
    expect(said).toEqual(['x'.repeat(8192), 'a exit 1']);
  });

  it('cuts a line that is too long where its bytes end, not where its chunks do', () => {
    const text = `b ${'x'.repeat(8190)}a exit 1\nb y\n`;
    const whole = [`b ${'x'.repeat(8190)}`, 'b y'];
    for (const cuts of [[], [10], [8192], [8193, 8200]]) expect(split(text, cuts)).toEqual(whole);
  });
});

describe('kernelDev', () => {
  /** new_encode_dev() of include/linux/kdev_t.h: what stat(2) gives. */
  const encode = (major: number, minor: number) =>
    (minor & 0xff) + major * 2 ** 8 + (minor >>> 8) * 2 ** 20;

  it('is MKDEV of what stat(2) encoded, for any major and minor', () => {
    fc.assert(
      fc.property(fc.nat(0xfff), fc.nat(0xfffff), (major, minor) => {
        expect(kernelDev(encode(major, minor))).toBe(major * 2 ** 20 + minor);
      }),
    );
    expect(kernelDev(17)).toBe(17); // 0:17
    expect(kernelDev(0x801)).toBe(8 * 2 ** 20 + 1); // 8:1
  });
});
