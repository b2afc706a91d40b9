/**
 * Checks the contract of the kernel on the lines of one epoch: gives each line to the
 * rules it concerns. Pure: what it decides follows from the lines, and from what is
 * known of the losses (watch.ts).
 */
import type { TraceEvent } from '../../protocol/events.ts';
import { isObserved, type Plan } from '../../protocol/stages.ts';
import type { Gaps } from '../gaps.ts';
import type { Incarnation } from '../incarnation.ts';
import type { Inodes } from '../inodes.ts';
import type { PoolSample } from '../pools.ts';
import type { Superblocks } from '../superblocks.ts';
import { GuestMemfdRules } from './guest-memfd.ts';
import { HugepageRules } from './hugepages.ts';
import { HugetlbfsRules } from './hugetlbfs.ts';
import { GUEST_MEMFD, HUGETLBFS } from './inode-life.ts';
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
const OUTSIDE_FREE: ReadonlySet<string> = new Set([
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
  'vm_close',
]);

export interface ContractOptions {
  readonly plan: Plan;
  /** `I_FREEING | I_CLEAR` of this kernel; null when not known. */
  readonly freedState: number | null;
  /** nrpages and index of hugetlbfs count base pages (6.7 and newer), not hugepages. */
  readonly baseIndex: boolean;
  /** Each stage of an inode is told at once when tracing begins. */
  readonly steps: boolean;
}

/** What the contract reads of the model. */
export interface ModelView {
  readonly gaps: Gaps;
  readonly superblocks: Superblocks;
  readonly inodes: Inodes;
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
  private readonly _inodes: InodeRules;
  private readonly _hugetlbfs: HugetlbfsRules;
  private readonly _hugepages: HugepageRules;
  private readonly _reservations: ReservationRules;
  private readonly _mounts: Mounts;
  private readonly _gmem: GuestMemfdRules;
  private _newest = 0;
  private _lastTick: number | null = null;
  /** Time that the host was seen to run: a guest that is stopped has no ticks. */
  private _passed = 0;

  constructor({ plan, freedState, baseIndex, steps }: ContractOptions, model: ModelView) {
    this._why = new Map(RULES.map((rule) => [rule.id, notCheckable(rule, plan, freedState)]));
    this.watch = new Watch(model.gaps, steps);
    const checkable = RULES.map(({ id }) => id).filter((id) => this._why.get(id) === null);
    this.verdicts = new Verdicts(this.watch, new Set(checkable));
    const lives = new Lives(model.superblocks, model.inodes);
    this._inodes = new InodeRules(this.verdicts, lives, freedState, (life, end) => {
      this._hugetlbfs.emptied(life, end);
      this._reservations.emptied(life, end);
    });
    this._hugetlbfs = new HugetlbfsRules(this.verdicts, lives, baseIndex);
    this._hugepages = new HugepageRules(this.verdicts, lives, this._hugetlbfs, {
      baseIndex,
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
    const { held, broken, suspected } = inode.rules;
    if ((broken & bit) !== 0) return 'broken';
    if ((suspected & bit) !== 0) return 'suspected';
    return (held & bit) !== 0 ? 'held' : null;
  }

  /** The model has taken this line, of this time. */
  applied(event: TraceEvent, ts: number): void {
    // behind one of a later time: what depends on the order is in doubt
    if (ts < this._newest) this.watch.doubt(ts, this._newest);
    else this._newest = ts;
    this.#rules(event);
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

  #rules(event: TraceEvent): void {
    if (OUTSIDE_FREE.has(event.kind)) this._hugepages.wentOn(event);
    switch (event.kind) {
      case 'tick':
        return this.#tick(event.ts);
      case 'detail':
        return this.watch.steps(event.ts, event.steps === 1);
      case 'sb':
        return this._hugetlbfs.superblock(event);
      case 'sb_size':
        return this._hugetlbfs.superblockSize(event);
      case 'alloc_inode': {
        const life = this._inodes.alloc(event);
        this._reservations.born(event, life);
        return this._gmem.born(event, life);
      }
      case 'evict':
        return this._gmem.evicted(this._inodes.evict(event), event);
      case 'evict_inode':
      case 'truncate_final':
      case 'evict_inode_end':
        return this._inodes.step(event);
      case 'clear_inode':
        return this._inodes.clear(event);
      case 'destroy_inode':
        return this._inodes.destroy(event);
      case 'destroy_op':
        return this._inodes.destroyOp(event);
      case 'evict_end':
        return this._inodes.evictEnd(event);
      case 'i_callback':
        return this._inodes.callback(event);
      case 'free_inode':
        return this._inodes.freeInode(event);
      case 'life':
        return this._inodes.oneLine(event);
      case 'gmem_create':
        return this._gmem.created(event);
      case 'gmem_fallocate':
        this._inodes.used(event, GUEST_MEMFD);
        return;
      case 'gmem_release':
        return this._gmem.released(this._inodes.used(event, GUEST_MEMFD));
      case 'shutdown_super':
        this._hugetlbfs.mounted(event.dev);
        return this._mounts.shutdown(event);
      default:
        return this.#ofHugepages(event);
    }
  }

  /** Lines that only hugepages and their reservations print. */
  #ofHugepages(event: TraceEvent): void {
    switch (event.kind) {
      case 'hugepage_add':
        return this._hugepages.add(event, this._inodes.used(event, HUGETLBFS));
      case 'hugepage_alloc':
        this._reservations.used(event);
        this._inodes.used(event, HUGETLBFS);
        return this._hugepages.alloc(event);
      case 'hugepage_remove':
        this._inodes.used(event, HUGETLBFS);
        this._hugetlbfs.step(event);
        return this._hugepages.remove(event);
      case 'hugepage_move':
        return this._hugepages.move(event);
      case 'hugepage_free':
        this._reservations.used(event);
        return this._hugepages.free(event);
      case 'hugepage_enqueue':
        this._reservations.enqueued(event);
        return this._hugepages.placed(event);
      case 'hugepage_to_buddy':
        return this._hugepages.placed(event);
      case 'hugepage_released':
        return this._hugepages.released(event);
      case 'remove_hugepages':
        this._inodes.used(event, HUGETLBFS);
        return this._hugetlbfs.step(event);
      case 'unreserve':
        this._reservations.used(event);
        this._inodes.used(event, HUGETLBFS);
        return this._hugetlbfs.step(event);
      case 'subpool':
        this._reservations.used(event);
        this._mounts.seen(event);
        return this._reservations.subpool(event);
      case 'reserve':
        this._reservations.used(event);
        return this._reservations.reserve(event, this._inodes.used(event, HUGETLBFS));
      case 'resv_map_alloc':
        return this._reservations.mapAlloc(event);
      case 'resv_map_release':
        this._hugetlbfs.released(event);
        return this._reservations.mapRelease(event);
      case 'vm_close':
        this._inodes.used(event, HUGETLBFS);
        return;
      case 'new_subpool':
        return this._mounts.newSubpool(event);
      case 'fill_super':
        this._hugetlbfs.mounted(event.dev);
        return this._mounts.fillSuper(event);
      case 'put_subpool':
        this._reservations.putSubpool(event);
        return this._mounts.putSubpool(event);
    }
  }
}
