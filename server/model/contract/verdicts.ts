/**
 * Counts and findings of the contract. What one line shows by itself is certain. What
 * follows from a line that is missing, or from several lines about one address, is a
 * claim: it waits until every loss of its time is known, and then is certain where
 * nothing was lost, and suspected otherwise.
 */
import type { TraceEvent } from '../../protocol/events.ts';
import { type Address, formatAddress } from '../../protocol/units.ts';
import type { Incarnation } from '../incarnation.ts';
import { RULE_INDEX, RULES, type RuleId } from './rules.ts';
import type { Watch } from './watch.ts';

/** After so much time of the trace without word of the losses, a claim is suspected. */
const UNSETTLED_NS = 30e9;
/** Claims that wait; what comes beyond is suspected at once. */
const MAX_PENDING = 5000;
/** Findings kept for each rule and verdict; the rest is counted. */
const MAX_FINDINGS = 20;
/** Lines kept with a finding; the rest is counted. */
const MAX_LINES = 80;

export interface RuleCount {
  /** Objects that the rule was checked on, whatever came of it. */
  checked: number;
  broken: number;
  suspected: number;
  /** Were suspected until a late line came. */
  withdrawn: number;
  /** Findings that are counted and not kept. */
  dropped: number;
}

/** What a rule is checked on: an inode, a hugepage, a subpool, a mount, a resv_map. */
export interface Subject {
  /** The life of the inode it is, or belongs to; null when that is not known. */
  readonly inode: Incarnation | null;
  /** In words, where it is no life of an inode: `hugepage`, and which one. */
  readonly what: string;
  readonly address?: Address | undefined;
  /** Bits of the rules that were counted for it already. */
  judged: number;
}

export interface Finding {
  /** Counts up from 1 in the epoch. */
  readonly number: number;
  readonly rule: RuleId;
  readonly verdict: 'certain' | 'suspected';
  /** When it showed, ns of the epoch. */
  readonly ts: number;
  readonly inode: Incarnation | null;
  readonly what: string;
  /** What was seen and what was expected. */
  readonly sentence: string;
  /** The lines that show it, in the order of time. */
  readonly lines: readonly TraceEvent[];
  readonly linesMore: number;
}

export interface Evidence {
  readonly from: number;
  readonly to: number;
  readonly sentence: string;
  readonly lines: readonly (TraceEvent | null | undefined)[];
  /** Another explanation remains, even where nothing was lost. */
  readonly onlySuspected?: boolean;
  /** It takes the lines of single stages to see it; see Watch.steps. */
  readonly steps?: boolean;
}

export class Claim {
  state: 'pending' | 'certain' | 'suspected' | 'withdrawn' = 'pending';
  finding: Finding | null = null;
  readonly rule: RuleId;
  readonly subject: Subject;
  readonly evidence: Evidence;
  /** Time of the trace when it was made. */
  readonly made: number;

  constructor(rule: RuleId, subject: Subject, evidence: Evidence, made: number) {
    if (subject.inode !== null) subject.inode.cited = true;
    this.rule = rule;
    this.subject = subject;
    this.evidence = evidence;
    this.made = made;
  }
}

export class Verdicts {
  readonly watch: Watch;
  readonly findings: Finding[] = [];
  /** Changes whenever anything here does. */
  revision = 0;
  /** By place in the table, as _checkable. */
  private readonly _counts: readonly RuleCount[] = RULES.map(() => {
    return { checked: 0, broken: 0, suspected: 0, withdrawn: 0, dropped: 0 };
  });
  private readonly _checkable: readonly boolean[];
  private _pending: Claim[] = [];
  private _next = 1;

  constructor(watch: Watch, checkable: ReadonlySet<RuleId>) {
    this.watch = watch;
    this._checkable = RULES.map(({ id }) => checkable.has(id));
  }

  /** Whether this host shows what the rule needs. */
  checks(rule: RuleId): boolean {
    return this._checkable[RULE_INDEX[rule]]!;
  }

  count(rule: RuleId): Readonly<RuleCount> {
    return this._counts[RULE_INDEX[rule]]!;
  }

  /** Claims that wait for word of the losses. */
  get pending(): number {
    return this._pending.length;
  }

  /** The rule was checked on this and holds. */
  held(rule: RuleId, subject: Subject): void {
    const index = RULE_INDEX[rule];
    const { inode } = subject;
    if (!this._checkable[index]! || inode?.canary === true) return;
    this.#judge(rule, subject);
    if (inode !== null) inode.held |= 1 << index;
  }

  /** One line, or several of one call, show by themselves that the rule is broken. */
  shown(rule: RuleId, subject: Subject, evidence: Omit<Evidence, 'from' | 'steps'>): void {
    if (!this.checks(rule) || subject.inode?.canary === true) return;
    const claim = new Claim(rule, subject, { ...evidence, from: evidence.to }, evidence.to);
    this.#settle(claim, 'certain');
  }

