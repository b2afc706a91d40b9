/**
 * Units in types. A branded number cannot be passed where another unit is meant.
 */
declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/**
 * Nanoseconds since the first event of the epoch, in a double: exact for 104
 * days (2^53 ns), and far faster than a bigint.
 */
export type Nanos = Brand<number, 'Nanos'>;

/**
 * A kernel address, in units of 8 bytes and without its top byte, which is 0xff
 * for every kernel pointer on x86-64 and arm64: 53 bits, so a double holds it
 * exactly. `formatAddress` gives the usual sixteen hexadecimal digits back.
 * Zero is the NULL pointer.
 */
export type Address = Brand<number, 'Address'>;

/** Inode number. 64 bits since Linux 7.0, kept as a double: exact below 2^53. */
export type Ino = Brand<number, 'Ino'>;

/** `super_block.s_dev` in the kernel's encoding: major << 20 | minor (include/linux/kdev_t.h). */
export type SbDev = Brand<number, 'SbDev'>;

/** `major:minor`, as in /proc/self/mountinfo. */
export function formatDev(dev: SbDev): string {
  return `${dev >>> 20}:${dev & 0xfffff}`;
}

/** Sixteen hexadecimal digits, as the kernel prints a pointer with %px. NULL is `0`. */
export function formatAddress(address: Address): string {
  if (address === 0) return '0';
  const high = Math.floor(address / 2 ** 29);
  const low = (address % 2 ** 29) * 8;
  return `ff${high.toString(16).padStart(6, '0')}${low.toString(16).padStart(8, '0')}`;
}
