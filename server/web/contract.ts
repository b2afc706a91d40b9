/** The contract as the page shows it. */
import { RULE_INDEX, RULES } from '../model/contract/rules.ts';
import type { ContractView, FindingDetail, FindingRow, RuleRow } from '../protocol/messages.ts';
import { formatDev, type SbDev } from '../protocol/units.ts';
import { contractFindings, contractResults, type FindingOf } from '../tracer/contract.ts';
import type { Pipeline } from '../tracer/pipeline.ts';
import { timelineEntry } from './rows.ts';

/** `epochOf`: the place of a pipeline in the session. */
export function contractView(
  pipelines: readonly Pipeline[],
  epochOf: (pipeline: Pipeline) => number,
): ContractView {
  const results = contractResults(pipelines);
  return {
    rules: results.map(
      ({ rule, notCheckable, checked, broken, suspected, withdrawn }): RuleRow => ({
        rule: rule.id,
        name: rule.name,
        statement: rule.statement,
        source: rule.source,
        kernels: rule.kernels,
        checked,
        broken,
        suspected,
        withdrawn,
        not_checkable: notCheckable,
      }),
    ),
    findings: contractFindings(pipelines).map((of) => findingRow(of, epochOf(of.pipeline))),
    dropped: results.reduce((sum, result) => sum + result.dropped, 0),
    pending: pipelines.reduce((sum, p) => sum + p.model.contract.verdicts.pending, 0),
  };
}

export function findingDetail(
  pipeline: Pipeline,
  epoch: number,
  number: number,
): FindingDetail | null {
  const finding = pipeline.model.contract.findings.find((f) => f.number === number);
  if (finding === undefined) return null;
  const rule = RULES[RULE_INDEX[finding.rule]]!;
  const zero = finding.lines[0]?.ts ?? finding.ts;
  return {
    row: findingRow({ pipeline, finding }, epoch),
    statement: rule.statement,
    source: rule.source,
    lines: finding.lines.map((line) => timelineEntry(finding.inode, line, zero)),
    lines_more: finding.linesMore,
  };
}

function findingRow({ pipeline, finding }: FindingOf, epoch: number): FindingRow {
  const { inode } = finding;
  const known = inode !== null && pipeline.model.inodes.byNumber(inode.number) === inode;
  return {
    id: `${epoch}.${finding.number}`,
    host: pipeline.info.host,
    rule: finding.rule,
    name: RULES[RULE_INDEX[finding.rule]]!.name,
    verdict: finding.verdict,
    at_ms: pipeline.wallMs(finding.ts),
    inode: known ? `${epoch}.${inode.number}` : '',
    fs: inode?.fs ?? '',
    dev: inode === null ? '' : formatDev(inode.dev as SbDev),
    ino: inode?.ino ?? 0,
    what: finding.what,
    sentence: finding.sentence,
  };
}
