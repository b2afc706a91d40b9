/**
 * The callbacks of each superblock seen, the documented rule that their
 * combination falls under, and whether what ran agrees.
 */
import type { EventOf } from '../protocol/events.ts';
import type { SbDev } from '../protocol/units.ts';
import type { Incarnation } from './incarnation.ts';

/** Superblock magic numbers: include/uapi/linux/magic.h. */
export const HUGETLBFS = 0x958458f6;
export const GUEST_MEMFD = 0x474d454d;

/** To the names of the types, before a superblock's own line tells its type. */
const FS_OF_MAGIC = new Map<number, string>([
  [HUGETLBFS, 'hugetlbfs'],
  [0x01021994, 'tmpfs'],
  [GUEST_MEMFD, 'guest_memfd'],
  [0xef53, 'ext4'],
  [0x9fa0, 'proc'],
  [0x09041934, 'anon_inodefs'],
  [0x50495045, 'pipefs'],
]);

/** What is known of types of filesystems before a line tells of a superblock. */
export interface KnownTypes {
  /** By the magic number of their superblocks, in hexadecimal. */
  readonly magics?: Readonly<Record<string, string>>;
  /** Those that free their inodes by themselves. */
  readonly freeThemselves?: readonly string[];
  /** The magic number of what is traced for canaries alone. */
  readonly hiddenMagic?: number | null;
}

export interface Superblock {
  readonly dev: SbDev;
  readonly magic: number;
  readonly fs: string;
  readonly drop_inode: string;
  readonly evict_inode: string;
  readonly destroy_inode: string;
  readonly free_inode: string;
  /** Inodes whose i_callback carried the free_inode of this table, and others. */
  confirmed: number;
  contradicted: number;
}

export class Superblocks {
  private readonly _byDev = new Map<number, Superblock>();
  private readonly _types: KnownTypes;

  constructor(types: KnownTypes = {}) {
    this._types = types;
  }

  /** Whether some filesystem is known that frees its inodes by itself. */
  someFreeThemselves(): boolean {
    if ((this._types.freeThemselves ?? []).length > 0) return true;
    return [...this._byDev.values()].some(freesItself);
  }

  /** Whether its filesystem frees this inode by itself. */
  freesItself({ superblock, fs }: Pick<Incarnation, 'superblock' | 'fs'>): boolean {
    if (superblock !== undefined) return freesItself(superblock);
    return this._types.freeThemselves?.includes(fs) === true;
  }

  /** A superblock was seen in evict(). A device number may be given to another type later. */
  seen(event: EventOf<'sb'>): void {
    const known = this._byDev.get(event.dev);
    if (
      known !== undefined &&
      known.fs === event.fstype &&
      known.evict_inode === event.evict_inode &&
      known.destroy_inode === event.destroy_inode &&
      known.free_inode === event.free_inode
    ) {
      return;
    }
    this._byDev.set(event.dev, {
      dev: event.dev as SbDev,
      magic: event.magic,
      fs: event.fstype,
      drop_inode: event.drop_inode,
      evict_inode: event.evict_inode,
      destroy_inode: event.destroy_inode,
      free_inode: event.free_inode,
      confirmed: 0,
      contradicted: 0,
    });
  }

  get(dev: number): Superblock | undefined {
    return this._byDev.get(dev);
  }

  /** Of an inode that said its magic number when it was evicted: that device may be another's now. */
  of(dev: number, magic: number): Superblock | undefined {
    const known = this._byDev.get(dev);
    return known?.magic === magic ? known : undefined;
  }

  /** Those that are shown, by device. */
  all(): Superblock[] {
    const shown = [...this._byDev.values()].filter(
      ({ magic }) => magic !== this._types.hiddenMagic,
    );
    return shown.sort((a, b) => a.dev - b.dev);
  }

  /** The type of a superblock by its device, or by its magic number, or as a number. */
  fsName(dev: number, magic: number): string {
    const known = this._byDev.get(dev);
    if (known?.magic === magic) return known.fs;
    const hex = magic.toString(16);
    return FS_OF_MAGIC.get(magic) ?? this._types.magics?.[hex] ?? `0x${hex}`;
  }

  /** i_callback() ran with this free_inode (`0`: NULL) for an inode of this superblock. */
  ran(sb: Superblock, freeInode: string): void {
    if (sb.free_inode === freeInode) sb.confirmed++;
    else sb.contradicted++;
  }
}

/**
 * s_op->destroy_inode frees the inode by itself: evict() ends with it, and no call_rcu() nor
 * i_callback() follows (destroy_inode() of fs/inode.c).
 */
export function freesItself(sb: Superblock | undefined): boolean {
  return sb !== undefined && sb.destroy_inode !== '0' && sb.free_inode === '0';
}

/** Which combination of destroy_inode and free_inode applies (Documentation/filesystems/porting.rst). */
export function teardownRule(destroyInode: string, freeInode: string): string {
  if (destroyInode !== '0' && freeInode !== '0') {
    return 'destroy_inode at once, free_inode after a grace period from i_callback';
  }
  if (destroyInode !== '0') {
    return 'destroy_inode at once and frees by itself; no call_rcu, no i_callback';
  }
  if (freeInode !== '0') return 'free_inode after a grace period from i_callback';
  return 'NULL/NULL: free_inode_nonrcu after a grace period from i_callback';
}
