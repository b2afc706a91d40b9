/** What came of the rules of the contract on one inode. */
import type { Incarnation } from '../model/incarnation.ts';
import type { InodeRule } from '../protocol/messages.ts';
import type { Pipeline } from '../tracer/pipeline.ts';

/** Every rule on one inode. */
export function inodeRules(pipeline: Pipeline, epoch: number, inode: Incarnation): InodeRule[] {
  const { contract } = pipeline.model;
  const findings = contract.findings.filter((finding) => finding.inode === inode);
  return contract.results().map(({ rule, notCheckable }) => {
    const finding = findings.find((f) => f.rule === rule.id);
    return {
      rule: rule.id,
      name: rule.name,
      statement: rule.statement,
      verdict: contract.verdictOn(inode, rule.id) ?? 'unknown',
      why: notCheckable ?? '',
      finding: finding === undefined ? '' : `${epoch}.${finding.number}`,
    };
  });
}
