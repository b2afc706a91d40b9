/** The contract over several epochs: rules with the counts of all, findings in order. */
import type { RuleResult } from '../model/contract/contract.ts';
import { RULES } from '../model/contract/rules.ts';
import type { Finding } from '../model/contract/verdicts.ts';
import type { Report } from '../protocol/report.ts';
import { formatDev, type SbDev } from '../protocol/units.ts';
import type { Pipeline } from './pipeline.ts';

/** Each rule with the sums; a reason only where no epoch could check it. */
export function contractResults(pipelines: readonly Pipeline[]): RuleResult[] {
  const all = pipelines.map((pipeline) => pipeline.model.contract.results());
  return RULES.map((rule, i) => {
    const results = all.map((list) => list[i]!);
    const sum = (of: (result: RuleResult) => number) =>
      results.reduce((total, result) => total + of(result), 0);
    const possible = results.some((result) => result.notCheckable === null);
    return {
      rule,
      notCheckable: possible ? null : (results[0]?.notCheckable ?? null),
      checked: sum((r) => r.checked),
      broken: sum((r) => r.broken),
      suspected: sum((r) => r.suspected),
      withdrawn: sum((r) => r.withdrawn),
      dropped: sum((r) => r.dropped),
    };
  });
}

export interface FindingOf {
  readonly pipeline: Pipeline;
  readonly finding: Finding;
}

/** Certain ones first, then the newest first. */
export function contractFindings(pipelines: readonly Pipeline[]): FindingOf[] {
  return pipelines
    .flatMap((pipeline) =>
      pipeline.model.contract.findings.map((finding) => ({ pipeline, finding })),
    )
    .sort(
      (a, b) =>
        Number(b.finding.verdict === 'certain') - Number(a.finding.verdict === 'certain') ||
        b.finding.ts - a.finding.ts,
    );
}

export function reportContract(
  pipelines: readonly Pipeline[],
): Pick<Report, 'contract' | 'findings'> {
  return {
    contract: contractResults(pipelines).map((result) => ({
      rule: result.rule.id,
      name: result.rule.name,
      checked: result.checked,
      broken: result.broken,
      suspected: result.suspected,
      withdrawn: result.withdrawn,
      ...(result.notCheckable === null ? {} : { not_checkable: result.notCheckable }),
    })),
    findings: contractFindings(pipelines).map(({ pipeline, finding }) => ({
      rule: finding.rule,
      verdict: finding.verdict,
      host: pipeline.info.host,
      ts_ns: finding.ts,
      fs: finding.inode?.fs ?? '',
      s_dev: finding.inode === null ? '' : formatDev(finding.inode.dev as SbDev),
      ino: finding.inode?.ino ?? null,
      what: finding.what,
      sentence: finding.sentence,
    })),
  };
}
