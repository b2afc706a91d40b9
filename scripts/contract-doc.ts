/**
 * Writes docs/contract.md from the table of rules: node scripts/contract-doc.ts
 * A test sees that it is current.
 */
import { writeFileSync } from 'node:fs';
import { RULES, type Rule } from '../server/model/contract/rules.ts';

const HEAD = `# The contract

What the kernel's sources promise of an inode's end and of the hugepages it gives back,
as rules that are checked on every line. Made from \`server/model/contract/rules.ts\` by
\`node scripts/contract-doc.ts\`.

## Verdicts

A rule is checked on each inode, hugepage, subpool, resv_map or mount that it is about.
What comes of it is counted:

- **checked**: on how many, whatever came of it.
- **broken**: it is certain. Either one line shows it by itself (R2, R15, R18), or several
  lines do, or one that is missing, and nothing was lost from the beginning of the object's
  part in it to the end: the kernel's counts of that time agree with what arrived, and no
  run of a probe was skipped.
- **suspected**: a loss could explain it, or only the time that has passed speaks for it.
  RCU sets no limit to a grace period, and a task may be stopped anywhere. Losses become
  known late (a second for skipped programs, longer for a full buffer); a claim that waited
  30 s for that is suspected.
- **withdrawn**: was suspected until a late line came.

Nothing follows where nobody watched: before the probes were attached, while bpftrace was
down, and from the missing line of a stage while an inode is told in one line.

A rule whose lines cannot be observed on a host is _not checkable_ there, with the reason of
the plan. Where only tracepoints or kprobes work, nothing that rests on a missing line is
certain: not every run they miss is counted.

Each finding keeps its lines in order. Of each rule and verdict the first 20 are kept, the
others counted.

## Rules

`;

function row(rule: Rule): string {
  const { id, name, statement, source, kernels, needs, seen } = rule;
  const rows = [
    `source: \`${source}\``,
    `tried on Linux: ${kernels}`,
    `needs: ${needs.join(', ')}`,
  ];
  if (seen !== undefined) rows.push(`seen broken: ${seen}`);
  return `### ${id} ${name}\n\n${statement}\n\n${rows.map((text) => `- ${text}\n`).join('')}`;
}

/** The whole document. */
export function contractDoc(): string {
  return `${HEAD}${RULES.map(row).join('\n')}`;
}

if (import.meta.main) {
  writeFileSync(new URL('../docs/contract.md', import.meta.url), contractDoc());
}
