import type { InodeDetail, InodeHugepage } from '../../../server/protocol/messages.ts';
import { formatDate } from '../format/clock.ts';
import { formatDuration, formatOffset } from '../format/duration.ts';
import { formatBytes } from '../format/number.ts';
import { visibleText } from '../format/visible.ts';
import { extraRefsText, FATE_TEXT, formatPfn, heldText, isOwed } from './hugepageWords.ts';
import { stageRows } from './stageRows.ts';

/** One inode as plain text of at most 80 columns, for a mail to a list. */
export function inodeAsText(detail: InodeDetail, kernel: string): string {
  const { row } = detail;
  const lines = [
    `${visibleText(row.fs)} inode ${row.ino}, dev ${row.dev}, address ${row.address || 'unknown'}: ${row.state}`,
    `host ${visibleText(row.host)}${kernel ? `, Linux ${visibleText(kernel)}` : ''}, ${formatDate(row.at_ms)}`,
    `by ${visibleText(row.comm)} (pid ${row.pid}), size ${formatBytes(row.size)}, nlink ${row.nlink ?? '?'}`,
    `hugepages: ${heldText(row)}`,
  ];
  if (row.doubtful) lines.push('doubtful: events were lost during the life of this inode');
  for (const rule of detail.rules) {
    if (rule.verdict !== 'broken' && rule.verdict !== 'suspected') continue;
    lines.push(`contract: ${rule.rule} ${rule.name}: ${rule.verdict}`);
  }
  lines.push('', ...stagesText(detail));
  if (detail.hugepages.length > 0) lines.push('', ...hugepagesText(detail));
  if (detail.timeline.length > 0) lines.push('', ...evidenceText(detail));
  if (detail.callbacks) {
    const { drop_inode, evict_inode, destroy_inode, free_inode, rule } = detail.callbacks;
    lines.push('', 'callbacks');
    for (const [name, symbol] of Object.entries({
      drop_inode,
      evict_inode,
      destroy_inode,
      free_inode,
    })) {
      lines.push(`  ${name.padEnd(14)} ${symbol === '0' ? 'NULL' : visibleText(symbol)}`);
    }
    lines.push(`  ${visibleText(rule)}`);
  }
  return `${lines.flatMap(wrap).join('\n')}\n`;
}

const WIDTH = 80;

function stagesText(detail: InodeDetail): string[] {
  const head = `  ${'stage'.padEnd(16)} ${'since evict'.padStart(12)} ${'delta'.padStart(10)}  context`;
  const rows = stageRows(detail).map((row) => {
    const name = row.stage.padEnd(16);
    if (row.ns === null)
      return `  ${name} ${'-'.padStart(12)} ${'-'.padStart(10)}  ${visibleText(row.why) || 'not seen'}`;
    const delta = row.delta === null ? '' : formatDuration(row.delta);
    return `  ${name} ${formatOffset(row.ns).padStart(12)} ${delta.padStart(10)}  ${row.context}`;
  });
  return ['stages', head, ...rows];
}

/** Those that are owed, each; the others too while they are few, else in one line. */
function hugepagesText(detail: InodeDetail): string[] {
  const owed = detail.hugepages.filter((page) => isOwed(page, detail.row));
  const others = detail.hugepages.filter((page) => !isOwed(page, detail.row));
  const few = others.length <= FEW;
  const head = `  ${'index'.padStart(6)} ${'pfn'.padStart(10)} ${'back after'.padStart(10)}  fate`;
  const rows = [...owed.slice(0, MOST), ...(few ? others : [])].map((page) => {
    const back = page.back_ns === null ? '-' : formatDuration(page.back_ns);
    const refs = `extra refs ${extraRefsText(page.extra_refs)}`;
    return `  ${String(page.index).padStart(6)} ${formatPfn(page.pfn).padStart(10)} ${back.padStart(10)}  ${FATE_TEXT[page.fate]}, ${refs}`;
  });
  return ['hugepages', head, ...rows, ...more(owed.length), ...(few ? [] : [othersText(others)])];
}

function othersText(pages: readonly InodeHugepage[]): string {
  const counts = new Map<string, number>();
  for (const { fate } of pages) counts.set(FATE_TEXT[fate], (counts.get(FATE_TEXT[fate]) ?? 0) + 1);
  const fates = [...counts].map(([fate, count]) => `${count} ${fate}`).join(', ');
  const back = pages.map((page) => page.back_ns ?? -1).filter((ns) => ns >= 0);
  const slowest = back.reduce((most, ns) => Math.max(most, ns), 0);
  return `  the others: ${fates}${back.length > 0 ? `; the slowest after ${formatDuration(slowest)}` : ''}`;
}

function evidenceText(detail: InodeDetail): string[] {
  const rows = detail.timeline.slice(0, MOST).map((entry) => {
    const who =
      entry.context === 'task' ? `${visibleText(entry.comm)} ${entry.tid}` : entry.context;
    return `  ${formatOffset(entry.ns).padStart(10)} cpu${String(entry.cpu).padEnd(3)} ${entry.what.padEnd(18)} ${who}  ${visibleText(entry.detail)}`.trimEnd();
  });
  return ['events', ...rows, ...more(detail.timeline.length)];
}

/** A mail wants the start of it; the recording has the rest. */
const MOST = 60;
const FEW = 16;

function more(count: number): string[] {
  return count > MOST ? [`  … ${count - MOST} more`] : [];
}

/** Breaks at blanks where it can; what follows is indented under the first line's last column. */
function wrap(line: string): string[] {
  const lines: string[] = [];
  let rest = line;
  while (rest.length > WIDTH) {
    const blank = rest.lastIndexOf(' ', WIDTH);
    const at = blank > WIDTH / 2 ? blank : WIDTH;
    lines.push(rest.slice(0, at).trimEnd());
    rest = `      ${rest.slice(at).trimStart()}`;
  }
  lines.push(rest);
  return lines;
}
