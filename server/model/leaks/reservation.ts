/** Reserved hugepages of a mount that is gone, or that failed: nobody gives them back (R19). */
import type { Finding } from '../contract/verdicts.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class ReservationWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  /** By the number of the finding that shows it. */
  private readonly _open = new Map<number, { readonly what: string; readonly leak: OpenLeak }>();
  private readonly _seen = new Set<number>();
  private _revision = -1;

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  tick(now: number): void {
    const { verdicts } = this._leaks.model.contract;
    if (verdicts.revision === this._revision) return;
    const findings = verdicts.findings.filter(({ rule }) => rule === 'R19');
    let waits = this.#follow(findings, now);
    for (const finding of findings) {
      if (this._seen.has(finding.number)) continue;
      if (now - finding.ts < this._leaks.after.reservation) waits = true;
      else {
        this._seen.add(finding.number);
        this.#found(finding, now);
      }
    }
    if (!waits) this._revision = verdicts.revision;
  }

  pending(): boolean {
    const { findings } = this._leaks.model.contract.verdicts;
    return findings.some(({ rule, number }) => rule === 'R19' && !this._seen.has(number));
  }

  /** A finding that is gone was withdrawn, or is claimed anew with proof. True: that is open. */
  #follow(findings: readonly Finding[], now: number): boolean {
    let waits = false;
    for (const [number, { what, leak }] of this._open) {
      if (findings.some((finding) => finding.number === number)) continue;
      const again = findings.find((f) => f.what === what && f.number > number);
      if (again === undefined && this._leaks.model.contract.verdicts.isClaimed('R19', what)) {
        waits = true;
        continue;
      }
      this._open.delete(number);
      if (again === undefined) {
        this._leaks.end(leak, 'refuted', now, 'a later line shows that it was given back');
      } else {
        this._seen.add(again.number);
        this._open.set(again.number, { what, leak });
        this._leaks.change(leak, { verdict: again.verdict, text: textOf(again) });
      }
    }
    return waits;
  }

  #found(finding: Finding, now: number): void {
    const pages = reservedBy(finding);
    if (pages === 0) return;
    const mount = finding.lines.find((line) => line.kind === 'fill_super');
    const leak = this._leaks.fire(
      {
        kind: 'reservation',
        inode: null,
        ...(mount === undefined ? {} : { file: { dev: mount.dev, ino: 0 } }),
        verdict: finding.verdict,
        pages,
        pageBytes: this._leaks.model.pageSizes.of(null),
        since: finding.ts,
        text: textOf(finding),
        suspects:
          mount === undefined
            ? []
            : [
                {
                  pid: mount.pid,
                  comm: '',
                  how: 'mount',
                  evidence: `hugetlbfs_fill_super() returned ${mount.ret}`,
                },
              ],
      },
      now,
    );
    this._open.set(finding.number, { what: finding.what, leak });
  }
}

function textOf({ what, sentence }: Finding): string {
  return `${what}: ${sentence}`;
}

/** Hugepages that the subpool of this finding took from the pool. */
function reservedBy({ lines }: Finding): number {
  for (const line of lines) {
    if (line.kind === 'new_subpool') return Math.max(0, line.min);
    if (line.kind === 'put_subpool') return Math.max(0, line.reserved);
  }
  return 0;
}
