/** Reserved hugepages that nobody gives back: those of a mount that failed. */
import type { Finding } from '../contract/verdicts.ts';
import type { Leaks, LeakWatch, OpenLeak } from './leaks.ts';

export class ReservationWatch implements LeakWatch {
  readonly #leaks: Leaks;
  /** By the number of the finding that shows it. */
  readonly #open = new Map<number, OpenLeak>();
  readonly #seen = new Set<number>();
  #revision = -1;

  constructor(leaks: Leaks) {
    this.#leaks = leaks;
  }

  tick(now: number): void {
    const { contract } = this.#leaks.model;
    const still = contract.verdicts.revision === this.#revision;
    const { after } = this.#leaks;
    if (still && this.#open.size === this.#seen.size) return;
    const findings = contract.findings.filter(({ rule }) => rule === 'R19');
    let waits = false;
    for (const finding of findings) {
      const pages = reservedBy(finding);
      if (pages === 0 || this.#seen.has(finding.number)) continue;
      if (now - finding.ts < after.reservation) {
        waits = true;
        continue;
      }
      this.#seen.add(finding.number);
      const leak = this.#leaks.fire(
        {
          kind: 'reservation',
          inode: null,
          verdict: finding.verdict,
          pages,
          pageBytes: this.#leaks.model.hugepageBytes(null),
          since: finding.ts,
          text: `${finding.what}: ${finding.sentence}`,
          suspects: mounter(finding),
        },
        now,
      );
      this.#open.set(finding.number, leak);
    }
    for (const [number, leak] of this.#open) {
      if (findings.some((finding) => finding.number === number)) continue;
      this.#leaks.end(leak, 'refuted', now, 'a later line shows that it was given back');
      this.#open.delete(number);
    }
    if (!waits) this.#revision = contract.verdicts.revision;
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
