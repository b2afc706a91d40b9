/**
 * Checks the contract of the kernel on the lines of one epoch: gives each line to the
 * rules it concerns. Pure: what it decides follows from the lines, and from what is
 * known of the losses (watch.ts).
 */
import { byPlace } from '../../protocol/by-line.ts';
import type { TraceEvent } from '../../protocol/events.ts';
import { LINE_NAMES, type LineName } from '../../protocol/grammar.ts';
import { isObserved, type Plan } from '../../protocol/stages.ts';
import type { Gaps } from '../gaps.ts';
import type { Incarnation } from '../incarnation.ts';
import type { Inodes } from '../inodes.ts';
import type { PageSizes } from '../page-sizes.ts';
import type { PoolSample } from '../pools.ts';
import { GUEST_MEMFD, HUGETLBFS, type Superblocks } from '../superblocks.ts';
import { GuestMemfdRules } from './guest-memfd.ts';
import { HugepageRules } from './hugepages.ts';
import { HugetlbfsRules } from './hugetlbfs.ts';
import { InodeRules } from './inodes.ts';
import { Lives } from './lives.ts';
import { Mounts } from './mounts.ts';
import { ReservationRules } from './reservations.ts';
import { type ContractRule, notCheckable, RULE_INDEX, RULES, type RuleId } from './rules.ts';
import { type Finding, type RuleCount, Verdicts } from './verdicts.ts';
import { Watch } from './watch.ts';

/** Ticks come each 100 ms: what is more between two of them did not pass for the host. */
const MAX_TICK_NS = 500e6;

/** Lines of a task that is not in free_huge_folio(), and that no softirq prints. */
const LINES_OUTSIDE_FREE: readonly LineName[] = [
  'alloc_inode',
  'evict',
  'remove_hugepages',
  'unreserve',
  'clear_inode',
  'destroy_inode',
  'evict_end',
  'reserve',
  'hugepage_add',
  'hugepage_alloc',
  'hugepage_alloc_nodemask',
  'vm_close',
];
/** By LINE_PLACE. */
const OUTSIDE_FREE = LINE_NAMES.map((name) => LINES_OUTSIDE_FREE.includes(name));

export interface ContractOptions {
  readonly plan: Plan;
  /** `I_FREEING | I_CLEAR` of this kernel; null when not known. */
  readonly freedState: number | null;
  /** Each stage of an inode is told at once when tracing begins. */
  readonly steps: boolean;
}

/** What the contract reads of the model. */
export interface ModelView {
  readonly gaps: Gaps;
  readonly superblocks: Superblocks;
  readonly inodes: Inodes;
  readonly pageSizes: PageSizes;
}

/** One rule and what came of it. */
export interface RuleResult extends RuleCount {
  readonly rule: ContractRule;
  /** Why it cannot be checked on this host; null where it can. */
  readonly notCheckable: string | null;
}

export class Contract {
  readonly watch: Watch;
  readonly verdicts: Verdicts;
  private readonly _why: ReadonlyMap<RuleId, string | null>;
  private readonly _options: ContractOptions;
  private readonly _model: ModelView;
  private _inodes!: InodeRules;
  private _hugetlbfs!: HugetlbfsRules;
  private _hugepages!: HugepageRules;
  private _reservations!: ReservationRules;
  private _mounts!: Mounts;
  private _gmem!: GuestMemfdRules;
  private _newest = 0;
  private _lastTick: number | null = null;
  /** Time that the host was seen to run: a guest that is stopped has no ticks. */
  private _passed = 0;

  constructor(options: ContractOptions, model: ModelView) {
    const { plan, freedState, steps } = options;
    this._options = options;
    this._model = model;
    this._why = new Map(RULES.map((rule) => [rule.id, notCheckable(rule, plan, freedState)]));
    this.watch = new Watch(model.gaps, steps);
    const checkable = RULES.map(({ id }) => id).filter((id) => this._why.get(id) === null);
    this.verdicts = new Verdicts(this.watch, new Set(checkable));
    this.forget();
  }

  /** Every rule begins anew, as if it had seen no line; what they found stays. */
  forget(): void {
    const { plan, freedState } = this._options;
    const { pageSizes } = this._model;
    const lives = new Lives(this._model.superblocks, this._model.inodes);
    this._inodes = new InodeRules(this.verdicts, lives, freedState, (life, end) => {
      this._hugetlbfs.emptied(life, end);
      this._reservations.emptied(life, end);
    });
    this._hugetlbfs = new HugetlbfsRules(this.verdicts, lives, pageSizes);
    this._hugepages = new HugepageRules(this.verdicts, lives, this._hugetlbfs, {
      baseIndex: pageSizes.baseIndex,
      seesMove: isObserved(plan.hugepage_move),
    });
    this._mounts = new Mounts(this.verdicts, lives);
    this._reservations = new ReservationRules(this.verdicts, lives, this._mounts);
    this._gmem = new GuestMemfdRules(this.verdicts);
  }

  /** Every rule with its counts, in the order of the table. */
  results(): RuleResult[] {
    return RULES.map((rule) => ({
      rule,
      notCheckable: this._why.get(rule.id) ?? null,
      ...this.verdicts.count(rule.id),
    }));
  }

  get findings(): readonly Finding[] {
    return this.verdicts.findings;
  }

  /** What was found of a rule on one inode; null: nothing was, or could be. */
  verdictOn(inode: Incarnation, rule: RuleId): 'held' | 'broken' | 'suspected' | null {
    const bit = 1 << RULE_INDEX[rule];
    const { held, broken, suspected } = inode;
    if ((broken & bit) !== 0) return 'broken';
    if ((suspected & bit) !== 0) return 'suspected';
    return (held & bit) !== 0 ? 'held' : null;
  }

