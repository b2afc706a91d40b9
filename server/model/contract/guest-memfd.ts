/** A guest_memfd: its file is released before its inode is evicted (R21). */
import type { EventOf } from '../../protocol/events.ts';
import { GUEST_MEMFD } from '../superblocks.ts';
import type { InodeLife } from './inode-life.ts';
import type { Verdicts } from './verdicts.ts';

export class GuestMemfdRules {
  private readonly _verdicts: Verdicts;
  /** By task: the inode that kvm_gmem_create() is making. */
  private readonly _making = new Map<number, InodeLife>();

  constructor(verdicts: Verdicts) {
    this._verdicts = verdicts;
  }

  born(event: EventOf<'alloc_inode'>, life: InodeLife | null): void {
    if (life?.magic !== GUEST_MEMFD) return;
    if (this._making.size > 1000) this._making.clear();
    this._making.set(event.tid, life);
  }

  /** One that fails leaves an inode that was never opened, and is evicted so. */
  created(event: EventOf<'gmem_create'>): void {
    const life = this._making.get(event.tid);
    this._making.delete(event.tid);
    if (life !== undefined && event.ret >= 0 && life.evict === null) life.gmemGiven = true;
  }

  released(life: InodeLife | null): void {
    if (life !== null) life.gmemReleased = true;
  }

  evicted(life: InodeLife, event: EventOf<'evict'>): void {
    if (life.magic !== GUEST_MEMFD || !life.gmemGiven) return;
    if (life.gmemReleased) return this._verdicts.held('R21', life);
    const evidence = {
      from: life.first,
      to: event.ts,
      sentence: 'evict() ran and kvm_gmem_release() did not; expected the release before.',
      lines: life.lines,
    };
    this._verdicts.claim('R21', life, evidence, event.ts);
  }
}
