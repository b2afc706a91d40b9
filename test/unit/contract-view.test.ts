/** The contract as the report and the page tell it. */
import { expect, it } from 'vitest';
import { findingAsText } from '../../dashboard/src/contract/findingAsText.ts';
import { reportText } from '../../server/cli/report-text.ts';
import { Report } from '../../server/protocol/report.ts';
import { Pipeline } from '../../server/tracer/pipeline.ts';
import { makeReport } from '../../server/tracer/report.ts';
import { Views } from '../../server/web/views.ts';
import { CLEAN, pipelineOfRows, without } from '../fixtures/contract.ts';
import { epochOf, planOf } from '../fixtures/trace.ts';

function viewsOf(pipelines: readonly Pipeline[]): Views {
  const source = {
    mode: 'replay' as const,
    banner: null,
    workload: null,
    now: () => 0,
    hosts: () =>
      pipelines.map((pipeline) => {
        return { host: 'test', status: 'ready' as const, message: '', pipeline, heardAt: null };
      }),
    pipelines: () => pipelines,
  };
  return new Views(source, () => 0);
}

const broken = () => {
  const pipeline = pipelineOfRows(without('clear_inode A state=b8', 'hugepage_enqueue F1'));
  pipeline.end(true, '');
  return pipeline;
};
const clean = () => {
  const pipeline = pipelineOfRows(CLEAN);
  pipeline.end(true, '');
  return pipeline;
};

it('the report has every rule, and each finding in a sentence', () => {
  const report = makeReport([broken()]);
  expect(() => Report.parse(report)).not.toThrow();
  expect(report.contract).toHaveLength(22);
  expect(report.contract[0]).toMatchObject({ rule: 'R1', broken: 1, suspected: 0 });
  expect(report.findings.map((f) => [f.rule, f.verdict, f.fs, f.s_dev, f.ino])).toEqual([
    ['R13', 'certain', 'hugetlbfs', '0:17', 7],
    ['R1', 'certain', 'hugetlbfs', '0:17', 7],
  ]);
});

it('several epochs add up; a reason is given only where none could check a rule', () => {
  const blind = new Pipeline(epochOf({ plan: planOf([]) }), { keep: 10 });
  const [one, both, none] = [[broken()], [broken(), clean(), blind], [blind]].map(
    (pipelines) => makeReport(pipelines as Pipeline[]).contract[0]!,
  );
  expect(both!.checked).toBe(2 * one!.checked);
  expect(both!.broken).toBe(1);
  expect(both!.not_checkable).toBeUndefined();
  expect(none!.not_checkable).toBe('evict: not in this test');
});

it('the text of the report names what is broken, within 80 columns', () => {
  const text = reportText(makeReport([broken()]));
  expect(text).toContain('2 broken, 0 suspected');
  expect(text).toMatch(/R1 +evict order: 1 BROKEN, 0 suspected of \d+/);
  expect(text.replace(/\s+/g, ' ')).toContain('destroy_inode() came without clear_inode()');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  const well = reportText(makeReport([clean()]));
  expect(well).toMatch(/contract {3}\d+ checks of 22 rules: 0 broken, 0 suspected\n/);
});

it('the page gets rules, findings with a link, and the lines of one finding', () => {
  const views = viewsOf([clean(), broken()]);
  const contract = views.contract();
  expect(contract.rules).toHaveLength(22);
  const ids = contract.findings.map((finding) => finding.id);
  expect(ids.every((id) => /^1\.\d+$/.test(id))).toBe(true);
  const finding = contract.findings.find((f) => f.rule === 'R1')!;
  expect(views.inode(finding.inode)?.row.ino).toBe(7);
  const detail = views.finding(finding.id)!;
  expect(detail.lines.map((line) => line.what)).toEqual(
    expect.arrayContaining(['evict', 'hugepage_remove', 'destroy_inode']),
  );
  expect(detail.lines.map((line) => line.ns)).toEqual(
    [...detail.lines.map((line) => line.ns)].sort((a, b) => a - b),
  );
  expect(views.finding('1.999')).toBeNull();
  expect(views.finding('9.1')).toBeNull();
  expect(views.finding('nonsense')).toBeNull();
  expect(views.hosts(0)[1]).toMatchObject({ broken: 2, suspected: 0 });
});

it('each inode has its rules: broken with the finding, kept, or not checked', () => {
  const views = viewsOf([broken()]);
  const finding = views.contract().findings.find((f) => f.rule === 'R1')!;
  const rules = views.inode(finding.inode)!.rules;
  const of = (rule: string) => rules.find((r) => r.rule === rule)!;
  expect(of('R1')).toMatchObject({ verdict: 'broken', finding: finding.id });
  expect(of('R4')).toMatchObject({ verdict: 'held', finding: '' });
  expect(of('R22')).toMatchObject({ verdict: 'unknown', why: '' });
});

it('a finding as text says what was promised, what was seen, and the lines', () => {
  const views = viewsOf([broken()]);
  const detail = views.finding(views.contract().findings.find((f) => f.rule === 'R1')!.id)!;
  const text = findingAsText(detail, undefined);
  expect(text).toMatch(/^R1 evict order: broken\n/);
  expect(text).toContain('seen:     destroy_inode() came without clear_inode()');
  expect(text).toContain('hugetlbfs inode 7 (0:17)');
  expect(text.split('\n').filter((line) => / cpu 0 /.test(line)).length).toBeGreaterThan(5);
});
