/**
 * What does not come back. Each kind has a condition, a threshold in trace time and a
 * way to end. A leak is certain when nothing was lost that could explain it and all
 * losses of its time are known; the pool's own counters refute one that a lost event
 * made up.
 */
import type { Leak, LeakKind, Suspect } from '../../protocol/leaks.ts';
import { formatDev, type SbDev } from '../../protocol/units.ts';
import type { Incarnation } from '../incarnation.ts';
import type { Model } from '../model.ts';
import type { HostScan } from './scan.ts';

/** Nanoseconds of the trace for each kind. */
export type LeakAfter = Readonly<Record<LeakKind, number>>;

/** A leak while it changes. */
export interface OpenLeak {
  readonly id: string;
  readonly kind: LeakKind;
  readonly inode: Incarnation | null;
  /** The file, where no line may have named its inode. */
  readonly file?: { readonly dev: number; readonly ino: number };
  state: Leak['state'];
  verdict: Leak['verdict'];
  pages: number;
  /** Bytes of one of its hugepages. */
  readonly pageBytes: number;
  readonly since: number;
  readonly fired: number;
  until: number | null;
  text: string;
  suspects: readonly Suspect[];
}

/** Ended leaks kept; older ones are dropped. */
const MAX_ENDED = 500;

/** A kind of leak: looks at the model, and keeps its own up to date. */
export interface LeakWatch {
  tick(now: number): void;
  /** The host was looked at. */
  scanned?(scan: HostScan): void;
  /** Whether a look at the host would help now. Decides nothing else: a replay does not ask. */
  wantsScan?(now: number, asked: number | null): boolean;
  /** Whether something may yet become such a leak: it is away, and its threshold has not passed. */
  pending(now: number): boolean;
}

export class Leaks {
  /** Changes whenever anything here does. */
  revision = 0;
  /** The host was looked at: who held what before is known. */
  looked = false;
  /** By kind, how many there have been: fired, and of those, how many ended and as what. */
  readonly counts = new Map<LeakKind, { fired: number; resolved: number; refuted: number }>();
  /** Leaks that ended and are not listed any more. */
  dropped = 0;
  readonly model: Model;
  readonly after: LeakAfter;
  private readonly _watches: LeakWatch[] = [];
  private readonly _firing = new Map<string, OpenLeak>();
  private readonly _ended: OpenLeak[] = [];
  private _next = 1;

  constructor(model: Model, after: LeakAfter) {
    this.model = model;
    this.after = after;
  }

  watch(make: (leaks: Leaks) => LeakWatch): void {
    this._watches.push(make(this));
  }

  /** Time went on. */
  tick(now: number): void {
    for (const watch of this._watches) watch.tick(now);
  }

  /** The host was looked at: what it showed is as good as a line of the trace. */
  scanned(scan: HostScan): void {
    this.looked = true;
    for (const watch of this._watches) watch.scanned?.(scan);
  }

  /** `asked`: when the host was asked to look last, ns of the epoch; null before the first time. */
  wantsScan(asked: number | null): boolean {
    const { now } = this.model;
    return this._watches.some((watch) => watch.wantsScan?.(now, asked) ?? false);
  }

  /** Whether something is away of which it cannot be said yet that it is a leak. */
  pending(): boolean {
    const { now } = this.model;
    return this._watches.some((watch) => watch.pending(now));
  }

  /** Its threshold has passed. */
  fire(leak: Omit<OpenLeak, 'id' | 'state' | 'fired' | 'until'>, now: number): OpenLeak {
    const open: OpenLeak = {
      ...leak,
      id: `${leak.kind.replace(' ', '-')}.${this._next++}`,
      state: 'firing',
      fired: now,
      until: null,
    };
    this._firing.set(open.id, open);
    this.#count(open.kind).fired++;
    this.revision++;
    return open;
  }

  change(
    leak: OpenLeak,
    to: Partial<Pick<OpenLeak, 'verdict' | 'pages' | 'text' | 'suspects'>>,
  ): void {
    Object.assign(leak, to);
    this.revision++;
  }

  /** It is over, or never was one. */
  end(leak: OpenLeak, state: 'resolved' | 'refuted', until: number, text = leak.text): void {
    if (leak.state !== 'firing') return;
    leak.state = state;
    leak.until = until;
    leak.text = text;
    this._firing.delete(leak.id);
    this.#count(leak.kind)[state]++;
    this._ended.push(leak);
    if (this._ended.length > MAX_ENDED) {
      this._ended.shift();
      this.dropped++;
    }
    this.revision++;
  }

  /**
   * Whether it was so from `since` to `until`, as far as lines can tell: nothing that could
   * explain it was lost up to now, and all losses up to `until` are known.
   */
  isCertain(since: number, until: number): boolean {
    const { watch } = this.model.contract;
    return watch.isSettled(until) && !this.isDoubtful(since);
  }

  /** A loss since then could explain it: no word that may still come makes it certain. */
  isDoubtful(since: number): boolean {
    const { watch } = this.model.contract;
    const { now } = this.model;
    return !watch.watched(since, now, false) || watch.doubtful(since, now);
  }

  /** Whether word of the losses up to this time is still to come, and does come here. */
  awaitsWord(since: number, until: number): boolean {
    const { watch } = this.model.contract;
    return watch.settled > 0 && !watch.isSettled(until) && !this.isDoubtful(since);
  }

  #count(kind: LeakKind): { fired: number; resolved: number; refuted: number } {
    let count = this.counts.get(kind);
    if (count === undefined) {
      count = { fired: 0, resolved: 0, refuted: 0 };
      this.counts.set(kind, count);
    }
    return count;
  }

  /** Firing ones, oldest first, then those that ended, newest first. */
  *all(): Iterable<OpenLeak> {
    yield* this._firing.values();
    for (let i = this._ended.length - 1; i >= 0; i--) yield this._ended[i]!;
  }

  /** As others are told of them. `epochNumber`: of the session. */
  list(host: string, epoch: string, epochNumber: number): Leak[] {
    return [...this.all()].map((leak) => {
      const file = leak.inode ?? leak.file;
      return {
        id: `${epochNumber}.${leak.id}`,
        kind: leak.kind,
        state: leak.state,
        verdict: leak.verdict,
        host,
        epoch,
        fs: leak.inode?.fs ?? 'hugetlbfs',
        s_dev: file === undefined ? '' : formatDev(file.dev as SbDev),
        ino: file?.ino ?? 0,
        inode: leak.inode === null ? null : `${epochNumber - 1}.${leak.inode.number}`,
        pages: leak.pages,
        bytes: leak.pages * leak.pageBytes,
        since_ns: leak.since,
        fired_ns: leak.fired,
        until_ns: leak.until,
        text: leak.text,
        suspects: [...leak.suspects],
      };
    });
  }
}
