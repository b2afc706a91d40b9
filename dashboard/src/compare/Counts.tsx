import type { Comparison, RuleChange } from '../../../server/protocol/compare.ts';
import { formatCount, formatPageSize } from '../format/number.ts';
import { Foreign } from '../parts/Foreign.tsx';
import { Panel } from '../parts/Panel.tsx';
import { Scroll } from '../parts/Scroll.tsx';

/** What became of each promise; those that changed first, the others in a line. */
export function RuleChanges({ comparison: { contract } }: { comparison: Comparison }) {
  const changed = contract.filter(
    ({ result }) => result !== 'none' && !result.endsWith('checkable'),
  );
  const groups: [string, RuleChange[]][] = [
    ['held in both', contract.filter((r) => r.result === 'none' && isChecked(r))],
    ['can be checked in A alone', contract.filter((r) => r.result === 'no longer checkable')],
    ['can be checked in B alone', contract.filter((r) => r.result === 'newly checkable')],
    ['not checked in both', contract.filter((r) => r.result === 'none' && !isChecked(r))],
  ];
  return (
    <Panel title="Contract">
      {changed.length > 0 && (
        <Scroll label="Rules that changed, table" tall>
          <table class="data">
            <thead>
              <tr>
                <th scope="col">rule</th>
                <th scope="col">result</th>
                <th scope="col" class="num">
                  A
                </th>
                <th scope="col" class="num">
                  B
                </th>
                <th scope="col">seen</th>
              </tr>
            </thead>
            <tbody>
              {changed.map((rule) => (
                <RuleRow key={rule.rule} rule={rule} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      <dl class="facts pad">
        {groups
          .filter(([, rules]) => rules.length > 0)
          .map(([title, rules]) => [
            <dt key={title}>{title}</dt>,
            <dd key={`${title} rules`}>
              {rules.map(({ rule, name }, i) => (
                <span key={rule} title={name}>
                  {i > 0 && ', '}
                  {rule}
                </span>
              ))}
            </dd>,
          ])}
      </dl>
    </Panel>
  );
}

function isChecked({ a, b }: RuleChange): boolean {
  return a.checked > 0 && b.checked > 0;
}

function RuleRow({ rule: { rule, name, result, a, b, example } }: { rule: RuleChange }) {
  const bad = result.includes('broken') && !result.startsWith('no');
  return (
    <tr class={bad ? 'row-owed' : ''}>
      <th scope="row">
        <span class="mono">{rule}</span> {name}
      </th>
      <td class={bad ? 'tone-bad' : ''}>{result}</td>
      <td class="num">{countText(a)}</td>
      <td class="num">{countText(b)}</td>
      <td class="wrap">
        <Foreign text={example} />
      </td>
    </tr>
  );
}

function countText({ broken, suspected, checked, not_checkable }: RuleChange['a']): string {
  if (not_checkable !== undefined) return 'cannot check';
  const also = suspected > 0 ? ` + ${formatCount(suspected)} suspected` : '';
  return `${formatCount(broken)}${also} of ${formatCount(checked)}`;
}

type Row = readonly [label: string, a: number | null, b: number | null, note?: string];

/** Hugepages over each run, its pools at the end, and leaks by kind. */
export function HugepageChanges({ comparison }: { comparison: Comparison }) {
  return (
    <Panel
      title="Hugepages and leaks"
      side={<span class="dim">pools: at the end of each run</span>}
    >
      <Scroll label="Hugepages and leaks, table" tall>
        <table class="data">
          <thead>
            <tr>
              <td />
              <th scope="col" class="num">
                A
              </th>
              <th scope="col" class="num">
                B
              </th>
            </tr>
          </thead>
          <tbody>
            {rowsOf(comparison).map(([label, a, b, note]) => (
              <tr key={label}>
                <th scope="row" class="wrap">
                  <Foreign text={label} />
                  {note !== undefined && (
                    <span class="interval">
                      <Foreign text={note} />
                    </span>
                  )}
                </th>
                <td class="num">{formatCount(a)}</td>
                <td class="num">{formatCount(b)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function rowsOf({ hugepages: { a, b }, pools, leaks }: Comparison): Row[] {
  const keys = ['allocated', 'freed', 'attributed', 'outstanding'] as const;
  const counters = ['total', 'free', 'reserved', 'surplus'] as const;
  return [
    ...keys.map((key): Row => [key, a[key], b[key]]),
    ...pools.flatMap(({ host, size_kb, a: inA, b: inB }) =>
      counters
        .filter(
          (key) => key === 'total' || key === 'free' || (inA?.[key] ?? 0) + (inB?.[key] ?? 0) > 0,
        )
        .map((key): Row => {
          const pool = `${host} pool of ${formatPageSize(size_kb)}`.trim();
          return [`${pool}: ${key}`, inA?.[key] ?? null, inB?.[key] ?? null];
        }),
    ),
    ...leaks.map(({ kind, result, verdict, a: inA, b: inB, example }): Row => {
      const mark =
        result === 'none' ? '' : ` (${verdict === 'suspected' ? 'suspected: ' : ''}${result})`;
      return [
        `leaks: ${kind}${mark}`,
        inA.certain + inA.suspected,
        inB.certain + inB.suspected,
        example,
      ];
    }),
  ];
}

/** Stages that only one of the runs sees, and why. */
export function PlanChanges({ comparison: { plan } }: { comparison: Comparison }) {
  const alone = plan.filter(({ a, b }) => a === null || b === null);
  if (alone.length === 0) return null;
  const groups = Map.groupBy(
    alone,
    ({ a, missing }) => `seen in ${a === null ? 'B' : 'A'} alone: ${missing}`,
  );
  return (
    <Panel title="Stages that cannot be compared">
      <dl class="facts pad plan-groups">
        {[...groups].map(([reason, stages]) => [
          <dt key={reason}>
            <Foreign text={reason} />
          </dt>,
          <dd key={`${reason} stages`} class="mono">
            {stages.map(({ stage }) => stage).join(', ')}
          </dd>,
        ])}
      </dl>
    </Panel>
  );
}
