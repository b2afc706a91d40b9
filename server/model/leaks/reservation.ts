/** Reserved hugepages that nobody gives back: those of a mount that failed. */
import type { Finding } from '../contract/verdicts.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class ReservationWatch implements LeakWatch {
  private readonly _leaks: Leaks;
  /** By the number of the finding that shows it. */
  private readonly _open = new Map<number, OpenLeak>();
  private readonly _seen = new Set<number>();
  private _revision = -1;

  constructor(leaks: Leaks) {
    this._leaks = leaks;
  }

  tick(now: number): void {
    const { contract } = this._leaks.model;
    const still = contract.verdicts.revision === this._revision;
    const { after } = this._leaks;
    if (still && this._open.size === this._seen.size) return;
    const findings = contract.findings.filter(({ rule }) => rule === 'R19');
    let waits = false;
    for (const finding of findings) {
      const pages = reservedBy(finding);
      if (pages === 0 || this._seen.has(finding.number)) continue;
      if (now - finding.ts < after.reservation) {
        waits = true;
        continue;
      }
      this._seen.add(finding.number);
      const leak = this._leaks.fire(
        {
          kind: 'reservation',
          inode: null,
          verdict: finding.verdict,
          pages,
          pageBytes: this._leaks.model.hugepageBytes(null),
          since: finding.ts,
          text: `${finding.what}: ${finding.sentence}`,
          suspects: mounter(finding),
        },
        now,
      );
      this._open.set(finding.number, leak);
    }
    for (const [number, leak] of this._open) {
      if (findings.some((finding) => finding.number === number)) continue;
      this._leaks.end(leak, 'refuted', now, 'a later line shows that it was given back');
      this._open.delete(number);
    }
    if (!waits) this._revision = contract.verdicts.revision;
  }
}

/** Hugepages that the subpool of this finding took from the pool. */
function reservedBy({ lines }: Finding): number {
  for (const line of lines) {
    if (line.kind === 'new_subpool') return Math.max(0, line.min);
    if (line.kind === 'put_subpool') return Math.max(0, line.reserved);
  }
  return 0;
}

function mounter({ lines }: Finding) {
  const failed = lines.find((line) => line.kind === 'fill_super');
  if (failed === undefined) return [];
  const evidence = `hugetlbfs_fill_super() returned ${failed.ret}`;
  return [{ pid: failed.pid, comm: '', how: 'mount', evidence }];
}
