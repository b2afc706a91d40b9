/** The report as text for a terminal or a mail: aligned, at most 80 columns. */
import type { Report } from '../protocol/report.ts';

export function reportText(report: Report): string {
  const out: string[] = [];
  for (const epoch of report.epochs) {
    out.push(`${epoch.host}  Linux ${epoch.kernel}  bpftrace ${epoch.bpftrace}`);
    out.push(`boot ${epoch.id}  traced since ${epoch.started}`);
    const missing = Object.entries(epoch.plan).filter(([, entry]) => 'missing' in entry);
    if (missing.length > 0) {
      out.push(...wrap(`not observable here: ${missing.map(([stage]) => stage).join(', ')}`, 80));
    }
    out.push('');
  }
  for (const note of report.recording?.notes ?? []) {
    out.push(...wrap(`NOTE ${note}`, 80));
  }
  if (report.recording !== undefined) out.push('');
  const { events, losses, inodes, hugepages } = report;
  const balance =
    losses.balanced === null
      ? losses.not_run === null
        ? 'is not known to balance'
        : 'events on their way'
      : losses.balanced
        ? 'balances'
        : 'DOES NOT BALANCE';
  out.push(
    `events     ${events.decoded} decoded, ${events.rejected} rejected, ${events.late} late`,
  );
  out.push(
    `losses     ${losses.not_run ?? '?'} not run, ${losses.map_full} map full, ${losses.ring_buffer} ring buffer: ledger ${balance}`,
  );
  out.push(
    `inodes     ${inodes.ended} ended (${inodes.lost} unseen, in gaps), ${inodes.live} live`,
  );
  for (const [fs, c] of Object.entries(inodes.by_fs)) {
    out.push(`           ${fs.padEnd(14)} ${c.ended} ended, ${c.live} live`);
  }
  out.push(
    hugepages.freed === null
      ? `hugepages  ${hugepages.allocated} added to page caches; their way back is not observable here`
      : `hugepages  ${hugepages.allocated} added, ${hugepages.freed} freed (${hugepages.attributed} attributed to an inode), ${hugepages.outstanding} outstanding`,
  );
  const pools = report.pools.filter((pool) => pool.node === -1 && pool.total > 0);
  for (const pool of pools) {
    out.push(
      `pool       ${pool.size_kb} kB on ${pool.host}: ${pool.total} total, ${pool.free} free, ${pool.reserved} reserved, ${pool.surplus} surplus`,
    );
  }
  out.push(...contractText(report));
  const stages = Object.entries(report.stages);
  if (stages.length > 0) {
    out.push('', `${'between'.padEnd(32)}${heads(['count', 'p50', 'p90', 'p99', 'max'])}`);
    for (const [pair, s] of stages) {
      const cells = [String(s.count), ...[s.p50_ns, s.p90_ns, s.p99_ns, s.max_ns].map(duration)];
      // `PAIR FS`: one filesystem's part of the pair above
      const fs = pair.split(' ')[1];
      out.push(`${(fs === undefined ? pair : `  ${fs}`).padEnd(32)}${heads(cells)}`);
    }
  }
  if (report.callbacks.length > 0) out.push('', 'callbacks (0: NULL)');
  for (const sb of report.callbacks) {
    out.push(
      `  ${sb.fs} (${sb.s_dev})`,
      `    drop ${sb.drop_inode}, evict ${sb.evict_inode}`,
      `    destroy ${sb.destroy_inode}, free ${sb.free_inode}`,
      ...wrap(`${sb.rule}; ${sb.confirmed} confirmed, ${sb.contradicted} contradicted`, 76).map(
        (line) => `    ${line}`,
      ),
    );
  }
  if (report.gaps.length > 0) out.push('', `gaps: ${report.gaps.length}`);
  for (const gap of report.gaps.slice(0, 20)) {
    const to = gap.to_ns === null ? 'now' : `${(gap.to_ns / 1e9).toFixed(3)} s`;
    out.push(`  ${(gap.from_ns / 1e9).toFixed(3)} s to ${to}: ${gap.lost} lost (${gap.where})`);
  }
  return `${out.join('\n')}\n`;
}

/** One line when all is well; each breach with what it is about and what was seen. */
function contractText({ contract, findings }: Report): string[] {
  const cannot = contract.filter((rule) => rule.not_checkable !== undefined);
  const checks = contract.reduce((sum, rule) => sum + rule.checked, 0);
  const breached = contract.filter((rule) => rule.broken > 0 || rule.suspected > 0);
  const sum = (of: 'broken' | 'suspected') => contract.reduce((n, rule) => n + rule[of], 0);
  const out = [
    `contract   ${checks} checks of ${contract.length - cannot.length} rules: ${sum('broken')} broken, ${sum('suspected')} suspected`,
  ];
  if (cannot.length > 0) {
    out.push(
      ...wrap(`not checkable here: ${cannot.map((rule) => rule.rule).join(', ')}`, 69).map(indent),
    );
  }
  if (sum('suspected') > 0) {
    out.push(indent('suspected: a loss, or only the time that passed, could explain it'));
  }
  for (const { rule, name, checked, broken, suspected } of breached) {
    const verdicts = `${broken} ${broken > 0 ? 'BROKEN' : 'broken'}, ${suspected} suspected`;
    out.push(...wrap(`${rule} ${name}: ${verdicts} of ${checked}`, 69).map(indent));
    for (const finding of findings.filter((f) => f.rule === rule).slice(0, 3)) {
      const who =
        finding.ino === null ? finding.what : `${finding.fs} ${finding.ino} ${finding.what}`;
      const text = `${finding.verdict}, ${(finding.ts_ns / 1e9).toFixed(3)} s, ${who.trim()}: ${finding.sentence}`;
      out.push(...wrap(text, 65).map((line) => indent(`    ${line}`)));
    }
  }
  return out;
}

function indent(line: string): string {
  return `           ${line}`;
}

function heads(cells: readonly string[]): string {
  return cells
    .map((cell) => cell.padStart(8))
    .join(' ')
    .slice(0, 45);
}

/** At most five digits and a unit: `3.34ms`. */
export function duration(ns: number): string {
  if (ns < 1000) return `${ns}ns`;
  const [unit, scale] = ns < 1e6 ? ['us', 1e3] : ns < 1e9 ? ['ms', 1e6] : ['s', 1e9];
  const value = ns / Number(scale);
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)}${unit}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    if (`${lines.at(-1)} ${word}`.length > width) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trimStart();
  }
  return lines;
}
