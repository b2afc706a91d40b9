import type { HostState } from '../../../server/protocol/hosts.ts';
import type { FindingDetail } from '../../../server/protocol/messages.ts';
import { formatOffset } from '../format/duration.ts';
import { visibleText } from '../format/visible.ts';

/** A finding for a mail or a bug report: the rule, what was seen, and the lines. */
export function findingAsText(finding: FindingDetail, host: HostState | undefined): string {
  const { row } = finding;
  const verdict = row.verdict === 'certain' ? 'broken' : 'suspected';
  const inode = row.fs === '' ? '' : `${row.fs} inode ${row.ino} (${row.dev}) `;
  const lines = finding.lines.map((line) => {
    const at = formatOffset(line.ns).padStart(12);
    const task = `${visibleText(line.comm)} ${line.pid}/${line.tid}`;
    return `${at}  cpu ${line.cpu}  ${task.padEnd(22)}  ${line.what} ${visibleText(line.detail)}`.trimEnd();
  });
  return [
    `${row.rule} ${row.name}: ${verdict}`,
    `${row.host}, Linux ${host?.kernel ?? '?'}, ${new Date(row.at_ms).toISOString()}`,
    '',
    `promised: ${finding.statement} (${finding.source})`,
    `seen:     ${row.sentence}`,
    `of:       ${inode}${row.what}`.trimEnd(),
    '',
    ...lines,
    ...(finding.lines_more > 0 ? [`(${finding.lines_more} lines in the middle not kept)`] : []),
    '',
  ].join('\n');
}
