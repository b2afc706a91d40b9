/** Who took references on hugepages, as far as it was told: the newest of each task and way. */
import type { EventOf } from '../protocol/events.ts';
import type { Address } from '../protocol/units.ts';
import { howOf, isBrief } from './leaks/how.ts';
import { Recent } from './recent.ts';

/** Somebody took a reference on a hugepage. */
export interface Pin {
  readonly pid: number;
  readonly comm: string;
  readonly ts: number;
  /** Kernel functions, innermost first, `sym+off`; may be empty. */
  readonly stack: readonly string[];
  /** What that was, once it was asked. */
  how?: string;
}

/** Hugepages whose pins are remembered, and how many of each. */
const MAX_PINNED = 65_536;
const MAX_PINS = 8;

export class Pins {
  private readonly _of = new Recent<number, Pin[]>(MAX_PINNED);

  /** Those of a hugepage, the oldest first. */
  of(folio: Address): readonly Pin[] {
    return this._of.get(folio) ?? [];
  }

  /** `stack`: its frames come after this. */
  took({ folio, pid, comm, ts }: EventOf<'hugepage_pin'>, stack: readonly string[]): void {
    const pins = this._of.get(folio) ?? [];
    pins.push({ pid, comm, ts, stack });
    if (pins.length > MAX_PINS) pins.splice(leastTelling(pins), 1);
    this._of.delete(folio);
    this._of.set(folio, pins);
  }

  /** The hugepage was freed. */
  forget(folio: Address): void {
    this._of.delete(folio);
  }

  clear(): void {
    this._of.clear();
  }
}

/** How it was done, of one whose frames have come. */
function wayOf(pin: Pin): string {
  pin.how ??= howOf(pin.stack);
  return pin.how;
}

/**
 * What says least: that which its task did again since, or else what is over as soon as it
 * is done, or else the oldest. The newest is spared, since its frames are to come.
 */
function leastTelling(pins: readonly Pin[]): number {
  const ways = pins.slice(0, -1).map((pin) => ({ pid: pin.pid, how: wayOf(pin) }));
  const again = ways.findIndex(({ pid, how }, i) =>
    ways.some((other, j) => j > i && other.pid === pid && other.how === how),
  );
  return Math.max(0, again >= 0 ? again : ways.findIndex(({ how }) => isBrief(how)));
}
