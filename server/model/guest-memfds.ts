/** Inodes of guest_memfd: what is told of them before they are known, and how they are named. */
import type { EventOf, TraceEvent } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import type { Incarnation } from './incarnation.ts';
import type { Teardown } from './teardown.ts';

/** Lines kept of a guest_memfd whose inode is not known yet, and of how many of them. */
const MAX_GMEM_EVENTS = 64;
const MAX_GMEM = 1024;

export class GuestMemfds {
  private readonly _teardown: Teardown;
  /** What was told of one before its inode was evicted; oldest first, bounded. */
  private readonly _gmem = new Map<Address, TraceEvent[]>();

  constructor(teardown: Teardown) {
    this._teardown = teardown;
  }

  /** Up to 6.18 a guest_memfd is an inode of anon_inodefs: that it is closed tells which. */
  told(event: EventOf<'gmem_release' | 'gmem_fallocate'>): void {
    const inode = this._teardown.inodes.current(event.inode);
    if (inode !== undefined && inode.state === 'open') return inode.note(event);
    const told = this._gmem.get(event.inode) ?? [];
    if (told.length < MAX_GMEM_EVENTS) told.push(event);
    this._gmem.delete(event.inode);
    this._gmem.set(event.inode, told);
    if (this._gmem.size > MAX_GMEM) this._gmem.delete(this._gmem.keys().next().value!);
  }

  /** Up to 6.18 a guest_memfd lies on anon_inodefs, and goes by its own name here. */
  nameFs(
    inode: Incarnation,
    { dev, magic }: { readonly dev: number; readonly magic: number },
  ): void {
    const name = this._teardown.superblocks.fsName(dev, magic);
    if (name === 'anon_inodefs' && inode.fs === 'guest_memfd') return;
    this._teardown.inodes.rename(inode, name);
  }

  /** What was told of it before its inode was known. */
  adopt(inode: Incarnation): void {
    const told = this._gmem.get(inode.address);
    if (told === undefined) return;
    this._gmem.delete(inode.address);
    for (const event of told) inode.note(event);
    if (told.some((event) => event.kind === 'gmem_release')) {
      this._teardown.inodes.rename(inode, 'guest_memfd');
    }
  }
}