  /** The rule looks broken. Null when nobody watched all the while: then nothing follows. */
  claim(rule: RuleId, subject: Subject, evidence: Evidence, now: number): Claim | null {
    if (!this.checks(rule) || subject.inode?.canary === true) return null;
    const { from, to, steps, onlySuspected } = evidence;
    if (!this.watch.watched(from, to, steps === true)) return null;
    const claim = new Claim(rule, subject, evidence, now);
    // nothing can make it certain any more
    const hopeless = onlySuspected === true || this.watch.doubtful(from, to);
    if (hopeless || this._pending.length >= MAX_PENDING) this.#settle(claim, 'suspected');
    else this._pending.push(claim);
    return claim;
  }

  /** Whether a claim of this rule on this waits for word of the losses. */
  isClaimed(rule: RuleId, what: string): boolean {
    return this._pending.some(
      (claim) => claim.state === 'pending' && claim.rule === rule && claim.subject.what === what,
    );
  }

  /** What was suspected for want of proof is claimed again with it. */
  harden(claim: Claim, evidence: Evidence, now: number): Claim | null {
    if (claim.state !== 'suspected') return null;
    this.#unsuspect(claim);
    return this.claim(claim.rule, claim.subject, evidence, now);
  }

  /** A later line explains it: the rule holds. A certain one stays. */
  withdraw(claim: Claim): void {
    if (claim.state === 'pending') {
      claim.state = 'withdrawn';
      this.held(claim.rule, claim.subject);
    } else if (claim.state === 'suspected') {
      this.#unsuspect(claim);
      this._counts[RULE_INDEX[claim.rule]]!.withdrawn++;
      const { inode } = claim.subject;
      if (inode !== null) inode.held |= 1 << RULE_INDEX[claim.rule];
    }
  }

  /** Decides the claims for which all losses are known, or that waited too long. */
  decide(now: number): void {
    if (this._pending.length === 0) return;
    this._pending = this._pending.filter((claim) => {
      if (claim.state !== 'pending') return false;
      const { from, to } = claim.evidence;
      if (this.watch.doubtful(from, to)) this.#settle(claim, 'suspected');
      else if (this.watch.isSettled(to)) this.#settle(claim, 'certain');
      else if (now - claim.made > UNSETTLED_NS) this.#settle(claim, 'suspected');
      return claim.state === 'pending';
    });
  }

  /** Nothing comes any more: what waits stays suspected. */
  finish(): void {
    this.decide(Number.POSITIVE_INFINITY);
  }

  #settle(claim: Claim, verdict: 'certain' | 'suspected'): void {
    const { rule, subject, evidence } = claim;
    if (subject.inode?.canary === true) {
      claim.state = 'withdrawn';
      return;
    }
    claim.state = verdict;
    this.#judge(rule, subject);
    const count = this._counts[RULE_INDEX[rule]]!;
    if (verdict === 'certain') count.broken++;
    else count.suspected++;
    if (subject.inode !== null) {
      const bit = 1 << RULE_INDEX[rule];
      subject.inode[verdict === 'certain' ? 'broken' : 'suspected'] |= bit;
      subject.inode.held &= ~bit;
    }
    this.#keep(claim, verdict, linesOf(evidence.lines));
  }

  #unsuspect(claim: Claim): void {
    claim.state = 'withdrawn';
    const count = this._counts[RULE_INDEX[claim.rule]]!;
    count.suspected--;
    const at = claim.finding === null ? -1 : this.findings.indexOf(claim.finding);
    if (at >= 0) this.findings.splice(at, 1);
    else count.dropped--;
    const { inode } = claim.subject;
    if (inode !== null) inode.suspected &= ~(1 << RULE_INDEX[claim.rule]);
    this.revision++;
  }

  #keep(claim: Claim, verdict: 'certain' | 'suspected', lines: TraceEvent[]): void {
    const { rule, subject, evidence } = claim;
    const same = this.findings.filter((f) => f.rule === rule && f.verdict === verdict);
    if (same.length >= MAX_FINDINGS) {
      this._counts[RULE_INDEX[rule]]!.dropped++;
      return;
    }
    const cut = cutMiddle(lines);
    claim.finding = {
      number: this._next++,
      rule,
      verdict,
      ts: evidence.to,
      inode: subject.inode,
      what: nameOf(subject),
      sentence: evidence.sentence,
      lines: cut,
      linesMore: lines.length - cut.length,
    };
    this.findings.push(claim.finding);
  }

  /** An object counts once for a rule, whatever is found in it. */
  #judge(rule: RuleId, subject: Subject): void {
    this.revision++;
    const bit = 1 << RULE_INDEX[rule];
    if ((subject.judged & bit) !== 0) return;
    subject.judged |= bit;
    this._counts[RULE_INDEX[rule]]!.checked++;
  }
}

/** `hugepage ff..`; nothing for the life of an inode, which has a name of its own. */
function nameOf({ what, address }: Subject): string {
  return what === '' || address === undefined ? what : `${what} ${formatAddress(address)}`;
}

/** In the order of time, each once. */
function linesOf(lines: Evidence['lines']): TraceEvent[] {
  const all = new Set(lines.filter((line): line is TraceEvent => line != null));
  return [...all].sort((a, b) => a.ts - b.ts);
}

/** The beginning and the end of a long story. */
function cutMiddle(lines: TraceEvent[]): TraceEvent[] {
  if (lines.length <= MAX_LINES) return lines;
  return [...lines.slice(0, MAX_LINES / 2), ...lines.slice(-MAX_LINES / 2)];
}
