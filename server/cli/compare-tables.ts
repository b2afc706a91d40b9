/** The parts of a comparison that are counts: contract, leaks, hugepages, pools, plan. */
import type { Comparison, PoolChange, RuleChange } from '../protocol/compare.ts';
import { hang, name, sentence } from './text.ts';

/** Sections, with what they are of; one without lines has nothing to say. */
export function tableText(
  comparison: Comparison,
): { of?: 'contract' | 'leaks'; lines: string[] }[] {
  return [
    { of: 'contract', lines: contractText(comparison) },
    { of: 'leaks', lines: hugepageText(comparison) },
    { lines: planText(comparison) },
  ];
}

function contractText({ contract }: Comparison): string[] {
  const out: string[] = [];
  for (const { rule, name: what, result, a, b, example } of contract) {
    if (result === 'none' || result.endsWith('checkable')) continue;
    // where A could not check it, the counts say so
    const said = result === 'broken, not checked in A' ? 'broken' : result;
    const loud = said.startsWith('no longer') ? said : said.replace('broken', 'BROKEN');
    const text = `${what}: ${loud}; A ${countText(a)}, B ${countText(b)}`;
    out.push(...hang(`  ${rule.padEnd(5)}`, text));
    if (example !== '') out.push(...hang(' '.repeat(9), sentence(example)));
  }
  const list = (first: string, rules: readonly RuleChange[]) => {
    if (rules.length > 0)
      out.push(...hang(`  ${first} `, rules.map(({ rule }) => rule).join(', ')));
  };
  const same = contract.filter(({ result }) => result === 'none');
  const both = same.filter(({ a, b }) => a.checked > 0 && b.checked > 0);
  list('held in both:', both);
  list(
    'can be checked in A alone:',
    contract.filter(({ result }) => result === 'no longer checkable'),
  );
  list(
    'can be checked in B alone:',
    contract.filter(({ result }) => result === 'newly checkable'),
  );
  list(
    'not checked in both:',
    same.filter((rule) => !both.includes(rule)),
  );
  return ['contract', ...out];
}

function countText({ checked, broken, suspected, not_checkable }: RuleChange['a']): string {
  if (not_checkable !== undefined) return 'cannot check it';
  const parts = [
    broken > 0 ? `${broken} broken` : '',
    suspected > 0 ? `${suspected} suspected` : '',
  ];
  return `${parts.filter(Boolean).join(', ') || '0 broken'} of ${checked}`;
}

/** Side by side, with leaks by kind under them. */
function hugepageText({ hugepages, leaks, pools }: Comparison): string[] {
  const { a, b } = hugepages;
  const row = (label: string, x: number | null, y: number | null) =>
    `  ${label.padEnd(44)}${cell(x)} ${cell(y)}`;
  const out = [`${'hugepages'.padEnd(46)}${'A'.padStart(12)} ${'B'.padStart(12)}`];
  for (const key of ['allocated', 'freed', 'attributed', 'outstanding'] as const) {
    out.push(row(key, a[key], b[key]));
  }
  for (const pool of pools) out.push(...poolRows(pool, row));
  for (const { kind, result, verdict, a: inA, b: inB, example } of leaks) {
    const mark =
      result === 'none' ? '' : ` (${verdict === 'suspected' ? 'suspected: ' : ''}${result})`;
    out.push(
      row(`leaks: ${kind}${mark}`, inA.certain + inA.suspected, inB.certain + inB.suspected),
    );
    out.push(...hang('      ', sentence(example)));
  }
  if (leaks.length === 0) out.push('  no leaks in either');
  return out;
}

function poolRows(
  { host, size_kb, a, b }: PoolChange,
  row: (label: string, x: number | null, y: number | null) => string,
): string[] {
  const pool = `pool ${size_kb} kB${host === '' ? '' : ` ${name(host, 12)}`}`;
  return (['total', 'free', 'reserved', 'surplus'] as const)
    .filter((key) => key === 'total' || key === 'free' || (a?.[key] ?? 0) + (b?.[key] ?? 0) > 0)
    .map((key) => row(`${pool}, ${key} at the end`, a?.[key] ?? null, b?.[key] ?? null));
}

function cell(value: number | null): string {
  return (value === null ? '?' : String(value)).padStart(12);
}

/** Which stages only one of them saw, and why. */
function planText({ plan }: Comparison): string[] {
  const alone = plan.filter(({ a, b }) => a === null || b === null);
  if (alone.length === 0) return [];
  const out = ['stages seen in one run'];
  const byReason = Map.groupBy(
    alone,
    ({ a, missing }) => `${a === null ? 'B' : 'A'} alone (${sentence(missing)})`,
  );
  for (const [reason, stages] of byReason) {
    out.push(...hang('  ', `${reason}: ${stages.map(({ stage }) => stage).join(', ')}`));
  }
  return out;
}
