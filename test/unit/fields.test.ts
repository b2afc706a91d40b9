import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, formatAddress, formatDev, type SbDev } from '../../server/protocol/units.ts';
import {
  readAddress,
  readComm,
  readHex,
  readSigned,
  readSymbol,
  readUnsigned,
} from '../../server/tracer/fields.ts';
import { commWords } from '../fixtures/trace.ts';

/** Reads the text from the middle of a buffer: a reader must not look beyond its bounds. */
function inside<T>(read: (buf: Buffer, start: number, end: number) => T, text: string): T {
  const buf = Buffer.from(`7f${text}7f`, 'latin1');
  return read(buf, 2, buf.length - 2);
}

/** Kernel pointers: 4-level (ffff8...), 5-level (ff11...), modules and vmemmap; 8-aligned. */
const pointer = fc
  .oneof(
    fc.bigInt({ min: 0xffff_8880_0000_0000n, max: 0xffff_ffff_ffff_ffffn }),
    fc.bigInt({ min: 0xff11_0000_0000_0000n, max: 0xff90_0000_0000_0000n }),
    fc.bigInt({ min: 0xff10_0000_0000_0000n, max: 0xffff_ffff_ffff_ffffn }),
  )
  .map((address) => address & ~7n);

/** Text that is none of the fields: too long, wrong digits, signs, blanks, empty. */
const garbage = fc.oneof(
  fc.string({ maxLength: 30 }),
  fc.constantFrom('', '-', '--1', '0x1', '1 ', ' 1', '+1', '1e3', '1_0', '123456789012345678901'),
);

describe('numbers', () => {
  it('up to 2^53 are read exactly, decimal, signed and hexadecimal', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (n) => {
        expect(inside(readUnsigned, String(n))).toBe(n);
        expect(inside(readSigned, `-${n}`)).toBe(-n);
        expect(inside(readSigned, String(n))).toBe(n);
        expect(inside(readHex, n.toString(16))).toBe(n);
      }),
    );
  });

  it('beyond are right to fifteen digits, as LLONG_MAX of a truncate', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (n) => {
        const near = (value: number) => Math.abs(value / Number(n) - 1);
        if (n > 0n) expect(near(inside(readUnsigned, String(n)))).toBeLessThan(1e-14);
        if (n > 0n) expect(near(inside(readHex, n.toString(16)))).toBeLessThan(1e-14);
      }),
    );
    expect(inside(readUnsigned, '9223372036854775807')).toBeCloseTo(2 ** 63, -5);
  });

  it('are nothing else', () => {
    fc.assert(
      fc.property(garbage, (text) => {
        if (!/^\d{1,20}$/.test(text)) expect(inside(readUnsigned, text)).toBeNaN();
        if (!/^-?\d{1,20}$/.test(text)) expect(inside(readSigned, text)).toBeNaN();
        if (!/^[0-9a-f]{1,16}$/.test(text)) expect(inside(readHex, text)).toBeNaN();
      }),
    );
  });
});

describe('addresses', () => {
  it('come back as they were printed, to the last bit', () => {
    fc.assert(
      fc.property(pointer, (address) => {
        const text = address.toString(16);
        expect(formatAddress(inside(readAddress, text))).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  it('differ when the pointers differ', () => {
    fc.assert(
      fc.property(pointer, fc.integer({ min: 1, max: 1 << 20 }), (address, words) => {
        const other = address - 8n * BigInt(words);
        const [a, b] = [address, other].map((x) => inside(readAddress, x.toString(16)));
        expect(a! - b!).toBe(words);
      }),
    );
  });

  it('are any number of 53 bits, formatAddress being the inverse', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (n) => {
        expect(inside(readAddress, formatAddress(n as Address))).toBe(n);
      }),
    );
  });

  it('are NULL, or 8-aligned and in the kernel half', () => {
    expect(inside(readAddress, '0')).toBe(0);
    expect(formatAddress(0 as Address)).toBe('0');
    for (const text of [
      'ff967ea8002f0004', // not aligned
      '0000555555554000', // of a process
      'ffffffffffffffe4', // ERR_PTR(-ENOSPC)
      'ff967ea8002f000', // a digit short
      'ff967ea8002f00000',
      'FF967EA8002F0000',
      '00',
      '',
    ]) {
      expect(inside(readAddress, text), text).toBeNaN();
    }
  });
});

describe('the name of a task', () => {
  it('is what the 16 bytes say up to the first zero, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = inside(readComm, commWords(bytes));
        expect(text).not.toBeNull();
        const nul = bytes.indexOf(0);
        const name = Buffer.from(nul < 0 ? bytes : bytes.subarray(0, nul));
        const valid = Buffer.from(name.toString('utf8')).equals(name);
        if (valid && !name.toString('utf8').includes('\uFEFF')) {
          expect(text).toBe(name.toString('utf8'));
        } else {
          // every byte can be told: those above ASCII are spelled out
          expect(text).not.toContain('\uFFFD');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('may be UTF-8, cut in the middle of a letter, or anything', () => {
    expect(inside(readComm, commWords('kworker/0:1'))).toBe('kworker/0:1');
    expect(inside(readComm, commWords('Überprüfung'))).toBe('Überprüfung');
    expect(inside(readComm, commWords(''))).toBe('');
    expect(inside(readComm, commWords(Buffer.from([0x61, 0xc3])))).toBe('a\\xc3');
    expect(inside(readComm, commWords('a b\0c'))).toBe('a b');
  });

  it('is two words and no more', () => {
    for (const text of ['6c726570', '6c726570 0 0', '6c726570  0', ' 0 0', 'g 0', '']) {
      expect(inside(readComm, text), text).toBeNull();
    }
  });
});

describe('symbols', () => {
  it('are names, and NULL however bpftrace prints it', () => {
    expect(inside(readSymbol, 'hugetlbfs_free_inode')).toBe('hugetlbfs_free_inode');
    expect(inside(readSymbol, 'kvm_gmem_free_inode')).toBe('kvm_gmem_free_inode');
    expect(inside(readSymbol, 'proc_evict_inode.cold')).toBe('proc_evict_inode.cold');
    expect(inside(readSymbol, '0')).toBe('0');
    expect(inside(readSymbol, '0x0')).toBe('0');
    expect(inside(readSymbol, '')).toBe('');
    expect(inside(readSymbol, 'a\x1b[31m')).toBe('');
    expect(inside(readSymbol, 'x'.repeat(129))).toBe('');
  });
});

it('a device number is major and minor as in mountinfo', () => {
  fc.assert(
    fc.property(fc.nat(0xfff), fc.nat(0xfffff), (major, minor) => {
      expect(formatDev((major * 2 ** 20 + minor) as SbDev)).toBe(`${major}:${minor}`);
    }),
  );
});
