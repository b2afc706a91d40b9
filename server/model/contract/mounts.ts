/** Mounts: their subpool is put (R19), and no inode stays behind (R22). */
import type { EventOf, TraceEvent } from '../../protocol/events.ts';
import { type Address, formatDev, type SbDev } from '../../protocol/units.ts';
import { subject, wholeSubject } from './inode-life.ts';
import type { Lives } from './lives.ts';
import type { Claim, Verdicts } from './verdicts.ts';

/** A mount that failed should have put its subpool by then. */
const FAILED_NS = 5e9;
/** Subpools and lines that are remembered. */
const MAX_KNOWN = 4096;
const LINES_KEPT = 16;
/** Inodes of one unmount that become findings. */
const MAX_BUSY = 100;

interface Subpool {
  /** The line that told of it first. */
  readonly made: EventOf<'new_subpool' | 'subpool'>;
  mount: EventOf<'fill_super'> | null;
  claim: Claim | null;
}

export class Mounts {
  /** The latest lines about mounts and subpools, the newest last. */
  readonly lastLines: TraceEvent[] = [];
  /** When the latest of them was made or put, ns of the epoch. */
  heldAt = 0;
  private readonly _verdicts: Verdicts;
  private readonly _lives: Lives;
  /** Made and not yet put. */
  private readonly _subpools = new Map<Address, Subpool>();
  /** By task: the latest one, whose mount the next fill_super tells. */
  private readonly _newest = new Map<number, Address>();
  private readonly _ofSb = new Map<Address, Address>();
  /** Of mounts that failed, oldest first. */
  private _failed: Address[] = [];
  /** Put while hugepages of theirs were in use: they live on unseen. */
  private readonly _lingering = new Set<Address>();

  constructor(verdicts: Verdicts, lives: Lives) {
    this._verdicts = verdicts;
    this._lives = lives;
  }

  /** A subpool may hold hugepages; one of a mount that failed may not. */
  get hasSubpool(): boolean {
    if (this._lingering.size > 0) return true;
    for (const subpool of this._subpools.values()) if (subpool.claim === null) return true;
    return false;
  }

  /** Nothing is reserved and nothing in use. */
  clean(): void {
    this._lingering.clear();
  }

  newSubpool(event: EventOf<'new_subpool'>): void {
    if (event.subpool === 0) return;
    this.#keep(event);
    if (this._subpools.size >= MAX_KNOWN) return;
    this._subpools.set(event.subpool, { made: event, mount: null, claim: null });
    this._newest.set(event.tid, event.subpool);
  }

  /** A subpool that was made before tracing began may hold hugepages too. */
  seen(event: EventOf<'subpool'>): void {
    if (this._subpools.has(event.subpool) || this._subpools.size >= MAX_KNOWN) return;
    this._subpools.set(event.subpool, { made: event, mount: null, claim: null });
  }

  fillSuper(event: EventOf<'fill_super'>): void {
    this.#keep(event);
    const address = this._newest.get(event.tid);
    this._newest.delete(event.tid);
    const subpool = address === undefined ? undefined : this._subpools.get(address);
    if (address === undefined || subpool === undefined) return;
    subpool.mount = event;
    this._ofSb.set(event.sb, address);
    if (event.ret !== 0) this._failed.push(address);
  }

  putSubpool(event: EventOf<'put_subpool'>): void {
    if (event.subpool === 0) return;
    this.#keep(event);
    // subpool_is_free()
    const free = event.max !== -1 ? event.used === 0 : event.reserved === event.min;
    if ((event.count > 1 || !free) && this._lingering.size < MAX_KNOWN) {
      this._lingering.add(event.subpool);
    }
    const subpool = this._subpools.get(event.subpool);
    this._subpools.delete(event.subpool);
    if (subpool === undefined) return;
    if (subpool.claim !== null) this._verdicts.withdraw(subpool.claim);
    else this._verdicts.held('R19', subpoolSubject(event.subpool));
  }

  shutdown(event: EventOf<'shutdown_super'>): void {
    this.#keep(event);
    const address = this._ofSb.get(event.sb);
    this._ofSb.delete(event.sb);
    const subpool = address === undefined ? undefined : this._subpools.get(address);
    if (subpool !== undefined && subpool.mount?.sb === event.sb) {
      const { ret } = subpool.mount;
      const seen = ret === 0 ? 'its mount is gone' : `its mount failed (${ret})`;
      this.#notPut(address!, subpool, seen, event);
    }
    this.#busy(event);
  }

  /** A mount that failed goes through generic_shutdown_super() too: without it, one waits. */
  tick(now: number): void {
    while (this._failed.length > 0) {
      const address = this._failed[0]!;
      const subpool = this._subpools.get(address);
      const mount = subpool?.mount ?? null;
      if (mount !== null && now - mount.ts < FAILED_NS) return;
      this._failed.shift();
      if (subpool === undefined || mount === null || subpool.claim !== null) continue;
      this.#notPut(address, subpool, `its mount failed (${mount.ret})`, null, now);
    }
  }

  /** `shut`: generic_shutdown_super() returned, and with it put_super. */
  #notPut(
    address: Address,
    subpool: Subpool,
    seen: string,
    shut: EventOf<'shutdown_super'> | null,
    now = shut?.ts ?? 0,
  ): void {
    const { made, mount, claim } = subpool;
    const lost = made.min > 0 ? `, so that its ${made.min} reserved hugepages are lost` : '';
    const evidence = {
      from: made.ts,
      to: now,
      sentence: `${seen} and no hugepage_put_subpool() followed${lost}; expected one.`,
      lines: [made, mount, shut],
    };
    const softer = shut === null ? { ...evidence, onlySuspected: true } : evidence;
    subpool.claim =
      claim === null
        ? this._verdicts.claim('R19', subpoolSubject(address), softer, now)
        : (this._verdicts.harden(claim, evidence, now) ?? claim);
  }

  /** R22: inodes of that superblock that were not evicted. */
  #busy(event: EventOf<'shutdown_super'>): void {
    const left = this._lives
      .openOf(event.dev)
      .filter((life) => life.magic === event.magic && life.first < event.ts);
    const mount = wholeSubject(`mount ${formatDev(event.dev as SbDev)}`);
    if (left.length === 0) return this._verdicts.held('R22', mount);
    for (const life of left.slice(0, MAX_BUSY)) {
      this._verdicts.claim(
        'R22',
        life,
        {
          from: life.first,
          to: event.ts,
          sentence:
            'generic_shutdown_super() returned and the inode was not evicted; expected evict() before.',
          lines: [...life.lines, event],
          steps: true,
        },
        event.ts,
      );
    }
  }

  #keep(event: TraceEvent): void {
    this.heldAt = event.ts;
    this.lastLines.push(event);
    if (this.lastLines.length > LINES_KEPT) this.lastLines.shift();
    if (this._newest.size > 1000) this._newest.clear();
    if (this._ofSb.size > MAX_KNOWN) this._ofSb.clear();
  }
}

function subpoolSubject(address: Address) {
  return subject('subpool', address);
}