  /** The model has taken this line, of this time. */
  applied(event: TraceEvent, ts: number, place: number): void {
    // behind one of a later time: what depends on the order is in doubt
    if (ts < this._newest) this.watch.doubt(ts, this._newest);
    else this._newest = ts;
    if (OUTSIDE_FREE[place]!) this._hugepages.wentOn(event);
    Contract._rules[place]!(this, event);
  }

  /** The pool's counters of a moment. */
  pool(sample: PoolSample): void {
    this._reservations.sample(sample);
  }

  /** All probes are attached. */
  ready(ts: number): void {
    this.watch.ready(ts);
  }

  /** Something was lost between these times; when exactly is not known. */
  doubt(from: number, to: number): void {
    this.watch.doubt(from, to);
  }

  /** Every loss before this time is known. */
  settled(ts: number): void {
    if (ts > this.watch.settled) this.watch.settled = ts;
  }

  /** Tracing ended: what waits for word of the losses stays suspected. */
  finish(): void {
    this.verdicts.finish();
  }

  #tick(now: number): void {
    this._passed += Math.min(now - (this._lastTick ?? now), MAX_TICK_NS);
    this._lastTick = now;
    this._inodes.callbacks.tick(now);
    this._hugepages.tick(now, this._passed);
    this._mounts.tick(now);
    this._reservations.tick(now, this._passed);
    this.verdicts.decide(now);
  }

  private static readonly _rules = byPlace<Contract>({
    tick: (c, event) => c.#tick(event.ts),
    beat: () => {},
    vmemmap: () => {},
    detail: (c, event) => c.watch.steps(event.ts, event.steps === 1),
    sb: (c, event) => c._hugetlbfs.superblock(event),
    sb_size: (c, event) => c._hugetlbfs.superblockSize(event),
    alloc_inode: (c, event) => {
      const life = c._inodes.alloc(event);
      c._reservations.born(event, life);
      c._gmem.born(event, life);
    },
    evict: (c, event) => c._gmem.evicted(c._inodes.evict(event), event),
    evict_inode: (c, event) => c._inodes.step(event),
    truncate_final: (c, event) => c._inodes.step(event),
    evict_inode_end: (c, event) => c._inodes.step(event),
    clear_inode: (c, event) => c._inodes.clear(event),
    destroy_inode: (c, event) => c._inodes.destroy(event),
    destroy_op: (c, event) => c._inodes.destroyOp(event),
    evict_end: (c, event) => c._inodes.evictEnd(event),
    i_callback: (c, event) => c._inodes.callback(event),
    free_inode: (c, event) => c._inodes.freeInode(event),
    life: (c, event) => c._inodes.oneLine(event),
    gmem_create: (c, event) => c._gmem.created(event),
    gmem_fallocate: (c, event) => {
      c._inodes.used(event, GUEST_MEMFD);
    },
    gmem_release: (c, event) => c._gmem.released(c._inodes.used(event, GUEST_MEMFD)),
    shutdown_super: (c, event) => {
      c._hugetlbfs.mounted(event.dev);
      c._mounts.shutdown(event);
    },
    hugepage_add: (c, event) => c._hugepages.add(event, c._inodes.used(event, HUGETLBFS)),
    hugepage_alloc: (c, event) => {
      c._reservations.used(event);
      c._inodes.used(event, HUGETLBFS);
      c._hugepages.alloc(event);
    },
    hugepage_remove: (c, event) => {
      c._inodes.used(event, HUGETLBFS);
      c._hugetlbfs.step(event);
      c._hugepages.remove(event);
    },
    hugepage_alloc_nodemask: (c, event) => {
      c._reservations.used(event);
      c._hugepages.alloc(event);
    },
    hugepage_move: (c, event) => c._hugepages.move(event),
    hugepage_free: (c, event) => {
      c._reservations.used(event);
      c._hugepages.free(event);
    },
    hugepage_enqueue: (c, event) => {
      c._reservations.enqueued(event);
      c._hugepages.placed(event);
    },
    hugepage_to_buddy: (c, event) => c._hugepages.placed(event),
    hugepage_released: (c, event) => c._hugepages.released(event),
    hugepage_pin: () => {},
    remove_hugepages: (c, event) => {
      c._inodes.used(event, HUGETLBFS);
      c._hugetlbfs.step(event);
    },
    unreserve: (c, event) => {
      c._reservations.used(event);
      c._inodes.used(event, HUGETLBFS);
      c._hugetlbfs.step(event);
    },
    subpool: (c, event) => {
      c._reservations.used(event);
      c._mounts.seen(event);
      c._reservations.subpool(event);
    },
    reserve: (c, event) => {
      c._reservations.used(event);
      c._reservations.reserve(event, c._inodes.used(event, HUGETLBFS));
    },
    resv_map_alloc: (c, event) => c._reservations.mapAlloc(event),
    resv_map_release: (c, event) => {
      c._hugetlbfs.released(event);
      c._reservations.mapRelease(event);
    },
    vm_close: (c, event) => {
      c._inodes.used(event, HUGETLBFS);
    },
    new_subpool: (c, event) => c._mounts.newSubpool(event),
    fill_super: (c, event) => {
      c._hugetlbfs.mounted(event.dev);
      c._mounts.fillSuper(event);
    },
    put_subpool: (c, event) => {
      c._reservations.putSubpool(event);
      c._mounts.putSubpool(event);
    },
    // the contract is about addresses, which tracepoints do not tell
    tp_alloc_inode: () => {},
    tp_evict_inode: () => {},
    tp_free_inode: () => {},
    tp_life: () => {},
    raw_free_inode: () => {},
    raw_life: () => {},
    tp_hugepage_add: () => {},
    tp_hugepage_remove: () => {},
  });
}
