/** Puts a player anywhere in a recording: by the nearest saved state, then onwards. */
import type { CheckpointCache, Entry } from './checkpoint/cache.ts';
import { CheckpointError } from './checkpoint/graph.ts';
import type { Player } from './player.ts';
import { compare, type Position } from './positions.ts';
import type { Scan } from './scan.ts';

/**
 * A state lists few of the inodes that ended before it. At most speed so much is played before
 * the end that the last 20,000 are all listed there: about 12 lines of 70 bytes each.
 */
const TAIL_BYTES = 16 * 1024 * 1024;
/** So many times the bytes between two states that are made are played at once: 8 MB, 200 ms. */
const NEAR = 3.5;
/** For so long nothing else gets a turn, ms. */
const SLICE_MS = 25;

export class Journey {
  /** How often the player was put somewhere else than onwards. */
  jumps = 0;
  /** How often it went on by leaving something out. */
  skips = 0;
  readonly #player: Player;
  readonly #scan: Scan;
  readonly #cache: CheckpointCache;

  /** The first chunk of the recording's end, which is always played. */
  readonly #tail: number;

  constructor(player: Player, scan: Scan, cache: CheckpointCache, tailBytes = TAIL_BYTES) {
    this.#player = player;
    this.#scan = scan;
    this.#cache = cache;
    const { chunks } = player.recorded;
    let tail = chunks.length;
    for (let left = tailBytes; tail > 0 && left > 0; ) left -= chunks[--tail]!.bytes;
    this.#tail = tail;
  }

  /** False: `cancelled` said so before it was there. */
  async to(position: Position, cancelled: () => boolean): Promise<boolean> {
    // what lies before it is looked through once, not again for each jump
    while (!this.#scan.passed(position) && this.#isFar(position)) {
      this.#scan.work(SLICE_MS);
      await turn();
      if (cancelled()) return false;
    }
    if (this.#jump(position)) this.jumps++;
    while (!this.#player.advance(position, performance.now() + SLICE_MS)) {
      await turn();
      if (cancelled()) return false;
    }
    return true;
  }

  /**
   * To the last saved state before a position, if one lies ahead: what is in between is
   * left out. False: none does.
   */
  skip(to: Position): boolean {
    const here = this.#player.position.chunk;
    const saved = this.#cache.before(to.chunk)?.chunk ?? 0;
    if (saved <= here) return false;
    // damage in what is left out ends the recording as it does where it is played
    const skipped = this.#player.recorded.isGood(here, saved) && this.#jump(to);
    if (skipped) this.skips++;
    return skipped;
  }

  /** To the next saved state. False: none lies ahead, or the end is near. */
  skipOn(): boolean {
    const next = this.#cache.after(this.#player.position.chunk);
    return next !== null && next.chunk <= this.#tail && this.skip({ chunk: next.chunk, offset: 0 });
  }

  /** Whether looking through what lies ahead would give states to skip to. */
  get mayYetSkip(): boolean {
    const tail = { chunk: this.#tail, offset: 0 };
    return !this.#scan.passed(tail) && this.#isFar(tail);
  }

  /**
   * Whether playing on from where it is, or from a saved state, would take long, and longer
   * than looking through what nobody has yet.
   */
  #isFar(to: Position): boolean {
    const { recorded, position: here } = this.#player;
    const saved = this.#cache.before(to.chunk)?.chunk ?? 0;
    const from = compare(here, to) <= 0 ? Math.max(saved, here.chunk) : saved;
    const bytes = recorded.bytesBefore(to.chunk) - recorded.bytesBefore(from);
    return bytes > NEAR * this.#cache.every && this.#scan.bytesTo(to) <= bytes;
  }

  /** To the last saved state before it. False: it is ahead, and no state lies in between. */
  #jump(to: Position): boolean {
    for (;;) {
      const here = this.#player.position;
      const entry = this.#cache.before(to.chunk);
      const ahead = compare(here, to) <= 0;
      if (ahead && (entry === null || entry.chunk <= here.chunk)) return false;
      if (entry === null) {
        this.#player.restore(0, null);
        return true;
      }
      if (this.#try(entry)) return true;
      this.#cache.drop(entry);
    }
  }

  /** False: it cannot be read. */
  #try(entry: Entry): boolean {
    const state = this.#cache.load(entry);
    if (state === null) return false;
    try {
      this.#player.restore(entry.chunk, state);
      return true;
    } catch (error) {
      if (error instanceof CheckpointError) return false;
      throw error;
    }
  }
}

/** Lets others have a turn: who looks at the page, and whose command ends this one. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
