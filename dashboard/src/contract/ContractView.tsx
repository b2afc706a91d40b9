import type { FindingRow } from '../../../server/protocol/messages.ts';
import { formatCount } from '../format/number.ts';
import { useKeys } from '../keyboard.ts';
import { Waiting } from '../parts/Empty.tsx';
import { go, route, store } from '../session.ts';
import { FindingLines } from './FindingLines.tsx';
import { FindingList } from './FindingList.tsx';
import { RuleTable } from './RuleTable.tsx';

/** What the kernel's sources promise, and whether the traced kernels kept it. */
export function ContractView() {
  const contract = store.contract.value;
  const findings = contract?.findings ?? [];
  useKeys([
    { keys: ['j', 'ArrowDown'], help: 'next finding', run: () => move(findings, 1) },
    { keys: ['k', 'ArrowUp'], help: 'previous finding', run: () => move(findings, -1) },
    { keys: ['Enter'], help: 'the inode of the finding', run: () => openInode(findings) },
    { keys: ['Escape', 'u'], help: 'close the finding', run: () => go({ finding: '' }) },
  ]);
  if (contract === null) return <Waiting what="the contract" />;
  return (
    <div class="contract">
      <h1 class="visually-hidden">Contract</h1>
      <FindingList contract={contract} />
      {route.value.finding !== '' && <FindingLines />}
      <RuleTable contract={contract} />
      <p class="foot dim">
        A breach is certain when the lines themselves show it and nothing was lost around them; it
        is suspected when a loss could explain it, or when it takes more time to know.
        {contract.pending > 0 &&
          ` ${formatCount(contract.pending)} more wait until all losses of their time are known.`}
      </p>
    </div>
  );
}

function move(findings: readonly FindingRow[], by: number): void {
  if (findings.length === 0) return;
  const at = findings.findIndex((finding) => finding.id === route.value.finding);
  const from = at < 0 && by < 0 ? findings.length : at;
  const next = Math.min(Math.max(from + by, 0), findings.length - 1);
  go({ finding: findings[next]!.id });
  document.getElementById(`finding-${findings[next]!.id}`)?.scrollIntoView({ block: 'nearest' });
}

function openInode(findings: readonly FindingRow[]): void {
  const finding = findings.find((candidate) => candidate.id === route.value.finding);
  if (finding !== undefined && finding.inode !== '') go({ view: 'inode', inode: finding.inode });
}
